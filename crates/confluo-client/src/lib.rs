//! A headless client: it keeps one Yjs document in step with a server, for tests, load, scripts and agents.
//!
//! ```no_run
//! use confluo_client::{Client, ClientConfig, yrs::{Text, WriteTxn}};
//!
//! # async fn example() -> Result<(), confluo_client::ClientError> {
//! let client = Client::connect(ClientConfig::new("ws://localhost:8787/sync/notes")?);
//! client.wait_synced().await?;
//! client.edit(|txn| txn.get_or_insert_text("note").push(txn, "hello")).await?;
//! client.wait_on_disk().await?;
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! 1. [`config`]: where to connect, as whom, and how patiently. 2. [`client`]: the handle; it sends commands to the
//!    one task that owns the document. 3. `task`: that task: connects, listens, comes back. 4. `replica`: the protocol, without
//!    IO: bytes in, bytes out. 5. `presence` and `saves`: what the replica knows of others, and of the server's disk.
//! 6. `connection`: the socket, bare or inside TLS. 7. [`authorities`]: who may vouch for a server of `wss://`.
//!
//! Invariants: one task owns the `yrs::Doc`; every queue is bounded; nothing is sent after a close code of 4400–4499, but
//! the document can still be read (to export it); what was edited offline is merged by the next connection, not replayed.

pub mod authorities;
pub mod backoff;
pub mod client;
pub mod config;
pub mod error;
pub mod status;

mod address;
mod connection;
mod presence;
mod replica;
mod saves;
mod task;

pub use authorities::{Authorities, AuthoritiesError};
pub use backoff::Backoff;
pub use client::Client;
pub use config::{ClientConfig, Lineage, Token};
pub use error::{AddressError, ClientError, StopReason};
pub use status::{ClientStatus, ConnectionState};
/// The CRDT, re-exported so that its types are those that the closures of [`Client::edit`] receive.
pub use yrs;
