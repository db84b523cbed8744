//! Files made by hand, as redb lays them out.

use std::io::Write;

use confluo_store::{Sink, WreckFile, keys::FORMAT, value};

use super::{PAGE_BYTES, SLOTS, TABLE, page, scrape, work::Work};

/// How often each value was handed over, and how often it was current.
#[derive(Default)]
struct Found {
    values: u64,
    current: u64,
    lacks_some: bool,
}

impl Sink for Found {
    fn found(&mut self, _: &[u8], _: &[u8], _: u64, _: u64) {
        self.values += 1;
    }

    fn is_current(&mut self, _: &[u8], _: &[u8]) {
        self.current += 1;
    }

    fn lacks_some(&mut self) {
        self.lacks_some = true;
    }
}

fn file(pages: &[Vec<u8>]) -> WreckFile {
    let mut file = tempfile::tempfile().unwrap();
    for page in pages {
        let mut page = page.clone();
        page.resize(page.len().next_multiple_of(PAGE_BYTES as usize), 0);
        file.write_all(&page).unwrap();
    }
    WreckFile::new(file).unwrap()
}

/// A leaf with ends as they are given: of its keys, then of its values.
fn leaf(ends: &[usize], content: &[u8]) -> Vec<u8> {
    let count = (ends.len() / 2) as u16;
    let ends = ends.iter().flat_map(|end| (*end as u32).to_le_bytes());
    [1, 0].into_iter().chain(count.to_le_bytes()).chain(ends).chain(content.iter().copied()).collect()
}

fn leaf_of(pairs: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let content: Vec<u8> = pairs
        .iter()
        .flat_map(|(key, _)| key.to_vec())
        .chain(pairs.iter().flat_map(|(_, value)| value.clone()))
        .collect();
    let lengths = pairs.iter().map(|(key, _)| key.len()).chain(pairs.iter().map(|(_, value)| value.len()));
    let mut end = 4 + 8 * pairs.len();
    let ends: Vec<_> = lengths
        .map(|length| {
            end += length;
            end
        })
        .collect();
    leaf(&ends, &content)
}

/// The first page, whose newer commit slot points at the tables in the page with that number.
fn header(root: u64) -> Vec<u8> {
    let mut header = vec![0; PAGE_BYTES as usize];
    header[SLOTS[0] + 8..SLOTS[0] + 16].copy_from_slice(&root.to_le_bytes());
    header[SLOTS[0] + 104] = 1;
    header
}

/// What the tree of tables has of one whose root is the page with that number.
fn table(root: u64) -> Vec<u8> {
    [&[0; 10][..], &root.to_le_bytes(), &[0; 16]].concat()
}

#[test]
fn a_page_is_read_once_however_often_trees_lead_to_it() {
    let tables = leaf_of(&vec![(TABLE, table(1)); 60]);
    let data = leaf_of(&[(FORMAT, value::encode_format(FORMAT, 2))]);
    let mut found = Found::default();
    scrape(&file(&[header(0), tables, data]), &mut found);
    assert_eq!((found.values, found.current), (1, 1));
}

#[test]
fn a_page_that_is_laid_out_to_be_slow_is_passed_over() {
    const PAIRS: usize = 500;
    const REACH: usize = 1 << 20;
    // Every second pair has a key as short as any, and a value that reaches as far as a page may.
    let start = 4 + 8 * PAIRS;
    let keys = [start + FORMAT.len(), start].into_iter().cycle().take(PAIRS);
    let values = [REACH, start].into_iter().cycle().take(PAIRS);
    let slow = leaf(&keys.chain(values).collect::<Vec<_>>(), FORMAT);
    let pages: Vec<_> = [header(0)].into_iter().chain(vec![slow; 20]).chain([vec![7; REACH]]).collect();
    let mut work = Work::default();
    assert!(page::read(&file(&pages), PAGE_BYTES, &mut work).is_none() && work.was_left_undone);
    let mut found = Found::default();
    scrape(&file(&pages), &mut found);
    assert!(found.lacks_some && found.values == 0);
}
