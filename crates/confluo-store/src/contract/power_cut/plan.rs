//! Which steps are cut, and where: every kind in its middle and right after its acknowledgement, none of it left to chance.

use std::collections::BTreeMap;

use super::steps::{KINDS, Kind};

/// As many cuts as meet every kind at both moments.
pub(super) const FEWEST_CUTS: usize = CUTS_PER_IMAGE * 3;
pub(super) const CUTS_PER_IMAGE: usize = 8;

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// The step is under way: its writer was stopped and had not answered.
    Middle,
    /// Nothing was done since the step was acknowledged.
    After,
}

/// One cut to be made.
pub(super) type Cut = (Kind, Moment);

/// The cuts of an image, the first of which is of its first start: only a new image has one.
pub(super) fn cuts_of_image(image: usize) -> impl Iterator<Item = Cut> {
    let first = (Kind::FirstStart, if image.is_multiple_of(2) { Moment::Middle } else { Moment::After });
    let others = KINDS.into_iter().filter(|kind| *kind != Kind::FirstStart);
    let others: Vec<Cut> = others.flat_map(|kind| [(kind, Moment::Middle), (kind, Moment::After)]).collect();
    let begin = image * (CUTS_PER_IMAGE - 1);
    [first].into_iter().chain((begin..begin + CUTS_PER_IMAGE - 1).map(move |at| others[at % others.len()]))
}

/// How long to wait, at most, before a step of each kind is stopped: it must still be under way.
#[derive(Debug, Default)]
pub(super) struct Patience(BTreeMap<Kind, u64>);

impl Patience {
    pub(super) fn micros(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(if kind == Kind::FirstStart { 40_000 } else { 4_000 })
    }

    /// The step was over too soon.
    pub(super) fn shorten(&mut self, kind: Kind) {
        self.0.insert(kind, (self.micros(kind) * 3 / 4).max(50));
    }

    /// It was not: later is in its middle, too.
    pub(super) fn lengthen(&mut self, kind: Kind) {
        self.0.insert(kind, (self.micros(kind) * 3 / 2).min(40_000));
    }
}
