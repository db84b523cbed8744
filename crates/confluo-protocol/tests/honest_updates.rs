//! Whatever a real client sends is taken: whole when it comes in order, in the end when it does not. SY8 to SY12.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use confluo_fuzz::protocol::{self as targets, Taken};
use confluo_protocol::{ClientId, UpdateLimits, UpdateV1, check_update};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use yrs::{
    Any, Array, ArrayPrelim, ClientID, Doc, GetString, Map, MapPrelim, OffsetKind, Options, ReadTxn, StateVector, Text,
    TextPrelim, Transact, TransactionMut, Update, WriteTxn, XmlElementPrelim, XmlFragment, XmlTextPrelim,
    types::{Attrs, ToJson},
    updates::decoder::Decode,
};

/// A client that edits, and remembers each of its updates.
struct Client {
    document: Doc,
    sent: Arc<Mutex<Vec<UpdateV1>>>,
}

impl Client {
    fn new(id: u64, skip_gc: bool) -> Self {
        let options =
            Options { client_id: ClientID::new(id), offset_kind: OffsetKind::Utf16, skip_gc, ..Options::default() };
        let document = Doc::with_options(options);
        let sent: Arc<Mutex<Vec<UpdateV1>>> = Arc::default();
        let log = Arc::clone(&sent);
        let is_local = move |transaction: &TransactionMut| transaction.origin().is_none();
        document
            .observe_update_v1("log", move |transaction, event| {
                if is_local(transaction) {
                    log.lock().expect("not poisoned").push(UpdateV1(Bytes::copy_from_slice(&event.update)));
                }
            })
            .expect("nobody else observes");
        Self { document, sent }
    }

    /// One random edit in one transaction; returns what it sends.
    fn edit(&self, rng: &mut StdRng) -> Vec<UpdateV1> {
        edit(&mut self.document.transact_mut(), rng);
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }

    fn merge(&self, update: &UpdateV1) {
        let mut transaction = self.document.transact_mut_with("remote");
        transaction.apply_update(Update::decode_v1(&update.0).expect("it decodes")).expect("it applies");
    }

    fn answer(&self, vector: &StateVector) -> UpdateV1 {
        UpdateV1(self.document.transact().encode_state_as_update_v1(vector).into())
    }
}

