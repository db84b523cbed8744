//! Which tokens no longer count, although they are valid.

use std::{collections::BTreeMap, fmt, time::Duration};

use confluo_protocol::UserId;
use serde::{Deserialize, Serialize};

use crate::{Identity, TokenError, UnixTime};

/// The version of the stored form that this code writes.
const VERSION: u32 = 1;

/// How far ahead of this clock a time of issue may lie: as far as `auth.leeway` at most, so that whatever counts can be
/// revoked, and a minute for the clock of whoever asks.
const MAX_AHEAD: Duration = Duration::from_secs(660);

/// How many revocations are kept unless configured otherwise: some 20 MB on disk at most.
pub const DEFAULT_MAX_REVOCATIONS: usize = 100_000;

/// The revocations in force: by user, by token, and by time of issue, for everyone or for one user.
///
/// It does no IO. After each change the server writes [`Revocations::to_json`] to its data folder, atomically and before
/// it answers the operator; at start it reads it with [`Revocations::from_json`], whose failure must stop the start:
/// going on without would let everyone in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    version: u32,
    /// Users whose every token is refused, also those yet to be issued.
    users: BTreeMap<String, Entry>,
    /// Tokens by `jti`.
    tokens: BTreeMap<String, Entry>,
    /// Users whose tokens issued up to a time are refused.
    issued_until_by_user: BTreeMap<String, Cutoff>,
    /// All tokens issued up to a time are refused.
    issued_until: Option<Cutoff>,
    #[serde(skip, default = "default_max_entries")]
    max_entries: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    revoked_at: UnixTime,
    /// When the last token that it concerns has expired, if that is known.
    moot_at: Option<UnixTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cutoff {
    revoked_at: UnixTime,
    issued_until: UnixTime,
}

/// One thing to revoke, or to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// Every token of a user, also those issued later, until it is taken back.
    User(UserId),
    /// One token by its `jti`.
    Token {
        /// The `jti`.
        token_id: String,
        /// Its `exp` if known; then the revocation is forgotten once nobody could use the token any more.
        expires_at: Option<UnixTime>,
    },
    /// Every token issued in or before this second: of one user, or of everybody. With the present time and
    /// the leeway for clocks it ends what is, and lets in who gets a new token after that. A later time for the same replaces an earlier one; one that
    /// is more than eleven minutes ahead is refused.
    IssuedUntil {
        /// Whose; everybody's if absent.
        user: Option<UserId>,
        /// The last second that is revoked.
        issued_until: UnixTime,
    },
}

/// Why an identity no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// Its user is revoked.
    User,
    /// Its token is revoked.
    Token,
    /// Its token was issued too early for this user.
    IssuedTooEarlyForUser,
    /// Its token was issued too early for anybody.
    IssuedTooEarly,
}

/// A revocation cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokeError {
    /// There is no room.
    #[error(
        "{0} revocations are kept and no more fit; revoke all tokens issued until now instead, which takes one entry"
    )]
    Full(usize),
    /// An empty or overlong id: no token could carry it.
    #[error("a user or token id has 1 to 256 bytes")]
    IdLength,
    /// A time of issue in the future: nobody could come in until then, no administrator either.
    #[error("issued_until is a time in seconds, and this one has not come yet; take the present time")]
    NotYet,
}

/// Stored revocations cannot be read. The server must not start without them.
#[derive(Debug, thiserror::Error)]
pub enum RevocationsError {
    /// A newer version wrote them.
    #[error("the stored revocations have version {0}, this program reads version {VERSION}; run the newer program")]
    Version(u64),
    /// They are damaged.
    #[error("the stored revocations cannot be read; restore the file, or remove it to forget every revocation")]
    Damaged(#[source] serde_json::Error),
}

fn default_max_entries() -> usize {
    DEFAULT_MAX_REVOCATIONS
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_REVOCATIONS)
    }
}

impl Revocations {
    /// None yet, and at most so many.
    pub fn new(max_entries: usize) -> Self {
        Self {
            version: VERSION,
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            issued_until_by_user: BTreeMap::new(),
            issued_until: None,
            max_entries,
        }
    }

    /// Adds one; doing so again is no error. A revocation of everybody by time always fits.
    pub fn revoke(&mut self, revocation: Revocation, now: UnixTime) -> Result<(), RevokeError> {
        let is_new = match &revocation {
            Revocation::User(user) => !self.users.contains_key(&*user.0),
            Revocation::Token { token_id, .. } => !self.tokens.contains_key(token_id),
            Revocation::IssuedUntil { user: Some(user), .. } => !self.issued_until_by_user.contains_key(&*user.0),
            Revocation::IssuedUntil { user: None, .. } => false,
        };
        if matches!(&revocation, Revocation::IssuedUntil { issued_until, .. } if *issued_until > now.plus(MAX_AHEAD)) {
            return Err(RevokeError::NotYet);
        }
        if is_new && self.len() >= self.max_entries {
            return Err(RevokeError::Full(self.len()));
        }
        match revocation {
            Revocation::User(user) => {
                self.users.entry(check_id(&user.0)?).or_insert(Entry { revoked_at: now, moot_at: None });
            }
            Revocation::Token { token_id, expires_at } => {
                let entry = Entry { revoked_at: now, moot_at: expires_at };
                // Told twice, with different ends: the later one is safe.
                let kept = self.tokens.entry(check_id(&token_id)?).or_insert(entry);
                kept.moot_at = kept.moot_at.zip(expires_at).map(|(a, b)| a.max(b));
            }
            Revocation::IssuedUntil { user, issued_until } => {
                let cutoff = Cutoff { revoked_at: now, issued_until };
                let kept = match user {
                    Some(user) => self.issued_until_by_user.entry(check_id(&user.0)?).or_insert(cutoff),
                    None => self.issued_until.get_or_insert(cutoff),
                };
                if issued_until > kept.issued_until {
                    *kept = cutoff;
                }
            }
        }
        Ok(())
    }

