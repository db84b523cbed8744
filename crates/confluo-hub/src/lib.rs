//! Rooms, sessions and the group committer, on tokio.
//!
//! 1. A [`SessionSocket`] is served by a *session*: it reads frames, splits them into messages and posts them.
//! 2. Each document's *room task* owns the engine (`confluo-room`), takes all that waits in its bounded mailbox, and
//!    carries out what the engine says.
//! 3. The *committer* takes what all rooms have waiting and makes it durable with one flush.
//! 4. When the flush returns, the room pushes shared frames into its sessions' bounded queues.
//! 5. The *pulse* keeps quiet clients connected and ends silent ones.
//!
//! Invariants: a document is open in at most one room, and is opened again only when the last room has written
//! everything; nothing of a batch leaves before it is on disk; every queue is bounded and says what happens at the
//! bound; no lock is taken for a message; a room that fails, by a store's fault or by a bug, takes down its own sessions
//! and nothing else. The hub knows no WebSocket, no HTTP and no tokens.

mod clock;
mod committer;
mod config;
mod discard;
mod gate;
mod health;
mod hub;
mod mailbox;
mod members;
pub mod metrics;
mod opening;
mod outbox;
mod pace;
mod pulse;
mod room_task;
mod rooms;
mod session;
mod slow_rooms;
mod snapshots;
mod socket;

pub use clock::Clock;
pub use config::{HeavyWork, HubConfig, SessionRates, SnapshotPolicy};
pub use confluo_room::{LineageClaim, Rate, RoomConfig, TokenBucket};
pub use gate::{Expulsion, SessionControl, SessionGate};
pub use health::{Health, StorageTrouble};
pub use hub::{Hub, JoinRequest};
pub use metrics::{HubMetrics, Limit};
pub use socket::{Received, SessionSocket, SocketLost};
