//! Whether the client ids of a document differ where yrs looks at them.
//!
//! yrs keeps clients in hash tables whose hash is the id itself. Drawn at random, as Yjs draws them, ids spread well. Chosen
//! to end in the same bits, they all fall into one place, where each is found by passing all that came before it: 40,000 of
//! them, 400 kB, took ten seconds to merge, and as long again at each opening. So ids that crowd are refused (SY21).

use crate::ClientId;

/// So few ids never crowd.
const FEW_IDS: usize = 256;
/// How many looks more than random ids they may cost, for each id.
const MOST_LOOKS_MORE: u64 = 2;
/// In classes so small that an id costs nobody anything. Of random ids nearly all are.
const SMALL_CLASS: u32 = 4;

/// Too many client ids end in the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many client ids end in the same bits; draw them at random, as Yjs does")]
pub struct CrowdedIds;

/// How many of a document's client ids end in which bits, of which there are about as many as yrs's tables look at.
///
/// Takes 4 to 8 bytes an id once there are more than 256, and nothing on the heap before.
#[derive(Debug, Default)]
pub struct IdSpread {
    /// As many as there are ids, rounded up to a power of two.
    classes: Vec<u32>,
    /// The sum of the squares of the sizes of those that are not small: to look up each id in them, that many are passed, or half
    /// of it. It never grows by an id in a small class, nor when there are more classes, so that what came bit by bit is not
    /// refused as a whole.
    squares: u64,
}

impl IdSpread {
    /// Counts the ids `new`, which are among `all` and were not before. When they crowd, they are not counted.
    pub fn add(
        &mut self,
        new: impl Iterator<Item = ClientId> + Clone,
        all: impl ExactSizeIterator<Item = ClientId>,
    ) -> Result<(), CrowdedIds> {
        let ids = all.len();
        if ids <= FEW_IDS && self.classes.is_empty() {
            return Ok(());
        }
        let before = ids - new.clone().count();
        if ids > self.classes.len() {
            (self.classes, self.squares) = (vec![0; ids.next_power_of_two()], 0);
            self.count(all);
        } else {
            self.count(new.clone());
        }
        // Nobody answers for how those crowd that are there already.
        if self.squares <= most_squares(ids as u64) || new.clone().all(|id| *self.class(id) <= SMALL_CLASS) {
            return Ok(());
        }
        self.remove(new, before);
        Err(CrowdedIds)
    }

    /// Takes out ids that were counted, so that `left` remain.
    pub fn remove(&mut self, ids: impl Iterator<Item = ClientId>, left: usize) {
        if left.next_power_of_two() < self.classes.len() {
            // In so many classes fewer ids crowd than in as many as there are ids: all are counted anew, when the next come.
            *self = Self::default();
        }
        if self.classes.is_empty() {
            return;
        }
        for id in ids {
            let class = self.class(id);
            let before = square(*class);
            *class -= 1;
            let after = square(*class);
            self.squares -= before - after;
        }
    }

    fn count(&mut self, ids: impl Iterator<Item = ClientId>) {
        for id in ids {
            let class = self.class(id);
            let before = square(*class);
            *class += 1;
            let after = square(*class);
            self.squares += after - before;
        }
    }

    fn class(&mut self, id: ClientId) -> &mut u32 {
        let class = id % self.classes.len() as u64;
        &mut self.classes[class as usize]
    }
}

fn square(class: u32) -> u64 {
    if class <= SMALL_CLASS { 0 } else { u64::from(class) * u64::from(class) }
}

