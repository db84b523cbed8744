//! sled behind the [`Engine`] trait.

use std::{
    fmt,
    fs::File,
    ops::ControlFlow,
    sync::{PoisonError, RwLock, RwLockReadGuard},
    thread,
    time::Duration,
};

use confluo_store::{
    Batch, Engine, EngineError, Finding,
    engine::Visit,
    page_cache::{self, FailedSync},
};

use crate::{
    SledConfig,
    open::{self, Handles, explain, explain_read, guard},
};

/// sled's background threads let go of its locked file a moment after the last handle is dropped.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// A change leaves about six objects, and one flush of `crossbeam-epoch` frees up to 512 that are two epochs old.
const CHANGES_FREED_AT_ONCE: usize = 32;
/// sled joins a leaf that holds fewer with the one on its left.
const LEAST_IN_LEAF: usize = 4;

/// One tree of a hardened sled.
pub struct SledEngine {
    config: SledConfig,
    /// `None` after a reopening that failed. Readers hold the lock while they read, so that reopening waits for them:
    /// sled must be dropped whole before it can be opened again.
    handles: RwLock<Option<Handles>>,
    failed_sync: FailedSync,
}

impl SledEngine {
    /// The engine alone; [`crate::open`] makes a store of it.
    pub fn open(config: SledConfig) -> Result<Self, EngineError> {
        let handles = open::open(&config)?;
        Ok(Self { config, handles: RwLock::new(Some(handles)), failed_sync: FailedSync::default() })
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

    /// Has what is read of the log next be what is on the disk. Nobody has it open.
    fn forget_log(&self) {
        page_cache::forget(&self.config.dir.join("db"));
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
        self.with_handles(|handles| Ok(handles.db.get(key).map_err(explain_read)?.map(|value| value.to_vec())))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.with_handles(|handles| {
            for pair in handles.db.range(from.max(prefix)..) {
                let (key, value) = pair.map_err(explain_read)?;
                if !key.starts_with(prefix) || visit(&key, &value) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let committed = self.with_handles(|handles| {
            let keys = batch.len();
            let mut changes = sled::Batch::default();
            let mut removed = Vec::new();
            for (key, value) in batch.into_changes() {
                if let Some(value) = value {
                    changes.insert(key, value);
                } else {
                    check_removal(&handles.db, &key)?;
                    changes.remove(key.as_slice());
                    removed.push(key);
                }
            }
            handles.db.apply_batch(changes).map_err(explain)?;
            // Whoever comes to a leaf with few keys joins it. Later its neighbour may not be readable any more.
            for key in removed {
                handles.db.get(key).map_err(explain)?;
            }
            free_replaced_pages(keys);
            handles.db.flush().map_err(explain)?;
            // sled's flush hands the bytes to the system; only this makes them durable.
            if self.config.syncs { handles.log.sync_data().map_err(EngineError::Io) } else { Ok(()) }
        });
        self.failed_sync.note(committed)
    }

    fn check_removal(&self, key: &[u8]) -> Result<(), EngineError> {
        self.with_handles(|handles| check_removal(&handles.db, key))
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        self.close(handles.take());
        self.forget_log();
        *handles = Some(open::open(&self.config)?);
        self.failed_sync.clear();
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

/// Looks at what sled comes upon when it removes a key. It notes that it joins two leaves before it reads the left one; where it
/// cannot, each later reading of anything under their parent fails as this one.
fn check_removal(db: &sled::Db, key: &[u8]) -> Result<(), EngineError> {
    // What may be left on the left side of the key, before there is the other leaf.
    for pair in db.range(..=key).rev().take(1 + LEAST_IN_LEAF) {
        pair.map_err(explain_read)?;
    }
    Ok(())
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
        if self.failed_sync.is_noted() {
            self.forget_log();
            return;
        }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// As `closing.rs` has it, but for the failure.
    #[test]
    fn a_store_that_failed_is_closed_without_a_snapshot_of_what_may_not_be_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(SledConfig { syncs: false, ..SledConfig::new(dir.path()) }).unwrap();
        for commit in 0..40_u32 {
            let mut batch = Batch::default();
            for place in 0..64 {
                batch.put([commit.to_be_bytes(), u32::to_be_bytes(place)].concat(), vec![7; 64 << 10]);
            }
            engine.commit(batch).unwrap();
        }
        engine.failed_sync.note(Err::<(), _>(())).unwrap_err();
        drop(engine);
        let mut names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.all(|name| !name.to_string_lossy().starts_with("snap.")));
    }
}
