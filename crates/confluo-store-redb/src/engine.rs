//! redb behind the [`Engine`] trait.

use std::{
    fmt, fs,
    ops::ControlFlow,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use confluo_store::{Batch, Engine, EngineError, engine::Visit, page_cache};
use redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError};

use crate::{
    RedbConfig,
    open::{self, FILE, explain, guard},
};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("confluo");

/// One table of a redb file.
pub struct RedbEngine {
    config: RedbConfig,
    /// `None` after a reopening that failed. Readers hold the lock while they read, so that reopening waits for them.
    database: RwLock<Option<Database>>,
    /// A commit failed since it was opened: what the system shows of the file may not be on the disk.
    has_failed: AtomicBool,
}

impl RedbEngine {
    /// The engine alone; [`crate::open`] makes a store of it.
    pub fn open(config: RedbConfig) -> Result<Self, EngineError> {
        let database = open::open(&config)?;
        Ok(Self { config, database: RwLock::new(Some(database)), has_failed: AtomicBool::new(false) })
    }

    /// Has what is read of the file next be what is on the disk. Nobody has it open.
    fn forget_file(&self) {
        page_cache::forget(&self.config.dir.join(FILE));
    }

    fn with_database<T>(&self, run: impl FnOnce(&Database) -> Result<T, EngineError>) -> Result<T, EngineError> {
        match &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => guard(|| run(database)),
            None => Err(EngineError::Damaged("the store could not be reopened".into())),
        }
    }
}

impl Engine for RedbEngine {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.with_database(|database| {
            let transaction = database.begin_read().map_err(explain)?;
            let table = match transaction.open_table(TABLE) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                table => table.map_err(explain)?,
            };
            Ok(table.get(key).map_err(explain)?.map(|value| value.value().to_vec()))
        })
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.with_database(|database| {
            let transaction = database.begin_read().map_err(explain)?;
            let table = match transaction.open_table(TABLE) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table.map_err(explain)?,
            };
            for pair in table.range(from.max(prefix)..).map_err(explain)? {
                let (key, value) = pair.map_err(explain)?;
                if !key.value().starts_with(prefix) || visit(key.value(), value.value()) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let committed = self.with_database(|database| {
            let mut transaction = database.begin_write().map_err(explain)?;
            let durability = if self.config.syncs { Durability::Immediate } else { Durability::None };
            transaction.set_durability(durability).map_err(|error| EngineError::Damaged(error.to_string()))?;
            {
                let mut table = transaction.open_table(TABLE).map_err(explain)?;
                for (key, value) in batch.into_changes() {
                    match value {
                        Some(value) => drop(table.insert(&*key, &*value).map_err(explain)?),
                        None => drop(table.remove(&*key).map_err(explain)?),
                    }
                }
            }
            transaction.commit().map_err(explain)
        });
        committed.inspect_err(|_| self.has_failed.store(true, Ordering::Relaxed))
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        close(database.take());
        self.forget_file();
        *database = Some(open::open(&self.config)?);
        self.has_failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        fs::metadata(self.config.dir.join(FILE)).map_or(0, |metadata| metadata.len())
    }
}

/// redb writes as it is dropped, and may panic over damage.
fn close(database: Option<Database>) {
    guard(|| {
        drop(database);
        Ok(())
    })
    .ok();
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        close(self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if *self.has_failed.get_mut() {
            self.forget_file();
        }
    }
}

impl fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbEngine").field("config", &self.config).finish_non_exhaustive()
    }
}
