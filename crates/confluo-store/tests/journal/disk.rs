//! What a journal stands before, and what is written to it.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use confluo_store::{Batch, Engine, EngineError, JournalConfig, Journaled, MemoryEngine, engine::Visit};

/// An engine's files as one process has them open. The files outlive it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(pub(crate) Arc<DiskState>, u64);

#[derive(Debug, Default)]
pub(crate) struct DiskState {
    pairs: MemoryEngine,
    pub(crate) fails: AtomicBool,
    pub(crate) panics: AtomicBool,
    pub(crate) commits: AtomicU64,
    /// The commit that fails, counted from 1, and whether it is applied all the same.
    pub(crate) fail_at: AtomicU64,
    pub(crate) applies: AtomicBool,
    killed: Mutex<u64>,
}

impl Disk {
    /// The next process; of this one nothing is written any more.
    pub(crate) fn after_kill(&self) -> Self {
        *self.0.killed.lock().expect("no test panics with it") = self.1 + 1;
        Self(Arc::clone(&self.0), self.1 + 1)
    }
}

impl Engine for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.pairs.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.0.pairs.scan(prefix, from, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        assert!(!self.0.panics.load(Ordering::Relaxed), "asked for");
        let killed = self.0.killed.lock().expect("no test panics with it");
        if self.0.fails.load(Ordering::Relaxed) || *killed > self.1 {
            return Err(EngineError::Io(std::io::ErrorKind::StorageFull.into()));
        }
        let is_hit = self.0.commits.fetch_add(1, Ordering::Relaxed) + 1 == self.0.fail_at.load(Ordering::Relaxed);
        if !is_hit || self.0.applies.load(Ordering::Relaxed) {
            self.0.pairs.commit(batch)?;
        }
        if is_hit { Err(EngineError::Io(std::io::ErrorKind::StorageFull.into())) } else { Ok(()) }
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

/// Nothing here cuts the power.
pub(crate) const UNSYNCED: JournalConfig = JournalConfig { seal_bytes: 3 << 19, syncs: false, pause: Duration::ZERO };

pub(crate) type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;
pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// All that an engine shows of what the tests put there.
pub(crate) fn pairs(engine: &impl Engine) -> Pairs {
    let mut found = Pairs::new();
    engine
        .scan(b"k", &[], &mut |key, value| {
            assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "no key comes twice");
            ControlFlow::Continue(())
        })
        .expect("memory reads");
    found
}

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A commit of few keys, among which there are removals and neighbours.
    pub(crate) fn batch(&mut self, longest: u64) -> (Batch, Changes) {
        let mut batch = Batch::default();
        let mut changes = Vec::new();
        for _ in 0..=self.below(5) {
            let key = format!("k{}", self.below(40)).into_bytes();
            let value = (self.below(3) > 0).then(|| vec![self.below(256) as u8; self.below(longest) as usize]);
            match &value {
                Some(value) => batch.put(key.clone(), value.clone()),
                None => batch.remove(key.clone()),
            }
            changes.push((key, value));
        }
        (batch, changes)
    }
}

pub(crate) fn apply(model: &mut Pairs, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(&key)),
        }
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a scratch folder");
    for entry in fs::read_dir(from).expect("a scratch folder") {
        let entry = entry.expect("a scratch folder");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a scratch folder");
    }
}

/// Commits without a checkpoint, and what a reader may find after each.
pub(crate) fn history(dir: &Path, commits: usize) -> Vec<Pairs> {
    fs::create_dir_all(dir).expect("a scratch folder");
    let journaled = Journaled::open(Disk::default(), dir, UNSYNCED).expect("a scratch folder");
    let (mut random, mut states) = (Random(7), vec![Pairs::new()]);
    for _ in 0..commits {
        let (batch, changes) = random.batch(12);
        journaled.commit(batch).expect("a scratch folder");
        let mut state = states.last().expect("it begins with one").clone();
        apply(&mut state, changes);
        states.push(state);
    }
    std::mem::forget(journaled);
    states
}
