//! The folder of a store.

#[cfg(unix)]
use std::os::unix::fs::DirBuilderExt;
use std::{
    fs::{DirBuilder, File},
    io,
    path::Path,
};

/// Makes it, and those above it, where they are not there: only their user may look into them. One that is there stays as it is.
pub fn make(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(dir)
}

/// Syncs what files it has, and that it is there itself: whoever made it, a moment ago, may not have seen to that.
pub fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    for parent in dir.canonicalize()?.ancestors().skip(1).take(2) {
        // One that cannot be opened (execute permission only) is no reason to refuse; its entry is then synced by the system.
        if let Ok(parent) = File::open(parent) {
            parent.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_new_folder_is_nobody_elses() {
        let work = tempfile::tempdir().unwrap();
        let mode = |dir: &Path| fs::metadata(dir).unwrap().permissions().mode() & 0o777;
        let dir = work.path().join("above").join("store");
        make(&dir).unwrap();
        assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o700, 0o700));
        // Whoever opened it to others had a reason.
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o750)).unwrap();
        make(&dir).unwrap();
        assert_eq!(mode(&dir), 0o750);
        sync(&dir).unwrap();
    }
}
