//! What is refused of an update, and why: SY12, SY13.

use bytes::Bytes;
use confluo_protocol::{
    DecodeError, MAX_CLOCK, Malformed, UpdateError, UpdateLimits, UpdateV1, Writer, check_update,
    varint::MAX_SAFE_INTEGER,
};
use yrs::{Update, updates::decoder::Decode};

/// An update of one item in the root `t`: client 1, clock 0.
fn item(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[1, 1, 1, 0, kind, 1, 1, b't'], content, &[0]].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.write_var_bytes(text.as_bytes());
    writer.finish().to_vec()
}

fn embed(json: &str) -> Vec<u8> {
    item(5, &text(json))
}

fn var_uint(value: u64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.write_var_uint(value);
    writer.finish().to_vec()
}

fn check(bytes: &[u8]) -> Result<Vec<(u32, u32)>, UpdateError> {
    let checked = check_update(UpdateV1(Bytes::copy_from_slice(bytes)), &UpdateLimits::default())?;
    Ok(checked.clock_ranges().iter().map(|range| (range.start, range.end)).collect())
}

#[track_caller]
fn accepted(bytes: &[u8], end: u32) {
    assert_eq!(check(bytes), Ok(vec![(0, end)]));
    Update::decode_v1(bytes).expect("yrs decodes what is accepted");
}

