//! Durable documents: what a store promises, how its bytes look, and the suite that every store passes.
//!
//! 1. [`document_store`]: the [`DocumentStore`] trait and the data that goes in and comes out.
//! 2. [`error`]: what can go wrong, and what the reader should do about it.
//! 3. [`snapshot`]: a document's whole state, compressed off the async threads.
//! 4. [`engine`]: the small ordered key/value trait that an embedded engine implements.
//! 5. [`journal`]: makes commits of an engine cheap, and gives it many at once.
//! 6. [`keys`] and [`value`]: where each thing lies, and its version and checksum.
//! 7. [`engine_store`]: a [`DocumentStore`] over any [`Engine`]; the one place with store logic.
//! 8. [`watermark`]: notices an engine that opens without its newest commits.
//! 9. [`memory`]: an engine that keeps everything in memory.
//! 10. [`page_cache`]: makes sure that what is read after a failed sync is on the disk.
//! 11. [`folder`]: makes the folder of a store, and makes sure that it is there.
//! 12. [`copy`]: moves all documents from one store to another.
//! 13. [`wreck`]: reads what is left of a store whose engine does not open.
//! 14. `contract`, `faulty` (features): what tests need.
//!
//! Invariants: what [`DocumentStore::append`] acknowledged survives a cut of power; a failed load is an error, never an
//! empty document; a lost or damaged record is seen and named; stored bytes carry a version and a checksum that binds
//! them to their place; after a failed write nothing is served before [`DocumentStore::reopen`] succeeded, because what
//! can be read then may not be on disk. There is no runtime, no clock and no Yjs here: updates are opaque.

pub mod copy;
pub mod document_store;
pub mod engine;
pub mod engine_store;
pub mod error;
pub mod folder;
pub mod journal;
pub mod keys;
pub mod memory;
pub mod page_cache;
pub mod snapshot;
pub mod value;
pub mod watermark;
pub mod wreck;

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "faulty")]
pub mod faulty;

pub use copy::{CopyReport, copy_store, salvage_store};
pub use document_store::{
    Append, Author, DocumentStats, DocumentStore, Finding, Listed, NewSnapshot, Page, Record, SetAside, SetAsideReason,
    StoreStats, StoredDocument, StoredSnapshot, UnixMillis,
};
pub use engine::{Batch, Engine, EngineError};
pub use engine_store::EngineStore;
pub use error::StoreError;
pub use journal::{JournalConfig, Journaled};
pub use memory::{MemoryEngine, MemoryStore};
pub use snapshot::{EncodedSnapshot, encode_snapshot};
pub use wreck::{Doubt, Sink, Wreck, WreckFile, WreckStore};
