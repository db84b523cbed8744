//! The revocations in force, and the file that they survive a restart in.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use confluo_auth::revocation::DEFAULT_MAX_REVOCATIONS;
use confluo_auth::{Identity, Revocations, RevocationsError, RevokeError, TokenError};

const FILE_NAME: &str = "revocations.json";

/// Revocations, each on disk before it is answered.
#[derive(Debug)]
pub(super) struct RevocationBook {
    path: PathBuf,
    sync_folder: fn(&Path) -> io::Result<()>,
    /// Looked at for every token: never held while the disk is waited for.
    in_force: Mutex<Revocations>,
    /// One change after the other.
    changing: Mutex<()>,
}

/// The book cannot be read, and the server must not start without it: everyone would be let in again.
#[derive(Debug, thiserror::Error)]
pub enum RevocationBookError {
    /// The file is there and cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was read and is no book of revocations.
    #[error("cannot use {path}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: RevocationsError,
    },
}

/// A change that is not in force, or not for sure after the next start.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It cannot be kept.
    #[error(transparent)]
    Refused(#[from] RevokeError),
    /// It could not be made durable, and is not in force.
    #[error("the revocation could not be written")]
    Unwritten(#[source] io::Error),
    /// Neither it nor what was before could be made durable.
    #[error(
        "it is not known whether the revocation is on disk: until a restart whoever is kept out by it, or was before, stays \
         out; ask again when the disk works"
    )]
    InDoubt(#[source] io::Error),
}

impl RevocationBook {
    /// Reads the book in `data_dir`; without a file nothing is revoked.
    pub(super) fn open(data_dir: &Path) -> Result<Self, RevocationBookError> {
        let path = data_dir.join(FILE_NAME);
        let in_force = match fs::read(&path) {
            Ok(stored) => Revocations::from_json(&stored, DEFAULT_MAX_REVOCATIONS)
                .map_err(|source| RevocationBookError::Unusable { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Revocations::default(),
            Err(source) => return Err(RevocationBookError::Unreadable { path, source }),
        };
        Ok(Self { path, sync_folder, in_force: Mutex::new(in_force), changing: Mutex::default() })
    }

    pub(super) fn check(&self, identity: &Identity) -> Result<(), TokenError> {
        self.lock().check(identity)
    }

    pub(super) fn to_json(&self) -> String {
        self.lock().to_json()
    }

    /// Makes a change durable, then puts it in force. Blocks for a sync of the disk.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Revocations) -> Result<T, RevokeError>,
    ) -> Result<T, ChangeError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = self.lock().clone();
        let outcome = change(&mut next)?;
        self.replace_file(&next).map_err(ChangeError::Unwritten)?;
        if let Err(error) = (self.sync_folder)(self.folder()) {
            // What was refused must not be what the next start finds.
            let before = self.lock().clone();
            if self.replace_file(&before).and_then(|()| (self.sync_folder)(self.folder())).is_err() {
                // It may be either, so nobody comes in whom one of the two keeps out.
                self.lock().add_all(next);
                return Err(ChangeError::InDoubt(error));
            }
            return Err(ChangeError::Unwritten(error));
        }
        *self.lock() = next;
        Ok(outcome)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The old file or the new one, whatever happens in between. Which of them a power cut leaves is settled by a sync of the
    /// folder.
    fn replace_file(&self, revocations: &Revocations) -> io::Result<()> {
        fs::create_dir_all(self.folder())?;
        let draft = self.path.with_extension("json.new");
        // It tells who may not come, and whoever can change it lets them in: for its owner alone, also if a draft was left.
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(revocations.to_json().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)
    }

    fn lock(&self) -> MutexGuard<'_, Revocations> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use confluo_auth::{Revocation, UnixTime};
    use confluo_protocol::UserId;

    use super::*;

    #[test]
    fn nobody_at_the_door_waits_for_the_disk_of_a_revocation() {
        let folder = tempfile::tempdir().unwrap();
        // A pipe in the place of the draft: opening it waits for somebody who reads.
        let draft = folder.path().join("revocations.json.new");
        assert!(Command::new("mkfifo").arg(&draft).status().unwrap().success());
        let book = Arc::new(RevocationBook::open(folder.path()).unwrap());
        let (changing, (started, has_started)) = (Arc::clone(&book), mpsc::channel());
        let change = thread::spawn(move || {
            changing.change(|revocations| {
                started.send(()).unwrap();
                revocations.revoke(Revocation::User(UserId("ada".into())), UnixTime(1))
            })
        });
        has_started.recv().unwrap();
        let (asking, (answer, answered)) = (Arc::clone(&book), mpsc::channel());
        thread::spawn(move || answer.send(asking.to_json()));
        let told = answered.recv_timeout(Duration::from_secs(20)).expect("the book answers meanwhile");
        assert!(!told.contains("ada"), "what is not on disk is not in force: {told}");
        drop(File::open(&draft).unwrap());
        // A pipe cannot be synced, so the change is refused, and is not in force.
        assert!(matches!(change.join().unwrap(), Err(ChangeError::Unwritten(_))));
        assert!(!book.to_json().contains("ada"));
    }

    /// As many syncs fail as this file of the folder has bytes.
    const FAILURES: &str = "failures";

    fn failing_sync(folder: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(folder.join(FAILURES))?;
        match file.metadata()?.len() {
            0 => Ok(()),
            failures => file.set_len(failures - 1).and(Err(io::Error::other("the folder cannot be synced"))),
        }
    }

    /// Whether a user is revoked in memory, and after a restart, when so many syncs of the change fail.
    fn after_failed_syncs(failures: usize, is_revoked_before: bool) -> (bool, bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let ada = || Revocation::User(UserId("ada".into()));
        let mut book = RevocationBook::open(folder.path()).expect("a book");
        if is_revoked_before {
            book.change(|revocations| revocations.revoke(ada(), UnixTime(1))).expect("a revocation");
        }
        fs::write(folder.path().join(FAILURES), vec![0; failures]).expect("a file");
        book.sync_folder = failing_sync;
        let changed = book.change(|revocations| {
            if is_revoked_before {
                Ok(revocations.reinstate(&ada()))
            } else {
                revocations.revoke(ada(), UnixTime(1)).map(|()| true)
            }
        });
        assert_eq!(matches!(changed, Err(ChangeError::InDoubt(_))), failures > 1, "{changed:?}");
        assert!(changed.is_err());
        let is_revoked = |book: &RevocationBook| book.to_json().contains("ada");
        (is_revoked(&book), is_revoked(&RevocationBook::open(folder.path()).expect("a book")))
    }

    #[test]
    fn a_change_that_was_refused_is_not_in_force_after_the_next_start_either() {
        for is_revoked in [false, true] {
            assert_eq!(after_failed_syncs(1, is_revoked), (is_revoked, is_revoked));
            // On disk may be either.
            assert!(after_failed_syncs(2, is_revoked).0, "the stricter of the two is in force");
        }
    }

    #[test]
    fn the_book_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        // As an earlier build may have left it.
        fs::write(folder.path().join("revocations.json.new"), "").unwrap();
        let book = RevocationBook::open(folder.path()).unwrap();
        book.change(|revocations| revocations.revoke(Revocation::User(UserId("ada".into())), UnixTime(1))).unwrap();
        let mode = fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
