//! The engine among virtual clients: whatever happens by chance, all replicas end up equal and nothing shown is lost.

use std::time::Duration;

use confluo_testkit::network::{Network, Odds};

fn run(seed: u64, clients: u64, steps: usize, odds: Odds, prepare: impl Fn(&mut Network)) {
    let mut network = Network::new(seed, clients);
    prepare(&mut network);
    for _ in 0..steps {
        network.step(odds);
    }
    network.run_until_quiescent();
    network.assert_converged();
    assert!(network.server.closed.is_empty(), "seed {seed}: {:?}", network.server.closed);
}

#[test]
fn sy_replicas_converge_over_joins_leaves_offline_edits_and_crashes() {
    for seed in 0..150 {
        run(seed, 2 + seed % 4, 250, Odds::default(), |_| {});
    }
}

#[test]
fn sy_a_slow_reader_overflows_into_one_catch_up() {
    for seed in 0..100 {
        let odds = Odds { deliver: 8, ..Odds::default() };
        run(seed, 3, 250, odds, |network| network.server.max_queued_frames = 4);
    }
}

#[test]
fn aw_everyone_sees_everyone_and_nobody_who_is_gone() {
    let mut network = Network::new(7, 4);
    network.run_until_quiescent();
    let sees = |network: &Network, one: usize, other: u64| network.clients[one].sees(other);
    for one in 0..4 {
        for other in (1..=4).filter(|&other| other != one as u64 + 1) {
            assert!(sees(&network, one, other), "{one} sees {other}");
        }
    }
    network.disconnect(3);
    for _ in 0..10 {
        network.wait(Duration::from_millis(200));
        (0..3).for_each(|client| network.deliver(client));
    }
    assert!((0..3).all(|one| !sees(&network, one, 4)), "AW: a session that ends takes its ids with it");
    network.connect(3);
    network.run_until_quiescent();
    assert!((0..3).all(|one| sees(&network, one, 4)), "AW: and they come back with it");
}
