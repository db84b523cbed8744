//! The HTTP side: connections, routes, and what stands on them but documents.
//!
//! 1. [`listener`]: accepts sockets within their bound and serves HTTP/1 on each, until it is told to stop; a
//!    [`PatientStream`] gives up on who does not read.
//! 2. [`router`]: which path belongs to whom.
//! 3. [`health`], [`metrics`], [`admin`], [`app`]: the answers that are not documents.
//!
//! A WebSocket upgrade on a path that no route owns is handed to [`Documents`](crate::Documents).

mod admin;
mod app;
mod client_stream;
mod health;
mod listener;
mod metrics;
mod patient_stream;
mod request_span;
mod router;

pub use admin::RevocationRequest;
pub use client_stream::ClientStream;
pub use listener::{Connection, Listener, serve};
pub use patient_stream::PatientStream;
pub(crate) use router::too_many_requests;
pub use router::{AppState, router};
