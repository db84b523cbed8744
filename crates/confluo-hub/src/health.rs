//! Whether the hub can keep its promises now, and why not.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use confluo_store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What `/health/ready` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Edits are taken and made durable.
    Ready,
    /// The store cannot make edits durable; it is opened again at an interval until it can.
    StorageUnavailable(StorageTrouble),
    /// The server is shutting down.
    Draining,
}

/// What kind of trouble the store has: all that a stranger is told. The store's own words may hold paths of the machine, so
/// they stand in the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageTrouble {
    /// There is no space left.
    DiskFull,
    /// The disk does not read or write.
    DiskFailed,
    /// Another process has the data folder.
    FolderInUse,
    /// The engine's files are damaged.
    StoreDamaged,
    /// A write failed, and nothing more is known.
    WriteFailed,
}

impl StorageTrouble {
    /// For machines: one word that stays the same from version to version.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk-full",
            Self::DiskFailed => "disk-failed",
            Self::FolderInUse => "folder-in-use",
            Self::StoreDamaged => "store-damaged",
            Self::WriteFailed => "write-failed",
        }
    }

    /// For people.
    pub fn description(self) -> &'static str {
        match self {
            Self::DiskFull => "the disk of the data folder is full; free some space. The server's log has the details",
            Self::DiskFailed => "the disk of the data folder failed; the server's log has the details",
            Self::FolderInUse => "another process uses the data folder; the server's log has the details",
            Self::StoreDamaged => "the store's files are damaged; the server's log has the details",
            Self::WriteFailed => "the store is out of service since a write failed; the server's log has the details",
        }
    }

    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::OutOfSpace { .. } => Self::DiskFull,
            StoreError::Io { .. } => Self::DiskFailed,
            StoreError::Locked { .. } => Self::FolderInUse,
            StoreError::Damaged { .. } | StoreError::Foreign { .. } | StoreError::Newer { .. } => Self::StoreDamaged,
            _ => Self::WriteFailed,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct HealthState {
    storage_has_failed: AtomicBool,
    draining: CancellationToken,
    known: Mutex<Known>,
    failed: Notify,
}

/// The trouble that was told last.
#[derive(Debug, Default)]
struct Known {
    /// In the store's own words.
    words: String,
    trouble: Option<StorageTrouble>,
}

impl HealthState {
    pub(crate) fn get(&self) -> Health {
        if self.is_draining() {
            Health::Draining
        } else {
            self.storage_trouble().map_or(Health::Ready, Health::StorageUnavailable)
        }
    }

    pub(crate) fn storage_trouble(&self) -> Option<StorageTrouble> {
        let trouble = || self.lock_known().trouble.unwrap_or(StorageTrouble::WriteFailed);
        (!self.is_storage_ready()).then(trouble)
    }

    pub(crate) fn is_storage_ready(&self) -> bool {
        !self.storage_has_failed.load(Ordering::Acquire)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn storage_failed(&self, error: &StoreError) {
        let words = error.to_string();
        let mut known = self.lock_known();
        let is_new = !self.storage_has_failed.swap(true, Ordering::AcqRel);
        // Once it has failed, the store answers only that it has.
        if is_new || !matches!(error, StoreError::Unhealthy { .. }) {
            known.trouble = Some(StorageTrouble::of(error));
        }
        if is_new || known.words != words {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the store cannot make edits durable; trying again"
            );
            known.words = words;
        }
        self.failed.notify_one();
    }

    pub(crate) fn storage_recovered(&self) {
        if self.storage_has_failed.swap(false, Ordering::AcqRel) {
            tracing::info!("the store makes edits durable again");
        }
    }

    pub(crate) fn start_draining(&self) {
        self.draining.cancel();
    }

    /// Resolves when the server begins to shut down.
    pub(crate) async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Resolves when the store has failed.
    pub(crate) async fn storage_failure(&self) {
        while self.is_storage_ready() {
            self.failed.notified().await;
        }
    }

    fn lock_known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn what_failed_first_is_told_while_the_store_only_says_that_it_has() {
        let health = HealthState::default();
        let disk_full = StoreError::OutOfSpace { source: Arc::new(io::ErrorKind::StorageFull.into()) };
        let unhealthy = StoreError::Unhealthy { reason: disk_full.to_string() };
        health.storage_failed(&disk_full);
        health.storage_failed(&unhealthy);
        assert_eq!(health.get(), Health::StorageUnavailable(StorageTrouble::DiskFull));
        health.storage_failed(&StoreError::Io { source: Arc::new(io::Error::other("/dev/sda")) });
        assert_eq!(health.get(), Health::StorageUnavailable(StorageTrouble::DiskFailed));
        for (error, trouble) in [
            (StoreError::Locked { path: "/srv/data".into() }, StorageTrouble::FolderInUse),
            (StoreError::Damaged { detail: "/srv/data/db".into() }, StorageTrouble::StoreDamaged),
        ] {
            health.storage_failed(&error);
            assert_eq!(health.get(), Health::StorageUnavailable(trouble));
        }
        health.storage_recovered();
        assert_eq!(health.get(), Health::Ready);
        health.storage_failed(&unhealthy);
        assert_eq!(health.get(), Health::StorageUnavailable(StorageTrouble::WriteFailed));
    }
}
