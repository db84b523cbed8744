//! A document is open in at most one room: opening is single-flight, and a room that closes has written everything before the
//! document is opened again. Nothing of it may depend on who comes and goes when, or on what the store does meanwhile.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use confluo_hub::Hub;
use confluo_protocol::ClientId;
use confluo_store::{
    DocumentStore, MemoryStore,
    faulty::{Fault, FaultyStore},
};
use futures_util::future::join;
use tokio_util::task::TaskTracker;

use crate::{
    crowd::{Deletions, Random, come_and_go, documents, end, hasty, soon},
    watched::{WatchedStore, authors_in},
    wire::{Peer, edit_of},
};

fn assert_stored(what: &str, wanted: impl IntoIterator<Item = ClientId>, stored: &BTreeSet<ClientId>) {
    let lost: Vec<_> = wanted.into_iter().filter(|client| !stored.contains(client)).collect();
    assert!(lost.is_empty(), "{what}, and not in the document: {lost:?}");
}

/// Lessons: two first joins loaded a document twice and one room's edits were orphaned; counts did not return to zero.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sy17_a_document_is_open_in_one_room_however_many_come_and_go() {
    let store = Arc::new(WatchedStore::default());
    let hub = Hub::start(hasty(), store.clone()).unwrap();
    let edits = come_and_go(&hub, &Deletions::default()).await;
    let metrics = hub.metrics();
    assert!(metrics.documents_loaded.get() > 20, "rooms close all the time: {}", metrics.documents_loaded.get());
    assert_eq!(metrics.commit_failures.get(), 0);
    end(hub).await;
    store.assert_orderly();
    assert_eq!(store.conflicts(), 0);
    for (place, document) in documents().iter().enumerate() {
        assert_stored("taken by a room", edits.sent[place].clone(), &store.authors(document));
    }
    assert_eq!(Arc::strong_count(&store), 1, "somebody still holds the store");
}

/// The same over a store that fails at any call, in any way, and is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sy17_a_store_that_fails_meanwhile_loses_nothing_shown_or_acknowledged() {
    let store = Arc::new(FaultyStore::new(WatchedStore::default()));
    let hub = Hub::start(hasty(), store.clone()).unwrap();
    let is_over = AtomicBool::new(false);
    let coming = async {
        let edits = come_and_go(&hub, &Deletions::default()).await;
        is_over.store(true, Ordering::Relaxed);
        edits
    };
    let sabotage = async {
        let mut random = Random::new(99);
        let mut faults = 0;
        while !is_over.load(Ordering::Relaxed) {
            let kinds = [Fault::OutOfSpace, Fault::Io, Fault::Torn, Fault::AfterWriting];
            let at = store.calls() + 1 + random.below(12);
            store.fail_call(at, kinds[random.below(4) as usize]);
            while store.calls() < at && !is_over.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            faults += 1;
        }
        faults
    };
    let (edits, faults) = join(coming, sabotage).await;
    assert!(faults > 3, "it failed only {faults} times");
    end(hub).await;
    let watched = store.inner();
    watched.assert_orderly();
    for (place, document) in documents().iter().enumerate() {
        let stored = watched.authors(document);
        assert_stored("acknowledged", edits.acknowledged[place].iter().map(|(client, _)| *client), &stored);
        assert_stored("shown", edits.shown[place].clone(), &stored);
    }
    assert!(edits.acknowledged.iter().flatten().count() > 5, "hardly anybody was acknowledged");
}

