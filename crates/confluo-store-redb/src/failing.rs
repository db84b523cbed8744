//! A file some of which the disk does not give, for tests.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex},
};

use redb::{StorageBackend, backends::FileBackend};

/// What a disk does not give.
#[derive(Debug, Default)]
pub(crate) struct Bad {
    /// Whatever is read of these places.
    pub(crate) places: Vec<u64>,
    /// So many attempts still fail; `None`: all.
    pub(crate) left: Option<u32>,
}

static DISKS: LazyLock<Mutex<BTreeMap<PathBuf, Arc<Mutex<Bad>>>>> = LazyLock::new(Mutex::default);

/// What is bad of the file in a folder. It stays so when the file is opened anew.
pub(crate) fn bad(dir: &Path) -> Arc<Mutex<Bad>> {
    Arc::clone(DISKS.lock().expect("no test panics with it").entry(dir.to_owned()).or_default())
}

#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) file: FileBackend,
    pub(crate) bad: Arc<Mutex<Bad>>,
}

impl StorageBackend for Failing {
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut bad = self.bad.lock().expect("no test panics with it");
        let is_hit = bad.places.iter().any(|place| (offset..offset + out.len() as u64).contains(place));
        if !is_hit || bad.left == Some(0) {
            return self.file.read(offset, out);
        }
        bad.left = bad.left.map(|left| left - 1);
        Err(io::Error::from_raw_os_error(5))
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

    /// A disk puts what is written in the place of bad sectors elsewhere.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bad = self.bad.lock().expect("no test panics with it");
        bad.places.retain(|place| !(offset..offset + data.len() as u64).contains(place));
        self.file.write(offset, data)
    }
}
