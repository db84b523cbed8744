//! One buffer per thread, lent to whichever connection is being polled.

use std::cell::Cell;

/// One read brings at most this much; the buffer is shared by all connections of a thread.
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the thread's buffer to `use_buffer`. The buffer is taken out meanwhile, so that a stream which is itself a
/// WebSocket gets one of its own instead of a panic.
pub(crate) fn with_scratch<R>(use_buffer: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = SCRATCH.take().unwrap_or_else(|| vec![0; SCRATCH_BYTES].into_boxed_slice());
    let result = use_buffer(&mut buffer);
    SCRATCH.set(Some(buffer));
    result
}
