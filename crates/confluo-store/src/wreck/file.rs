//! A file of which some may be unreadable.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A disk fails by so much at least.
const BLOCK_BYTES: usize = 4096;
/// No file of the journal is as large.
const MOST_AT_ONCE: usize = 256 << 20;

/// An engine's file, which is only read. What the disk does not give any more is read as zeros.
#[derive(Debug)]
pub struct WreckFile {
    /// With the bits that are known to be flipped.
    file: Mutex<(File, BTreeMap<u64, u8>)>,
    length: u64,
    has_unreadable: AtomicBool,
}

impl WreckFile {
    /// Reads that file.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Mutex::new((file, BTreeMap::new())), length, has_unreadable: AtomicBool::new(false) })
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// How long it is.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Has these bits of a byte read the other way round from now on. The file itself stays as it is.
    pub fn repair(&self, offset: u64, bits: u8) {
        *self.lock().1.entry(offset).or_default() ^= bits;
    }

    /// Whether some of what was read so far is zeros only because the disk does not give it.
    pub(crate) fn has_unreadable(&self) -> bool {
        self.has_unreadable.load(Ordering::Relaxed)
    }

    /// All of it, of a file that is small. One that is too large for that counts as one that cannot be read to its end.
    pub(crate) fn read_all(&self) -> Vec<u8> {
        if self.length > MOST_AT_ONCE as u64 {
            self.has_unreadable.store(true, Ordering::Relaxed);
        }
        self.read(0, MOST_AT_ONCE)
    }

    /// Up to `most` bytes from `offset` on; fewer only at the file's end.
    pub fn read(&self, offset: u64, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_into(&mut bytes, offset, most);
        bytes
    }

    /// The same in the place of what `bytes` held: who reads all of a large file needs its memory but once.
    pub fn read_into(&self, bytes: &mut Vec<u8>, offset: u64, most: usize) {
        let left = self.length.saturating_sub(offset);
        bytes.resize(most.min(usize::try_from(left).unwrap_or(usize::MAX)), 0);
        let (file, repairs) = &mut *self.lock();
        let mut read = |offset: u64, bytes: &mut [u8]| {
            file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(bytes)).is_ok()
        };
        if !read(offset, bytes) {
            for (block, offset) in bytes.chunks_mut(BLOCK_BYTES).zip((offset..).step_by(BLOCK_BYTES)) {
                if !read(offset, block) {
                    block.fill(0);
                    self.has_unreadable.store(true, Ordering::Relaxed);
                }
            }
        }
        for (at, bits) in repairs.range(offset..offset + bytes.len() as u64) {
            bytes[(at - offset) as usize] ^= bits;
        }
    }

    fn lock(&self) -> MutexGuard<'_, (File, BTreeMap<u64, u8>)> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
