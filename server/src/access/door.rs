//! From a request to a caller, and from a caller to a visit.

use std::fs::metadata;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use confluo_auth::{
    AuthConfig, AuthConfigError, AuthMode, Credentials, Identity, KeySet, OriginPolicy, Revocation, Token, TokenError,
    TokenSource, TokenSources, TrustedProxies, UnixTime, Verifier,
};
use confluo_hub::{Clock, Expulsion, Rate};
use confluo_protocol::{Access, CloseCode, DocumentName, UserId};
use http::HeaderMap;
use rustix::process::geteuid;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::issuer_keys::{IssuerKeys, IssuerKeysError, KeyCounts};
use super::quotas::Quotas;
use super::revocation_book::{ChangeError, RevocationBook, RevocationBookError};
use super::visit::{Visit, VisitGuard, Visits};
use crate::audit::{Audit, AuditEvent};
use crate::config::{AuditConfig, AuditOutput, Config};

/// Who is asking, as far as the request says.
#[derive(Debug)]
pub enum Caller {
    /// Anyone: the server needs no tokens.
    Anyone,
    /// Somebody with a token, valid or not.
    Bearer(Token),
    /// Somebody whose token is still to come in-band.
    Unsaid,
}

/// The rules of `[auth]` and `[trusted_proxies]`, and every session that came in by them.
#[derive(Debug)]
pub struct Door {
    config: AuthConfig,
    max_bytes_before_token: usize,
    token_rate: Rate,
    origins: OriginPolicy,
    proxies: TrustedProxies,
    sources: TokenSources,
    /// Known only where the server speaks TLS itself; a proxy may have spoken it for us.
    is_https: Option<bool>,
    /// Absent if no token is needed.
    verifier: Option<Verifier>,
    issuer_keys: IssuerKeys,
    revocations: RevocationBook,
    pub(super) quotas: Quotas,
    audit: Audit,
    pub(super) visits: Visits,
}

