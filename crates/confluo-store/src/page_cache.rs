//! What the system keeps of files in memory.
//!
//! When a page cannot be written, a sync says so once; then Linux takes the page for clean, and goes on showing what never reached
//! the disk. Whoever opens the file anew reads it from there, and no later sync fails.

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// Has the system forget what it keeps of a file, as far as it can, so that what is read next is what the disk has. Call it where
/// nobody has the file open for writing any more.
///
/// The system keeps a page that somebody reads at this moment, or has mapped, and on other systems than Linux all of them.
pub fn forget(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    // What is not written yet would stay. Whether that succeeds is not asked: what did not is what is to be forgotten.
    file.sync_data().ok();
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).ok();
}

/// Whether what the system shows of an engine's file may not be on the disk, since a commit failed.
#[derive(Debug, Default)]
pub struct FailedSync(AtomicBool);

impl FailedSync {
    /// Notes a commit that failed.
    pub fn note<T, E>(&self, committed: Result<T, E>) -> Result<T, E> {
        committed.inspect_err(|_| self.0.store(true, Ordering::Relaxed))
    }

    /// Whether one failed since the file was opened.
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The file was opened anew, and read from the disk.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
