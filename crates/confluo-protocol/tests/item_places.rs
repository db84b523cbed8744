//! What is refused of an update because of where its items would stand: SY18, SY20.

use confluo_protocol::{
    UpdateLimits, UpdateV1, Writer, check_update,
    update::{CheckedUpdate, ItemPlaces, MAX_TYPE_NESTING, Misplaced, NestedTooDeep},
};

/// `count` types of client 1: the first in the root, each other as `link` says.
fn types(count: u64, link: &dyn Fn(&mut Writer, u64)) -> CheckedUpdate {
    let mut writer = Writer::default();
    writer.write_var_uint(1).write_var_uint(count).write_raw(&[1, 0, 7, 1, 1, b'a', 0]);
    for clock in 1..count {
        link(&mut writer, clock);
    }
    writer.write_var_uint(0);
    check_update(UpdateV1(writer.finish()), &UpdateLimits::default()).expect("well formed")
}

fn child(writer: &mut Writer, clock: u64) {
    writer.write_raw(&[7, 0, 1]).write_var_uint(clock - 1).write_raw(&[0]);
}

fn sibling(writer: &mut Writer, clock: u64) {
    writer.write_raw(&[0x87, 1]).write_var_uint(clock - 1).write_raw(&[0]);
}

#[test]
fn sy18_shared_types_nest_up_to_a_bound_and_siblings_do_not_count() {
    let takes = |checked: &CheckedUpdate| ItemPlaces::default().take(checked, |_| u32::MAX).is_ok();
    let of_the_root = |writer: &mut Writer, _| {
        writer.write_raw(&[7, 1, 1, b'a', 0]);
    };
    let every = |nth: u64| {
        move |writer: &mut Writer, clock: u64| {
            if clock.is_multiple_of(nth) { child(writer, clock) } else { sibling(writer, clock) }
        }
    };
    let bound = u64::from(MAX_TYPE_NESTING);
    assert!(takes(&types(bound, &child)));
    assert!(!takes(&types(bound + 1, &child)));
    assert!(!takes(&types(50_000, &child)));
    assert!(takes(&types(50_000, &sibling)));
    assert!(takes(&types(50_000, &of_the_root)));
    assert!(takes(&types(50_000, &every(1_000))));
    assert!(!takes(&types(50_000, &every(100))));
}

/// Two clients build on each other's types in turn, so that neither section can be walked to its end at once.
#[test]
fn sy18_levels_are_found_across_sections_and_across_updates() {
    let ladder = |rungs: u64| {
        let mut writer = Writer::default();
        writer.write_var_uint(2);
        for (client, other) in [(2_u8, 1_u8), (1, 2)] {
            writer.write_var_uint(rungs).write_raw(&[client, 0]);
            for clock in 0..rungs {
                match (client, clock) {
                    (1, 0) => writer.write_raw(&[7, 1, 1, b'a', 0]),
                    (1, _) => writer.write_raw(&[7, 0, other]).write_var_uint(clock - 1).write_raw(&[0]),
                    _ => writer.write_raw(&[7, 0, other]).write_var_uint(clock).write_raw(&[0]),
                };
            }
        }
        writer.write_var_uint(0);
        check_update(UpdateV1(writer.finish()), &UpdateLimits::default()).expect("well formed")
    };
    let bound = u64::from(MAX_TYPE_NESTING);
    let mut levels = ItemPlaces::default();
    assert_eq!(levels.take(&ladder(bound / 2), |_| u32::MAX), Ok(()));
    assert_eq!(levels.take(&ladder(bound / 2), |_| u32::MAX), Ok(()), "a copy adds nothing");
    assert_eq!(levels.take(&ladder(bound), |_| u32::MAX), Err(Misplaced::NestedTooDeep(NestedTooDeep)));
    assert_eq!(levels.take(&ladder(bound), |_| 10), Ok(()), "what is not admitted does not count");
    levels.retreat(|_| 10);
    assert_eq!(levels.take(&ladder(bound), |_| 20), Ok(()));
    assert_eq!(levels.take(&ladder(bound), |_| u32::MAX), Err(Misplaced::NestedTooDeep(NestedTooDeep)));
}

