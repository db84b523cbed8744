//! What an embedded engine has to do: an ordered map of bytes whose commits are atomic and durable.

use std::{
    collections::BTreeMap,
    io,
    ops::{Bound, ControlFlow},
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
};

use crate::Finding;

/// The longest value that is given to an engine. Longer ones are cut by [`crate::engine_store`].
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// An ordered map of bytes on a disk. [`crate::EngineStore`] makes a [`crate::DocumentStore`] of it.
///
/// Commits are called one at a time; reads at any time, also during a commit.
pub trait Engine: Send + Sync + 'static {
    /// The name in configuration and statistics.
    fn name(&self) -> &'static str;

    /// The value at a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Visits the pairs whose keys start with `prefix` and are at least `from`, in ascending order, until told to stop.
    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;

    /// Applies the whole batch or nothing of it. `Ok` means that it survives a cut of power. After an error it is unknown
    /// whether it was applied, and the caller reopens before it reads.
    fn commit(&self, batch: Batch) -> Result<(), EngineError>;

    /// Fails with [`EngineError::Damaged`] where a removal of that key may come upon a page that cannot be read. Where an engine
    /// joins what is left of a page with a neighbour, it looks at the neighbour too.
    fn check_removal(&self, key: &[u8]) -> Result<(), EngineError> {
        self.get(key).map(drop)
    }

    /// Drops every handle and opens anew.
    fn reopen(&self) -> Result<(), EngineError>;

    /// How much disk it uses; 0 if it cannot say.
    fn disk_bytes(&self) -> u64;

    /// What is wrong with its files in spite of which it could open. Asked after each opening.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Why the next commit is going to fail, if that is known. Cheap.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// What a scan calls with each key and value.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Changes that are applied together. The last change of a key wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        debug_assert!(value.len() <= MAX_VALUE_BYTES, "values are cut before they reach an engine");
        self.changes.insert(key, Some(value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// The keys with their new values, or `None` for those to remove, in ascending order.
    pub fn into_changes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.changes.into_iter()
    }

    /// Adds later changes.
    pub(crate) fn merge(&mut self, later: Self) {
        self.changes.extend(later.changes);
    }

    /// The change of a key, if there is one: its new value, or `None` if it is removed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.changes.get(key)
    }

    /// The changes of keys that start with `prefix` and are at least `from`, in ascending order.
    pub(crate) fn changes_from<'a>(
        &'a self,
        prefix: &'a [u8],
        from: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let start = Bound::Included(from.max(prefix));
        let changes = self.changes.range::<[u8], _>((start, Bound::Unbounded));
        changes.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// How many keys change.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Why an engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The system refused; a full disk is told apart by [`crate::StoreError`].
    #[error("the system refused to read or write")]
    Io(#[source] io::Error),
    /// Another process holds the folder.
    #[error("the folder {} is in use", .0.display())]
    Locked(PathBuf),
    /// The folder holds something else.
    #[error("{} holds {found}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found there.
        found: String,
    },
    /// Something was written by a newer build.
    #[error("{what} has version {found}, and this build reads up to {supported}")]
    Newer {
        /// What it is.
        what: &'static str,
        /// Its version.
        found: u32,
        /// The newest that this build reads.
        supported: u32,
    },
    /// The engine's files are not what it wrote, or reading them made it panic.
    #[error("the engine's files are damaged: {0}")]
    Damaged(String),
}

/// Whether the disk does not give back what was written there. That is damage of what lies there, and no failure of the whole store.
pub fn is_unreadable(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

/// Runs the code of an engine of that name, which may panic on damaged files.
pub fn guard<T>(name: &str, run: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(EngineError::Damaged(format!("{name} panicked: {text}")))
    })
}