/// Grows with the ids.
fn most_squares(ids: u64) -> u64 {
    MOST_LOOKS_MORE * ids + (FEW_IDS * FEW_IDS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Yjs draws them: 32 random bits.
    fn random(ids: u64) -> impl Iterator<Item = ClientId> + Clone {
        (1..=ids).map(|id| (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17) & 0xffff_ffff)
    }

    /// A document's ids, as the room keeps them.
    #[derive(Default)]
    struct Ids(IdSpread, Vec<ClientId>);

    impl Ids {
        fn add(&mut self, new: impl Iterator<Item = ClientId> + Clone) -> Result<(), CrowdedIds> {
            let before = self.1.len();
            self.1.extend(new.clone());
            let added = self.0.add(new, self.1.iter().copied());
            added.inspect_err(|_| self.1.truncate(before))
        }
    }

    fn crowd(ids: std::ops::Range<u64>) -> impl Iterator<Item = ClientId> + Clone {
        ids.map(|id| id << 28)
    }

    #[test]
    fn sy21_ids_that_end_in_the_same_bits_are_refused_beyond_a_few() {
        let mut ids = Ids::default();
        assert_eq!(ids.add(crowd(1..257)), Ok(()));
        assert_eq!(ids.add(crowd(257..300)), Err(CrowdedIds));
        assert_eq!(ids.add(1..100_000), Ok(()), "who draws them at random is not concerned");
        assert_eq!(ids.add(crowd(257..10_000)), Err(CrowdedIds));
        assert_eq!(ids.add(crowd(257..500)), Ok(()), "in a larger document there is room for more");
        assert_eq!(Ids::default().add(crowd(1..1_000)), Err(CrowdedIds), "the first of all");
    }

    #[test]
    fn sy21_ids_that_crowd_in_many_places_are_refused() {
        let mut ids = Ids::default();
        let in_places = |range: std::ops::Range<u64>| range.map(|id| ((id / 256) << 28) | (id % 256));
        assert_eq!(ids.add(in_places(0..2_000)), Ok(()));
        assert_eq!(ids.add(in_places(2_000..8_000)), Err(CrowdedIds));
    }

    #[test]
    fn sy21_ids_that_are_random_or_count_up_are_not() {
        for one_by_one in [random(20_000).collect::<Vec<_>>(), (0..20_000).collect()] {
            let mut ids = Ids::default();
            for id in one_by_one {
                assert_eq!(ids.add(std::iter::once(id)), Ok(()));
            }
        }
        assert_eq!(Ids::default().add(random(1_000_000)), Ok(()));
    }

    #[test]
    fn sy21_ids_that_crowd_already_refuse_nobody_else() {
        let mut ids = Ids::default();
        ids.1.extend(crowd(0..1_000));
        assert_eq!(ids.add(std::iter::once(7)), Ok(()));
        assert_eq!(ids.add(crowd(1_000..1_001)), Err(CrowdedIds));
        assert_eq!(ids.add(std::iter::once(8)), Ok(()));
    }

    #[test]
    fn sy21_a_document_that_came_id_by_id_is_not_refused_as_a_whole() {
        let mut ids = Ids::default();
        ids.add(crowd(1..257)).unwrap();
        for id in crowd(257..260).chain(random(2_000)).chain(crowd(260..600)) {
            let _ = ids.add(std::iter::once(id));
            let whole = ids.1.iter().copied();
            assert_eq!(IdSpread::default().add(whole.clone(), whole), Ok(()), "of {} ids", ids.1.len());
        }
        assert!(ids.1.len() > 2_256, "most were taken: {}", ids.1.len());
    }

    #[test]
    fn sy21_what_is_refused_or_taken_out_leaves_no_trace() {
        let mut ids = Ids::default();
        ids.add(1..601).unwrap();
        for _ in 0..3 {
            assert_eq!(ids.add(crowd(1..300)), Err(CrowdedIds));
            assert_eq!(ids.add(crowd(1..250)), Ok(()));
            ids.0.remove(crowd(1..250), 600);
            ids.1.truncate(600);
        }
        assert_eq!(ids.0.squares, 0);
        assert_eq!(ids.0.classes.iter().sum::<u32>(), 600);
    }

    /// Of 512 ids that end in the same ten bits and differ in the next seven, four each share one of 131,072 classes.
    #[test]
    fn sy21_after_many_that_were_refused_or_taken_out_others_crowd_as_before() {
        let near = |ids: std::ops::Range<u64>| ids.map(|id| (id % 128) << 10 | (id / 128) << 40);
        for was_taken in [false, true] {
            let mut ids = Ids::default();
            ids.add(random(300)).unwrap();
            if was_taken {
                ids.add(random(100_300).skip(300)).unwrap();
                ids.0.remove(random(100_300).skip(300), 300);
                ids.1.truncate(300);
            } else {
                assert_eq!(ids.add(random(100_300).skip(300).chain(crowd(1..2_000))), Err(CrowdedIds));
            }
            assert_eq!(ids.add(near(1..513)), Err(CrowdedIds));
            assert!(ids.0.classes.len() <= 512, "{} classes", ids.0.classes.len());
        }
    }
}
