//! How many of something one key may have at once.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places by key. It remembers only keys that have taken one.
#[derive(Debug)]
pub(super) struct Places<K: Eq + Hash + Debug> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash + Debug> {
    places: Arc<Places<K>>,
    key: K,
}

impl<K: Eq + Hash + Debug + Clone> Places<K> {
    /// `most` for each key.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// One of the key's places, if there is one left.
    pub(super) fn take(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        let mut taken = self.lock();
        let count = taken.entry(key.clone()).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { places: Arc::clone(self), key })
    }
}

impl<K: Eq + Hash + Debug> Places<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Debug> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_remembered_of_a_key_that_has_nothing() {
        let places = Places::new(1);
        for key in 0..1_000 {
            let place = places.take(key).unwrap();
            assert!(places.take(key).is_none());
            drop(place);
        }
        assert!(places.lock().is_empty());
    }
}
