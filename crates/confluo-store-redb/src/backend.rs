//! redb's file, of which the disk may not give some any more.

use std::{
    io,
    ops::Bound,
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use confluo_store::engine::is_unreadable;
use redb::{BackendError, StorageBackend};

/// A disk may give at a later attempt what it does not at the first.
const ATTEMPTS: u32 = 3;

/// After any error of reading redb serves nothing more, whatever lies where. So of a page that cannot be read it is not told: reading
/// panics, as redb does where it comes upon a page that is none, and that is damage of what lies there. Whatever was put in the
/// place of the page redb might keep, or write to another one: it joins pages without a look at what they are.
#[derive(Debug)]
pub(crate) struct Backend<B> {
    file: B,
    /// Set once redb has opened it: as it opens, an error of the disk is told as what it is.
    is_open: Arc<AtomicBool>,
}

impl<B: StorageBackend> Backend<B> {
    pub(crate) fn new(file: B, is_open: &Arc<AtomicBool>) -> Self {
        Self { file, is_open: Arc::clone(is_open) }
    }
}

impl<B: StorageBackend> StorageBackend for Backend<B> {
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut read = self.file.read(offset, out);
        for _ in 1..ATTEMPTS {
            if read.as_ref().is_err_and(is_unreadable) {
                read = self.file.read(offset, out);
            }
        }
        match read {
            // Where redb clears up after a panic, another one would end the process.
            Err(error) if is_unreadable(&error) && self.is_open.load(Ordering::Relaxed) && !thread::panicking() => {
                panic::resume_unwind(Box::new(format!("{} bytes at {offset} cannot be read: {error}", out.len())))
            }
            read => read,
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use confluo_store::{EngineError, engine::guard};
    use redb::backends::FileBackend;

    use super::*;
    use crate::failing::{Bad, Failing};

    #[test]
    fn what_the_disk_does_not_give_is_an_error_until_the_store_is_open_and_damage_then() {
        let is_open = Arc::new(AtomicBool::new(false));
        let unreadable = FileBackend::new(File::open("/proc/self/mem").unwrap()).unwrap();
        let backend = Backend::new(unreadable, &is_open);
        let mut bytes = [7; 16];
        assert!(is_unreadable(&backend.read(0, &mut bytes).unwrap_err()));
        is_open.store(true, Ordering::Relaxed);
        let read = guard("redb", || backend.read(0, &mut bytes).map_err(EngineError::Io));
        assert!(matches!(&read, Err(EngineError::Damaged(detail)) if detail.contains("16 bytes at 0")), "{read:?}");
    }

    #[test]
    fn what_the_disk_gives_at_a_later_attempt_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 16]).unwrap();
        let bad = Bad { places: vec![3], left: Some(ATTEMPTS - 1) };
        let file = Failing { file: FileBackend::new(file.reopen().unwrap()).unwrap(), bad: Arc::new(bad.into()) };
        let mut bytes = [0; 16];
        Backend::new(file, &Arc::default()).read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 16]);
    }
}
