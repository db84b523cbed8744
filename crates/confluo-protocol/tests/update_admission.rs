//! What a document can take of an update now: SY8 to SY10.

use std::collections::HashMap;

use bytes::Bytes;
use confluo_protocol::{Admission, ClientId, ClockRange, Clocks, UpdateLimits, UpdateV1, check_update};

/// An update whose structs are GC runs, skips, or texts in the root `t` or behind another client's item.
#[derive(Clone, Copy)]
enum Struct {
    Gc(u8),
    Skip(u8),
    Text(&'static str),
    After(u8, u8, &'static str),
}
use Struct::{After, Gc, Skip, Text};

fn update(sections: &[(u8, u8, &[Struct])], deletes: &[(u8, &[(u8, u8)])]) -> UpdateV1 {
    let mut bytes = vec![sections.len() as u8];
    for (client, clock, structs) in sections {
        bytes.extend([structs.len() as u8, *client, *clock]);
        for item in *structs {
            match item {
                Gc(length) => bytes.extend([0, *length]),
                Skip(length) => bytes.extend([10, *length]),
                Text(text) => {
                    bytes.extend([4, 1, 1, b't', text.len() as u8]);
                    bytes.extend(text.bytes());
                }
                After(client, clock, text) => {
                    bytes.extend([0x84, *client, *clock, text.len() as u8]);
                    bytes.extend(text.bytes());
                }
            }
        }
    }
    bytes.push(deletes.len() as u8);
    for (client, ranges) in deletes {
        bytes.extend([*client, ranges.len() as u8]);
        ranges.iter().for_each(|(clock, length)| bytes.extend([*clock, *length]));
    }
    UpdateV1(Bytes::from(bytes))
}

fn admit(update: &UpdateV1, clocks: &mut HashMap<ClientId, u32>) -> Admission {
    check_update(update.clone(), &UpdateLimits::default()).expect("the update is well formed").admit(clocks)
}

#[track_caller]
fn check(
    known: &[(ClientId, u32)],
    whole: &UpdateV1,
    admitted: Option<&UpdateV1>,
    structs: &[(ClientId, u32, u32)],
    waits_for: &[(ClientId, u32)],
) {
    let mut clocks: HashMap<_, _> = known.iter().copied().collect();
    let admission = admit(whole, &mut clocks);
    assert_eq!(admission.admitted.as_ref(), admitted);
    let structs: Vec<_> = structs.iter().map(|&(client, start, end)| ClockRange { client, start, end }).collect();
    assert_eq!(admission.structs, structs);
    assert_eq!(admission.early.map(|early| early.waits_for).unwrap_or_default(), waits_for);
    for range in structs {
        assert!(clocks[&range.client] >= range.end, "the clock of what is admitted advances");
    }
}

#[test]
fn sy8_what_is_due_is_admitted_as_it_came() {
    let typed = update(&[(1, 3, &[Text("ab")])], &[]);
    check(&[(1, 3)], &typed, Some(&typed), &[(1, 3, 5)], &[]);
    check(&[(1, 4)], &typed, Some(&typed), &[(1, 4, 5)], &[]);
    check(&[(1, 9)], &typed, Some(&typed), &[], &[]);

    let UpdateV1(bytes) = &typed;
    let admitted = admit(&typed, &mut [(1, 3)].into()).admitted.expect("all of it");
    assert_eq!(admitted.0.as_ptr(), bytes.as_ptr(), "the same allocation");
}

#[test]
fn sy8_what_is_ahead_waits() {
    let ahead = update(&[(1, 3, &[Text("ab")])], &[]);
    check(&[(1, 2)], &ahead, None, &[], &[(1, 3)]);
    check(&[], &ahead, None, &[], &[(1, 3)]);
}

#[test]
fn sy8_sections_are_admitted_one_by_one() {
    let both = update(&[(2, 4, &[Text("x")]), (1, 0, &[Gc(2)])], &[]);
    check(&[], &both, Some(&update(&[(1, 0, &[Gc(2)])], &[])), &[(1, 0, 2)], &[(2, 4)]);
    check(&[(2, 4)], &both, Some(&both), &[(2, 4, 5), (1, 0, 2)], &[]);
}

#[test]
fn sy8_a_skip_ends_a_run_unless_the_document_knows_what_is_skipped() {
    let gap = update(&[(1, 0, &[Text("ab"), Skip(3), Text("c"), Text("d")])], &[]);
    check(&[], &gap, Some(&update(&[(1, 0, &[Text("ab")])], &[])), &[(1, 0, 2)], &[(1, 5)]);
    check(&[(1, 4)], &gap, Some(&update(&[(1, 0, &[Text("ab")])], &[])), &[], &[(1, 5)]);
    check(&[(1, 5)], &gap, Some(&gap), &[(1, 5, 7)], &[]);
    check(&[(1, 6)], &gap, Some(&gap), &[(1, 6, 7)], &[]);
    let skips_only = update(&[(1, 0, &[Skip(3)])], &[]);
    check(&[], &skips_only, None, &[], &[]);
}

#[test]
fn sy9_deletes_are_clipped_to_what_is_known() {
    let deletes = update(&[], &[(2, &[(0, 1), (4, 4)]), (1, &[(9, 1)])]);
    check(&[(1, 10), (2, 8)], &deletes, Some(&deletes), &[], &[]);
    let clipped = update(&[], &[(2, &[(0, 1), (4, 2)])]);
    check(&[(2, 6)], &deletes, Some(&clipped), &[], &[(1, 10), (2, 7)]);
    check(&[], &deletes, None, &[], &[(1, 10), (2, 1)]);
}

#[test]
fn sy9_deletes_are_sorted_and_joined_unless_they_came_so() {
    let scattered = update(&[], &[(1, &[(4, 2), (2, 2), (0, 1)]), (2, &[(0, 3), (1, 1)])]);
    let joined = update(&[], &[(1, &[(0, 1), (2, 4)]), (2, &[(0, 3)])]);
    check(&[(1, 9), (2, 9)], &scattered, Some(&joined), &[], &[]);
    check(&[(1, 9), (2, 9)], &joined, Some(&joined), &[], &[]);
}

#[test]
fn sy9_deletes_of_the_update_s_own_structs_are_known() {
    let typed_and_deleted = update(&[(1, 0, &[Text("abc")])], &[(1, &[(1, 2)])]);
    check(&[], &typed_and_deleted, Some(&typed_and_deleted), &[(1, 0, 3)], &[]);
    let partly = update(&[(1, 0, &[Text("abc"), Skip(1), Gc(1)])], &[(1, &[(1, 4)])]);
    check(&[], &partly, Some(&update(&[(1, 0, &[Text("abc")])], &[(1, &[(1, 2)])])), &[(1, 0, 3)], &[(1, 4)]);
}

#[test]
fn sy10_what_builds_on_another_client_s_missing_edit_waits_for_it() {
    let answer = update(&[(1, 0, &[Text("a"), After(2, 4, "b"), Text("c")])], &[]);
    check(&[(2, 4)], &answer, Some(&update(&[(1, 0, &[Text("a")])], &[])), &[(1, 0, 1)], &[(2, 5)]);
    check(&[(2, 5)], &answer, Some(&answer), &[(1, 0, 3)], &[]);
}

#[test]
fn sy10_sections_may_build_on_each_other() {
    let dialogue =
        update(&[(2, 0, &[After(1, 0, "b"), After(1, 1, "d")]), (1, 0, &[Text("a"), After(2, 0, "c")])], &[]);
    check(&[], &dialogue, Some(&dialogue), &[(2, 0, 2), (1, 0, 2)], &[]);
    let circle = update(&[(2, 0, &[After(1, 0, "b")]), (1, 0, &[After(2, 0, "a")])], &[]);
    check(&[], &circle, None, &[], &[(1, 1), (2, 1)]);
}

#[test]
fn sy10_many_clients_in_one_update() {
    let clients: Vec<u8> = (1..100).rev().collect();
    let structs: Vec<[Struct; 1]> =
        clients.iter().map(|&client| if client == 1 { [Text("a")] } else { [After(client - 1, 0, "b")] }).collect();
    let sections: Vec<_> = clients.iter().zip(&structs).map(|(&client, item)| (client, 0, &item[..])).collect();
    let chain = update(&sections, &[]);
    let all: Vec<_> = clients.iter().map(|&client| (u64::from(client), 0, 1)).collect();
    check(&[], &chain, Some(&chain), &all, &[]);
    let without_the_first = update(&sections[..98], &[]);
    let waits_for: Vec<_> = (1..99).map(|client| (client, 1)).collect();
    check(&[], &without_the_first, None, &[], &waits_for);
}

#[test]
fn an_empty_update_brings_nothing() {
    let empty = update(&[], &[]);
    assert!(check_update(empty.clone(), &UpdateLimits::default()).expect("well formed").is_empty());
    check(&[], &empty, None, &[], &[]);
}

/// The clocks of a document, of whose clients one is held.
struct Holding(HashMap<ClientId, u32>, ClientId);

impl Clocks for Holding {
    fn clock(&mut self, client: ClientId) -> u32 {
        self.0.clock(client)
    }

    fn advance(&mut self, client: ClientId, to: u32) {
        self.0.advance(client, to);
    }

    fn is_held(&mut self, client: ClientId) -> bool {
        client == self.1
    }
}

#[test]
fn sy22_of_who_is_held_only_what_is_new_waits_and_what_builds_on_it() {
    let admit = |known: &[(ClientId, u32)], update: &UpdateV1| {
        let mut clocks = Holding(known.iter().copied().collect(), 1);
        let checked = check_update(update.clone(), &UpdateLimits::default()).expect("the update is well formed");
        let Admission { admitted, early, .. } = checked.admit(&mut clocks);
        let known = clocks.0.get(&1).copied();
        (admitted, early.map(|early| (early.waits_for, early.held)), known)
    };
    let both = update(&[(2, 0, &[Text("b")]), (1, 0, &[Text("abc"), Skip(2), Text("d")])], &[(1, &[(1, 1)])]);
    let others = update(&[(2, 0, &[Text("b")])], &[]);
    assert_eq!(admit(&[], &both), (Some(others.clone()), Some((vec![(1, 2)], vec![1])), None));
    let deleted = update(&[(2, 0, &[Text("b")])], &[(1, &[(1, 1)])]);
    assert_eq!(
        admit(&[(1, 2)], &both),
        (Some(deleted), Some((vec![(1, 3)], vec![1])), Some(2)),
        "in the middle of one"
    );
    // Behind the gap it waits for what is missing, whoever brings that.
    assert_eq!(admit(&[(1, 3)], &both).1, Some((vec![(1, 5)], vec![])));
    assert_eq!(admit(&[(1, 5)], &both).1, Some((vec![(1, 6)], vec![1])));
    assert_eq!(admit(&[(1, 6)], &both), (Some(both.clone()), None, Some(6)), "copies pass as they come");
    let built = update(&[(2, 0, &[Text("b"), After(1, 1, "!"), After(1, 2, "?")]), (1, 0, &[Text("abc")])], &[]);
    let up_to_it = update(&[(2, 0, &[Text("b"), After(1, 1, "!")])], &[]);
    assert_eq!(admit(&[(1, 2)], &built), (Some(up_to_it), Some((vec![(1, 3)], vec![1])), Some(2)));
}
