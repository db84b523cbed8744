//! One group committer for all documents: takes what all rooms have waiting, makes it durable once, tells them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use confluo_protocol::Seq;
use confluo_store::{Append, DocumentStore, Finding, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::{clock::Clock, health::HealthState, metrics::HubMetrics};

/// The most bytes of updates in one flush, so that one flood does not make all others wait for its writing.
const MAX_BATCH_BYTES: usize = 16 << 20;
/// How often the store is asked how it is, of what no commit and no opening tells.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The record is not on disk, and nothing of it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record could not be made durable")]
pub(crate) struct CommitFailed;

/// A record, and who waits for it.
struct Waiting {
    append: Append,
    done: oneshot::Sender<Result<(), CommitFailed>>,
}

/// The sending end of the committer's queue.
#[derive(Clone)]
pub(crate) struct Committer {
    queue: mpsc::Sender<Waiting>,
}

impl Committer {
    /// Starts the committer's thread. It ends when every `Committer` is dropped and its queue is empty.
    pub(crate) fn start(
        store: Arc<dyn DocumentStore>,
        queue_records: usize,
        flush_interval: Duration,
        clock: Clock,
        metrics: Arc<HubMetrics>,
        health: Arc<HealthState>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (queue, receiver) = mpsc::channel(queue_records);
        let last_start = clock.now();
        let thread = CommitThread {
            store,
            receiver,
            flush_interval,
            last_start,
            had_company: false,
            clock,
            metrics,
            health,
            batch: Vec::new(),
            waiting: Vec::new(),
        };
        let handle = std::thread::Builder::new().name("confluo-commit".into()).spawn(move || thread.run())?;
        Ok((Self { queue }, handle))
    }

    /// Queues a record; the receiver resolves when it is on disk, or will not be.
    pub(crate) async fn commit(&self, append: Append) -> oneshot::Receiver<Result<(), CommitFailed>> {
        let (done, receiver) = oneshot::channel();
        // Without its thread the sender is dropped, which the receiver reports.
        let _ = self.queue.send(Waiting { append, done }).await;
        receiver
    }
}

struct CommitThread {
    store: Arc<dyn DocumentStore>,
    receiver: mpsc::Receiver<Waiting>,
    /// From the start of one flush to that of the next, where several records come together.
    flush_interval: Duration,
    last_start: Instant,
    had_company: bool,
    clock: Clock,
    metrics: Arc<HubMetrics>,
    health: Arc<HealthState>,
    batch: Vec<Append>,
    waiting: Vec<oneshot::Sender<Result<(), CommitFailed>>>,
}

impl CommitThread {
    fn run(mut self) {
        while let Some(first) = self.receiver.blocking_recv() {
            self.wait_for_company();
            let mut bytes = self.gather(first);
            while bytes < MAX_BATCH_BYTES
                && let Ok(next) = self.receiver.try_recv()
            {
                bytes += self.gather(next);
            }
            self.had_company = self.batch.len() > 1;
            self.commit(bytes);
        }
    }

    /// A flush costs the same for one record as for many. Where the last one had many, the next waits for as many again;
    /// who is alone never waits.
    fn wait_for_company(&mut self) {
        let next_start = self.last_start + self.flush_interval;
        let pause = next_start.saturating_duration_since(self.clock.now());
        if self.had_company && !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.last_start = self.clock.now();
    }

    fn gather(&mut self, waiting: Waiting) -> usize {
        let bytes = waiting.append.record.update.0.len();
        self.batch.push(waiting.append);
        self.waiting.push(waiting.done);
        bytes
    }

    fn commit(&mut self, bytes: usize) {
        let _span = tracing::info_span!("commit", records = self.batch.len(), bytes).entered();
        let started = self.clock.now();
        // Once a commit has failed, every room that is ahead of the disk is discarded. What such rooms still had queued
        // was held back with the rest, so none of it may be written until the store was opened again.
        if !self.health.is_storage_ready() {
            self.answer(Err(CommitFailed));
            self.batch.clear();
            return;
        }
        match self.append(&self.batch) {
            Ok(()) => {
                tracing::trace!("on disk");
                self.metrics.commit_micros.observe(self.clock.now().duration_since(started).as_micros() as u64);
                self.metrics.commit_records.observe(self.batch.len() as u64);
                self.metrics.commit_bytes.add(bytes as u64);
                self.answer(Ok(()));
            }
            // One document's fault must not fail the others: each gets its own answer.
            Err(error) if !error.is_store_wide() => self.commit_one_by_one(),
            Err(error) => {
                self.metrics.commit_failures.add(self.batch.len() as u64);
                self.health.storage_failed(&error);
                self.answer(Err(CommitFailed));
            }
        }
        self.batch.clear();
    }

    fn commit_one_by_one(&mut self) {
        for (append, done) in self.batch.iter().zip(std::mem::take(&mut self.waiting)) {
            let outcome = self.append(std::slice::from_ref(append)).map_err(|error| {
                self.metrics.commit_failures.add(1);
                tracing::error!(
                    document = append.document.as_str(),
                    error = &error as &dyn std::error::Error,
                    "a record could not be stored"
                );
                if error.is_store_wide() {
                    self.health.storage_failed(&error);
                }
                CommitFailed
            });
            let _ = done.send(outcome);
        }
    }

    fn append(&self, records: &[Append]) -> Result<(), StoreError> {
        let append = catch_unwind(AssertUnwindSafe(|| self.store.append(records)));
        append.unwrap_or_else(|_| {
            // A bug in the store; what it holds now is unknown until it was opened again.
            self.metrics.panics_caught.add(1);
            Err(StoreError::Unhealthy { reason: "the store panicked while it wrote".to_owned() })
        })
    }

    fn answer(&mut self, outcome: Result<(), CommitFailed>) {
        for done in self.waiting.drain(..) {
            // A room that is gone needs no answer.
            let _ = done.send(outcome);
        }
    }
}

/// Resolves when the commit in flight does; never if there is none.
pub(crate) async fn flushed(
    in_flight: &mut Option<(Seq, oneshot::Receiver<Result<(), CommitFailed>>)>,
) -> Result<Seq, CommitFailed> {
    let Some((seq, done)) = in_flight else { return std::future::pending().await };
    let seq = *seq;
    let outcome = done.await.unwrap_or(Err(CommitFailed));
    *in_flight = None;
    outcome.map(|()| seq)
}

/// Tries a failed store again until it is ready. Runs beside the committer, so that recovery needs no traffic; nor does it need any to
/// learn of what failed behind the last commit.
pub(crate) async fn recover_storage(
    store: Arc<dyn DocumentStore>,
    health: Arc<HealthState>,
    metrics: Arc<HubMetrics>,
    interval: Duration,
) {
    loop {
        tokio::select! {
            () = health.storage_failure() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {
                let store = Arc::clone(&store);
                if let Ok(Some(reason)) = tokio::task::spawn_blocking(move || store.stats().unhealthy).await {
                    health.storage_failed(&StoreError::Unhealthy { reason });
                }
                continue;
            }
        }
        tokio::time::sleep(interval).await;
        let store = Arc::clone(&store);
        let outcome = tokio::task::spawn_blocking(move || {
            let before = store.stats().findings;
            store.reopen().map(|()| (before, store.stats().findings))
        });
        match outcome.await {
            Ok(Ok((before, findings))) => {
                for finding in findings.iter().filter(|finding| !before.contains(finding)) {
                    tracing::error!(%finding, "the store has lost something; see `confluo doc verify`");
                }
                metrics.store_findings.set(count(&findings));
                health.storage_recovered();
            }
            Ok(Err(error)) => health.storage_failed(&error),
            Err(_) => tracing::error!("the store panicked while it was reopened"),
        }
    }
}

/// As a gauge has it.
pub(crate) fn count(findings: &[Finding]) -> i64 {
    i64::try_from(findings.len()).unwrap_or(i64::MAX)
}
