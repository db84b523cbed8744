//! Two kinds of files that sled makes anew when they are not there, and refuses to open over when they are damaged: `conf`, whose
//! content this crate's settings fix, and the snapshots of its page table, which it makes by reading its log from the start.

use std::{fs, io, path::Path};

/// In front of the name of a file that was damaged. sled takes whatever begins with `snap.` for a snapshot.
const DAMAGED: &str = "damaged.";
/// Behind the name of a snapshot that sled is writing.
const UNFINISHED: &str = ".generating";
const CHECKSUM_BYTES: usize = 4;
/// A snapshot ends with a length and a checksum of what is before both.
const SNAPSHOT_TRAILER_BYTES: usize = 12;

/// Puts those aside whose checksum is wrong, and returns their new names. Only such a file: over an intact snapshot sled refuses
/// to open because its log is damaged, and without one it would cut the log off there.
///
/// Call it with the folder's lock.
pub(crate) fn put_damaged_aside(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for name in find_damaged(dir)? {
        if name.ends_with(UNFINISHED) {
            // A snapshot that nobody finished is no damage, and sled would read it all the same.
            fs::remove_file(dir.join(name))?;
            continue;
        }
        let aside = format!("{DAMAGED}{name}");
        fs::rename(dir.join(name), dir.join(&aside))?;
        names.push(aside);
    }
    Ok(names)
}

/// The names of those whose checksum is wrong.
pub(crate) fn find_damaged(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_snapshot = name.starts_with("snap.");
        if !is_snapshot && name != "conf" {
            continue;
        }
        let bytes = fs::read(entry.path())?;
        if !if is_snapshot { is_whole_snapshot(&bytes) } else { is_whole_conf(&bytes) } {
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