fn edit(transaction: &mut TransactionMut<'_>, rng: &mut StdRng) {
    const WORDS: [&str; 5] = ["a", "hello ", "ü€", "\n", "0123456789"];
    let text = transaction.get_or_insert_text("t");
    let array = transaction.get_or_insert_array("a");
    let map = transaction.get_or_insert_map("m");
    let xml = transaction.get_or_insert_xml_fragment("x");
    let word = WORDS[rng.random_range(0..WORDS.len())];
    let key = WORDS[rng.random_range(0..WORDS.len())];
    let at = rng.random_range(0..=text.len(transaction));
    let place = rng.random_range(0..=array.len(transaction));
    let child = rng.random_range(0..=xml.len(transaction));
    let bold = Attrs::from([("bold".into(), if rng.random() { Any::Bool(true) } else { Any::Null })]);
    let value = Any::from_json(r#"{"k":[1,-2.5,"three",null,{"four":true}]}"#).expect("JSON");
    match rng.random_range(0..16) {
        0..=3 => text.insert(transaction, at, word),
        4 => text.insert_with_attributes(transaction, at, word, bold),
        5 => drop(text.insert_embed(transaction, at, value)),
        6 if at > 0 => text.format(transaction, rng.random_range(0..at), 1, bold),
        7 if at > 0 => text.remove_range(transaction, rng.random_range(0..at), 1),
        8 => {
            array.insert_range(transaction, place, [Any::Undefined, Any::from(i64::MAX), Any::from(vec![0_u8, 9])]);
        }
        9 if place > 0 => array.remove(transaction, place - 1),
        10 => drop(map.insert(transaction, key, value)),
        11 => drop(map.remove(transaction, key)),
        12 => {
            let inner = array.insert(transaction, place, ArrayPrelim::default());
            inner.push_back(transaction, MapPrelim::from([("deep", word)]));
            map.insert(transaction, key, TextPrelim::new(word));
        }
        13 => drop(map.insert(transaction, key, Doc::new())),
        14 => {
            let element = xml.insert(transaction, child, XmlElementPrelim::empty("p"));
            element.push_back(transaction, XmlTextPrelim::new(word));
        }
        15 if child > 0 => xml.remove_range(transaction, child - 1, 1),
        _ => text.push(transaction, word),
    }
}

/// The server's side: a document, its clocks, and what is asked for again.
struct Server {
    document: Doc,
    clocks: HashMap<ClientId, u32>,
}

impl Server {
    fn new() -> Self {
        Self { document: targets::new_document(), clocks: HashMap::new() }
    }

    fn take(&mut self, update: &UpdateV1) -> Taken {
        let checked = check_update(update.clone(), &UpdateLimits::default()).expect("an honest update passes");
        targets::assert_yrs_agrees(&checked);
        targets::take(&self.document, &checked, &mut self.clocks)
    }

    fn state_vector(&self) -> StateVector {
        self.document.transact().state_vector()
    }
}

fn assert_equal(one: &Doc, other: &Doc, seed: u64) {
    let show = |document: &Doc| {
        let mut transaction = document.transact_mut();
        let roots = (
            transaction.get_or_insert_text("t").get_string(&transaction),
            transaction.get_or_insert_array("a").to_json(&transaction),
            transaction.get_or_insert_xml_fragment("x").get_string(&transaction),
        );
        let map = transaction.get_or_insert_map("m").to_json(&transaction);
        (roots, map, transaction.snapshot())
    };
    assert_eq!(show(one), show(other), "seed {seed}");
}

#[test]
fn sy8_honest_updates_are_admitted_whole_in_order() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let clients: Vec<_> = (1..4).map(|id| Client::new(id * 1_000_003, seed % 2 == 0)).collect();
        let mut server = Server::new();
        for _ in 0..40 {
            for (index, client) in clients.iter().enumerate() {
                for update in client.edit(&mut rng) {
                    assert_eq!(server.take(&update), Taken::Whole, "seed {seed}");
                    let others = clients.iter().enumerate().filter(|(other, _)| *other != index);
                    others.for_each(|(_, other)| other.merge(&update));
                }
            }
        }
        for client in &clients {
            assert_equal(&server.document, &client.document, seed);
        }
    }
}

#[test]
fn sy11_what_is_lost_or_reordered_is_early_and_heals() {
    let mut early = 0;
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(1000 + seed);
        let clients: Vec<_> = (1..4).map(|id| Client::new(id * 77, seed % 2 == 0)).collect();
        let mut server = Server::new();
        for _ in 0..12 {
            let mut network: Vec<(usize, UpdateV1)> = Vec::new();
            for _ in 0..6 {
                let index = rng.random_range(0..clients.len());
                let updates = clients[index].edit(&mut rng);
                network.extend(updates.into_iter().map(|update| (index, update)));
            }
            network.retain(|_| rng.random_ratio(4, 5));
            network.shuffle(&mut rng);
            for (index, update) in network {
                if server.take(&update) == Taken::Partly {
                    early += 1;
                    let answer = clients[index].answer(&server.state_vector());
                    assert_eq!(server.take(&answer), Taken::Whole, "its own step 2 brings all that was missing");
                }
                let other = &clients[rng.random_range(0..clients.len())];
                let vector = other.document.transact().state_vector();
                let news = server.document.transact().encode_state_as_update_v1(&vector);
                other.merge(&UpdateV1(news.into()));
            }
        }
        for client in clients.iter().chain(&clients) {
            assert_eq!(server.take(&client.answer(&server.state_vector())), Taken::Whole, "seed {seed}");
        }
        let state = UpdateV1(server.document.transact().encode_state_as_update_v1(&StateVector::default()).into());
        for client in &clients {
            client.merge(&state);
            assert_equal(&server.document, &client.document, seed);
        }
    }
    assert!(early > 100, "the network should lose something: {early}");
}
