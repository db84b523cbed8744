//! After a failed sync only the disk tells what is on it.

#![cfg(target_os = "linux")]

use std::{fs::File, io::IoSliceMut, path::Path};

use confluo_store::page_cache;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Whether the system has the file's beginning in memory; `None`: it does not say.
fn is_kept(path: &Path) -> Option<bool> {
    let file = File::open(path).expect("it was written");
    let mut bytes = [0; 16];
    match preadv2(&file, &mut [IoSliceMut::new(&mut bytes)], 0, ReadWriteFlags::NOWAIT) {
        Ok(_) => Some(true),
        Err(Errno::AGAIN) => Some(false),
        Err(_) => None,
    }
}

#[test]
fn what_the_system_keeps_of_a_file_is_forgotten() {
    // On a disk, where the system's folder for such files may be none.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, vec![7; 3 << 20]).unwrap();
    let Some(was_kept) = is_kept(&path) else {
        println!("not tested: this file system does not say what it keeps; ext4 does");
        return;
    };
    assert!(was_kept, "it was written a moment ago");
    page_cache::forget(&path);
    assert_eq!(is_kept(&path), Some(false));
    assert_eq!(std::fs::read(&path).unwrap(), vec![7; 3 << 20]);
    page_cache::forget(&dir.path().join("none"));
}
