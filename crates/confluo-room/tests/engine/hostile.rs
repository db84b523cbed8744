//! SY12, SY15, SY20: no accepted update makes a document unreadable or replicas differ. The long run is an example of
//! `confluo-testkit`; `tests/hostile` lets the JavaScript reference read what was accepted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use confluo_protocol::CloseCode;
use confluo_testkit::hostile::{Seeds, run};

use crate::scene::{Scene, is_content, raw_update};

#[test]
fn sy12_sy15_mutants_among_honest_updates_harm_nobody() {
    let seeds = Seeds::read();
    let (mut mutants, mut refused) = (0, 0);
    for seed in 0..400 {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&seeds, seed)));
        let outcome = outcome.unwrap_or_else(|_| panic!("replay with seed {seed}"));
        mutants += outcome.mutants;
        refused += outcome.refused;
    }
    assert!(refused < mutants * 9 / 10, "too few get past the check to mean anything: {refused} of {mutants} refused");
}

/// Mutants that were taken once, and whose place in the text then depended on the pieces in which it lay in memory.
#[test]
fn sy20_items_between_two_that_stand_the_other_way_round_harm_nobody() {
    let seeds = Seeds::read();
    for seed in
        [8926, 33732, 35217, 35874, 52051, 65207, 96396, 97698, 143_099, 145_791, 151_820, 152_912, 177_593, 179_036]
    {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&seeds, seed)));
        assert!(outcome.is_ok(), "replay with seed {seed}");
    }
}

#[test]
fn sy20_an_item_right_of_itself_is_refused_and_the_others_go_on() {
    let mut scene = Scene::with_sessions(2);
    // `abc` of client 1, then `x` of client 2: first between `b` and `b`, then between `b` and `c`.
    scene.send(2, [raw_update(b"\x01\x01\x01\0\x04\x01\x01t\x03abc\0")]);
    scene.settle();
    scene.send(1, [raw_update(b"\x01\x01\x02\0\xc4\x01\x01\x01\x01\x01x\0")]);
    scene.assert_closed(1, CloseCode::Malformed, "right of its origin");
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
    scene.send(2, [raw_update(b"\x01\x01\x02\0\xc4\x01\x01\x01\x02\x01x\0")]);
    scene.settle();
    assert!(scene.inbox(2).iter().any(is_content));
}

/// A letter in a letter of client 1, and beside it what is honest.
#[test]
fn sy23_an_item_in_what_is_no_shared_type_is_refused_before_yrs_sees_it() {
    let mut scene = Scene::with_sessions(2);
    scene.send(2, [raw_update(b"\x01\x01\x01\0\x04\x01\x01t\x03abc\0")]);
    scene.settle();
    scene.send(1, [raw_update(b"\x01\x02\x02\0\x04\x01\x01t\x01x\x04\0\x01\x01\x01y\0")]);
    scene.assert_closed(1, CloseCode::Malformed, "parent is no shared type");
    assert_eq!(scene.server.rebuilds, 0);
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
    scene.send(2, [raw_update(b"\x01\x01\x02\0\x04\x01\x01t\x01x\0")]);
    scene.settle();
    assert!(scene.inbox(2).iter().any(is_content));
}

/// yrs counts what is left of a text, and each half takes more bytes than the whole.
#[test]
fn sy15_a_character_that_is_cut_in_two_and_deleted_breaks_no_document() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [raw_update("\x01\x01\x01\0\x04\x01\x01t\x04😀\0".as_bytes())]);
    scene.settle();
    for half in [0, 1] {
        scene.send(1, [raw_update(&[0, 1, 1, 1, half, 1])]);
        scene.settle();
    }
    scene.assert_nobody_closed();
    assert_eq!(scene.server.rebuilds, 0);
}