/// One item of client 1 at `clock`, of these letters, between its own items at `left` and `right`.
fn between(clock: u64, letters: &str, left: Option<u64>, right: Option<u64>) -> CheckedUpdate {
    let info = 4 | if left.is_some() { 0x80 } else { 0 } | if right.is_some() { 0x40 } else { 0 };
    let mut writer = Writer::default();
    writer.write_raw(&[1, 1, 1]).write_var_uint(clock).write_raw(&[info]);
    for origin in [left, right].into_iter().flatten() {
        writer.write_raw(&[1]).write_var_uint(origin);
    }
    if info == 4 {
        writer.write_raw(&[1, 1, b'a']);
    }
    writer.write_var_bytes(letters.as_bytes()).write_var_uint(0);
    check_update(UpdateV1(writer.finish()), &UpdateLimits::default()).expect("well formed")
}

/// The order of `abcd` is known, and of what was typed behind it one by one; that of `x`, typed before it, is not.
#[test]
fn sy20_an_item_stands_between_two_that_stand_in_this_order() {
    let known = || {
        let mut places = ItemPlaces::default();
        let typed =
            [(0, "abcd", None, None), (4, "e", Some(3), None), (5, "x", None, Some(0)), (6, "y", Some(5), Some(0))];
        for (clock, letters, left, right) in typed {
            assert_eq!(places.take(&between(clock, letters, left, right), |_| u32::MAX), Ok(()), "{letters}");
        }
        places
    };
    for (left, right) in [(1, 1), (2, 1), (3, 0), (4, 0), (4, 3), (6, 5), (6, 6)] {
        let crossed = between(7, "z", Some(left), Some(right));
        let mut places = known();
        assert_eq!(places.take(&crossed, |_| u32::MAX), Err(Misplaced::CrossedOrigins), "{left} {right}");
        assert_eq!(places.take(&between(7, "z", Some(6), Some(0)), |_| u32::MAX), Ok(()), "nothing of it was noted");
        assert_eq!(known().take(&crossed, |_| 7), Ok(()), "what is not admitted does not count");
        assert_eq!(known().load(&crossed, |_| u32::MAX), Ok(()), "what is stored is not refused");
    }
    for (left, right) in [(Some(0), Some(1)), (Some(3), Some(4)), (Some(6), Some(0)), (None, Some(5)), (Some(4), None)]
    {
        assert_eq!(known().take(&between(7, "z", left, right), |_| u32::MAX), Ok(()), "{left:?} {right:?}");
    }
    // x and y stand left of a, which their clocks do not tell.
    assert_eq!(known().take(&between(7, "z", Some(0), Some(5)), |_| u32::MAX), Ok(()));
}

/// Who sends again what is known, and more behind it, has the last known item as its origin from there on.
#[test]
fn sy20_what_is_known_in_part_goes_on_behind_that_part() {
    let mut places = ItemPlaces::default();
    assert_eq!(places.take(&between(0, "abcd", None, None), |_| u32::MAX), Ok(()));
    let lie = between(2, "zzzz", Some(0), Some(1));
    assert_eq!(places.take(&lie, |_| u32::MAX), Err(Misplaced::CrossedOrigins));
    assert_eq!(places.take(&between(2, "cdef", Some(1), None), |_| u32::MAX), Ok(()));
    assert_eq!(places.take(&between(6, "z", Some(5), Some(4)), |_| u32::MAX), Err(Misplaced::CrossedOrigins));
}

/// An early struct that begins with what is known must not stand for what honest clients will type at its clocks.
#[test]
fn sy20_what_is_not_admitted_is_not_noted_however_much_of_it_is_known() {
    let mut places = ItemPlaces::default();
    assert_eq!(places.take(&between(0, "a", None, None), |_| u32::MAX), Ok(()));
    assert_eq!(places.take(&between(0, "aaaaaaaa", None, None), |_| 1), Ok(()), "it is early");
    // Typed right of a; then, one step to the left, right of a again; then between these two.
    for (clock, left, right) in [(1, 0, None), (2, 0, Some(1)), (3, 2, Some(1))] {
        assert_eq!(places.take(&between(clock, "b", Some(left), right), |_| u32::MAX), Ok(()), "{clock}");
    }
    assert_eq!(places.take(&between(4, "z", Some(3), Some(3)), |_| u32::MAX), Err(Misplaced::CrossedOrigins));
}

/// What was collected may have stood anywhere: its clocks were joined, not its places.
#[test]
fn sy20_of_what_was_collected_no_order_is_known() {
    let collected = UpdateV1(vec![1, 1, 1, 0, 0, 8, 0].into());
    let collected = check_update(collected, &UpdateLimits::default()).expect("well formed");
    let mut places = ItemPlaces::default();
    assert_eq!(places.take(&collected, |_| u32::MAX), Ok(()));
    for (left, right) in [(5, 2), (2, 2), (2, 5)] {
        assert_eq!(places.take(&between(8, "z", Some(left), Some(right)), |_| u32::MAX), Ok(()));
        places.retreat(|_| 8);
    }
}

