//! Hostile updates through the whole engine: real ones of every content kind, mutated, among those of honest clients.
//!
//! Whatever is accepted must leave the document whole: it encodes, it loads again to the same content, and every client
//! that followed the broadcasts equals the server.

mod mutation;

use std::{ops::Range, sync::Arc};

use confluo_protocol::{Access, CloseCode, DocumentName, Message, SessionId, StateVectorV1, SyncMessage, UpdateV1};
use confluo_room::Joining;
use confluo_store::DocumentStore;
use rand::{Rng, seq::IndexedRandom};

pub use mutation::{Seeds, mutate};

use crate::network::{Network, joining};

/// Who only reads, from the beginning on.
const FOLLOWER: SessionId = SessionId((1 << 32) - 1);
/// Attackers have sessions of their own, from here on.
const FIRST_ATTACKER: u64 = 1 << 32;
/// Honest clients have ids that no seed mentions, for nobody can keep a liar from using another's id.
const HONEST_IDS: Range<u64> = 0x000f_edcb_a987_6500..0x000f_edcb_a987_6502;

/// What became of one run.
#[derive(Debug)]
pub struct Outcome {
    /// How many mutated updates were sent.
    pub mutants: usize,
    /// How many of them closed their sender.
    pub refused: usize,
    /// How many passed the check and were refused by yrs, at the cost of a reload from disk.
    pub broke: usize,
    /// What a reader was sent, in order, who was there from the beginning.
    pub broadcasts: Vec<UpdateV1>,
    /// The document's full state at the end.
    pub state: UpdateV1,
    /// What the document is opened with: a snapshot if there is one, and the updates since.
    pub stored: Vec<UpdateV1>,
}

/// Plays honest clients against attackers. Panics when an invariant does not hold; the seed replays it.
pub fn run(seeds: &Seeds, seed: u64) -> Outcome {
    play(Network::with_client_ids(seed, HONEST_IDS), seeds)
}

/// As [`run`], on a document of a real store, which is compacted and opened again meanwhile.
pub fn run_on_store(seeds: &Seeds, seed: u64, store: Arc<dyn DocumentStore>) -> Outcome {
    let document = DocumentName::new(&format!("seed {seed}")).expect("a name");
    play(Network::on_store(store, document, seed, HONEST_IDS), seeds)
}

fn play(mut network: Network, seeds: &Seeds) -> Outcome {
    let mut broadcasts = Vec::new();
    let now = network.now();
    network.server.join(now, Joining { access: Access::Read, ..joining(FOLLOWER) });
    network.server.receive(now, FOLLOWER, [Message::Sync(SyncMessage::Step1(StateVectorV1(vec![0].into())))]);
    let mut mutants = 0;
    let mut attacker = FIRST_ATTACKER;
    network.connect(0);
    network.connect(1);
    let history = seeds.histories.choose(&mut network.rng).expect("there are histories");
    let mut rest = history.iter();
    for _ in 0..network.rng.random_range(8..32) {
        match network.rng.random_range(0..10) {
            0..2 => {
                let client = network.rng.random_range(0..2);
                let (clients, rng) = (&mut network.clients, &mut network.rng);
                clients[client].edit(rng);
                network.deliver(client);
            }
            2..5 => {
                if let Some(update) = rest.next() {
                    attacker += 1;
                    send(&mut network, attacker, update.clone());
                }
            }
            5..8 => {
                attacker += 1;
                mutants += 1;
                let near = if network.rng.random() { history } else { &seeds.all };
                let mutant = mutate(&mut network.rng, near, &seeds.all);
                send(&mut network, attacker, mutant);
            }
            8 => network.server.flush(network.now()),
            _ => {
                let client = network.rng.random_range(0..2);
                network.deliver(client);
            }
        }
        follow(&mut network, &mut broadcasts);
    }
    network.run_until_quiescent();
    network.assert_converged();
    follow(&mut network, &mut broadcasts);
    for (session, code, reason) in &network.server.closed {
        assert!(session.0 >= FIRST_ATTACKER, "an honest client was closed: {code:?} {reason}");
        assert!(matches!(code, CloseCode::Malformed), "{code:?} {reason}");
    }
    let snapshot = network.server.room().take_snapshot().expect("the room is at rest");
    Outcome {
        mutants,
        refused: network.server.closed.len(),
        broke: network.server.rebuilds,
        broadcasts,
        state: snapshot.state,
        stored: network.server.stored_updates(),
    }
}

/// Notes what was sent to the reader. What holds nothing is no broadcast: the answer to its step 1 in an empty document.
fn follow(network: &mut Network, broadcasts: &mut Vec<UpdateV1>) {
    let now = network.now();
    let messages = network.server.take_outgoing(now, FOLLOWER).expect("a reader is never closed");
    for message in messages {
        if let Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) = message
            && update.0[..] != [0, 0]
        {
            broadcasts.push(update);
        }
    }
}

fn send(network: &mut Network, session: u64, bytes: Vec<u8>) {
    let (now, session, update) = (network.now(), SessionId(session), UpdateV1(bytes.into()));
    let is_answer = network.rng.random();
    network.server.join(now, joining(session));
    let message = if is_answer { SyncMessage::Step2(update) } else { SyncMessage::Update(update) };
    network.server.receive(now, session, [Message::Sync(message)]);
    network.server.leave(now, session);
}
