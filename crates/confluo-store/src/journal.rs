//! A journal before an engine: a commit is one write and one sync, and the engine takes many commits at once.
//!
//! An engine's own commit rewrites the pages of every key that it touches: on sled it costs several times the processor
//! time of the sync that it ends with, and most of what it writes (heads, counters) is replaced by the next one.
//!
//! 1. A commit becomes one frame at the end of a preallocated file, which is synced ([`file`]).
//! 2. What the engine does not have yet is kept in memory, in layers that every read looks at first ([`layers`]).
//! 3. When a file has enough, it is *sealed*: a thread gives its changes to the engine, in some commits, the last of them with
//!    the number of their last frame. Meanwhile commits go to the other file, which the same thread has made.
//! 4. Opening gives the engine all frames that it has not, then begins with new files; closing leaves none.
//!
//! Until the engine has the number, reads find all that it was given in a layer, and a crash leaves all of it in a file: so
//! that it has only some of it is never seen. Unless two things fail: a hand-over that stops half-way, and the file, damaged
//! before it could be given again. Then the counters, which are given last, are behind the watermark, and the store says so.
//!
//! The engine may have a page that it cannot read, and a change that belongs there. A hand-over that meets it fails, and the next
//! commit with it: at the next opening, which is also what a server then tries, the engine is given all else ([`hand_over`]). What it
//! is not given stays in the files, which are kept aside before the engine has the number.
//!
//! Invariants: a file is written over only when the engine has all of it on disk, and thrown away only when it has, or when the
//! file is kept under another name as well; frames are numbered without a hole, so an engine that lost what the journal continues
//! is seen; nothing is appended to a file after an error, or after a crash, since the system may show bytes then that never
//! reached the disk.

mod aside;
mod file;
mod hand_over;
mod layers;
mod salvage;

use std::{
    error::Error,
    fmt,
    fs::File,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    Batch, Engine, EngineError, Finding,
    engine::Visit,
    keys::JOURNAL,
    value::{self, FORMAT_VERSION, ValueError},
};
use file::JournalFiles;
use layers::{Layers, Sealed};
pub(crate) use salvage::add_frames;

/// At this much a commit waits for the engine: it takes less than comes in.
const MOST_BYTES: usize = 32 << 20;

/// How a journal works.
#[derive(Debug, Clone, Copy)]
pub struct JournalConfig {
    /// A file with this many bytes is sealed.
    pub seal_bytes: usize,
    /// Whether commits are synced. Without it nothing is durable: for the control of a test.
    pub syncs: bool,
    /// How long it waits before it looks again at what the engine cannot read, and then does without.
    pub pause: Duration,
}

impl Default for JournalConfig {
    /// 1.5 MiB: they fit in a preallocated file with the commit that goes beyond them.
    fn default() -> Self {
        Self { seal_bytes: 3 << 19, syncs: true, pause: Duration::from_secs(1) }
    }
}

/// Whether there is a journal in a folder: whoever had the store open last did not close it, or could not.
pub fn was_left(dir: &Path) -> bool {
    file::paths(dir).any(|path| path.try_exists().unwrap_or(true))
}

/// An engine with a journal before it.
pub struct Journaled<E: Engine> {
    shared: Arc<Shared<E>>,
    checkpoints: Option<JoinHandle<()>>,
}

struct Shared<E> {
    engine: E,
    dir: PathBuf,
    config: JournalConfig,
    /// `None` from a failure until the engine was reopened.
    files: Mutex<Option<JournalFiles>>,
    layers: RwLock<Layers>,
    checkpoint: Mutex<Checkpoint>,
    changed: Condvar,
    /// The names of the files that were kept aside, as the last opening found them.
    aside: Mutex<Vec<String>>,
}

/// What the committer and the checkpoints' thread tell each other.
#[derive(Default)]
struct Checkpoint {
    /// There is a sealed layer that the thread has not dealt with.
    is_due: bool,
    /// There is no other file yet, and the thread is to make it.
    lacks_spare: bool,
    /// The engine refused the last one: told to the next commit.
    failure: Option<EngineError>,
    /// The file that commits go to next, so that none of them waits until it is made.
    spare: Option<File>,
    stops: bool,
}

