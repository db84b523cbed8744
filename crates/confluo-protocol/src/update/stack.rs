//! A stack that is large enough for what yrs does with an update.

use std::{io, panic, thread};

use crate::{Reader, UpdateV1};

/// Lets `merge` apply these updates to a yrs document, on a thread of its own if they are of many clients. Fails where the
/// system has no thread to give.
///
/// yrs goes from one client's section to the next by calling itself, and on through all those whose structs were taken
/// already because others refer to them: once for each client, if each wrote behind the one before. A stack of 2 MiB ends
/// after some 20,000, and with it the process. So many clients a document may come to honestly, in years.
pub fn with_stack_for<T: Send>(updates: &[UpdateV1], merge: impl FnOnce() -> T + Send) -> io::Result<T> {
    /// Any thread has room for them.
    const FEW_SECTIONS: usize = 512;
    /// Of one call. Release builds take 96.
    const CALL_BYTES: usize = 512;
    /// For all else, as the deepest nesting of types.
    const OTHER_BYTES: usize = 2 << 20;
    let sections = updates.iter().map(count_sections).max().unwrap_or(0);
    if sections <= FEW_SECTIONS {
        return Ok(merge());
    }
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().name("confluo-merge".into()).stack_size(OTHER_BYTES + CALL_BYTES * sections);
        let merged = thread.spawn_scoped(scope, merge)?.join();
        Ok(merged.unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })
}

/// A section takes more than a byte, whatever an unchecked update says.
fn count_sections(update: &UpdateV1) -> usize {
    let told = Reader::new(&update.0).read_var_uint().unwrap_or(0);
    usize::try_from(told).unwrap_or(usize::MAX).min(update.0.len())
}