#[track_caller]
fn malformed(bytes: &[u8], expected: impl Into<Malformed>) {
    match check(bytes) {
        Err(UpdateError::Malformed { offset, reason }) => {
            assert_eq!(reason, expected.into());
            assert!(offset <= bytes.len());
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unsupported(bytes: &[u8], expected: &str) {
    match check(bytes) {
        Err(UpdateError::Unsupported { what, .. }) => assert_eq!(what, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sy12_content_has_the_length_that_yjs_counts() {
    accepted(&item(1, &[9]), 9);
    accepted(&item(3, &[2, 0, 255]), 1);
    accepted(&item(4, &text("aü€")), 3);
    accepted(&item(4, &text("😀")), 2);
    accepted(&item(8, &[3, 126, 127, 120]), 3);
    accepted(&item(9, &[1, b'g', 118, 0]), 1);
    accepted(&[1, 1, 1, 0, 0, 9, 0], 9);
    assert_eq!(check(&[1, 3, 1, 0, 0, 2, 10, 3, 0, 4, 0]), Ok(vec![(0, 2), (5, 9)]), "a skip breaks a run");
}

#[test]
fn sy12_every_known_type_is_accepted() {
    for kind in [0, 1, 2, 4, 6] {
        accepted(&item(7, &[kind]), 1);
    }
    accepted(&item(7, &[3, 1, b'p']), 1);
    for kind in [8, 9, 15, 0x80] {
        malformed(&item(7, &[kind]), DecodeError::UnknownKind { what: "type", kind: u64::from(kind) });
    }
}

#[test]
fn sy13_content_that_would_not_survive_is_named() {
    unsupported(&item(7, &[5, 1, b'h']), "XmlHook");
    unsupported(&item(7, &[7, 0, 1, 0]), "WeakRef");
    unsupported(&item(11, &[0, 1, 0]), "Move");
    unsupported(&item(2, &[1, 1, b'1']), "ContentJSON");
    unsupported(&embed("undefined"), "an embedded undefined");
    unsupported(&embed(r#"{"a":["\ud83d"]}"#), "a lone surrogate in JSON");
    unsupported(&embed(r#"{"\ud83d":1}"#), "a lone surrogate in JSON");
    unsupported(&embed("9223372036854775808"), "a number out of range in JSON");
    unsupported(&embed("[1e999]"), "a number out of range in JSON");
}

/// The reason for refusing it: the decoder of yrs takes one string more than there are.
#[test]
fn sy13_yrs_still_misreads_legacy_json() {
    let bytes = item(2, &[1, 1, b'1']);
    assert!(Update::decode_v1(&bytes).is_err(), "yrs reads ContentJSON now: it may be supported");
}

#[test]
fn sy12_flags_must_be_read_alike_by_yjs_and_yrs() {
    for info in [0x80, 0x40, 0x20, 0x8a, 0x4a, 0x2a] {
        malformed(&[1, 1, 1, 0, info, 1, 1, 1, 1, 1, 0], Malformed::InvalidFlags(info));
    }
    for kind in [12, 15, 16, 20, 31] {
        malformed(&item(kind, &[1]), DecodeError::UnknownKind { what: "struct", kind: u64::from(kind) });
    }
    malformed(&[1, 1, 1, 0, 4, 2, 1, b't', 1, b'a', 0], Malformed::InvalidParentKind);
    // The key's flag stands beside an origin, and no key follows.
    assert_eq!(check(&[1, 1, 1, 5, 0xa4, 1, 3, 1, b'a', 0]), Ok(vec![(5, 6)]));
}

#[test]
fn sy12_an_item_refers_only_to_what_precedes_it() {
    let refers_to = |clock| check(&[1, 1, 1, 5, 0x84, 1, clock, 1, b'a', 0]);
    assert!(refers_to(4).is_ok());
    assert!(refers_to(5).is_err());
    malformed(&[1, 1, 1, 5, 0x44, 1, 6, 1, b'a', 0], Malformed::RefersToLater);
    malformed(&[1, 1, 1, 5, 4, 0, 1, 5, 1, b'a', 0], Malformed::RefersToLater);
}

#[test]
fn sy12_nothing_is_empty() {
    malformed(&[1, 0, 1, 0, 0], Malformed::CountBeyondInput);
    malformed(&[1, 0, 1, 0, 0, 0, 0], Malformed::EmptySection);
    for empty in [&item(1, &[0])[..], &item(4, &[0]), &item(8, &[0]), &[1, 1, 1, 0, 0, 0, 0], &[1, 1, 1, 0, 10, 0, 0]] {
        malformed(empty, Malformed::EmptyStruct);
    }
}

#[test]
fn sy12_clocks_stay_below_two_to_the_thirty() {
    let run = |clock: u64, length: u64| [&[1, 1, 1], &var_uint(clock)[..], &[0], &var_uint(length), &[0]].concat();
    let last = u64::from(MAX_CLOCK) - 1;
    accepted(&run(0, last + 1), MAX_CLOCK);
    assert!(check(&run(last, 1)).is_ok());
    for (clock, length) in [(last + 1, 1), (last, 2), (1, last + 1), (0, 1 << 32), (0, MAX_SAFE_INTEGER), (1 << 32, 1)]
    {
        malformed(&run(clock, length), Malformed::ClockTooLarge);
    }
    let deletes = |clock: u64, length: u64| [&[0, 1, 1, 1], &var_uint(clock)[..], &var_uint(length)].concat();
    assert!(check(&deletes(last, 1)).is_ok());
    assert!(check(&deletes(0, last + 1)).is_ok());
    malformed(&deletes(last, 2), Malformed::ClockTooLarge);
    malformed(&[1, 1, 1, 0, 0x84, 2, 0x80, 0x80, 0x80, 0x80, 4, 1, b'a', 0], Malformed::ClockTooLarge);
}

#[test]
fn sy12_lengths_and_counts_fit_the_input() {
    let huge = var_uint(1 << 40);
    for bytes in [
        huge.clone(),
        [&[1], &huge[..], &[1, 0, 0]].concat(),
        [&[0], &huge[..]].concat(),
        [&[0, 1, 1], &huge[..], &[0, 1]].concat(),
        item(8, &huge),
        item(8, &[&[1, 117], &huge[..]].concat()),
        item(8, &[&[1, 118], &huge[..]].concat()),
    ] {
        malformed(&bytes, Malformed::CountBeyondInput);
    }
    for bytes in [item(3, &huge), item(4, &huge), item(8, &[&[1, 119], &huge[..]].concat()), item(8, &[1, 123, 0])] {
        malformed(&bytes, DecodeError::UnexpectedEnd);
    }
    malformed(&[], DecodeError::UnexpectedEnd);
    malformed(&[0], DecodeError::UnexpectedEnd);
    malformed(&[0, 0, 0], DecodeError::TrailingBytes);
    malformed(&[&[1, 1], &[0xff; 9][..], &[0, 0, 1, 0]].concat(), DecodeError::IntegerTooLarge);
}

#[test]
fn sy12_a_client_has_one_section() {
    malformed(&[2, 1, 7, 0, 0, 1, 1, 7, 1, 0, 1, 0], Malformed::DuplicateClient);
    malformed(&[3, 1, 7, 0, 0, 1, 1, 9, 0, 0, 1, 1, 7, 1, 0, 1, 0], Malformed::DuplicateClient);
    malformed(&[0, 2, 7, 1, 0, 1, 7, 1, 3, 1], Malformed::DuplicateClient);
    assert!(check(&[3, 1, 7, 0, 0, 1, 1, 9, 0, 0, 1, 1, 8, 1, 0, 1, 0]).is_ok(), "in any order");
}

#[test]
fn sy12_strings_are_utf8_and_embedded_values_json() {
    malformed(&item(4, &[2, 0xc3, 0x28]), DecodeError::InvalidUtf8);
    malformed(&item(4, &[3, 0xed, 0xa0, 0xbd]), DecodeError::InvalidUtf8);
    malformed(&[1, 1, 1, 0, 4, 1, 1, 0xff, 1, b'a', 0], DecodeError::InvalidUtf8);
    malformed(&item(8, &[1, 118, 1, 1, 0xff, 126]), DecodeError::InvalidUtf8);
    for json in
        ["null", "-0", "1e3", r#""\ud83d\ude00""#, r#"{"a":[1,{"b":null}],"a":2}"#, "9223372036854775807", " [ ] "]
    {
        accepted(&embed(json), 1);
        accepted(&item(6, &[text("bold"), text(json)].concat()), 1);
    }
    for json in ["", "{", "01", "nul", "NaN", "'a'", "[1,]", "1 2", "\"\u{1}\"", "\u{feff}1"] {
        malformed(&embed(json), DecodeError::InvalidJson);
    }
}

#[test]
fn sy12_values_are_of_known_kinds_and_integers_exact() {
    for value in [&[116, 1, 255][..], &[117, 1, 126], &[119, 0], &[122, 0, 0, 0, 0, 0, 0, 0, 1], &[124, 127, 192, 0, 0]]
    {
        accepted(&item(8, &[&[1], value].concat()), 1);
    }
    for kind in [0, 115, 128, 255] {
        malformed(&item(8, &[1, kind]), DecodeError::UnknownKind { what: "value", kind: u64::from(kind) });
    }
    accepted(&item(8, &[1, 125, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), 1);
    malformed(&item(8, &[1, 125, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x20]), DecodeError::IntegerTooLarge);
    malformed(&item(8, &[&[1, 125], &[0xff; 12][..], &[0]].concat()), DecodeError::IntegerTooLarge);
    for options in [&[126][..], &[127], &[117, 0], &[119, 0], &[125, 1]] {
        malformed(&item(9, &[&[1, b'g'], options].concat()), Malformed::InvalidDocOptions);
    }
}

#[test]
fn sy12_nesting_is_bounded() {
    let limit = UpdateLimits::default().max_nesting;
    let arrays = |depth| item(8, &[&[1], &[117, 1].repeat(depth)[..], &[126]].concat());
    let objects = |depth| item(8, &[&[1], &[118, 1, 0].repeat(depth)[..], &[126]].concat());
    let json = |depth| embed(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    for nested in [&arrays as &dyn Fn(usize) -> Vec<u8>, &objects, &json] {
        accepted(&nested(limit), 1);
        malformed(&nested(limit + 1), Malformed::NestedTooDeeply);
        malformed(&nested(100_000), Malformed::NestedTooDeeply);
    }
    let brackets_in_a_string = format!("\"{}\\\"[\"", "[".repeat(1000));
    accepted(&embed(&brackets_in_a_string), 1);
}

/// Runs that are long in clocks and short in bytes are legal; nothing of them is unrolled, here or in yrs.
#[test]
fn sy12_run_length_bombs_and_large_delete_sets_are_cheap() {
    let mut writer = Writer::default();
    writer.write_var_uint(0).write_var_uint(1).write_var_uint(1).write_var_uint(1_000_000);
    for range in 0..1_000_000 {
        writer.write_var_uint(range * 7 % 1_000_000 * 2).write_var_uint(1);
    }
    let update = UpdateV1(writer.finish());
    let check = |update| check_update(update, &UpdateLimits::default()).expect("large, and well formed");
    let checked = check(update);
    assert_eq!(checked.delete_ranges().len(), 1_000_000);
    let admission = checked.admit(&mut std::collections::HashMap::from([(1, 3_000_000)]));
    assert_eq!(check(admission.admitted.expect("all of it")).delete_ranges().len(), 1_000_000);
    assert_eq!(admission.early, None);
}
