//! Opening sled's files: with the settings that keep `blobs/` empty, every new file synced, every panic explained.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use confluo_store::{
    EngineError,
    engine::{self, is_unreadable},
    folder, journal, page_cache,
};

use crate::{SledConfig, redundant, wreck};

/// Pages above a quarter of a segment would go to `blobs/`; a leaf holds at most some 33 values of 64 KiB.
pub(crate) const SEGMENT_BYTES: usize = 16 * 1024 * 1024;

/// An open database with our own handle of its log.
pub(crate) struct Handles {
    pub(crate) db: sled::Db,
    /// Same file as sled's, so that we can sync it.
    pub(crate) log: File,
    /// The files that were damaged, and which sled has made anew.
    pub(crate) set_aside: Vec<String>,
}

pub(crate) fn open(config: &SledConfig) -> Result<Handles, EngineError> {
    let dir = &config.dir;
    folder::make(dir).map_err(EngineError::Io)?;
    check_not_foreign(dir)?;
    let set_aside = look_at_files(dir)?;
    let db = guard(|| {
        sled::Config::new()
            .path(dir)
            .cache_capacity(config.cache_capacity_bytes)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None)
            .open()
            .map_err(|error| explain_open(error, dir))
    });
    let db = db.map_err(|error| match error {
        EngineError::Damaged(detail) if !set_aside.is_empty() => {
            EngineError::Damaged(format!("{detail}; {} was damaged too and put aside", set_aside.join(" and ")))
        }
        other => other,
    })?;
    let log = File::open(dir.join("db")).map_err(EngineError::Io)?;
    if config.syncs {
        sync_created(dir, &log).map_err(EngineError::Io)?;
    }
    Ok(Handles { db, log, set_aside })
}

/// Puts damaged files aside that sled makes anew, and refuses a log that it would cut off. Leaves the files of another process
/// alone: its lock on the log is sled's. Without a look nothing is opened, since that process may be gone a moment later.
fn look_at_files(dir: &Path) -> Result<Vec<String>, EngineError> {
    let log = match File::open(dir.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        log => log.map_err(EngineError::Io)?,
    };
    match log.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(EngineError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => return Err(EngineError::Io(error)),
        Ok(()) => {}
    }
    if journal::was_left(dir) {
        // A sync may have failed before the last process ended: what the system shows of the log may not be on the disk, and the
        // journal is what has it.
        page_cache::forget(&dir.join("db"));
    }
    let set_aside = redundant::put_damaged_aside(dir).map_err(EngineError::Io)?;
    if wreck::would_be_cut(log, dir).map_err(EngineError::Io)? {
        return Err(EngineError::Damaged(
            "there is damage before the end of its log, which sled would cut off there".into(),
        ));
    }
    Ok(set_aside)
}

/// Whether sled would read its log for long when it is opened next, since its snapshot of what the log holds is old: it makes
/// one only as it opens. Not where that would put a damaged file aside: whoever opens it next is to be told.
pub(crate) fn needs_snapshot(dir: &Path) -> bool {
    /// What is read in some 0.05 s, once by us and once by sled.
    const FEW_SEGMENTS: usize = 8;
    /// 4 GiB, which are read twice in some 2.5 s where the system has them in its page cache, as what was just written. Where it has
    /// nothing of them the disk decides: one that reads 1 GB/s takes some 4 s for each time, and one of 200 MB/s more than 20 s.
    /// Whoever stops the process may not wait for longer.
    const MANY_SEGMENTS: usize = 256;
    let count = File::open(dir.join("db")).and_then(|log| wreck::count_segments_read(log, dir));
    count.is_ok_and(|count| (FEW_SEGMENTS..=MANY_SEGMENTS).contains(&count))
        && redundant::find_damaged(dir).is_ok_and(|damaged| damaged.is_empty())
}

fn sync_created(dir: &Path, log: &File) -> io::Result<()> {
    log.sync_all()?;
    File::open(dir.join("conf"))?.sync_all()?;
    let blobs = dir.join("blobs");
    if blobs.is_dir() {
        File::open(blobs)?.sync_all()?;
    }
    folder::sync(dir)
}

/// sled would create its files beside those of another engine, and an empty store would greet everybody.
fn check_not_foreign(dir: &Path) -> Result<(), EngineError> {
    if dir.join("confluo.redb").try_exists().map_err(EngineError::Io)? {
        return Err(EngineError::Foreign {
            path: dir.to_owned(),
            found: "a redb store (store.engine = \"redb\")".into(),
        });
    }
    Ok(())
}

fn explain_open(error: sled::Error, dir: &Path) -> EngineError {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            EngineError::Locked(dir.to_owned())
        }
        other => explain(other),
    }
}

pub(crate) fn explain(error: sled::Error) -> EngineError {
    match error {
        // sled reports a read beyond the end of a damaged file in this way.
        sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            EngineError::Damaged(format!("the file ends too early: {error}"))
        }
        sled::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => EngineError::Damaged(error.to_string()),
        sled::Error::Io(error) => EngineError::Io(error),
        other => EngineError::Damaged(other.to_string()),
    }
}

/// The same of an error of reading, which is about what lies there.
pub(crate) fn explain_read(error: sled::Error) -> EngineError {
    match explain(error) {
        EngineError::Io(error) if is_unreadable(&error) => EngineError::Damaged(error.to_string()),
        other => other,
    }
}

/// Runs sled's code, which panics on some damaged files.
pub(crate) fn guard<T>(run: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    engine::guard("sled", run)
}
