//! Opening redb's file, so that a cut of power while it is made leaves a store or none, and every panic is explained.

use std::{
    fs::{self, File},
    io,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use confluo_store::EngineError;
use redb::{Database, DatabaseError, StorageError};

use crate::RedbConfig;

pub(crate) const FILE: &str = "confluo.redb";
const UNFINISHED: &str = "confluo.redb.unfinished";

pub(crate) fn open(config: &RedbConfig) -> Result<Database, EngineError> {
    let dir = &config.dir;
    fs::create_dir_all(dir).map_err(EngineError::Io)?;
    check_not_foreign(dir)?;
    let mut builder = Database::builder();
    builder.set_cache_size(config.cache_capacity_bytes);
    let file = dir.join(FILE);
    guard(|| {
        if !file.exists() {
            create(&builder, dir).map_err(EngineError::Io)?;
        }
        builder.open(&file).map_err(|error| explain_open(error, dir))
    })
}

fn create(builder: &redb::Builder, dir: &Path) -> io::Result<()> {
    let unfinished = dir.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    drop(builder.create(&unfinished).map_err(|error| match error {
        DatabaseError::Storage(StorageError::Io(error)) => error,
        other => io::Error::other(other),
    })?);
    File::open(&unfinished)?.sync_all()?;
    fs::rename(unfinished, dir.join(FILE))?;
    for folder in dir.canonicalize()?.ancestors().take(3) {
        // An unopenable parent (execute permission only) is no reason to refuse.
        if let Ok(folder) = File::open(folder) {
            folder.sync_all()?;
        }
    }
    Ok(())
}

/// An empty store beside the data of another engine would greet everybody.
fn check_not_foreign(dir: &Path) -> Result<(), EngineError> {
    if dir.join("conf").exists() && dir.join("db").exists() {
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
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(EngineError::Damaged(format!("redb panicked: {text}")))
    })
}
