//! A file that is put aside when it is full: `audit.jsonl`, then `audit.jsonl.1`, the oldest with the highest number.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// As many as `audit.max_files` may say, the one that is written to included.
const MOST_FILES: u32 = 1000;

#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
    /// With the one that is written to.
    max_files: u32,
}

impl RotatingFile {
    /// Goes on where an earlier process ended, which may have kept more files. Fails where the file could be written to and
    /// not be put aside: its lines would be lost from then on.
    pub(super) fn open(path: PathBuf, max_bytes: u64, max_files: u32) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (file, bytes) = open_at_end(&path)?;
        let rotating = Self { path, file, bytes, max_bytes, max_files };
        // A device is not put aside.
        if max_files > 1 && rotating.file.metadata()?.is_file() {
            rotating.make_new()?;
            fs::remove_file(rotating.beside("new"))?;
        }
        for number in max_files..MOST_FILES {
            if_there(fs::remove_file(rotating.numbered(number)))?;
        }
        Ok(rotating)
    }

    /// What would keep [`RotatingFile::open`] from opening it, as far as that shows without making anything.
    pub(super) fn check(path: &Path) -> io::Result<()> {
        if_there(OpenOptions::new().append(true).open(path).map(drop))?;
        // Of folders that are not there yet, the one that they would be made in.
        let mut folders = path.ancestors().skip(1).map(|folder| if folder == "" { Path::new(".") } else { folder });
        let Some(folder) = folders.find(|folder| folder.exists()) else { return Ok(()) };
        access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
        if folder.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Writes whole lines, all of them or none.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(lines) {
            // Half a line would spoil the one behind it. A device cannot be cut, and has no half lines.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Whatever fails in it, and however often it is tried again, at most the oldest file goes.
    fn rotate(&mut self) -> io::Result<()> {
        if self.max_files == 1 {
            self.file.set_len(0)?;
            (self.file, self.bytes) = open_at_end(&self.path)?;
            return Ok(());
        }
        // First, for where no file can be made none may go.
        let (file, bytes) = self.make_new()?;
        let is_free = |number: &u32| !self.numbered(*number).exists();
        let last = (1..self.max_files).find(is_free).unwrap_or(self.max_files - 1);
        for number in (1..last).rev() {
            fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        if_there(fs::rename(&self.path, self.numbered(1)))?;
        fs::rename(self.beside("new"), &self.path)?;
        (self.file, self.bytes) = (file, bytes);
        Ok(())
    }

    /// The file that will take the place of a full one.
    fn make_new(&self) -> io::Result<(File, u64)> {
        let new = self.beside("new");
        if_there(fs::remove_file(&new))?;
        open_at_end(&new)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        self.beside(&number.to_string())
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(".");
        name.push(extension);
        name.into()
    }
}

/// It tells who was where: for its owner alone.
fn open_at_end(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// What is not there is no failure.
fn if_there(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
