//! Reading what is left of a document key by key: a scan ends at the first page that the engine cannot read.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{Found, Loading};
use crate::{
    Engine, EngineStore, NewSnapshot,
    engine::MAX_VALUE_BYTES,
    keys::{self, Place},
    value::{self, ValueError},
};

/// Without a head, the search for records ends after as many seqs at which there is none.
const MOST_MISSES: u64 = 10_000;

impl Loading<'_> {
    /// Everything that can be read. What cannot is damaged, where the head tells that it is there.
    pub(super) fn read_by_key<E: Engine>(&self, store: &EngineStore<E>) -> Found {
        let mut found = Found::default();
        let mut generations = BTreeSet::new();
        let (mut first, mut aside) = (None, BTreeSet::new());
        let number = self.entry.number;
        for prefix in [keys::snapshots(number), keys::records(number), keys::asides(number)] {
            // As far as it goes.
            let _ = store.engine.scan(&prefix, &[], &mut |key, _| {
                match keys::place(key) {
                    Some(Place::Snapshot { generation, .. }) => drop(generations.insert(generation)),
                    Some(Place::Record { seq, .. }) => {
                        first = Some(seq);
                        return ControlFlow::Break(());
                    }
                    Some(Place::Aside { seq, .. }) => drop(aside.insert(seq)),
                    None => {}
                }
                ControlFlow::Continue(())
            });
        }
        found.aside.extend(aside);
        generations.extend(self.head.map(|head| head.generation).filter(|generation| *generation > 0));
        for generation in generations {
            found.snapshots.extend(self.read_snapshot(store, generation).map(|snapshot| (generation, snapshot)));
        }
        let through = found.snapshots.iter().rev().find_map(|(_, snapshot)| Some(snapshot.as_ref().ok()?.through));
        let through = self.head.map(|head| head.through).or(through).unwrap_or_default();
        let (mut seq, mut misses) = (first.unwrap_or(through.next()), 0);
        while self.head.map_or(misses < MOST_MISSES, |head| seq <= head.seq) {
            let key = keys::record(number, seq);
            let read = read_value(store, &key);
            misses = if matches!(read, Some(Ok(_))) { 0 } else { misses + 1 };
            let record = read.map(|sealed| value::decode_record(&key, &sealed?, seq));
            // Without a head nobody knows whether there should be something.
            found
                .records
                .extend(record.filter(|record| self.head.is_some() || record.is_ok()).map(|record| (seq, record)));
            seq = seq.next();
        }
        found
    }

    fn read_snapshot<E: Engine>(
        &self,
        store: &EngineStore<E>,
        generation: u32,
    ) -> Option<Result<NewSnapshot, ValueError>> {
        let key = keys::snapshot(self.entry.number, generation);
        Some(read_value(store, &key)?.and_then(|sealed| value::decode_snapshot(&key, &sealed)))
    }
}

/// A value, put together from its chunks; `None`: there is none.
fn read_value<E: Engine>(store: &EngineStore<E>, key: &[u8]) -> Option<Result<Vec<u8>, ValueError>> {
    let mut value = Vec::new();
    for chunk in 0.. {
        match store.engine.get(&keys::chunk(key, chunk)) {
            Ok(None) if chunk == 0 => return None,
            Ok(None) => break,
            Ok(Some(bytes)) => {
                value.extend_from_slice(&bytes);
                if bytes.len() < MAX_VALUE_BYTES {
                    break;
                }
            }
            Err(_) => return Some(Err(ValueError::Damaged)),
        }
    }
    Some(Ok(value))
}
