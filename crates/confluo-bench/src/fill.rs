//! A document as people leave it behind, to fill a store with.

use confluo_client::yrs::{Doc, ReadTxn, StateVector, Text, Transact};
use confluo_protocol::UpdateV1;

/// Words are put in so many at a time before the size is looked at.
const WORDS_AT_ONCE: usize = 16;

/// A document whose whole state takes about `bytes` in V1: words that two people typed at places all over a text, so that it
/// is many small items and neither compresses to nothing nor loads as one piece. The same for the same size.
pub fn document_of(bytes: usize) -> UpdateV1 {
    let people = [Doc::with_client_id(0x8000_0001_u64), Doc::with_client_id(0x8000_0002_u64)];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) % bound.max(1)
    };
    let mut state = Vec::new();
    while state.len() < bytes {
        for [from, to] in [[&people[0], &people[1]], [&people[1], &people[0]]] {
            let text = from.get_or_insert_text("text");
            let mut txn = from.transact_mut();
            for _ in 0..WORDS_AT_ONCE {
                let word: String = (0..4 + below(8)).map(|_| char::from(b'a' + below(26) as u8)).chain([' ']).collect();
                let at = below(u64::from(text.len(&txn)) + 1) as u32;
                text.insert(&mut txn, at, &word);
            }
            txn.commit();
            state = txn.encode_state_as_update_v1(&StateVector::default());
            drop(txn);
            apply(to, &state);
            if state.len() >= bytes {
                break;
            }
        }
    }
    UpdateV1(state.into())
}

fn apply(doc: &Doc, state: &[u8]) {
    use confluo_client::yrs::{Update, updates::decoder::Decode};
    let update = Update::decode_v1(state).expect("yrs reads what it wrote");
    doc.transact_mut().apply_update(update).expect("yrs applies what it wrote");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_about_the_size_and_is_always_the_same() {
        for bytes in [2_000, 20_000] {
            let document = document_of(bytes);
            assert!((bytes..bytes + 1_500).contains(&document.0.len()), "{}", document.0.len());
            assert_eq!(document, document_of(bytes));
        }
    }
}
