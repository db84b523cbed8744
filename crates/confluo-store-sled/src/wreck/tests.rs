//! Logs made by hand, as sled lays them out.

use std::io::Write;

use confluo_store::{Sink, WreckFile};

use super::{log::SEGMENT_HEAD_BYTES, scrape};
use crate::open::SEGMENT_BYTES;

const NODE: u8 = 8;
const LINK: u8 = 10;
const PAGE: u64 = 7;

/// What was handed over.
#[derive(Default)]
struct Found {
    /// Each value, with its order.
    values: Vec<(Vec<u8>, u64)>,
    current: Vec<Vec<u8>>,
    lacks_some: bool,
}

impl Sink for Found {
    fn found(&mut self, key: &[u8], value: &[u8], _: u64, order: u64) {
        assert_eq!(key, b"key");
        self.values.push((value.to_vec(), order));
    }

    fn is_current(&mut self, _: &[u8], value: &[u8]) {
        self.current.push(value.to_vec());
    }

    fn lacks_some(&mut self) {
        self.lacks_some = true;
    }
}

impl Found {
    fn order(&self, value: &[u8]) -> u64 {
        self.values.iter().find(|(found, _)| found == value).expect("it is found").1
    }
}

fn read(segment: &[u8]) -> Found {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(segment).unwrap();
    let mut found = Found::default();
    scrape(&WreckFile::new(file).unwrap(), &mut found);
    found
}

/// A segment with that number and nothing in it.
fn header(number: u64) -> Vec<u8> {
    let place = (number * SEGMENT_BYTES as u64) ^ (u64::MAX >> 1);
    let fields = [&place.to_le_bytes()[..], &[0; SEGMENT_HEAD_BYTES - 12]].concat();
    [&(!crc32fast::hash(&fields)).to_le_bytes()[..], &fields].concat()
}

/// A message for a segment with that number. No number here takes more than a byte.
fn message(number: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let head = [kind, content.len() as u8, number, PAGE as u8];
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(content);
    checksum.update(&head);
    [&(!checksum.finalize()).to_le_bytes()[..], &head, content].concat()
}

/// A page with the key and that value.
fn node(number: u8, value: &[u8]) -> Vec<u8> {
    let beginning = [0, 0, 0, 0, 0, 0, 0, 1, 3];
    message(number, NODE, &[&beginning[..], b"key", &[value.len() as u8], value].concat())
}

/// The key gets that value.
fn set(number: u8, value: &[u8]) -> Vec<u8> {
    message(number, LINK, &[&[0, 3][..], b"key", &[value.len() as u8], value].concat())
}

#[test]
fn what_the_chain_leads_to_is_current() {
    let found = read(&[header(5), node(5, b"first"), set(5, b"second"), vec![0; 100]].concat());
    assert_eq!((found.current.as_slice(), found.lacks_some), (&[b"second".to_vec()][..], false));
}

#[test]
fn what_lies_behind_a_break_ranks_below_the_chain_and_leaves_nothing_current() {
    let found = read(&[header(5), node(5, b"chained"), vec![0xEE; 50], set(5, b"behind"), vec![0; 100]].concat());
    assert!(found.order(b"chained") > found.order(b"behind"), "whoever wrote a document may have laid it out");
    assert!(found.current.is_empty() && found.lacks_some, "it may be newer than what the chain has");
}

#[test]
fn what_is_left_of_an_earlier_writing_is_found_and_casts_no_doubt() {
    let rest = set(3, b"cut short")[9..].to_vec();
    for between in [vec![], rest] {
        let found = read(&[header(5), node(5, b"new"), between, node(3, b"left"), vec![0; 100]].concat());
        assert!(found.order(b"new") > found.order(b"left"));
        assert_eq!((found.current.as_slice(), found.lacks_some), (&[b"new".to_vec()][..], false));
    }
}

#[test]
fn a_segment_whose_beginning_is_lost_lacks_something_even_where_only_leftovers_follow() {
    let found = read(&[header(5), vec![0xEE; 50], set(3, b"left"), vec![0; 100]].concat());
    assert!(found.lacks_some);
}

/// Each of the places costs most of what a segment may, and there are half a million.
#[test]
fn a_segment_that_is_laid_out_to_be_slow_is_given_up() {
    let mut segment = [header(5), node(5, b"first")].concat();
    // An intact message, then the head of one that seems to reach nearly to the end of the segment, where nothing follows.
    let step = [set(5, b"x"), vec![0xEE; 4], vec![LINK, 253, 0, 0, 0, 0, 0, 0, 5, PAGE as u8]].concat();
    let end = SEGMENT_BYTES - 100;
    while segment.len() + step.len() < end {
        segment.extend_from_slice(&step);
        let (length, number) = (end - segment.len(), segment.len() - 8);
        segment[number..number + 3].copy_from_slice(&length.to_le_bytes()[..3]);
    }
    segment.resize(SEGMENT_BYTES, 0xEE);
    let found = read(&segment);
    assert_eq!(
        (found.values.len(), found.lacks_some),
        (2, true),
        "what comes before the first place is all that was read"
    );
}
