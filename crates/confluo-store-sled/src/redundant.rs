//! Two kinds of files that sled makes anew when they are not there, and refuses to open over when they are damaged: `conf`, whose
//! content this crate's settings fix, and the snapshots of its page table, which it makes by reading its log from the start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use confluo_store::engine::is_unreadable;

/// In front of the name of a file that was damaged, and behind this a number if there is one already. sled takes whatever begins
/// with `snap.` for a snapshot.
const DAMAGED: &str = "damaged.";
/// Behind the name of a snapshot that sled is writing.
const UNFINISHED: &str = ".generating";
const CHECKSUM_BYTES: usize = 4;
/// A snapshot ends with a length and a checksum of what is before both.
const SNAPSHOT_TRAILER_BYTES: usize = 12;

/// Puts those aside whose checksum is wrong, and returns the names of all that were, now or earlier. Only such a file: over an
/// intact snapshot sled refuses to open because its log is damaged, and without one it would cut the log off there.
///
/// Call it with the folder's lock.
pub(crate) fn put_damaged_aside(dir: &Path) -> io::Result<Vec<String>> {
    for name in find_damaged(dir)? {
        if name.ends_with(UNFINISHED) {
            // A snapshot that nobody finished is no damage, and sled would read it all the same.
            fs::remove_file(dir.join(name))?;
            continue;
        }
        fs::rename(dir.join(&name), free_name(dir, &name)?)?;
    }
    names_aside(dir)
}

/// Where a damaged file goes: what was put there earlier stays.
fn free_name(dir: &Path, name: &str) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let aside = if number == 1 { format!("{DAMAGED}{name}") } else { format!("{DAMAGED}{number}.{name}") };
        let aside = dir.join(aside);
        if !aside.try_exists()? {
            return Ok(aside);
        }
        number += 1;
    }
}

fn names_aside(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.starts_with(DAMAGED) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The names of those whose checksum is wrong, or which the disk does not give.
pub(crate) fn find_damaged(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_snapshot = name.starts_with("snap.");
        if !is_snapshot && name != "conf" {
            continue;
        }
        let is_whole = match fs::read(entry.path()) {
            Ok(bytes) if is_snapshot => is_whole_snapshot(&bytes),
            Ok(bytes) => is_whole_conf(&bytes),
            Err(error) if is_unreadable(&error) => false,
            Err(error) => return Err(error),
        };
        if !is_whole {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_whole_snapshot(bytes: &[u8]) -> bool {
    let content = bytes.len().checked_sub(SNAPSHOT_TRAILER_BYTES).filter(|bytes| *bytes > 0);
    content.is_some_and(|end| ends_with_checksum_of(&bytes[..end], bytes))
}

/// What a cut of power left of a new one is shorter than its first setting, and sled writes over it.
fn is_whole_conf(bytes: &[u8]) -> bool {
    bytes.len() <= 8 || ends_with_checksum_of(&bytes[..bytes.len() - CHECKSUM_BYTES], bytes)
}

fn ends_with_checksum_of(content: &[u8], bytes: &[u8]) -> bool {
    bytes.ends_with(&crc32fast::hash(content).to_le_bytes())
}
