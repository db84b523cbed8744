//! The codec: bytes to messages and back, and the structural check.

use bytes::Bytes;
use confluo_bench::fill::document_of;
use confluo_protocol::{
    AwarenessEntry, AwarenessReader, AwarenessWriter, Message, UpdateLimits, UpdateV1, check_update,
};
use divan::{Bencher, black_box, counter::BytesCount, counter::ItemsCount};

use crate::typist::Typist;

const CURSOR: &[u8] = br##"{"user":{"name":"Ada","color":"#0b6e99"},"cursor":{"anchor":17,"head":23}}"##;

fn keystroke() -> (UpdateV1, Bytes) {
    let mut typist = Typist::new(0x8000_0001);
    typist.keystroke();
    (typist.keystroke(), typist.frame())
}

#[divan::bench]
fn read_a_keystroke(bencher: Bencher<'_, '_>) {
    let (_, frame) = keystroke();
    bencher.bench_local(|| Message::read_all(black_box(&frame)).unwrap());
}

#[divan::bench]
fn encode_a_keystroke(bencher: Bencher<'_, '_>) {
    let (_, frame) = keystroke();
    let message = Message::read_all(&frame).unwrap().remove(0);
    bencher.bench_local(|| black_box(&message).encode());
}

#[divan::bench]
fn check_a_keystroke(bencher: Bencher<'_, '_>) {
    let (update, _) = keystroke();
    bencher.bench_local(|| check_update(black_box(&update).clone(), &UpdateLimits::default()).unwrap());
}

#[divan::bench(args = [2_000, 200_000])]
fn check_a_document(bencher: Bencher<'_, '_>, bytes: usize) {
    let document = document_of(bytes);
    let bencher = bencher.counter(BytesCount::new(document.0.len()));
    bencher.bench_local(|| check_update(black_box(&document).clone(), &UpdateLimits::default()).unwrap());
}

fn cursors(people: u64) -> Bytes {
    let mut writer = AwarenessWriter::default();
    for client_id in 0..people {
        writer.push(AwarenessEntry { client_id, clock: 7, json: CURSOR });
    }
    writer.finish()
}

#[divan::bench(args = [1, 200])]
fn read_cursors(bencher: Bencher<'_, '_>, people: u64) {
    let payload = cursors(people);
    bencher.counter(ItemsCount::new(people)).bench_local(|| {
        let entries = AwarenessReader::new(black_box(&payload)).unwrap();
        entries.map(|entry| entry.unwrap().json.len()).sum::<usize>()
    });
}

#[divan::bench(args = [1, 200])]
fn write_cursors(bencher: Bencher<'_, '_>, people: u64) {
    bencher.counter(ItemsCount::new(people)).bench_local(|| cursors(black_box(people)));
}
