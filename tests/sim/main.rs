//! Seeded simulations of 3–5 clients and a server that fails: whatever happens, all replicas end up equal, nothing that
//! was acknowledged is lost, nothing is shown that is not on disk (asserted on every frame by the virtual network), and nothing
//! is stored that was not permitted (asserted on every record).
//!
//! Rooms, sessions and the disk are simulated; who may do what is decided by the simulation and carried out by the room. That
//! tokens expire and revocations count is tested on the whole server (`tests/it/access.rs`).
//!
//! A failure names its seed. `cargo xtask sim 100000` runs many; `CONFLUO_SIM_SEEDS=7..8` replays one.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use confluo_testkit::{
    long_run,
    network::{Network, Odds, VirtualClient},
};

/// Some worlds are calm, some are broken in one way, some in all.
fn odds(seed: u64) -> Odds {
    let base = Odds::default();
    match seed % 6 {
        0 => base,
        1 => Odds { crash: 6, ..base },
        2 => Odds { fail_flush: 5, flush_unheard: 5, ..base },
        3 => Odds { partition: 10, reconnect: 10, late_mail: 10, ..base },
        4 => Odds { flush: 4, repeat: 20, save_status: 20, ..base },
        _ => Odds { wait: 10, crash: 4, fail_flush: 2, flush_unheard: 2, partition: 6, ..base },
    }
}

/// In every second world there are users, and one of them forges.
fn world(seed: u64, clients: u64, odds: Odds) -> (Network, Odds) {
    let network = Network::new(seed, clients);
    if seed % 2 == 1 { (network.with_users(), Odds { forge: 10, ..odds }) } else { (network, odds) }
}

fn simulate(seed: u64) -> Network {
    let (mut network, odds) = world(seed, 3 + seed % 3, odds(seed));
    if seed.is_multiple_of(7) {
        network.server.max_queued_frames = 4;
    }
    for _ in 0..150 {
        network.step(odds);
    }
    network.run_until_quiescent();
    network.assert_converged();
    assert!(network.server.closed.is_empty(), "{:?}", network.server.closed);
    assert_eq!(network.server.rebuilds, 0, "honest clients never break a document");
    network
}

/// At the end everyone sees everyone who renews, and nobody else.
fn assert_presence(seed: u64) {
    let (mut network, odds) = world(seed, 3, odds(seed));
    for _ in 0..150 {
        network.step(odds);
    }
    network.run_until_quiescent();
    network.wait(Duration::from_secs(31));
    for client in &mut network.clients {
        client.announce();
    }
    network.run_until_quiescent();
    for one in &network.clients {
        for other in network.clients.iter().filter(|other| other.id() != one.id()) {
            assert!(one.sees(other.id()), "client {} sees {}", one.id(), other.id());
        }
    }
}

/// Grants are reduced and widened, tokens expire, people are revoked and pardoned, in the middle of everything else. What
/// is stored and shown was permitted when it was taken, and when all may write again, nothing that was done is lost.
fn simulate_access(seed: u64) {
    let odds = Odds { access: 4, expire: 2, revoke: 1, reconnect: 6, ..odds(seed) };
    let (mut network, odds) = world(seed, 3 + seed % 3, odds);
    network.watch_access();
    for _ in 0..150 {
        network.step(odds);
    }
    network.run_until_quiescent();
    network.assert_readers_are_up_to_date();
    for (one, _) in in_and_out(&network, true) {
        for (other, is_in) in in_and_out(&network, true).chain(in_and_out(&network, false)) {
            assert!(is_in || !one.sees(other.id()), "AW7: client {} sees {}, who was revoked", one.id(), other.id());
        }
    }
    network.pardon_everyone();
    network.run_until_quiescent();
    network.assert_converged();
    assert!(network.server.closed.is_empty(), "{:?}", network.server.closed);
    assert_eq!(network.server.rebuilds, 0, "honest clients never break a document");
}

/// Those who are in, or those who are revoked.
fn in_and_out(network: &Network, is_in: bool) -> impl Iterator<Item = (&VirtualClient, bool)> {
    let clients = network.clients.iter().zip(network.grants());
    clients.filter(move |(_, grant)| grant.is_some() == is_in).map(move |(client, _)| (client, is_in))
}

fn run(seeds: Range<u64>, simulation: impl Fn(u64)) {
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| simulation(seed)));
        assert!(outcome.is_ok(), "replay with CONFLUO_SIM_SEEDS={seed}..{}", seed + 1);
    }
}

fn seeds(default: Range<u64>) -> Range<u64> {
    long_run::seeds("CONFLUO_SIM_SEEDS", default)
}

#[test]
fn sy_ss_replicas_are_equal_and_nothing_acknowledged_is_lost() {
    run(seeds(0..600), |seed| drop(simulate(seed)));
}

/// Otherwise the others would say less than they seem to.
#[test]
fn mail_comes_late_flushes_are_unheard_of_and_somebody_forges() {
    let worlds: Vec<_> = (0..60).map(simulate).collect();
    let late: usize = worlds.iter().map(|network| network.late_arrivals).sum();
    let unheard: usize = worlds.iter().map(|network| network.server.unheard_writes).sum();
    let forged: usize = worlds.iter().map(|network| network.forgeries).sum();
    assert!(forged > 100, "{forged} times somebody wrote under another's client id");
    assert!(
        late > 50 && unheard > 30,
        "{late} messages came late, {unheard} flushes were on disk and nobody heard of it"
    );
}

#[test]
fn au_ss_nobody_sees_what_was_not_permitted_and_nothing_permitted_is_lost() {
    run(seeds(0..600), simulate_access);
}

/// Seed 864: who left is revoked while what it sent before still waits for the disk.
#[test]
fn au5_what_waits_of_who_has_left_and_is_revoked_is_not_taken() {
    simulate_access(864);
}

#[test]
fn aw_everyone_sees_everyone_after_any_trouble() {
    run(seeds(0..120), assert_presence);
}
