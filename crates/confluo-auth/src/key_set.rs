//! The keys in force: those from the configuration, and those of each JWKS, replaced whole at each refresh.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Algorithm, TokenError, VerifyingKey};

/// How many keys are tried for one token. Only tokens or keys without a `kid` meet several; the bound keeps a stranger's
/// token from costing more than a few signature checks.
const MAX_KEYS_TRIED: usize = 8;

/// Every key that may verify a token. Shared freely: a refresh replaces one JWKS's keys at once, and a token that is
/// being verified meanwhile sees either the old keys or the new ones.
#[derive(Debug, Default)]
pub struct KeySet {
    configured: Vec<VerifyingKey>,
    by_jwks: RwLock<Arc<BTreeMap<String, Vec<VerifyingKey>>>>,
    generation: AtomicU64,
}

impl KeySet {
    /// A set of the configuration's keys; JWKS keys come by [`KeySet::replace_jwks`].
    pub fn new(configured: Vec<VerifyingKey>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// Replaces all keys that came from the JWKS called `source` (its URL or file, say). When a fetch fails, don't call
    /// this: the keys of the last good one stay in force.
    pub fn replace_jwks(&self, source: &str, keys: Vec<VerifyingKey>) {
        // Nothing in this crate panics while it holds the lock, and a map that is replaced whole is never half-written.
        let mut by_jwks = self.by_jwks.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = BTreeMap::clone(&by_jwks);
        next.insert(source.to_owned(), keys);
        *by_jwks = Arc::new(next);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Another number after each replacement: as long as it is the same, a token that was refused for its key still is.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How many keys are in force.
    pub fn len(&self) -> usize {
        self.configured.len() + self.jwks_keys().values().map(Vec::len).sum::<usize>()
    }

    /// Whether no token could be verified now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that a key that may sign such a token did sign it.
    ///
    /// A key may, if its algorithm is the claimed one and neither it nor the token names another `kid`. Keys that the token
    /// names are tried before those without a `kid`, and configured keys before those of a JWKS; at most eight in all. A `kid`
    /// that no key has is unknown, whatever those without one say: it may be that of a key which is still to come.
    pub(crate) fn check_signature(
        &self,
        kid: Option<&str>,
        claimed: Algorithm,
        message: &[u8],
        signature: &str,
    ) -> Result<(), TokenError> {
        let by_jwks = self.jwks_keys();
        let keys = || self.configured.iter().chain(by_jwks.values().flatten());
        let fitting = || {
            let named = keys().filter(|key| kid.is_some() && key.kid() == kid);
            named.chain(keys().filter(|key| kid.is_none() || key.kid().is_none()))
        };
        let mut candidates = fitting().filter(|key| key.algorithm() == claimed).take(MAX_KEYS_TRIED).peekable();
        let is_of_another_algorithm = candidates.peek().is_none();
        if candidates.any(|key| key.made(signature, message)) {
            return Ok(());
        }
        let mut known = fitting().filter(|key| kid.is_none() || key.kid() == kid);
        Err(match known.next() {
            None => TokenError::UnknownKey,
            Some(_) if is_of_another_algorithm => TokenError::AlgorithmMismatch { claimed },
            Some(_) => TokenError::BadSignature,
        })
    }

    fn jwks_keys(&self) -> Arc<BTreeMap<String, Vec<VerifyingKey>>> {
        Arc::clone(&self.by_jwks.read().unwrap_or_else(PoisonError::into_inner))
    }
}
