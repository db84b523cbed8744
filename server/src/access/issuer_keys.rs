//! The keys of issuers, from JWKS files and URLs: read again at an interval, and when a token names a key that is not known.
//!
//! Invariants: what cannot be read or used never replaces the keys in force; a source is asked by one task at a time, and
//! for strangers' tokens at most once in its cooldown; what was begun goes on, although whoever wanted it may have left.

mod jwks_url;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use confluo_auth::{Jwks, JwksError, JwksSource, KeySet};
use confluo_hub::Clock;
use confluo_hub::metrics::Counter;
use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

pub use self::jwks_url::FetchError;
use self::jwks_url::JwksUrl;

/// All sources of keys.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    keys: Arc<KeySet>,
    sources: Vec<Arc<Source>>,
    counts: Arc<KeyCounts>,
    /// At most one for each source.
    reading: TaskTracker,
    stop_reading: CancellationToken,
}

/// How often sources were read.
#[derive(Debug, Default)]
pub struct KeyCounts {
    /// With keys that can be used.
    pub read: Counter,
    /// Without; the last good keys stayed in force.
    pub failed: Counter,
}

/// A JWKS that cannot be had or used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerKeysError {
    /// Its file cannot be read.
    #[error("auth.jwks: cannot read {0}")]
    File(String, #[source] std::io::Error),
    /// It cannot be fetched.
    #[error("auth.jwks: cannot fetch {0}")]
    Fetch(String, #[source] FetchError),
    /// It was read and is of no use.
    #[error("auth.jwks: cannot use {0}")]
    Unusable(String, #[source] JwksError),
    /// Its URL names no host that could be asked.
    #[error("auth.jwks: the host of {0} cannot be asked")]
    Url(String),
    /// Its authorities cannot be used.
    #[error("auth.jwks: ca_file {} has no certificate in PEM that can be used", .0.display())]
    Authorities(PathBuf),
}

#[derive(Debug)]
struct Source {
    /// Its name among the keys: two URLs may differ in their query alone.
    id: String,
    config: JwksSource,
    place: Place,
    /// Held while the source is read: who else wants it waits, and takes the answer.
    last: Arc<Mutex<Option<LastTry>>>,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Url(Box<JwksUrl>),
}

#[derive(Debug, Clone, Copy)]
struct LastTry {
    began: Instant,
    succeeded: bool,
}

impl IssuerKeys {
    /// Reads the files, and says what is wrong with any. URLs are fetched by [`IssuerKeys::keep_fresh`], for a server must
    /// start although its issuer is away.
    pub(super) fn open(keys: Arc<KeySet>, sources: &[JwksSource]) -> Result<Self, IssuerKeysError> {
        let sources = sources.iter().enumerate().map(|(index, config)| {
            let place = match (&config.file, &config.url) {
                (Some(file), _) => Place::File(file.clone()),
                (None, url) => Place::Url(Box::new(JwksUrl::new(url.as_deref().unwrap_or_default(), config)?)),
            };
            let source = Source { id: index.to_string(), config: config.clone(), place, last: Arc::default() };
            if let Place::File(file) = &source.place {
                source.put_in_force(&keys, &source.read_file(file)?)?;
            }
            Ok(Arc::new(source))
        });
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            keys,
            counts: Arc::default(),
            reading: TaskTracker::new(),
            stop_reading: CancellationToken::new(),
        })
    }

    /// Whether keys can come that are not known yet.
    pub(super) fn may_grow(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Another number after each time that keys were replaced.
    pub(super) fn generation(&self) -> u64 {
        self.keys.generation()
    }

    pub(super) fn counts(&self) -> &KeyCounts {
        &self.counts
    }

    /// Reads every source at its interval, and a failing one at its cooldown. At the `end` no read goes on, and none begins.
    pub(super) async fn keep_fresh(&self, end: &CancellationToken) {
        let each = self.sources.iter().map(|source| async move {
            loop {
                let last = Arc::clone(&source.last).lock_owned().await;
                let has_succeeded = self.read(source, last).await;
                let JwksSource { refresh, cooldown, .. } = source.config;
                tokio::time::sleep(if has_succeeded { refresh } else { cooldown.min(refresh) }).await;
            }
        });
        end.run_until_cancelled(join_all(each)).await;
        self.stop_reading.cancel();
        self.reading.close();
        self.reading.wait().await;
    }

    /// Reads every source once more, for a token whose key is not known. Says whether all of them were read since it was
    /// asked: if not, the key may yet turn out to be an issuer's.
    pub(super) async fn freshen(&self) -> bool {
        let asked_at = Clock.now();
        let each = self.sources.iter().map(|source| async move {
            let last = Arc::clone(&source.last).lock_owned().await;
            match *last {
                Some(last) if last.began >= asked_at => last.succeeded,
                Some(last) if Clock.now() < last.began + source.config.cooldown => false,
                _ => self.read(source, last).await,
            }
        });
        join_all(each).await.into_iter().all(|is_fresh| is_fresh)
    }

    /// In a task of its own: whoever wants this may go away while it runs, and a stranger who does would else undo it, again
    /// and again. Says whether it succeeded.
    async fn read(&self, source: &Arc<Source>, mut last: OwnedMutexGuard<Option<LastTry>>) -> bool {
        let (source, keys, counts) = (Arc::clone(source), Arc::clone(&self.keys), Arc::clone(&self.counts));
        let reading = async move {
            let had_failed = last.is_some_and(|last| !last.succeeded);
            let began = Clock.now();
            let Some(read) = source.read(keys).await else { return false };
            let succeeded = read.is_ok();
            *last = Some(LastTry { began, succeeded });
            source.tell(read, had_failed, &counts);
            succeeded
        };
        let reading = self.reading.spawn(self.stop_reading.clone().run_until_cancelled_owned(reading));
        matches!(reading.await, Ok(Some(true)))
    }
}

impl Source {
    /// Reads it and puts its keys in force, where it holds up nobody: a file may be slow, and many keys take long to check. None
    /// if the process ends meanwhile.
    async fn read(self: &Arc<Self>, keys: Arc<KeySet>) -> Option<Result<(), IssuerKeysError>> {
        let source = Arc::clone(self);
        let reading = match &self.place {
            Place::File(file) => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || source.put_in_force(&keys, &source.read_file(&file)?))
            }
            Place::Url(url) => match url.fetch().await {
                Ok(document) => tokio::task::spawn_blocking(move || source.put_in_force(&keys, &document)),
                Err(error) => return Some(Err(IssuerKeysError::Fetch(self.config.name(), error))),
            },
        };
        reading.await.ok()
    }

    fn tell(&self, read: Result<(), IssuerKeysError>, had_failed: bool, counts: &KeyCounts) {
        let Err(error) = read else {
            counts.read.increment();
            if had_failed {
                info!(source = self.config.name(), "the keys of a JWKS can be read again");
            }
            return;
        };
        counts.failed.increment();
        let error = &error as &dyn std::error::Error;
        if had_failed {
            debug!(error, "the keys of the last good JWKS stay in force");
        } else {
            warn!(error, again_in = ?self.config.cooldown, "the keys of the last good JWKS stay in force");
        }
    }

    fn read_file(&self, file: &Path) -> Result<Vec<u8>, IssuerKeysError> {
        std::fs::read(file).map_err(|error| IssuerKeysError::File(self.config.name(), error))
    }

    fn put_in_force(&self, keys: &KeySet, document: &[u8]) -> Result<(), IssuerKeysError> {
        let source = self.config.name();
        let jwks = Jwks::parse(document, self.config.rsa_algorithm)
            .map_err(|error| IssuerKeysError::Unusable(source.clone(), error))?;
        for skipped in &jwks.skipped {
            let (index, kid) = (skipped.index, skipped.kid.as_deref());
            debug!(source, index, kid, reason = %skipped.reason, "a key of a JWKS is not used");
        }
        keys.replace_jwks(&self.id, jwks.keys);
        Ok(())
    }
}
