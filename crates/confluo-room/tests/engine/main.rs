//! The engine through its one door: messages in, messages out. Titles cite PROTOCOL.md.

mod access;
mod awareness;
mod bounds;
mod claimed;
mod creation;
mod crowd;
mod early;
mod hostile;
mod lineage;
mod nesting;
mod network;
mod save_status;
mod scene;
mod shared;
mod subdocuments;
mod sync;
