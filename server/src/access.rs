//! Who may do what: tokens at the door, and for as long as a session lives.
//!
//! 1. [`Door`] reads a request: its origin, its token, the client's address. The keys of issuers are kept fresh beside it.
//! 2. [`Visit`] is one session as tokens see it: its user, its end, its renewal. The hub asks it as its gate.
//! 3. [`Quotas`](quotas) say how much one address and one user may take; [`Passage`] is what a socket holds of it.
//! 4. The revocation book holds what was revoked, on disk; a change of it is a look at every visit.
//! 5. One look a second ([`Door::watch_expiries`]) ends the sessions whose token has expired.
//!
//! Invariants: nothing of a token but what `confluo-auth` says in words reaches a log or a client; a session that is not
//! on the list of visits does not exist.

mod attendance;
mod door;
mod issuer_keys;
mod passage;
mod quotas;
mod revocation_book;
mod visit;

pub use attendance::{Attendance, Client};
pub(crate) use door::token_in;
pub use door::{Caller, Door, DoorError};
pub use issuer_keys::{FetchError, IssuerKeysError, KeyCounts};
pub(crate) use passage::slow_down;
pub use passage::{Passage, Standing, TurnedAway};
pub use quotas::{QuotaConfig, UserPlace};
pub use revocation_book::{ChangeError, RevocationBookError};
pub use visit::{Visit, VisitGuard};
