//! Reading a document, and saying exactly what of it could not be read.

mod by_key;

use std::ops::ControlFlow;

use confluo_protocol::{DocumentName, Seq};

use super::{unreadable, unreadable_record};
use crate::{
    DocumentStats, Engine, EngineStore, Finding, NewSnapshot, Record, SetAside, SetAsideReason, StoreError,
    StoredDocument, StoredSnapshot,
    keys::{self, Place},
    value::{self, Entry, Head, ValueError},
};

pub(super) fn load<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
) -> Result<Option<StoredDocument>, StoreError> {
    load_whole(store, name).map_err(|error| error.within(name))
}

fn load_whole<E: Engine>(store: &EngineStore<E>, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
    loop {
        // Under the lock, so that what is read is on disk: a commit holds it until its sync is done.
        let (entry, head) = {
            let _writing = store.lock_healthy()?;
            let Some(entry) = store.entry(name)? else {
                let may_be_lost = store.findings().iter().any(Finding::may_miss_documents);
                return if may_be_lost { Err(StoreError::MayBeLost { document: name.clone() }) } else { Ok(None) };
            };
            (entry, store.head(name, &entry)?)
        };
        let loaded = Loading { name, entry, head: Some(head), is_salvage: false }.run(store);
        // A compaction or deletion may have pulled away what was being read; appends only add behind the head.
        let _writing = store.lock_healthy()?;
        let now = match store.entry(name)? {
            Some(entry_now) if entry_now == entry => Some(store.head(name, &entry)?),
            _ => None,
        };
        let Some(now) = now.filter(|now| now.generation == head.generation) else { continue };
        let mut loaded = loaded?;
        // Beyond the head only while it was read: appended meanwhile, and not of this load.
        loaded
            .set_aside
            .retain(|aside| aside.reason != SetAsideReason::BeyondHead || aside.seq.is_some_and(|seq| seq > now.seq));
        if let Some(SetAside { seq, .. }) =
            loaded.set_aside.iter().find(|aside| aside.reason == SetAsideReason::BeyondHead)
        {
            return Err(StoreError::Corrupt { document: name.clone(), seq: *seq, what: "the head" });
        }
        return Ok(Some(loaded));
    }
}

pub(super) fn salvage<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
) -> Result<Option<StoredDocument>, StoreError> {
    let _writing = store.lock_healthy()?;
    let Some(entry) = store.entry(name).map_err(|error| error.within(name))? else { return Ok(None) };
    let head = store.head(name, &entry).ok();
    Loading { name, entry, head, is_salvage: true }.run(store).map(Some)
}

