//! sled behind the [`Engine`] trait.

use std::{
    fmt,
    fs::File,
    ops::ControlFlow,
    sync::{PoisonError, RwLock, RwLockReadGuard},
    thread,
    time::Duration,
};

use confluo_store::{Batch, Engine, EngineError, Finding, engine::Visit};

use crate::{
    SledConfig,
    open::{self, Handles, explain, guard},
};

/// sled's background threads let go of its locked file a moment after the last handle is dropped.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// A change leaves about six objects, and one flush of `crossbeam-epoch` frees up to 512 that are two epochs old.
const CHANGES_FREED_AT_ONCE: usize = 32;

/// One tree of a hardened sled.
pub struct SledEngine {
    config: SledConfig,
    /// `None` after a reopening that failed. Readers hold the lock while they read, so that reopening waits for them:
    /// sled must be dropped whole before it can be opened again.
    handles: RwLock<Option<Handles>>,
}

impl SledEngine {
    /// The engine alone; [`crate::open`] makes a store of it.
    pub fn open(config: SledConfig) -> Result<Self, EngineError> {
        let handles = open::open(&config)?;
        Ok(Self { config, handles: RwLock::new(Some(handles)) })
    }

    /// Lets go of sled's files, and returns when somebody else could open them.
    fn close(&self, handles: Option<Handles>) {
        let Some(handles) = handles else { return };
        // Dropping syncs, and panics when it cannot.
        guard(|| {
            drop(handles);
            Ok(())
        })
        .ok();
        let Ok(log) = File::open(self.config.dir.join("db")) else { return };
        for _ in 0..LOCK_ATTEMPTS {
            if log.try_lock().is_ok() {
                return;
            }
            thread::sleep(LOCK_PAUSE);
        }
    }

    fn with_handles<T>(&self, run: impl FnOnce(&Handles) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let handles: RwLockReadGuard<'_, _> = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        match &*handles {
            Some(handles) => guard(|| run(handles)),
            None => Err(EngineError::Damaged("the store could not be reopened".into())),
        }
    }
}

impl Engine for SledEngine {
    fn name(&self) -> &'static str {
        "sled"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.with_handles(|handles| Ok(handles.db.get(key).map_err(explain)?.map(|value| value.to_vec())))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.with_handles(|handles| {
            for pair in handles.db.range(from.max(prefix)..) {
                let (key, value) = pair.map_err(explain)?;
                if !key.starts_with(prefix) || visit(&key, &value) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        self.with_handles(|handles| {
            let keys = batch.len();
            let mut changes = sled::Batch::default();
            for (key, value) in batch.into_changes() {
                match value {
                    Some(value) => changes.insert(key, value),
                    None => changes.remove(key),
                }
            }
            handles.db.apply_batch(changes).map_err(explain)?;
            free_replaced_pages(keys);
            handles.db.flush().map_err(explain)?;
            // sled's flush hands the bytes to the system; only this makes them durable.
            if self.config.syncs { handles.log.sync_data().map_err(EngineError::Io) } else { Ok(()) }
        })
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        self.close(handles.take());
        *handles = Some(open::open(&self.config)?);
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.with_handles(|handles| handles.db.size_on_disk().map_err(explain)).unwrap_or(0)
    }

    fn findings(&self) -> Vec<Finding> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        let files = handles.iter().flat_map(|handles| handles.set_aside.clone());
        files.map(|file| Finding::SetAside { file }).collect()
    }
}

/// sled leaves the pages that a commit replaced to `crossbeam-epoch`, which frees a few hundred objects now and then, as threads
/// go on reading and writing: after a busy hour the rest would stay for as long as nobody does.
fn free_replaced_pages(keys: usize) {
    for _ in 0..=keys / CHANGES_FREED_AT_ONCE {
        crossbeam_epoch::pin().flush();
    }
}

impl Drop for SledEngine {
    fn drop(&mut self) {
        let Some(handles) = self.handles.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.close(Some(handles));
        // The one who opens the store next is not the one to wait. If it does not succeed, it is.
        if open::needs_snapshot(&self.config.dir)
            && let Ok(handles) = open::open(&self.config)
        {
            self.close(Some(handles));
        }
    }
}

impl fmt::Debug for SledEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledEngine").field("config", &self.config).finish_non_exhaustive()
    }
}