impl<E: Engine> Journaled<E> {
    /// Puts a journal in `dir`, the engine's own folder, before an open engine; gives the engine what an earlier process left
    /// in it.
    pub fn open(engine: E, dir: &Path, config: JournalConfig) -> Result<Self, EngineError> {
        let files = Found::read(&engine, dir)?.give(&engine, dir, config)?;
        let aside = aside::names(dir).map_err(EngineError::Io)?;
        let shared = Arc::new(Shared {
            engine,
            dir: dir.to_owned(),
            config,
            files: Mutex::new(Some(files)),
            layers: RwLock::default(),
            checkpoint: Mutex::default(),
            changed: Condvar::new(),
            aside: Mutex::new(aside),
        });
        let thread = Arc::clone(&shared);
        let checkpoints = std::thread::Builder::new()
            .name("confluo-checkpoint".into())
            .spawn(move || thread.make_checkpoints())
            .map_err(EngineError::Io)?;
        Ok(Self { shared, checkpoints: Some(checkpoints) })
    }
}

impl<E: Engine> Engine for Journaled<E> {
    fn name(&self) -> &'static str {
        self.shared.engine.name()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        if let Some(change) = self.shared.read_layers().get(key) {
            return Ok(change.clone());
        }
        self.shared.engine.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        // Before the engine is read: what leaves the layers is in the engine by then.
        let newer = self.shared.read_layers().changes_from(prefix, from);
        layers::scan(newer, &self.shared.engine, prefix, from, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut files = self.shared.lock_files();
        let committed = self.shared.commit(files.as_mut(), batch);
        if committed.is_err() {
            *files = None;
        }
        committed
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut files = self.shared.lock_files();
        *files = None;
        *self.shared.wait_for_checkpoint() = Checkpoint::default();
        self.shared.engine.reopen()?;
        let found = Found::read(&self.shared.engine, &self.shared.dir)?;
        // The engine takes them in parts, which readers must not see, and perhaps not to the end.
        self.shared.write_layers().set(Arc::clone(&found.sealed));
        *files = Some(found.give(&self.shared.engine, &self.shared.dir, self.shared.config)?);
        *self.shared.write_layers() = Layers::default();
        *self.shared.lock_aside() = aside::names(&self.shared.dir).map_err(EngineError::Io)?;
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.shared.engine.disk_bytes() + file::disk_bytes(&self.shared.dir)
    }

    fn findings(&self) -> Vec<Finding> {
        let kept = self.shared.lock_aside().clone().into_iter().map(|file| Finding::Journal { file });
        self.shared.engine.findings().into_iter().chain(kept).collect()
    }

    fn failure(&self) -> Option<String> {
        let checkpoint = self.shared.lock_checkpoint();
        let reason = |error: &EngineError| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        checkpoint.failure.as_ref().map(reason).or_else(|| self.shared.engine.failure())
    }
}