/// What a document takes.
pub(super) fn stats<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
) -> Result<Option<DocumentStats>, StoreError> {
    let Some(entry) = store.entry(name)? else { return Ok(None) };
    let head = store.head(name, &entry)?;
    let mut stats = DocumentStats {
        lineage: entry.lineage,
        created_at: entry.created_at,
        head: head.seq,
        snapshot_through: head.through,
        snapshot_bytes: 0,
        records: 0,
        record_bytes: 0,
    };
    store.engine.scan(&keys::document(entry.number), &[], &mut |key, sealed| {
        match keys::place(key) {
            Some(Place::Snapshot { generation, .. }) if generation == head.generation => {
                stats.snapshot_bytes += sealed.len() as u64;
            }
            Some(Place::Record { seq, chunk }) if seq > head.through => {
                stats.records += u64::from(chunk == 0);
                stats.record_bytes += sealed.len() as u64;
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(Some(stats))
}

struct Loading<'a> {
    name: &'a DocumentName,
    entry: Entry,
    /// `None` only in a salvage.
    head: Option<Head>,
    is_salvage: bool,
}

/// A value that is being put together from its chunks.
struct Assembly {
    place: Place,
    bytes: Vec<u8>,
    next_chunk: u32,
    is_whole: bool,
}

/// What one pass over a document's keys found.
#[derive(Default)]
struct Found {
    snapshots: Vec<(u32, Result<NewSnapshot, ValueError>)>,
    records: Vec<(Seq, Result<Record, ValueError>)>,
    aside: Vec<Seq>,
}

impl Loading<'_> {
    fn run<E: Engine>(&self, store: &EngineStore<E>) -> Result<StoredDocument, StoreError> {
        let found = match self.read(store) {
            Err(error) if self.is_salvage && !error.ends_reading() => self.read_by_key(store),
            found => found?,
        };
        let mut set_aside = Vec::new();
        let snapshot = self.choose_snapshot(found.snapshots, &mut set_aside)?;
        set_aside.extend(found.aside.iter().map(|seq| SetAside { seq: Some(*seq), reason: SetAsideReason::KeptAside }));
        let through = snapshot.as_ref().map_or_else(
            || if self.is_salvage { Seq(0) } else { self.head.unwrap_or_default().through },
            |snapshot| snapshot.through,
        );
        let newest = found.records.last().map_or(through, |(seq, _)| *seq);
        let head_seq = self.head.map_or(newest, |head| head.seq);
        let mut records = Vec::new();
        let mut expected = through.next();
        for (seq, record) in found.records {
            if seq <= through {
                continue;
            }
            if seq > head_seq {
                set_aside.push(SetAside { seq: Some(seq), reason: SetAsideReason::BeyondHead });
                if !self.is_salvage {
                    continue;
                }
            } else {
                report_missing(&mut set_aside, expected, seq);
                expected = seq.next();
            }
            match record {
                Ok(record) => records.push(record),
                Err(ValueError::Damaged) => {
                    set_aside.push(SetAside { seq: Some(seq), reason: SetAsideReason::Damaged });
                }
                Err(ValueError::Newer(_)) if self.is_salvage => {
                    set_aside.push(SetAside { seq: Some(seq), reason: SetAsideReason::Newer });
                }
                Err(error @ ValueError::Newer(_)) => return Err(unreadable_record(error, self.name, seq)),
            }
        }
        report_missing(&mut set_aside, expected, head_seq.next());
        Ok(StoredDocument {
            lineage: self.entry.lineage,
            created_at: self.entry.created_at,
            head: head_seq,
            snapshot,
            records,
            set_aside,
        })
    }

    /// The snapshot that the head points at; in a salvage, the newest one that can be read.
    fn choose_snapshot(
        &self,
        mut found: Vec<(u32, Result<NewSnapshot, ValueError>)>,
        set_aside: &mut Vec<SetAside>,
    ) -> Result<Option<StoredSnapshot>, StoreError> {
        let mut report = |reason| set_aside.push(SetAside { seq: None, reason });
        if self.head.is_none() {
            report(SetAsideReason::Head);
        }
        if self.is_salvage {
            found.retain(|(_, snapshot)| snapshot.is_ok());
        }
        let chosen = match self.head {
            Some(Head { generation: 0, .. }) => return Ok(None),
            Some(Head { generation, .. }) => found.into_iter().find(|(found, _)| *found == generation),
            None => found.pop(),
        };
        let decoded = match chosen {
            Some((_, Ok(snapshot))) => decompress(snapshot).ok_or(ValueError::Damaged),
            Some((_, Err(error))) => Err(error),
            None if self.head.is_none() => return Ok(None),
            None => Err(ValueError::Damaged),
        };
        match decoded {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(_) if self.is_salvage => {
                report(SetAsideReason::Snapshot);
                Ok(None)
            }
            Err(error) => Err(unreadable(error, self.name, "the snapshot")),
        }
    }

    fn read<E: Engine>(&self, store: &EngineStore<E>) -> Result<Found, StoreError> {
        let mut found = Found::default();
        let mut assembly: Option<Assembly> = None;
        let wanted = self.head.map(|head| head.generation);
        store.engine.scan(&keys::document(self.entry.number), &[], &mut |key, chunk_bytes| {
            let (place, chunk) = match keys::place(key) {
                Some(Place::Snapshot { generation, chunk }) if wanted.is_none_or(|wanted| wanted == generation) => {
                    (Place::Snapshot { generation, chunk: 0 }, chunk)
                }
                Some(Place::Record { seq, chunk }) => (Place::Record { seq, chunk: 0 }, chunk),
                Some(Place::Aside { seq, chunk }) => (Place::Aside { seq, chunk: 0 }, chunk),
                _ => return ControlFlow::Continue(()),
            };
            if assembly.as_ref().is_none_or(|open| open.place != place) {
                if let Some(done) = assembly.take() {
                    self.take(&mut found, done);
                }
                assembly = Some(Assembly { place, bytes: Vec::new(), next_chunk: 0, is_whole: true });
            }
            if let Some(open) = &mut assembly {
                open.is_whole &= chunk == open.next_chunk;
                open.next_chunk = chunk.wrapping_add(1);
                open.bytes.extend_from_slice(chunk_bytes);
            }
            ControlFlow::Continue(())
        })?;
        if let Some(done) = assembly {
            self.take(&mut found, done);
        }
        Ok(found)
    }

    fn take(&self, found: &mut Found, Assembly { place, bytes, is_whole, .. }: Assembly) {
        let number = self.entry.number;
        let whole = if is_whole { Ok(()) } else { Err(ValueError::Damaged) };
        match place {
            Place::Snapshot { generation, .. } => {
                let key = keys::snapshot(number, generation);
                let snapshot = whole.and_then(|()| value::decode_snapshot(&key, &bytes));
                found.snapshots.push((generation, snapshot));
            }
            Place::Record { seq, .. } => {
                let key = keys::record(number, seq);
                found.records.push((seq, whole.and_then(|()| value::decode_record(&key, &bytes, seq))));
            }
            Place::Aside { seq, .. } => found.aside.push(seq),
        }
    }
}

fn decompress(snapshot: NewSnapshot) -> Option<StoredSnapshot> {
    let state = snapshot.state.decode()?;
    Some(StoredSnapshot { through: snapshot.through, at: snapshot.at, authors: snapshot.authors, state })
}

/// Reports each seq from `expected` up to, not including, `next`. A huge hole is reported by its two ends.
fn report_missing(set_aside: &mut Vec<SetAside>, expected: Seq, next: Seq) {
    const MOST: u64 = 10_000;
    let missing = |seq| SetAside { seq: Some(Seq(seq)), reason: SetAsideReason::Missing };
    let count = next.0.saturating_sub(expected.0);
    if count > MOST {
        set_aside.extend([missing(expected.0), missing(next.0 - 1)]);
    } else {
        set_aside.extend((expected.0..next.0).map(missing));
    }
}
