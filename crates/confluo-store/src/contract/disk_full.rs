//! A full disk: nothing unwritten is acknowledged, nothing acknowledged is lost, and the store comes back in its process.

use std::{fs, path::Path, sync::Arc};

use super::{append, expected, name, power_cut::run_command};
use crate::{DocumentStore, StoreError};

const RECORD_BYTES: usize = 200_000;

/// How to open the store under test in a folder.
pub type Open = fn(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError>;

/// Makes the document `a` longer by one record, to this head.
type Grow = fn(&dyn DocumentStore, head: u64) -> Result<(), StoreError>;

/// Fills a small disk, looks, makes room, and goes on. Mounts a tmpfs, and so needs root.
pub fn check(open: Open) {
    check_growing(open, |store, head| store.append(&[append("a", head, RECORD_BYTES)]));
    check_growing(open, |store, head| store.replace(&name("a"), &expected("a", head, 0, RECORD_BYTES)));
}

fn check_growing(open: Open, grow: Grow) {
    let work = tempfile::tempdir().expect("a scratch folder");
    let disk = Disk::mount(work.path());
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![1; 104 * 1024 * 1024]).expect("it fits");
    let store = open(&disk.0.join("data")).expect("an empty folder opens");
    let mut head = 0;
    let error = loop {
        match grow(&*store, head + 1) {
            Ok(()) => head += 1,
            Err(error) => break error,
        }
        assert!(head < 2_000, "the disk is never full");
    };
    assert!(matches!(error, StoreError::OutOfSpace { .. }), "{error}: {error:?}");
    assert!(
        matches!(store.load(&name("a")), Err(StoreError::Unhealthy { .. })),
        "what may not be on disk is not served"
    );
    assert!(matches!(store.append(&[append("b", 1, 1)]), Err(StoreError::Unhealthy { .. })));
    assert!(store.stats().unhealthy.is_some());

    fs::remove_file(ballast).expect("it is ours");
    store.reopen().expect("there is room again");
    assert_eq!((store.stats().unhealthy, store.stats().findings), (None, Vec::new()));
    let loaded = store.load(&name("a")).expect("it is in service").expect("it is there");
    // What failed may be there: it was written, only not acknowledged.
    assert!((head..=head + 1).contains(&loaded.head.0), "{head} were acknowledged and {} are there", loaded.head.0);
    assert_eq!(loaded, expected("a", loaded.head.0, 0, RECORD_BYTES));
    grow(&*store, loaded.head.0 + 1).expect("there is room again");
}

/// A mounted tmpfs; unmounted when dropped.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        run_command("mount", &["-t", "tmpfs", "-o", "size=160m", "tmpfs", at.to_str().expect("our paths are UTF-8")]);
        Self(at.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the store may still be open when a check fails.
        std::process::Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}
