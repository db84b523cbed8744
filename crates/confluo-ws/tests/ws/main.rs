//! The connection as a whole: over scripted streams, byte for byte, and over real TCP.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

mod scripted_stream;

mod closing;
mod framing;
mod handshaking;
mod receiving;
mod sending;
mod sharing;
mod too_large;
