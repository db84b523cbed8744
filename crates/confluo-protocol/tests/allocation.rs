//! What the check and the admission of an update allocate: nothing for a keystroke, little for hostile bytes, and what of
//! it stays.

use std::{collections::HashMap, hint::black_box};

use bytes::Bytes;
use confluo_protocol::{
    UpdateLimits, UpdateV1, Writer, check_update,
    update::{ItemPlaces, Misplaced},
};

mod counting {
    //! Counts through `stats_alloc`, for an allocator of our own would need unsafe code.
    pub(crate) use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

    #[global_allocator]
    static GLOBAL: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

    /// What `run` allocates.
    pub(crate) fn allocations<T>(run: impl FnOnce() -> T) -> Stats {
        let region = Region::new(GLOBAL);
        let result = std::hint::black_box(run());
        let stats = region.change();
        drop(result);
        stats
    }
}

/// One test, so that no other thread allocates meanwhile.
#[test]
fn sy12_sy20_what_is_allocated_is_bounded() {
    what_a_check_allocates_is_bounded();
    a_refused_update_leaves_nothing_in_memory();
}

fn what_a_check_allocates_is_bounded() {
    // `a` typed behind an item of another client, as most keystrokes are; and a deleted character.
    let keystroke = Bytes::from_static(&[1, 1, 5, 7, 0x84, 9, 3, 1, b'a', 0]);
    let deletion = Bytes::from_static(&[0, 1, 9, 1, 2, 1]);
    for bytes in [keystroke, deletion] {
        let mut clocks = HashMap::from([(5, 7), (9, 4)]);
        let admit = || check_update(UpdateV1(bytes), &UpdateLimits::default()).map(|update| update.admit(&mut clocks));
        let stats = counting::allocations(admit);
        assert!(stats.allocations <= 1, "{stats:?}");
    }

    let mut count_bomb = Writer::default();
    count_bomb.write_var_uint(1 << 50).write_raw(&[0; 1000]);
    let mut deletes = Writer::default();
    deletes.write_var_uint(0).write_var_uint(1).write_var_uint(1).write_var_uint(100_000);
    deletes.write_raw(&vec![1; 200_000]);
    let mut sections = Writer::default();
    sections.write_var_uint(100_000);
    for client in 0..100_000 {
        sections.write_var_uint(1).write_var_uint(client).write_raw(&[0, 0, 1]);
    }
    sections.write_var_uint(0);
    let mut skips = Writer::default();
    skips.write_raw(&[1]).write_var_uint(100_000).write_raw(&[1, 0]);
    skips.write_raw(&[0, 1, 10, 1].repeat(50_000)).write_var_uint(0);
    for (name, writer) in [("counts", count_bomb), ("deletes", deletes), ("sections", sections), ("runs", skips)] {
        let bytes = writer.finish();
        let input = bytes.len();
        let stats = counting::allocations(|| {
            let checked = check_update(UpdateV1(bytes), &UpdateLimits::default());
            black_box(checked).map(|update| update.admit(&mut EveryoneIsNew))
        });
        // All that was ever allocated, though never at once.
        assert!(stats.bytes_allocated <= 64 * input, "{name}: {input} bytes made {stats:?}");
    }
}

fn a_refused_update_leaves_nothing_in_memory() {
    let crossed = [2, 1, 0, 0x04, 1, 1, b't', 2, b'a', b'b', 0xc4, 1, 1, 1, 1, 1, b'x'];
    // Many clients, each with what was collected; one client with many items in the root `t`.
    let mut clients = Writer::default();
    clients.write_var_uint(100_001).write_raw(&crossed);
    for client in 2..100_002 {
        clients.write_var_uint(1).write_var_uint(client).write_raw(&[0, 0, 1]);
    }
    let mut items = Writer::default();
    items.write_var_uint(2).write_raw(&crossed);
    items.write_var_uint(100_000).write_raw(&[2, 1]);
    for _ in 0..100_000 {
        items.write_raw(&[4, 1, 1, b't', 1, b'a']);
    }
    let known =
        check_update(UpdateV1(vec![1, 1, 2, 0, 0, 1, 0].into()), &UpdateLimits::default()).expect("well formed");
    let mut places = ItemPlaces::default();
    assert_eq!(places.take(&known, |_| u32::MAX), Ok(()));
    for (name, mut update) in [("clients", clients), ("items", items)] {
        update.write_var_uint(0);
        let update = check_update(UpdateV1(update.finish()), &UpdateLimits::default()).expect("well formed");
        let stats = counting::allocations(|| {
            assert_eq!(places.take(&update, |_| u32::MAX), Err(Misplaced::CrossedOrigins));
        });
        let kept_bytes = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
        assert!(kept_bytes <= 1 << 10, "{name}: {kept_bytes} bytes stay: {stats:?}");
    }
}

/// A document that knows nobody, and remembers nothing.
struct EveryoneIsNew;

impl confluo_protocol::Clocks for EveryoneIsNew {
    fn clock(&mut self, _: u64) -> u32 {
        0
    }

    fn advance(&mut self, _: u64, _: u32) {}
}