    /// Takes one back (for a revocation by time, whatever its time); says whether it was there.
    pub fn reinstate(&mut self, revocation: &Revocation) -> bool {
        match revocation {
            Revocation::User(user) => self.users.remove(&*user.0).is_some(),
            Revocation::Token { token_id, .. } => self.tokens.remove(token_id).is_some(),
            Revocation::IssuedUntil { user: Some(user), .. } => self.issued_until_by_user.remove(&*user.0).is_some(),
            Revocation::IssuedUntil { user: None, .. } => self.issued_until.take().is_some(),
        }
    }

    /// Revokes what `other` does, too. Where both revoke the same, whatever lasts longer stays. None is refused for want of room.
    pub fn add_all(&mut self, other: Self) {
        let later = |kept: &mut Cutoff, other: Cutoff| {
            if other.issued_until > kept.issued_until {
                *kept = other;
            }
        };
        for (ours, theirs) in [(&mut self.users, other.users), (&mut self.tokens, other.tokens)] {
            for (id, entry) in theirs {
                let kept = ours.entry(id).or_insert(entry);
                kept.moot_at = kept.moot_at.zip(entry.moot_at).map(|(a, b)| a.max(b));
            }
        }
        for (user, cutoff) in other.issued_until_by_user {
            later(self.issued_until_by_user.entry(user).or_insert(cutoff), cutoff);
        }
        if let Some(cutoff) = other.issued_until {
            later(self.issued_until.get_or_insert(cutoff), cutoff);
        }
    }

    /// Why this identity no longer counts, if so. Three map look-ups: cheap enough to ask for every live session after
    /// each revocation. A token without `iat` counts as issued before any cutoff.
    pub fn is_revoked(&self, identity: &Identity) -> Option<RevocationReason> {
        let user = &*identity.user.0;
        let issued_at = identity.issued_at.unwrap_or_default();
        let is_cut_off = |cutoff: &Cutoff| issued_at <= cutoff.issued_until;
        if self.users.contains_key(user) {
            Some(RevocationReason::User)
        } else if identity.token_id.as_ref().is_some_and(|token_id| self.tokens.contains_key(&**token_id)) {
            Some(RevocationReason::Token)
        } else if self.issued_until_by_user.get(user).is_some_and(is_cut_off) {
            Some(RevocationReason::IssuedTooEarlyForUser)
        } else if self.issued_until.as_ref().is_some_and(is_cut_off) {
            Some(RevocationReason::IssuedTooEarly)
        } else {
            None
        }
    }

    /// [`Revocations::is_revoked`] as the answer to a token.
    pub fn check(&self, identity: &Identity) -> Result<(), TokenError> {
        self.is_revoked(identity).map_or(Ok(()), |reason| Err(TokenError::Revoked(reason)))
    }

    /// Forgets revocations that concern only tokens which have expired anyway; returns how many.
    ///
    /// Those of one token go at its `exp` plus `leeway`, where that was given. Those by time go only if every token has a
    /// longest lifetime (`auth.max_token_lifetime`). Those of a user stay.
    pub fn prune(&mut self, now: UnixTime, leeway: Duration, max_token_lifetime: Option<Duration>) -> usize {
        let before = self.len();
        self.tokens.retain(|_, entry| entry.moot_at.is_none_or(|moot_at| now < moot_at.plus(leeway)));
        if let Some(lifetime) = max_token_lifetime {
            // A token issued in the last second that is cut off, with the longest lifetime, on the slowest clock.
            let matters = |cutoff: &Cutoff| now < cutoff.issued_until.plus(lifetime).plus(leeway);
            self.issued_until_by_user.retain(|_, cutoff| matters(cutoff));
            self.issued_until = self.issued_until.filter(matters);
        }
        before - self.len()
    }

    /// How many revocations are in force.
    pub fn len(&self) -> usize {
        self.users.len()
            + self.tokens.len()
            + self.issued_until_by_user.len()
            + usize::from(self.issued_until.is_some())
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The stored form: versioned JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("maps with string keys are always JSON")
    }

    /// Reads the stored form. Entries beyond `max_entries` are kept, for forgetting one would let somebody in; only
    /// adding stops.
    pub fn from_json(stored: &[u8], max_entries: usize) -> Result<Self, RevocationsError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let Versioned { version } = serde_json::from_slice(stored).map_err(RevocationsError::Damaged)?;
        if version != u64::from(VERSION) {
            return Err(RevocationsError::Version(version));
        }
        let revocations = serde_json::from_slice(stored).map_err(RevocationsError::Damaged)?;
        Ok(Self { max_entries, ..revocations })
    }
}

fn check_id(id: &str) -> Result<String, RevokeError> {
    if (1..=256).contains(&id.len()) { Ok(id.to_owned()) } else { Err(RevokeError::IdLength) }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "its user is revoked",
            Self::Token => "its id is revoked",
            Self::IssuedTooEarlyForUser => "this user's tokens issued until then are revoked",
            Self::IssuedTooEarly => "all tokens issued until then are revoked",
        })
    }
}
