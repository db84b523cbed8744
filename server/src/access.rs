//! Who may do what: tokens at the door, and for as long as a session lives.
//!
//! 1. [`Door`] reads a request: its origin, its token, the client's address.
//! 2. [`Visit`] is one session as tokens see it: its user, its end, its renewal. The hub asks it as its gate.
//! 3. The revocation book holds what was revoked, on disk; a change of it is a look at every visit.
//! 4. One look a second ([`Door::watch_expiries`]) ends the sessions whose token has expired.
//!
//! Invariants: nothing of a token but what `confluo-auth` says in words reaches a log or a client; a session that is not
//! on the list of visits does not exist.

mod door;
mod revocation_book;
mod visit;

pub use door::{Caller, Door, DoorError};
pub use revocation_book::{ChangeError, RevocationBookError};
pub use visit::{Visit, VisitGuard};
