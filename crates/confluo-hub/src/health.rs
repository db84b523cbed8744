//! Whether the hub can keep its promises now, and why not.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use confluo_store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What `/health/ready` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Edits are taken and made durable.
    Ready,
    /// The store cannot make edits durable; it is opened again at an interval until it can.
    StorageUnavailable {
        /// The store's own words.
        reason: String,
    },
    /// The server is shutting down.
    Draining,
}

#[derive(Debug, Default)]
pub(crate) struct HealthState {
    storage_has_failed: AtomicBool,
    draining: CancellationToken,
    reason: Mutex<String>,
    failed: Notify,
}

impl HealthState {
    pub(crate) fn get(&self) -> Health {
        if self.is_draining() {
            Health::Draining
        } else if self.is_storage_ready() {
            Health::Ready
        } else {
            Health::StorageUnavailable { reason: self.lock_reason().clone() }
        }
    }

    pub(crate) fn is_storage_ready(&self) -> bool {
        !self.storage_has_failed.load(Ordering::Acquire)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn storage_failed(&self, error: &StoreError) {
        let reason = error.to_string();
        let mut known = self.lock_reason();
        if !self.storage_has_failed.swap(true, Ordering::AcqRel) || *known != reason {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the store cannot make edits durable; trying again"
            );
            *known = reason;
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

    fn lock_reason(&self) -> std::sync::MutexGuard<'_, String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
