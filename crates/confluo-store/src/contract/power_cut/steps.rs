//! What the writer does, and when it is cut off: the same for the writer and for the model, by seed.

use confluo_protocol::{LineageId, Seq};

use crate::{
    Append, DocumentStore, Record, StoredDocument,
    contract::{append, expected, name, noise, snapshot},
};

pub(super) const DOCUMENTS: u64 = 5;

/// What kind of thing the writer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    FirstStart,
    Append,
    Compact,
    Replace,
    Delete,
    Reopen,
}

pub(super) const KINDS: [Kind; 6] =
    [Kind::FirstStart, Kind::Append, Kind::Compact, Kind::Replace, Kind::Delete, Kind::Reopen];

/// One thing that the writer does; the same seed gives the same steps to the writer and to the model.
pub(super) enum Step {
    Open,
    Append(Vec<Append>),
    Compact(String, u64),
    Replace(String, StoredDocument),
    Delete(String),
    Reopen,
}

impl Step {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Open => Kind::FirstStart,
            Self::Append(_) => Kind::Append,
            Self::Compact(..) => Kind::Compact,
            Self::Replace(..) => Kind::Replace,
            Self::Delete(_) => Kind::Delete,
            Self::Reopen => Kind::Reopen,
        }
    }

    pub(super) fn apply(self, store: &dyn DocumentStore, reopens: bool) {
        match self {
            Self::Append(records) => store.append(&records),
            Self::Compact(document, through) => store.compact(&name(&document), snapshot(through, 100_000)),
            Self::Replace(document, whole) => store.replace(&name(&document), &whole),
            Self::Delete(document) => store.delete(&name(&document)).map(|_| ()),
            Self::Reopen if reopens => store.reopen(),
            Self::Open | Self::Reopen => Ok(()),
        }
        .expect("every step of the plan is valid");
    }
}

#[derive(Clone)]
pub(super) struct Steps {
    random: Random,
    pub(super) made: usize,
    /// Life, head and end of the snapshot of each document; head 0: there is none.
    documents: Vec<(u8, u64, u64)>,
}

impl Steps {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random(seed ^ 0x5eed), made: 0, documents: vec![(0, 0, 0); DOCUMENTS as usize] }
    }

    pub(super) fn next(&mut self) -> Step {
        self.made += 1;
        if self.made == 1 {
            return Step::Open;
        }
        let index = self.random.below(DOCUMENTS);
        let document = format!("document {index}");
        let (life, head, through) = &mut self.documents[index as usize];
        match self.random.below(20) {
            0 if *head > 0 => {
                (*life, *head, *through) = (life.wrapping_add(1), 0, 0);
                Step::Delete(document)
            }
            1 | 2 if *head > 0 => {
                *through += self.random.below(*head - *through + 1);
                if *through == 0 {
                    *through = 1;
                }
                Step::Compact(document, *through)
            }
            3 => Step::Reopen,
            4 => {
                *life = life.wrapping_add(1);
                (*head, *through) = (3, 0);
                Step::Replace(document, whole(*life, *head))
            }
            _ => Step::Append(self.appends()),
        }
    }

    /// Records of several documents in one slice, most of them small.
    fn appends(&mut self) -> Vec<Append> {
        let count = 1 + self.random.below(6);
        let lengths = [15, 40, 100, 300, 2_000, 80_000];
        (0..count)
            .map(|_| {
                let index = self.random.below(DOCUMENTS);
                let length = lengths[self.random.below(lengths.len() as u64) as usize];
                let (life, head, _) = &mut self.documents[index as usize];
                *head += 1;
                let usual = append(&format!("document {index}"), *head, 0);
                let update = noise(*head + u64::from(*life) * 1_000, length);
                Append {
                    lineage: LineageId([*life; 16]),
                    record: Record { seq: Seq(*head), update, ..usual.record },
                    ..usual
                }
            })
            .collect()
    }
}

/// A document that takes more than one commit.
fn whole(life: u8, head: u64) -> StoredDocument {
    let mut whole = expected("a", head, 0, 600_000);
    whole.lineage = LineageId([life; 16]);
    for record in &mut whole.records {
        record.update = noise(record.seq.0 + u64::from(life) * 1_000, 600_000);
    }
    whole
}

/// The steps and moments of a run, repeatable by its seed.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
