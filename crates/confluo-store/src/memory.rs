//! An engine that keeps everything in memory: for tests, and for servers that should forget.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{PoisonError, RwLock},
};

use crate::{Batch, Engine, EngineError, EngineStore, engine::Visit};

/// A [`crate::DocumentStore`] without a disk. It passes the same contract as the others, within one process.
pub type MemoryStore = EngineStore<MemoryEngine>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::open(MemoryEngine::default(), None).expect("an empty map has no format to refuse")
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// A map behind a lock.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    pairs: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Engine for MemoryEngine {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.pairs.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        let start = Bound::Included(from.max(prefix));
        for (key, value) in pairs.range::<[u8], _>((start, Bound::Unbounded)) {
            if !key.starts_with(prefix) || visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.into_changes() {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}
