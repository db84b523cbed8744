//! The revocations in force, and the file that they survive a restart in.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use confluo_auth::revocation::DEFAULT_MAX_REVOCATIONS;
use confluo_auth::{Identity, Revocations, RevocationsError, RevokeError, TokenError};

const FILE_NAME: &str = "revocations.json";

/// Revocations, each on disk before it is answered.
#[derive(Debug)]
pub(super) struct RevocationBook {
    path: PathBuf,
    in_force: Mutex<Revocations>,
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

/// A change that is not in force.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It cannot be kept.
    #[error(transparent)]
    Refused(#[from] RevokeError),
    /// It could not be made durable.
    #[error("the revocation could not be written")]
    Unwritten(#[source] io::Error),
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
        Ok(Self { path, in_force: Mutex::new(in_force) })
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
        let mut in_force = self.lock();
        let mut next = in_force.clone();
        let outcome = change(&mut next)?;
        self.write(&next.to_json()).map_err(ChangeError::Unwritten)?;
        *in_force = next;
        Ok(outcome)
    }

    /// The old file or the new one, whatever happens in between.
    fn write(&self, json: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let draft = self.path.with_extension("json.new");
        let mut file = File::create(&draft)?;
        file.write_all(json.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        File::open(folder)?.sync_all()
    }

    fn lock(&self) -> MutexGuard<'_, Revocations> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
