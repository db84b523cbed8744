//! Hostile updates through the whole engine: real ones of every content kind, mutated, among those of honest clients.
//!
//! Whatever is accepted must leave the document whole: it encodes, it loads again to the same content, and every client
//! that followed the broadcasts equals the server.

mod mutation;

use confluo_protocol::{CloseCode, Message, SessionId, SyncMessage, UpdateV1};
use rand::{Rng, seq::IndexedRandom};

pub use mutation::{Seeds, mutate};

use crate::network::{Network, joining};

/// Attackers have sessions of their own, from here on.
const FIRST_ATTACKER: u64 = 1 << 32;
/// Honest clients have ids that no seed mentions, for nobody can keep a liar from using another's id.
const FIRST_HONEST_ID: u64 = 0x000f_edcb_a987_6500;

/// What became of one run.
#[derive(Debug)]
pub struct Outcome {
    /// How many mutated updates were sent.
    pub mutants: usize,
    /// How many of them closed their sender.
    pub refused: usize,
    /// How many passed the check and were refused by yrs, at the cost of a reload from disk.
    pub broke: usize,
    /// The document's full state at the end.
    pub state: UpdateV1,
}

/// Plays honest clients against attackers. Panics when an invariant does not hold; the seed replays it.
pub fn run(seeds: &Seeds, seed: u64) -> Outcome {
    let mut network = Network::with_client_ids(seed, FIRST_HONEST_ID..FIRST_HONEST_ID + 2);
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
    }
    network.run_until_quiescent();
    network.assert_converged();
    for (session, code, reason) in &network.server.closed {
        assert!(session.0 >= FIRST_ATTACKER, "an honest client was closed: {code:?} {reason}");
        assert!(matches!(code, CloseCode::Malformed), "{code:?} {reason}");
    }
    let snapshot = network.server.room().take_snapshot().expect("the room is at rest");
    Outcome { mutants, refused: network.server.closed.len(), broke: network.server.rebuilds, state: snapshot.state }
}

fn send(network: &mut Network, session: u64, bytes: Vec<u8>) {
    let (now, session, update) = (network.now(), SessionId(session), UpdateV1(bytes.into()));
    let is_answer = network.rng.random();
    network.server.join(now, joining(session));
    let message = if is_answer { SyncMessage::Step2(update) } else { SyncMessage::Update(update) };
    network.server.receive(now, session, [Message::Sync(message)]);
    network.server.leave(now, session);
}
