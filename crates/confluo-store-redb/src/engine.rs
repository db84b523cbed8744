//! redb behind the [`Engine`] trait.

use std::{
    fmt, fs,
    ops::{Bound, ControlFlow},
    sync::{PoisonError, RwLock},
};

use confluo_store::{
    Batch, Engine, EngineError,
    engine::Visit,
    page_cache::{self, FailedSync},
};
use redb::{
    AccessGuard, Database, Durability, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition, TableError,
    WriteTransaction,
};

use crate::{
    RedbConfig,
    open::{self, FILE, explain, guard},
};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("confluo");
/// redb joins a leaf that holds less than a third of its page of 4 KiB with the one beside it.
const LEAST_IN_LEAF_BYTES: usize = 2048;

/// One table of a redb file.
pub struct RedbEngine {
    config: RedbConfig,
    /// `None` after a reopening that failed. Readers hold the lock while they read, so that reopening waits for them.
    database: RwLock<Option<Database>>,
    failed_sync: FailedSync,
}

impl RedbEngine {
    /// The engine alone; [`crate::open`] makes a store of it.
    pub fn open(config: RedbConfig) -> Result<Self, EngineError> {
        let database = open::open(&config)?;
        Ok(Self { config, database: RwLock::new(Some(database)), failed_sync: FailedSync::default() })
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

    /// Gives the table to `read`, unless nothing was ever put there.
    fn with_table<T: Default>(
        &self,
        read: impl FnOnce(&ReadOnlyTable<&'static [u8], &'static [u8]>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.with_database(|database| {
            let transaction = database.begin_read().map_err(explain)?;
            match transaction.open_table(TABLE) {
                Err(TableError::TableDoesNotExist(_)) => Ok(T::default()),
                table => read(&table.map_err(explain)?),
            }
        })
    }
}

/// Makes the changes, and leaves the commit to the caller.
fn change(transaction: &WriteTransaction, batch: Batch) -> Result<(), EngineError> {
    let mut table = transaction.open_table(TABLE).map_err(explain)?;
    for (key, value) in batch.into_changes() {
        match value {
            Some(value) => drop(table.insert(&*key, &*value).map_err(explain)?),
            None => drop(table.remove(&*key).map_err(explain)?),
        }
    }
    Ok(())
}

/// A key and its value where redb has them.
type Pair<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>);

/// Reads from a key on what may be left of its leaf, before there is the next one.
fn read_leaf<'a>(pairs: impl Iterator<Item = Result<Pair<'a>, StorageError>>) -> Result<(), EngineError> {
    let mut bytes = 0;
    for pair in pairs {
        let (key, value) = pair.map_err(explain)?;
        bytes += key.value().len() + value.value().len();
        if bytes >= LEAST_IN_LEAF_BYTES {
            break;
        }
    }
    Ok(())
}

impl Engine for RedbEngine {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.with_table(|table| Ok(table.get(key).map_err(explain)?.map(|value| value.value().to_vec())))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.with_table(|table| {
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
            // A panic that reached the transaction would have redb read all of its file at the next opening: where it came upon a
            // page that cannot be read, the store would never open again.
            match guard(|| change(&transaction, batch)) {
                Ok(()) => transaction.commit().map_err(explain),
                Err(error) => {
                    transaction.abort().map_err(explain)?;
                    Err(error)
                }
            }
        });
        self.failed_sync.note(committed)
    }

    fn check_removal(&self, key: &[u8]) -> Result<(), EngineError> {
        self.with_table(|table| {
            table.get(key).map_err(explain)?;
            // It joins with the leaf on the left, or the first one under its parent with that on the right.
            read_leaf(table.range::<&[u8]>(..key).map_err(explain)?.rev())?;
            read_leaf(table.range::<&[u8]>((Bound::Excluded(key), Bound::Unbounded)).map_err(explain)?)
        })
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        close(database.take());
        self.forget_file();
        *database = Some(open::open(&self.config)?);
        self.failed_sync.clear();
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
        if self.failed_sync.is_noted() {
            self.forget_file();
        }
    }
}

impl fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbEngine").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
