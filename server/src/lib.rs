//! Sync server for collaborative documents: Yjs over WebSockets, durable before visible.
//!
//! 1. [`cli`] and [`commands`]: what the binary can be asked to do, one file each.
//! 2. [`config`]: defaults, file, environment and flags, laid over each other and checked.
//! 3. [`server`]: [`run`](server::run) ties a listener, the HTTP side and the documents together.
//! 4. [`http`]: accepts sockets, answers plain requests, hands upgrades on.
//! 5. [`documents`]: the seam to whatever serves documents.
//! 6. [`access`]: whose session it is, and what it may do; while it lives, too.
//! 7. [`audit`]: writes down who did what.
//! 8. `websocket`: a WebSocket as the hub's sessions see it.
//! 9. [`store`]: opens the engine that keeps documents, for the server and for the commands on its data folder.
//! 10. [`tls`]: the certificate, where the server speaks TLS itself.
//! 11. [`signals`], [`telemetry`], [`open_files`], [`secret_files`]: the process around it.
//!
//! Invariants: nothing outside [`config`] reads the environment; no query, token or content of a document is logged.

pub mod access;
pub mod audit;
pub mod cli;
pub mod commands;
pub mod config;
pub mod documents;
pub mod http;
pub mod open_files;
pub mod secret_files;
pub mod server;
pub mod signals;
pub mod store;
pub mod telemetry;
pub mod tls;
mod websocket;

pub use documents::{DocumentUpgrade, Documents, Drained, Readiness, UpgradedSocket};
