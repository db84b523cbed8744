//! What is sealed is read back, and only that.

use super::*;

const KEY: &[u8] = b"key";

fn record() -> Record {
    let authors = vec![(7, UserId("ann".into())), (1 << 50, UserId("ben".into()))];
    Record { seq: Seq(3), at: UnixMillis(1_700_000_000_000), authors, update: UpdateV1(vec![1, 2, 3].into()) }
}

#[test]
fn records_round_trip() {
    assert_eq!(decode_record(KEY, &encode_record(KEY, &record()), Seq(3)), Ok(record()));
}

#[test]
fn every_flipped_bit_cut_and_swap_is_seen() {
    let sealed = encode_record(KEY, &record());
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = decode_record(KEY, &flipped, Seq(3));
        assert_eq!(found, Err(ValueError::Damaged), "bit {bit}");
    }
    for end in 0..sealed.len() {
        assert_eq!(decode_record(KEY, &sealed[..end], Seq(3)), Err(ValueError::Damaged), "cut at {end}");
    }
    assert_eq!(decode_record(b"elsewhere", &sealed, Seq(3)), Err(ValueError::Damaged));
}

#[test]
fn a_newer_value_is_refused_as_such() {
    let mut sealed = State::default().encode(KEY);
    sealed[0] = VERSION + 1;
    let expected = checksum(VERSION + 1, KEY, &sealed[SEAL_BYTES..]);
    sealed[1..SEAL_BYTES].copy_from_slice(&expected.to_le_bytes());
    assert_eq!(State::decode(KEY, &sealed), Err(ValueError::Newer(VERSION + 1)));
}
#[test]
fn nobody_chooses_what_stands_in_a_value() {
    let record = Record { update: UpdateV1(vec![b'x'; 1_000].into()), ..record() };
    let (sealed, again) = (encode_record(KEY, &record), encode_record(KEY, &record));
    let alike = sealed[SEAL_BYTES..].iter().zip(&again[SEAL_BYTES..]).filter(|(one, other)| one == other).count();
    assert!(alike < 50, "{alike} of {} bytes are the same when it is written again", sealed.len());
    assert!(!sealed.windows(4).any(|bytes| bytes == b"xxxx"));
    assert_eq!(decode_record(KEY, &again, Seq(3)), Ok(record));
}
