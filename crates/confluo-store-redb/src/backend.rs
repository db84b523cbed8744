//! redb's file, of which the disk may not give some any more.

use std::{
    io,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use confluo_store::engine::is_unreadable;
use redb::{BackendError, StorageBackend};

/// After any error of reading redb serves nothing more, whatever lies where. What cannot be read is given to it as zeros instead:
/// then it comes upon a page that is none, which is damage of what lies there. The whole page, since of one that is there in
/// part it would not notice.
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
        match self.file.read(offset, out) {
            Err(error) if is_unreadable(&error) && self.is_open.load(Ordering::Relaxed) => {
                out.fill(0);
                Ok(())
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
    use std::{
        fs::{File, OpenOptions},
        path::Path,
        sync::Mutex,
    };

    use confluo_store::EngineError;
    use redb::{Database, ReadableDatabase, TableDefinition, backends::FileBackend};

    use super::*;
    use crate::open::{explain, guard};

    const TABLE: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("test");

    /// A file some of which the disk does not give.
    #[derive(Debug)]
    struct Failing {
        file: FileBackend,
        bad: Arc<Mutex<Vec<u64>>>,
    }

    impl StorageBackend for Failing {
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            let bad = self.bad.lock().expect("no test panics with it");
            let is_hit = bad.iter().any(|place| (offset..offset + out.len() as u64).contains(place));
            if is_hit { Err(io::Error::from_raw_os_error(5)) } else { self.file.read(offset, out) }
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
    }

    fn get(database: &Database, key: u32) -> Result<Vec<u8>, EngineError> {
        guard(|| {
            let table = database.begin_read().map_err(explain)?.open_table(TABLE).map_err(explain)?;
            Ok(table.get(key).map_err(explain)?.expect("it is there").value().to_vec())
        })
    }

    fn put(database: &Database, key: u32) {
        let transaction = database.begin_write().expect("a sound file");
        let mut table = transaction.open_table(TABLE).expect("a sound file");
        table.insert(key, &*vec![key as u8; 20_000]).expect("a sound file");
        drop(table);
        transaction.commit().expect("a sound file");
    }

    #[test]
    fn what_the_disk_does_not_give_is_zero_once_the_store_is_open() {
        let is_open = Arc::new(AtomicBool::new(false));
        let unreadable = FileBackend::new(File::open("/proc/self/mem").unwrap()).unwrap();
        let backend = Backend::new(unreadable, &is_open);
        let mut bytes = [7; 16];
        assert!(is_unreadable(&backend.read(0, &mut bytes).unwrap_err()));
        is_open.store(true, Ordering::Relaxed);
        backend.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 16]);
    }

    #[test]
    fn a_page_that_the_disk_does_not_give_costs_what_lies_there_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let database = Database::create(&path).unwrap();
        (0..20).for_each(|key| put(&database, key));
        drop(database);
        let bytes = std::fs::read(&path).unwrap();
        // Also where it was before neighbours came.
        let places = (0..bytes.len() - 100).step_by(1_000).filter(|place| bytes[*place..][..100] == [11; 100]);
        let (database, bad) = open(&path);
        *bad.lock().unwrap() = places.map(|place| place as u64).collect();
        for key in (0..20).chain(0..20) {
            let got = get(&database, key);
            match key {
                11 => assert!(matches!(got, Err(EngineError::Damaged(_)))),
                _ => assert_eq!(got.unwrap(), vec![key as u8; 20_000]),
            }
        }
        put(&database, 30);
    }

    fn open(path: &Path) -> (Database, Arc<Mutex<Vec<u64>>>) {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("it was made");
        let bad = Arc::new(Mutex::new(Vec::new()));
        let file = Failing { file: FileBackend::new(file).expect("it was made"), bad: Arc::clone(&bad) };
        let is_open = Arc::new(AtomicBool::new(false));
        let mut builder = Database::builder();
        // It keeps nothing in memory.
        builder.set_cache_size(0);
        let database = builder.create_with_backend(Backend::new(file, &is_open)).expect("it was made");
        is_open.store(true, Ordering::Relaxed);
        (database, bad)
    }
}