/// The door cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] AuthConfigError),
    /// What was revoked cannot be read.
    #[error(transparent)]
    Revocations(#[from] RevocationBookError),
    /// The audit log cannot be opened.
    #[error("audit.file: cannot open the audit log")]
    Audit(#[source] io::Error),
    /// A JWKS cannot be used.
    #[error(transparent)]
    IssuerKeys(#[from] IssuerKeysError),
}

impl Door {
    /// Reads the keys, and says what is wrong with any of them.
    pub fn open(config: &Config) -> Result<Self, DoorError> {
        let auth = config.auth.clone();
        let (verifier, issuer_keys) = match auth.mode {
            AuthMode::None => (None, IssuerKeys::open(Arc::default(), &[])?),
            AuthMode::Token => {
                let keys = Arc::new(KeySet::new(auth.verifying_keys(|path| std::fs::read(path))?));
                let issuer_keys = IssuerKeys::open(Arc::clone(&keys), &auth.jwks)?;
                (Some(Verifier::new(&auth, keys)?), issuer_keys)
            }
        };
        // Behind a proxy that is named, whoever comes may be anywhere.
        let is_local =
            config.server.listen.ip().to_canonical().is_loopback() && config.trusted_proxies.networks.is_empty();
        let tokens = u64::from(config.limits.max_tokens_per_minute);
        Ok(Self {
            token_rate: Rate { count: tokens, period: Duration::from_secs(60), burst: tokens },
            max_bytes_before_token: config.limits.max_bytes_before_token.as_usize(),
            origins: OriginPolicy::new(&auth.allowed_origins, is_local)?,
            proxies: config.trusted_proxies.clone(),
            is_https: config.tls.certificate_file.is_some().then_some(true),
            sources: TokenSources { cookie: auth.cookie.clone() },
            verifier,
            issuer_keys,
            revocations: RevocationBook::open(&config.server.data_dir)?,
            config: auth,
            quotas: Quotas::new(config.quotas()),
            audit: Audit::open(&config.audit, &config.server.data_dir).map_err(DoorError::Audit)?,
            visits: Visits::default(),
        })
    }

    /// What would keep [`Door::open`] from opening it, as far as that shows without making anything. Where the data folder is
    /// another user's, that one is the server's, and may open what is closed to whoever asks.
    pub fn check(config: &Config) -> Result<(), DoorError> {
        let data_dir = &config.server.data_dir;
        // Of folders that are not there yet, the one that they would be made in.
        let folders = data_dir.ancestors().map(|folder| if folder == "" { Path::new(".") } else { folder });
        let found = folders
            .map(metadata)
            .find(|found| !found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        let is_own = found.is_none_or(|found| found.is_ok_and(|folder| folder.uid() == geteuid().as_raw()));
        let is_told = |error: &io::Error| is_own || error.kind() != io::ErrorKind::PermissionDenied;
        if let Some(error) = Audit::check(&config.audit, data_dir).err().filter(is_told) {
            return Err(DoorError::Audit(error));
        }
        let audit = AuditConfig { output: AuditOutput::Off, ..config.audit.clone() };
        match Self::open(&Config { audit, ..config.clone() }) {
            // The last thing that it reads.
            Err(DoorError::Revocations(RevocationBookError::Unreadable { source, .. })) if !is_told(&source) => Ok(()),
            opened => opened.map(drop),
        }
    }

    /// The client's address, behind proxies that are trusted.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client_address(peer, headers)
    }

    /// What is written down about those who come.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Writes down that somebody was turned away, unless so many were that they are only counted.
    pub fn record_refusal(&self, address: IpAddr, event: &AuditEvent<'_>) {
        if self.quotas.write_refusal(address, Clock.now()) {
            self.audit.record_after_folded(event);
        } else {
            self.audit.fold();
        }
    }

    /// Whether the other end of a socket speaks for clients of its own.
    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.trusts(peer)
    }

    /// Whether a handshake comes before anything else.
    pub(super) fn speaks_tls(&self) -> bool {
        self.is_https == Some(true)
    }

    /// Who is asking (AD4), and whether the page that asks may (AD6).
    pub fn caller(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Caller, Expulsion> {
        let may_connect = |credentials| {
            self.origins.check(headers, credentials, self.is_https).map_err(|refused| forbidden(refused.to_string()))
        };
        if self.verifier.is_none() {
            may_connect(Credentials::Absent)?;
            return Ok(Caller::Anyone);
        }
        match self.sources.find(headers, query).map_err(|error| unauthorised(&error))? {
            Some((token, source)) => {
                may_connect(source.into())?;
                Ok(Caller::Bearer(token))
            }
            None => Ok(Caller::Unsaid),
        }
    }

    /// Whose token this is. If its key is not known, issuers are asked for theirs first.
    pub async fn identify(&self, token: &Token) -> Result<Identity, Expulsion> {
        let generation = self.issuer_keys.generation();
        match self.verify(token) {
            Err(error) if error.may_be_cured_by_fresh_keys() && self.issuer_keys.may_grow() => {
                let is_fresh = self.issuer_keys.freshen().await;
                // What no new key can cure is not looked at twice: signatures are what a stranger makes the server work for.
                let has_new_keys = self.issuer_keys.generation() != generation;
                let verified = if has_new_keys { self.verify(token) } else { Err(error) };
                verified.map_err(|error| if is_fresh { unauthorised(&error) } else { not_yet(&error) })
            }
            verified => verified.map_err(|error| unauthorised(&error)),
        }
    }

    /// Whose token came in-band on a live session, which does not wait for issuers: if a key is not known, the client comes
    /// back, and waits at the door.
    pub fn identify_at_once(&self, token: &[u8]) -> Result<Identity, Expulsion> {
        let token = token_in(token)?;
        let may_grow = self.issuer_keys.may_grow();
        self.verify(&token).map_err(|error| if may_grow { not_yet(&error) } else { unauthorised(&error) })
    }

    fn verify(&self, token: &Token) -> Result<Identity, TokenError> {
        let verifier = self.verifier.as_ref().ok_or(TokenError::Missing)?;
        let identity = verifier.verify(token, Self::now())?;
        self.revocations.check(&identity)?;
        Ok(identity)
    }

    /// To be asked once more when an identity is on the list of visits: a revocation that looked at the list before is
    /// in the book by then.
    pub(super) fn check_revoked(&self, identity: &Identity) -> Result<(), Expulsion> {
        self.revocations.check(identity).map_err(|error| unauthorised(&error))
    }

    /// Which admin a request comes from. Only `Authorization` counts: no page can make a browser send it.
    pub async fn admin(&self, headers: &HeaderMap) -> Result<UserId, Expulsion> {
        let found = TokenSources::default().find(headers, None).map_err(|error| unauthorised(&error))?;
        let found = found.filter(|(_, source)| *source == TokenSource::Authorization);
        let (token, _) = found.ok_or_else(|| unauthorised(&TokenError::Missing))?;
        let identity = self.identify(&token).await?;
        if identity.is_admin { Ok(identity.user) } else { Err(forbidden("the token has no admin role")) }
    }

    /// Revokes: on disk first, then every session that it concerns ends with 4401 (AU5). Says how many did, also where it is in
    /// doubt. Blocks.
    pub fn revoke(&self, revocation: Revocation) -> (usize, Result<(), ChangeError>) {
        let now = Self::now();
        let (leeway, lifetime) = (self.config.leeway, self.config.max_token_lifetime);
        let changed = self.revocations.change(|revocations| {
            revocations.prune(now, leeway, lifetime);
            revocations.revoke(revocation, now)
        });
        // After a failure, too: it may be in force all the same.
        let ended = self.visits.all().into_iter().filter(|visit| visit.end_if_revoked()).count();
        (ended, changed)
    }

    /// Takes a revocation back; says whether it was there. Blocks.
    pub fn reinstate(&self, revocation: &Revocation) -> Result<bool, ChangeError> {
        self.revocations.change(|revocations| Ok(revocations.reinstate(revocation)))
    }

    /// All revocations, as they are stored.
    pub fn revocations_json(&self) -> String {
        self.revocations.to_json()
    }

    /// Lets somebody in, if there is a grant for the document (AU3).
    pub fn admit(
        self: &Arc<Self>,
        identity: &Identity,
        document: &DocumentName,
    ) -> Result<(Access, VisitGuard), Expulsion> {
        let access = granted(identity, document)?;
        let visit = Visit::begin(self, identity.clone(), document.clone());
        self.check_revoked(identity)?;
        Ok((access, visit))
    }

    /// What a connection may send that has not said who it is.
    pub fn max_bytes_before_token(&self) -> usize {
        self.max_bytes_before_token
    }

    /// How long a token may take to come in-band.
    pub fn token_timeout(&self) -> Duration {
        self.config.token_timeout
    }

    /// Ends every session whose token has expired and was not renewed, at a look a second (AU4).
    pub async fn watch_expiries(&self) {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        loop {
            interval.tick().await;
            let now = Self::now();
            for visit in self.visits.all() {
                visit.end_if_expired(now);
            }
        }
    }

    /// Reads the keys of issuers, now and at their intervals, until the `end`.
    pub async fn refresh_keys(&self, end: &CancellationToken) {
        self.issuer_keys.keep_fresh(end).await;
    }

    /// How often the keys of issuers were read.
    pub fn key_counts(&self) -> &KeyCounts {
        self.issuer_keys.counts()
    }

    /// How many tokens one session may send.
    pub(super) fn token_rate(&self) -> Rate {
        self.token_rate
    }

    pub(super) fn expiry_grace(&self) -> Duration {
        self.config.expiry_grace
    }

    fn now() -> UnixTime {
        Clock.wall().into()
    }
}

/// What a token allows with a document, or the refusal.
pub(super) fn granted(identity: &Identity, document: &DocumentName) -> Result<Access, Expulsion> {
    identity.grants.access(document).ok_or_else(|| forbidden("the token does not allow this document"))
}

pub(super) fn forbidden(reason: impl Into<std::borrow::Cow<'static, str>>) -> Expulsion {
    Expulsion { code: CloseCode::Forbidden, reason: reason.into() }
}

/// The token that came in-band.
pub(crate) fn token_in(message: &[u8]) -> Result<Token, Expulsion> {
    let text = std::str::from_utf8(message).map_err(|_| TokenError::Malformed("it is not text"));
    text.and_then(Token::new).map_err(|error| unauthorised(&error))
}

/// What a token is told whose key may yet turn out to be an issuer's: to come back, where 4401 would be for good (AU7).
fn not_yet(error: &TokenError) -> Expulsion {
    match error {
        TokenError::UnknownKey => {
            debug!(%error, kind = error.kind(), "a token cannot be checked now");
            Expulsion { code: CloseCode::TokenExpired, reason: "the token cannot be checked now; come back".into() }
        }
        error => unauthorised(error),
    }
}

pub(super) fn unauthorised(error: &TokenError) -> Expulsion {
    debug!(%error, kind = error.kind(), "a token was refused");
    Expulsion { code: error.close_code(), reason: error.client_reason().into() }
}