/// Documents are deleted under their rooms: the old room finds out before it writes, and what comes after the deletion
/// and is acknowledged is in the new document.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn li3_documents_that_are_deleted_meanwhile_keep_what_comes_after() {
    let store = Arc::new(WatchedStore::default());
    let hub = Hub::start(hasty(), store.clone()).unwrap();
    let deletions = Deletions::default();
    let is_over = AtomicBool::new(false);
    let coming = async {
        let edits = come_and_go(&hub, &deletions).await;
        is_over.store(true, Ordering::Relaxed);
        edits
    };
    let deleting = async {
        let mut random = Random::new(7);
        while !is_over.load(Ordering::Relaxed) {
            let place = random.below(documents().len() as u64) as usize;
            let appended = hub.metrics().commit_records.snapshot().count + random.below(20);
            while hub.metrics().commit_records.snapshot().count < appended && !is_over.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            deletions.begun[place].fetch_add(1, Ordering::SeqCst);
            store.delete(&documents()[place]).unwrap();
            deletions.finished[place].fetch_add(1, Ordering::SeqCst);
        }
    };
    let (edits, ()) = join(coming, deleting).await;
    end(hub).await;
    for (place, document) in documents().iter().enumerate() {
        let last = deletions.begun[place].load(Ordering::SeqCst);
        let since = edits.acknowledged[place].iter().filter(|(_, deleted)| *deleted == last);
        assert_stored("acknowledged since", since.map(|(client, _)| *client), &store.authors(document));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn li3_a_room_whose_document_was_deleted_acknowledges_nothing_more() {
    let store = Arc::new(WatchedStore::default());
    let hub = Hub::start(hasty(), store.clone()).unwrap();
    let [notes, ..] = documents();
    let tasks = TaskTracker::new();
    let mut old = Peer::join(&hub, &notes, &tasks);
    assert!(old.send(&edit_of(5)).await && soon("on disk", old.wait_on_disk()).await);
    store.delete(&notes).unwrap();
    assert!(old.send(&edit_of(6)).await);
    assert!(!soon("its session ends", old.wait_on_disk()).await, "acknowledged, and never stored");
    assert_eq!(store.conflicts(), 2, "in its batch, and then alone");
    old.leave().await.unwrap();
    // Who comes before the old room is off the list is told to come again.
    let mut is_saved = false;
    while !is_saved {
        let mut new = Peer::join(&hub, &notes, &tasks);
        is_saved = new.send(&edit_of(7)).await && soon("an answer", new.wait_on_disk()).await;
        assert!(new.shown.is_subset(&BTreeSet::from([7])), "of the document that was deleted: {:?}", new.shown);
        new.leave().await.unwrap();
    }
    end(hub).await;
    assert_eq!(store.authors(&notes), BTreeSet::from([7]));
}

/// Lesson: a document was unloaded while its save was in flight, and opened again without it.
#[tokio::test(flavor = "multi_thread")]
async fn sy5_a_room_is_not_closed_while_its_last_edit_is_on_its_way_to_the_disk() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let hub = Hub::start(hasty(), store.clone()).unwrap();
    let [notes, ..] = documents();
    let tasks = TaskTracker::new();
    store.hold();
    let author = Peer::join(&hub, &notes, &tasks);
    assert!(author.send(&edit_of(5)).await);
    author.leave().await.unwrap();
    let waiting = store.clone();
    soon("it is being written", tokio::task::spawn_blocking(move || waiting.wait_until_held(1))).await.unwrap();
    let mut next = Peer::join(&hub, &notes, &tasks);
    let another = Peer::join(&hub, &notes, &tasks);
    let both_are_in = async {
        while hub.metrics().sessions.get() < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("both are in", both_are_in).await;
    assert_eq!(hub.documents_open(), 1);
    assert!(authors_in(store.inner(), &notes).is_empty());
    store.release();
    assert!(soon("it is shown", next.wait_shown(5)).await);
    assert_eq!(hub.metrics().documents_loaded.get(), 1, "it is the same room");
    assert_eq!(authors_in(store.inner(), &notes), BTreeSet::from([5]));
    for peer in [next, another] {
        peer.leave().await.unwrap();
    }
    end(hub).await;
}

/// Lesson: the late end of an old socket tore down the new session of the same client.
#[tokio::test(flavor = "multi_thread")]
async fn the_late_end_of_an_old_session_takes_nothing_from_the_new_one_of_the_same_client() {
    let hub = Hub::start(hasty(), Arc::new(MemoryStore::new())).unwrap();
    let [notes, ..] = documents();
    let tasks = TaskTracker::new();
    let mut old = Peer::join(&hub, &notes, &tasks);
    assert!(old.send(&edit_of(5)).await && soon("its echo", old.wait_shown(5)).await);
    let mut new = Peer::join(&hub, &notes, &tasks);
    assert!(new.send(&edit_of(5)).await && soon("what it had", new.wait_shown(5)).await);
    old.leave().await.unwrap();
    assert_eq!(hub.metrics().sessions.get(), 1);
    let mut other = Peer::join(&hub, &notes, &tasks);
    assert!(other.send(&edit_of(6)).await && soon("it still listens", new.wait_shown(6)).await);
    assert!(new.send(&edit_of(7)).await && soon("it still speaks", other.wait_shown(7)).await);
    for peer in [new, other] {
        peer.leave().await.unwrap();
    }
    end(hub).await;
}

/// Lesson: a hundred who joined a large document at once had it encoded, and copied, for each of them.
#[tokio::test(flavor = "multi_thread")]
async fn sy4_all_who_join_are_sent_the_same_bytes() {
    let hub = Hub::start(hasty(), Arc::new(MemoryStore::new())).unwrap();
    let [notes, ..] = documents();
    let tasks = TaskTracker::new();
    let mut author = Peer::join(&hub, &notes, &tasks);
    assert!(author.send(&edit_of(5)).await && soon("on disk", author.wait_on_disk()).await);
    let mut places = BTreeSet::new();
    let mut joiners = Vec::new();
    for _ in 0..100 {
        let mut joiner = Peer::join(&hub, &notes, &tasks);
        let (frame, _) = soon("its step 2", async {
            loop {
                let received = joiner.receive().await.expect("it is served");
                if joiner.shown.contains(&5) {
                    break received;
                }
            }
        })
        .await;
        places.insert(frame.as_ptr() as usize);
        // Held, so that no other frame could come to lie in its place.
        joiners.push((joiner, frame));
    }
    assert_eq!(places.len(), 1, "encoded {} times", places.len());
    author.leave().await.unwrap();
    for (joiner, _) in joiners {
        joiner.leave().await.unwrap();
    }
    end(hub).await;
}
