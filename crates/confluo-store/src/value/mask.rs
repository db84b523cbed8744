//! What hides the bytes that somebody else chose, so that they say nothing to whoever reads a file byte by byte.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The mask that hides nothing. It is drawn as seldom as any other.
const NONE: u64 = 0;

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// A number that nobody outside this process knows beforehand.
pub(super) fn draw() -> u64 {
    #[cfg(feature = "contract")]
    if off::IS_OFF.get() {
        return NONE;
    }
    KEYS.hash_one(DRAWN.fetch_add(1, Ordering::Relaxed))
}

/// Masks or unmasks: each 8 bytes by the next number of the sequence that the mask begins. It keeps no secret.
pub(super) fn apply(mask: u64, bytes: &mut [u8]) {
    if mask == NONE {
        return;
    }
    let mut state = mask;
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ next(&mut state)).to_le_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(next(&mut state).to_le_bytes()) {
        *byte ^= mask;
    }
}

/// The next number of `SplitMix64`.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut number = *state;
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// For tests that look for what they wrote in an engine's file.
#[cfg(feature = "contract")]
pub(crate) mod off {
    use std::cell::Cell;

    thread_local! {
        pub(super) static IS_OFF: Cell<bool> = const { Cell::new(false) };
    }

    /// What is written on this thread meanwhile stands in the files as it is.
    pub(crate) fn without_masks<T>(write: impl FnOnce() -> T) -> T {
        IS_OFF.set(true);
        let written = write();
        IS_OFF.set(false);
        written
    }
}