/// What lies between was in a record that nobody could read, and may stand in any order.
#[test]
fn sy20_of_what_could_not_be_read_no_order_is_known() {
    let mut places = ItemPlaces::default();
    for known in [between(0, "abcd", None, None), between(8, "ij", Some(7), None)] {
        assert_eq!(places.load(&known, |_| u32::MAX), Ok(()));
    }
    for (left, right) in [(9, 2), (8, 6), (6, 5), (6, 2), (4, 3)] {
        let item = between(10, "z", Some(left), Some(right));
        assert_eq!(places.take(&item, |_| u32::MAX), Ok(()), "{left} {right}");
        places.retreat(|_| 10);
    }
    for (left, right) in [(3, 1), (9, 8)] {
        let crossed = between(10, "z", Some(left), Some(right));
        assert_eq!(places.take(&crossed, |_| u32::MAX), Err(Misplaced::CrossedOrigins), "{left} {right}");
    }
}

/// One struct of a client, then a letter of client 9 that has it as its parent.
#[test]
fn sy23_an_item_stands_in_a_shared_type_and_in_nothing_else() {
    let noted = |parent: &[u8]| {
        let mut places = ItemPlaces::default();
        let parent = [&[1, 1, 1, 0], parent, &[0]].concat();
        assert_eq!(places.take(&checked(&parent), |_| u32::MAX), Ok(()));
        places
    };
    let letter = checked(&[1, 1, 9, 0, 4, 0, 1, 0, 1, b'x', 0]);
    let binary: &[u8] = &[3, 1, 1, b'r', 1, 0];
    let text: &[u8] = &[4, 1, 1, b'r', 1, b'a'];
    let embed: &[u8] = &[5, 1, 1, b'r', 1, b'1'];
    let format: &[u8] = &[6, 1, 1, b'r', 1, b'b', 1, b'1'];
    let values: &[u8] = &[8, 1, 1, b'r', 1, 126];
    let subdocument: &[u8] = &[9, 1, 1, b'r', 1, b'g', 118, 0];
    for parent in [binary, text, embed, format, values, subdocument] {
        assert_eq!(noted(parent).take(&letter, |_| u32::MAX), Err(Misplaced::InvalidParent), "{parent:?}");
    }
    let shared_type: &[u8] = &[7, 1, 1, b'r', 0];
    let deleted: &[u8] = &[1, 1, 1, b'r', 1];
    let collected: &[u8] = &[0, 1];
    for parent in [shared_type, deleted, collected] {
        assert_eq!(noted(parent).take(&letter, |_| u32::MAX), Ok(()), "{parent:?}");
    }
    assert_eq!(ItemPlaces::default().take(&letter, |_| u32::MAX), Ok(()), "nobody knows");
    // All in one update, whichever section comes first.
    let both = checked(&[2, 1, 9, 0, 4, 0, 1, 0, 1, b'x', 1, 1, 0, 4, 1, 1, b'r', 1, b'a', 0]);
    assert_eq!(ItemPlaces::default().take(&both, |_| u32::MAX), Err(Misplaced::InvalidParent));
}

/// `ab`, a list and `c`, typed in one go.
#[test]
fn sy20_the_order_of_what_was_typed_is_known_across_what_may_be_a_parent() {
    let mut places = ItemPlaces::default();
    let typed = checked(&[1, 3, 1, 0, 4, 1, 1, b'r', 2, b'a', b'b', 0x87, 1, 1, 0, 0x84, 1, 2, 1, b'c', 0]);
    assert_eq!(places.take(&typed, |_| u32::MAX), Ok(()));
    let between = |left: u8, right: u8| checked(&[1, 1, 9, 0, 0xc4, 1, left, 1, right, 1, b'x', 0]);
    for (left, right) in [(3, 0), (3, 2), (2, 1), (2, 2)] {
        assert_eq!(places.take(&between(left, right), |_| u32::MAX), Err(Misplaced::CrossedOrigins), "{left} {right}");
    }
    assert_eq!(places.take(&between(0, 3), |_| u32::MAX), Ok(()));
}

fn checked(update: &[u8]) -> CheckedUpdate {
    check_update(UpdateV1(update.to_vec().into()), &UpdateLimits::default()).expect("well formed")
}
