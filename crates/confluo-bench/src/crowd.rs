//! Many connections on one thread: opened a few at a time, awaited, and gone when the measurement ends.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use tokio::{sync::Notify, task::JoinSet, time};

use crate::BenchError;

/// How many connections are opened at the same time.
pub(crate) const OPENING_AT_ONCE: usize = 64;

/// The tasks of all connections. The first that fails ends the measurement; dropping it ends them all.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    tasks: JoinSet<Result<(), BenchError>>,
}

impl Crowd {
    pub(crate) fn add(&mut self, task: impl Future<Output = Result<(), BenchError>> + 'static) {
        self.tasks.spawn_local(task);
    }

    /// Lets the crowd work until `done`; fails as soon as one of them does.
    pub(crate) async fn until<T>(&mut self, done: impl Future<Output = T>) -> Result<T, BenchError> {
        let mut done = std::pin::pin!(done);
        loop {
            tokio::select! {
                biased;
                output = &mut done => return Ok(output),
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(result) => result?,
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                },
            }
        }
    }

    /// [`Crowd::until`] within a time.
    pub(crate) async fn until_within<T>(
        &mut self,
        limit: Duration,
        what: &'static str,
        done: impl Future<Output = T>,
    ) -> Result<T, BenchError> {
        match self.until(time::timeout(limit, done)).await? {
            Ok(output) => Ok(output),
            Err(_) => Err(BenchError::Timeout { what, seconds: limit.as_secs() }),
        }
    }
}

/// Counts what happens, and wakes who waits for a number of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Rc<(Cell<u64>, Notify)>);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.0.set(self.0.0.get() + more);
        self.0.1.notify_waiters();
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.0.get()
    }

    /// Waits until the count is at least `number`.
    pub(crate) async fn reach(&self, number: u64) {
        loop {
            let notified = self.0.1.notified();
            if self.get() >= number {
                return;
            }
            notified.await;
        }
    }
}
