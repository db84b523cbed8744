//! Bounds and intervals of the hub. The server's configuration documents each for operators.

use std::{num::NonZeroUsize, time::Duration};

use confluo_room::{Rate, RoomConfig};

/// Every bound of rooms, sessions and queues.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Bounds that the engine keeps.
    pub room: RoomConfig,
    /// Messages that wait for one room. At the bound its sessions stop reading.
    pub mailbox_messages: usize,
    /// Bytes of large messages that wait for one room. At the bound its sessions stop reading.
    pub mailbox_bytes: usize,
    /// Bytes of content and awareness that wait for one session. At the bound the session gets one catch-up diff
    /// instead, when it has read what waits.
    pub outbound_bytes: usize,
    /// How fast one session may send.
    pub session_rates: SessionRates,
    /// Records of all rooms that wait for the committer. At the bound rooms wait.
    pub commit_queue_records: usize,
    /// From the start of one flush to that of the next, where records of several documents come together: a flush costs the
    /// same for one as for many. A record that is alone never waits.
    pub flush_interval: Duration,
    /// How long a document stays in memory after its last session has left.
    pub linger: Duration,
    /// After this long without a frame to a session, a filler is sent: stock clients drop after 30 s of silence.
    pub filler_interval: Duration,
    /// After this long without any byte from a session it is asked for a sign of life.
    pub ping_interval: Duration,
    /// After this long without any byte from a session it is closed.
    pub silence_timeout: Duration,
    /// How long a close that the client caused is delayed, so that older clients, which reconnect at once, don't hammer.
    pub refusal_delay: Duration,
    /// How long a closing session may take to read what waits for it, and then to answer the close.
    pub close_timeout: Duration,
    /// How often a store that failed is opened again.
    pub reopen_interval: Duration,
    /// When a snapshot replaces the records before it.
    pub snapshots: SnapshotPolicy,
    /// How much at once may take long.
    pub heavy_work: HeavyWork,
    /// The most sessions in one room; one more is refused with 4529.
    pub max_sessions_per_document: usize,
    /// The most documents in memory; one more is refused with 4529.
    pub max_open_documents: usize,
}

/// How fast one session may send: token buckets, each full at the start.
#[derive(Debug, Clone, Copy)]
pub struct SessionRates {
    /// Of messages; awareness counts towards nothing, as stock clients relay that of others. Beyond it the session is
    /// closed with 4529.
    pub messages: Rate,
    /// Of payload bytes, an awareness message as one kilobyte at least. Beyond it the session is read more slowly, and
    /// never closed. The burst is at least the longest message, or a whole document comes with a pause.
    pub bytes: Rate,
}

/// When a snapshot replaces the records before it.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotPolicy {
    /// After this many records.
    pub records: u64,
    /// After records of this many bytes, or as many as the document has, if that is more.
    pub bytes: u64,
    /// When nothing was written for this long since at least `records_at_close` records.
    pub idle: Duration,
    /// When a document is closed with at least this many records.
    pub records_at_close: u64,
}

/// How much at once may take long, of openings and merges. Beyond it they wait, and all others go on.
#[derive(Debug, Clone, Copy)]
pub struct HeavyWork {
    /// An opening or a merge that keeps a processor busy for this long makes its document a slow one.
    pub slow_step: Duration,
    /// How many slow documents may be opened, or have something merged, at once: the processors that are left to them.
    pub slow_turns: usize,
    /// The same of all that may take long by their bytes, and did not before: the threads that are left to them. Nearly all of
    /// them are quick, so that they should not wait for the few that are not.
    pub max_heavy: usize,
}

impl Default for HeavyWork {
    /// A slow step holds up others by half a second; half of the processors are left to slow documents, and half of the threads
    /// that tokio has for what blocks to all that may be slow.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { slow_step: Duration::from_millis(500), slow_turns: (processors / 2).max(1), max_heavy: 256 }
    }
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            room: RoomConfig::default(),
            mailbox_messages: 1024,
            mailbox_bytes: 128 << 20,
            outbound_bytes: 1 << 20,
            session_rates: SessionRates {
                messages: Rate::per_second(500, 5_000),
                bytes: Rate::per_second(16 << 20, 64 << 20),
            },
            commit_queue_records: 4096,
            flush_interval: Duration::from_millis(4),
            linger: Duration::from_secs(10),
            filler_interval: Duration::from_secs(22),
            ping_interval: Duration::from_secs(25),
            silence_timeout: Duration::from_secs(60),
            refusal_delay: Duration::from_secs(1),
            close_timeout: Duration::from_secs(5),
            reopen_interval: Duration::from_secs(2),
            snapshots: SnapshotPolicy {
                records: 4096,
                bytes: 1 << 20,
                idle: Duration::from_secs(30),
                records_at_close: 64,
            },
            heavy_work: HeavyWork::default(),
            max_sessions_per_document: 10_000,
            max_open_documents: 100_000,
        }
    }
}
