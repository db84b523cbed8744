//! Opening redb's file, so that a cut of power while it is made leaves a store or none, and every panic is explained.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use confluo_store::{EngineError, engine, folder, journal, page_cache};
use redb::{Database, DatabaseError, StorageError, backends::FileBackend};

use crate::{RedbConfig, backend::Backend};

pub(crate) const FILE: &str = "confluo.redb";
const UNFINISHED: &str = "confluo.redb.unfinished";

pub(crate) fn open(config: &RedbConfig) -> Result<Database, EngineError> {
    let dir = &config.dir;
    folder::make(dir).map_err(EngineError::Io)?;
    check_not_foreign(dir)?;
    let mut builder = Database::builder();
    builder.set_cache_size(config.cache_capacity_bytes);
    guard(|| {
        if !dir.join(FILE).try_exists().map_err(EngineError::Io)? {
            create(&builder, dir)?;
        }
        open_file(&builder, dir)
    })
}

fn open_file(builder: &redb::Builder, dir: &Path) -> Result<Database, EngineError> {
    let file = OpenOptions::new().read(true).write(true).open(dir.join(FILE)).map_err(EngineError::Io)?;
    // It would be made a new store.
    if file.metadata().map_err(EngineError::Io)?.len() == 0 {
        return Err(EngineError::Damaged("the file is empty".into()));
    }
    if journal::was_left(dir) {
        // A sync may have failed before the last process ended: what the system shows of the file may not be on the disk, and the
        // journal is what has it.
        page_cache::forget(&dir.join(FILE));
    }
    let is_open = Arc::new(AtomicBool::new(false));
    let file = FileBackend::new(file).map_err(|error| explain_open(error, dir))?;
    #[cfg(test)]
    let file = crate::failing::Failing { file, bad: crate::failing::bad(dir) };
    let database = builder.create_with_backend(Backend::new(file, &is_open));
    let database = database.map_err(|error| explain_open(error, dir))?;
    is_open.store(true, Ordering::Relaxed);
    // The other name of this file, where somebody was stopped as he made it. Nobody makes one now.
    remove_if_there(&dir.join(UNFINISHED)).map_err(EngineError::Io)?;
    Ok(database)
}

/// Makes the file, unless somebody else has meanwhile.
fn create(builder: &redb::Builder, dir: &Path) -> Result<(), EngineError> {
    let folder = File::open(dir).map_err(EngineError::Io)?;
    // Held until the file is there. Not every file system locks folders: then the link below is what tells.
    if matches!(folder.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(EngineError::Locked(dir.to_owned()));
    }
    make(builder, dir).map_err(EngineError::Io)
}

fn make(builder: &redb::Builder, dir: &Path) -> io::Result<()> {
    let unfinished = dir.join(UNFINISHED);
    remove_if_there(&unfinished)?;
    drop(builder.create(&unfinished).map_err(|error| match error {
        DatabaseError::Storage(StorageError::Io(error)) => error,
        other => io::Error::other(other),
    })?);
    File::open(&unfinished)?.sync_all()?;
    // A rename would put it in the place of somebody else's.
    match fs::hard_link(&unfinished, dir.join(FILE)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            fs::rename(&unfinished, dir.join(FILE))?;
        }
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        // Whoever opened it meanwhile has removed it too.
        _ => remove_if_there(&unfinished)?,
    }
    folder::sync(dir)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// An empty store beside the data of another engine would greet everybody.
fn check_not_foreign(dir: &Path) -> Result<(), EngineError> {
    if dir.join("db").try_exists().map_err(EngineError::Io)? {
        return Err(EngineError::Foreign {
            path: dir.to_owned(),
            found: "a sled store (store.engine = \"sled\")".into(),
        });
    }
    Ok(())
}

fn explain_open(error: DatabaseError, dir: &Path) -> EngineError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => EngineError::Locked(dir.to_owned()),
        DatabaseError::Storage(error) => explain_storage(error),
        other => EngineError::Damaged(other.to_string()),
    }
}

fn explain_storage(error: StorageError) -> EngineError {
    match error {
        // redb reports a read beyond the end of a cut file, and a wrong magic number, in these ways.
        StorageError::Io(error)
            if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
        {
            EngineError::Damaged(error.to_string())
        }
        StorageError::Io(error) => EngineError::Io(error),
        other => EngineError::Damaged(other.to_string()),
    }
}

pub(crate) fn explain(error: impl Into<redb::Error>) -> EngineError {
    match error.into() {
        redb::Error::Io(error) => explain_storage(StorageError::Io(error)),
        error @ redb::Error::PreviousIo => EngineError::Io(io::Error::other(error)),
        other => EngineError::Damaged(other.to_string()),
    }
}

/// Runs redb's code, which may panic on damaged files.
pub(crate) fn guard<T>(run: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    engine::guard("redb", run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_somebody_made_meanwhile_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let builder = Database::builder();
        create(&builder, dir.path()).unwrap();
        fs::write(dir.path().join(FILE), "theirs").unwrap();
        create(&builder, dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), b"theirs");
        assert!(!dir.path().join(UNFINISHED).exists());
    }

    #[test]
    fn the_other_name_of_a_file_goes_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        create(&Database::builder(), dir.path()).unwrap();
        // As a kill between two steps leaves it.
        fs::hard_link(dir.path().join(FILE), dir.path().join(UNFINISHED)).unwrap();
        open(&RedbConfig::new(dir.path())).unwrap();
        assert!(!dir.path().join(UNFINISHED).exists() && dir.path().join(FILE).exists());
    }

    #[test]
    fn an_empty_file_is_no_store() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "").unwrap();
        let opened = open(&RedbConfig::new(dir.path()));
        assert!(matches!(opened, Err(EngineError::Damaged(_))));
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), b"");
    }
}
