//! What the system keeps of files in memory.
//!
//! When a page cannot be written, a sync says so once; then Linux takes the page for clean, and goes on showing what never reached
//! the disk. Whoever opens the file anew reads it from there, and no later sync fails.

use std::{fs::File, path::Path};

/// Has the system forget what it keeps of a file, as far as it can, so that what is read next is what the disk has. Call it where
/// nobody has the file open for writing any more.
pub fn forget(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    // What is not written yet would stay. Whether that succeeds is not asked: what did not is what is to be forgotten.
    file.sync_data().ok();
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).ok();
}
