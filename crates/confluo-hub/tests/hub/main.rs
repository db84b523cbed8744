//! The hub over stores that are slow, watched and failing, with sessions on sockets in memory.
//!
//! 1. `wire`: a socket without a network.
//! 2. `watched`: a slow store that sees who is in it at once.
//! 3. `crowd`: many who come and go.
//! 4. `races`: opening, closing, deleting.
//! 5. `every_call`: each call of the store fails once.
//! 6. `stalled`: a peer whose network takes nothing, and its gate. 7. `expelled`: who is out is out at once. 8. `gated`: what a
//!    gate is told. 9. `refused`: who may not enter hears it after a while. 10. `logged`: what a session that panics leaves in the log.
//! 11. `fault`: a room that panics. 12. `slow`: documents of which something takes long. 13. `silent`: who says nothing.
//! 14. `unread`: who does not read what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod crowd;
mod every_call;
mod expelled;
mod fault;
mod gated;
mod logged;
mod races;
mod refused;
mod silent;
mod slow;
mod stalled;
mod unread;
mod watched;
mod wire;
