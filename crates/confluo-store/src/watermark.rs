//! Notices an engine that opens without its newest commits.
//!
//! A log-structured engine takes a damaged entry for the end of its log, and opens as if nothing after it had ever been
//! there: heads and records vanish together, so no check within the engine can see it. So the number of the last
//! acknowledged commit also stands in a small file beside it. It is written after the commit is durable and is itself never
//! synced: it costs a microsecond, and it can only be behind the engine, unless the engine lost something.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use crate::engine::is_unreadable;

/// The number of the last acknowledged commit, in a file of its own.
#[derive(Debug)]
pub struct Watermark {
    file: File,
    found: Option<u64>,
}

pub(crate) const BYTES: usize = 12;

impl Watermark {
    /// Opens or creates the file, and reads it. A torn or damaged file counts as unknown: it accuses nobody. One that the disk
    /// does not give is made anew, since it would not be written to either.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = open(path)?;
        let mut bytes = [0; BYTES];
        let found = match file.read_exact(&mut bytes) {
            Ok(()) => decode(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) if is_unreadable(&error) => {
                fs::remove_file(path)?;
                file = open(path)?;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { file, found })
    }

    /// The number that was in the file when it was opened.
    pub fn found(&self) -> Option<u64> {
        self.found
    }

    /// Notes a commit that is durable. A failure is not the commit's: the file is then behind, and accuses nobody.
    pub fn note(&mut self, commit: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&encode(commit))
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The number in such a file that somebody else has read.
pub(crate) fn read(bytes: &[u8]) -> Option<u64> {
    decode(bytes.get(..BYTES)?.try_into().ok()?)
}

fn encode(commit: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&commit.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: [u8; BYTES]) -> Option<u64> {
    let (commit, checksum) = bytes.split_at(8);
    let commit = u64::from_le_bytes(commit.try_into().ok()?);
    (checksum == crc32fast::hash(&bytes[..8]).to_le_bytes()).then_some(commit)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_disk_does_not_give_accuses_nobody_and_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("watermark");
        // At its beginning there is no memory, and the system says what it says of a bad sector.
        std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
        let mut watermark = Watermark::open(&path).unwrap();
        assert_eq!(watermark.found(), None);
        watermark.note(7).unwrap();
        assert_eq!(Watermark::open(&path).unwrap().found(), Some(7));
    }
}