impl<E: Engine> Shared<E> {
    fn commit(&self, files: Option<&mut JournalFiles>, batch: Batch) -> Result<(), EngineError> {
        let Some(files) = files else { return Err(EngineError::Damaged("the journal was not reopened".into())) };
        let mut checkpoint =
            if files.written() < MOST_BYTES { self.lock_checkpoint() } else { self.wait_for_checkpoint() };
        if let Some(failure) = checkpoint.failure.take() {
            return Err(failure);
        }
        drop(checkpoint);
        let are_begun = files.are_begun();
        files.append(&batch, self.config.syncs).map_err(EngineError::Io)?;
        self.write_layers().active.merge(batch);
        let is_full = files.written() >= self.config.seal_bytes;
        if !is_full {
            if !are_begun {
                self.lock_checkpoint().lacks_spare = true;
                self.changed.notify_all();
            }
            return Ok(());
        }
        // Else the next commit would make the same file.
        let checkpoint = self.changed.wait_while(self.lock_checkpoint(), |checkpoint| checkpoint.lacks_spare);
        let mut checkpoint = checkpoint.unwrap_or_else(PoisonError::into_inner);
        if !checkpoint.is_due && checkpoint.failure.is_none() {
            self.write_layers().seal(files.last());
            files.begin_other(checkpoint.spare.take()).map_err(EngineError::Io)?;
            checkpoint.is_due = true;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// The life of the checkpoints' thread.
    fn make_checkpoints(&self) {
        loop {
            let waiting = self.lock_checkpoint();
            let is_idle = |checkpoint: &mut Checkpoint| !checkpoint.is_due && !checkpoint.lacks_spare;
            let waiting = self.changed.wait_while(waiting, |checkpoint| is_idle(checkpoint) && !checkpoint.stops);
            let Checkpoint { lacks_spare, stops, .. } = *waiting.unwrap_or_else(PoisonError::into_inner);
            if stops {
                return;
            }
            if lacks_spare {
                // Where it cannot be made, the commit that needs it tries again, and is told why.
                let spare = file::make_spare(&self.dir, self.config.syncs).ok();
                let mut checkpoint = self.lock_checkpoint();
                (checkpoint.spare, checkpoint.lacks_spare) = (spare, false);
            } else {
                let outcome = self.give_sealed_to_engine();
                let mut checkpoint = self.lock_checkpoint();
                checkpoint.is_due = false;
                checkpoint.failure = outcome.err();
            }
            self.changed.notify_all();
        }
    }

    /// A panic is a failure as well: else whoever waits for the checkpoint would wait for ever.
    fn give_sealed_to_engine(&self) -> Result<(), EngineError> {
        let given = panic::catch_unwind(AssertUnwindSafe(|| self.try_to_give_sealed_to_engine()));
        given.unwrap_or_else(|_| Err(EngineError::Damaged("a checkpoint panicked; the log says where".into())))
    }

    fn try_to_give_sealed_to_engine(&self) -> Result<(), EngineError> {
        let Some(sealed) = self.read_layers().sealed.clone() else { return Ok(()) };
        // An engine that was given nothing must stay empty: only then it may become a store.
        if !sealed.changes.is_empty() {
            hand_over::give(&self.engine, &sealed, self.config)?;
        }
        self.write_layers().sealed = None;
        Ok(())
    }

    fn wait_for_checkpoint(&self) -> MutexGuard<'_, Checkpoint> {
        let is_busy = |checkpoint: &mut Checkpoint| checkpoint.is_due || checkpoint.lacks_spare;
        let checkpoint = self.changed.wait_while(self.lock_checkpoint(), is_busy);
        checkpoint.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_checkpoint(&self) -> MutexGuard<'_, Checkpoint> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_aside(&self) -> MutexGuard<'_, Vec<String>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_files(&self) -> MutexGuard<'_, Option<JournalFiles>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_layers(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the journal has and the engine has not.
struct Found {
    taken: u64,
    sealed: Arc<Sealed>,
}

impl Found {
    /// A frame that is damaged is left out, and those behind it follow: what it changed is found missing by what it leaves. Frames
    /// that do not follow what the engine has are left out too: commits before them are lost, which [`crate::watermark`] tells.
    /// In both cases the files are kept aside.
    fn read<E: Engine>(engine: &E, dir: &Path) -> Result<Self, EngineError> {
        let taken = match engine.get(JOURNAL)? {
            Some(sealed) => value::decode_journal(JOURNAL, &sealed).map_err(|error| match error {
                ValueError::Newer(version) => {
                    EngineError::Newer { what: "the store", found: u32::from(version), supported: FORMAT_VERSION }
                }
                ValueError::Damaged => EngineError::Damaged("its place in the journal is unreadable".into()),
            })?,
            None => 0,
        };
        let mut changes = Batch::default();
        let mut through = taken;
        let mut frames = file::read_frames(dir, taken)?;
        for frame in frames.intact {
            // A file is begun when the one before it is whole, so that its last frame may be damaged, and not torn.
            let may_skip = frame.follows_damage || frame.begins_file && through > taken;
            let skipped = frame.number.wrapping_sub(through).wrapping_sub(1);
            frames.are_damaged |= skipped > 0;
            if skipped > u64::from(may_skip) {
                break;
            }
            through = frame.number;
            changes.merge(frame.changes);
        }
        if frames.are_damaged {
            aside::keep(dir).map_err(EngineError::Io)?;
        }
        Ok(Self { taken, sealed: Arc::new(Sealed { changes, through }) })
    }

    /// Gives it to the engine, but for what belongs on pages that it cannot read, and makes the journal empty.
    fn give<E: Engine>(&self, engine: &E, dir: &Path, config: JournalConfig) -> Result<JournalFiles, EngineError> {
        let through = self.sealed.through;
        if through > self.taken {
            hand_over::give_what_it_can_take(engine, dir, &self.sealed, config)?;
        }
        JournalFiles::begin(dir, through, config.syncs).map_err(EngineError::Io)
    }
}

impl<E: Engine> Drop for Journaled<E> {
    /// Leaves an engine that has everything, for backups and for whoever reads it without the journal.
    fn drop(&mut self) {
        self.shared.lock_checkpoint().stops = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.checkpoints.take() {
            thread.join().ok();
        }
        let files = self.shared.lock_files().take();
        // After a failure only the files on the disk tell what is to be kept.
        let Some(files) = files.filter(|_| self.shared.lock_checkpoint().failure.is_none()) else { return };
        // What cannot be given now is in the journal.
        if self.shared.give_sealed_to_engine().is_ok() {
            self.shared.write_layers().seal(files.last());
            if self.shared.give_sealed_to_engine().is_ok() {
                file::remove(&self.shared.dir).ok();
            }
        }
    }
}

impl<E: Engine> fmt::Debug for Journaled<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journaled").field("engine", &self.shared.engine.name()).finish_non_exhaustive()
    }
}
