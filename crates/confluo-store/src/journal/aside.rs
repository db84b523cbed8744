//! What is kept of the journal's files under other names, for whoever wants what was in them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::Path,
};

use super::file::{NAMES, paths, read_what_is_given};

/// Keeps what is in the files under other names too.
pub(super) fn keep(dir: &Path) -> io::Result<()> {
    for path in paths(dir) {
        let (bytes, is_whole) = match read_what_is_given(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read?,
        };
        // Such a file was made and never written to.
        if is_whole && bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        for number in 1.. {
            let aside = path.with_extension(if number == 1 { "aside".into() } else { format!("{number}.aside") });
            if !aside.try_exists()? {
                // A link takes no room, of which there may be none. Not every file system has them.
                fs::hard_link(&path, &aside).or_else(|_| copy(&path, &aside))?;
                break;
            }
            if read_what_is_given(&aside)?.0 == bytes {
                break;
            }
        }
    }
    File::open(dir)?.sync_all()
}

/// All that the disk gives of the file, or none: a part of it would be kept for ever, and another one beside it by each attempt that follows.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let unfinished = to.with_extension("unfinished");
    let copied = read_what_is_given(from)
        .and_then(|(bytes, _)| fs::write(&unfinished, bytes))
        .and_then(|()| File::open(&unfinished)?.sync_all())
        .and_then(|()| fs::rename(&unfinished, to));
    copied.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

/// The names under which something was kept, now or earlier.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let is_ours = NAMES.iter().any(|ours| name.starts_with(ours));
        if is_ours && Path::new(&name).extension() == Some(OsStr::new("aside")) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_read_is_not_one_in_which_nothing_was_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(names(dir.path()).unwrap(), Vec::<String>::new());
        assert!(names(&dir.path().join("none")).is_err());
    }

    #[test]
    fn where_there_are_no_links_a_copy_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| dir.path().join(name);
        fs::write(path("journal-0"), "all of it").unwrap();
        fs::write(path("journal-0.unfinished"), "a part that an earlier attempt left").unwrap();
        copy(&path("journal-0"), &path("journal-0.aside")).unwrap();
        assert_eq!(fs::read(path("journal-0.aside")).unwrap(), b"all of it");
        assert!(!path("journal-0.unfinished").exists());
        // It cannot take that name.
        fs::create_dir(path("journal-1.aside")).unwrap();
        assert!(copy(&path("journal-0"), &path("journal-1.aside")).is_err());
        assert!(!path("journal-1.unfinished").exists());
    }
}
