//! How much one address and one user may take: sockets at once, upgrades in a second, documents created in an hour.
//!
//! An address counts by its [`AddressGroup`], and by the site that this is in. What is remembered is bounded: places by the sockets that there are, rates
//! by [`Buckets`]. Networks that are `limits.unlimited_networks` take what they like, but for trusted proxies in them.

mod address_group;
mod buckets;
mod by_address;
mod places;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use confluo_auth::Networks;
use confluo_hub::{Limit, Rate};
use confluo_protocol::UserId;
use tracing::warn;

use address_group::AddressGroup;
use buckets::Buckets;
pub(super) use by_address::AddressPlace;
use by_address::{AddressBuckets, AddressPlaces};
use places::{Place, Places};

/// How often an operator is told that an address has reached a limit, of each limit.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Refusals of one address that are written down …
const REFUSALS_OF_AN_ADDRESS: Rate = Rate { count: 1, period: Duration::from_secs(10), burst: 50 };
/// … and of all: in a day a few megabytes of lines, whoever floods the door.
const REFUSALS_OF_ALL: Rate = Rate { count: 1, period: Duration::from_secs(1), burst: 1_000 };
/// How long a plain request may be made to wait for its turn.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);

/// What one address and one user may take.
#[derive(Debug, Clone)]
pub struct QuotaConfig {
    /// Sockets at once of one address.
    pub connections_per_address: usize,
    /// Sessions at once of one user.
    pub connections_per_user: usize,
    /// Upgrades of one address.
    pub upgrades: Rate,
    /// How long an upgrade beyond them may be made to wait for its turn.
    pub upgrade_patience: Duration,
    /// Sockets of one address that are being refused, each for a moment, so that its client does not hammer.
    pub refused_per_address: usize,
    /// Plain requests of one address.
    pub requests: Rate,
    /// TLS handshakes of one address.
    pub handshakes: Rate,
    /// Documents created by one user, or by one address without users.
    pub creations: Rate,
    /// Where nothing counts by address.
    pub unlimited_networks: Networks,
    /// Proxies that are trusted. Whom one of them does not name counts by its address, wherever that is.
    pub proxies: Networks,
}

/// What is taken now.
#[derive(Debug)]
pub(super) struct Quotas {
    config: QuotaConfig,
    connections: AddressPlaces,
    refused: AddressPlaces,
    users: Arc<Places<UserId>>,
    upgrades: AddressBuckets,
    requests: AddressBuckets,
    handshakes: AddressBuckets,
    creations: Buckets<Creator>,
    refusals_written: AddressBuckets,
    all_refusals_written: Buckets<()>,
    last_warnings: Mutex<[Option<Instant>; Limit::ALL.len()]>,
}

/// Who creates documents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Creator {
    User(UserId),
    Address(AddressGroup),
}

/// One of a user's places, given back when it is dropped.
#[derive(Debug)]
pub struct UserPlace(#[expect(dead_code, reason = "held for its end")] Place<UserId>);

impl Quotas {
    pub(super) fn new(config: QuotaConfig) -> Self {
        Self {
            connections: AddressPlaces::new(config.connections_per_address),
            refused: AddressPlaces::new(config.refused_per_address),
            users: Places::new(config.connections_per_user),
            upgrades: AddressBuckets::new(config.upgrades),
            requests: AddressBuckets::new(config.requests),
            handshakes: AddressBuckets::new(config.handshakes),
            creations: Buckets::new(config.creations),
            refusals_written: AddressBuckets::new(REFUSALS_OF_AN_ADDRESS),
            all_refusals_written: Buckets::new(REFUSALS_OF_ALL),
            last_warnings: Mutex::new([None; Limit::ALL.len()]),
            config,
        }
    }

    /// A place for a socket.
    pub(super) fn connect(&self, address: IpAddr, now: Instant) -> Result<AddressPlace, Limit> {
        self.place(&self.connections, address)
            .inspect_err(|()| self.warn(address, Limit::ConnectionsPerAddress, now))
            .map_err(|()| Limit::ConnectionsPerAddress)
    }

    /// A place for a socket that is told why it may not stay.
    pub(super) fn refuse(&self, address: IpAddr) -> Result<AddressPlace, Limit> {
        self.place(&self.refused, address).map_err(|()| Limit::RefusedPerAddress)
    }

    /// How long an upgrade must wait for its turn.
    pub(super) fn upgrade(&self, address: IpAddr, now: Instant) -> Result<Duration, Limit> {
        if self.is_unlimited(address) {
            return Ok(Duration::ZERO);
        }
        let wait = self.upgrades.try_take(address, now, self.config.upgrade_patience);
        wait.ok_or(Limit::UpgradesPerAddress).inspect_err(|&limit| self.warn(address, limit, now))
    }

    /// How long a plain request must wait for its turn.
    pub(super) fn request(&self, address: IpAddr, now: Instant) -> Result<Duration, Limit> {
        if self.is_unlimited(address) {
            return Ok(Duration::ZERO);
        }
        let wait = self.requests.try_take(address, now, REQUEST_PATIENCE);
        wait.ok_or(Limit::RequestsPerAddress).inspect_err(|&limit| self.warn(address, limit, now))
    }

    /// Leave for a TLS handshake, which costs more than all else that a stranger can ask for. It does not wait for its turn:
    /// nothing is known of it yet.
    pub(super) fn shake_hands(&self, address: IpAddr, now: Instant) -> Result<(), Limit> {
        if self.is_unlimited(address) {
            return Ok(());
        }
        let taken = self.handshakes.try_take(address, now, Duration::ZERO);
        taken.map(|_| ()).ok_or(Limit::HandshakesPerAddress).inspect_err(|&limit| self.warn(address, limit, now))
    }

    /// A place for a user's session.
    pub(super) fn enter(&self, user: &UserId) -> Result<UserPlace, Limit> {
        self.users.take(user.clone()).map(UserPlace).ok_or(Limit::ConnectionsPerUser)
    }

    /// Whether one more refusal is written down by itself; it counts. No address is exempt: what they fill is one log.
    pub(super) fn write_refusal(&self, address: IpAddr, now: Instant) -> bool {
        let of_address = self.refusals_written.try_take(address, now, Duration::ZERO);
        of_address.is_some() && self.all_refusals_written.try_take((), now, Duration::ZERO).is_some()
    }

    /// Whether one more document may be created; it counts.
    pub(super) fn create(&self, user: Option<&UserId>, address: IpAddr, now: Instant) -> bool {
        let creator = match user {
            Some(user) => Creator::User(user.clone()),
            None if self.is_unlimited(address) => return true,
            None => Creator::Address(address.into()),
        };
        self.creations.try_take(creator, now, Duration::ZERO).is_some()
    }

    pub(super) fn is_unlimited(&self, address: IpAddr) -> bool {
        self.config.unlimited_networks.contain(address) && !self.config.proxies.contain(address)
    }

    fn place(&self, places: &AddressPlaces, address: IpAddr) -> Result<AddressPlace, ()> {
        if self.is_unlimited(address) {
            return Ok(AddressPlace::default());
        }
        places.take(address).ok_or(())
    }

    /// A proxy that nobody named looks like one address with very many clients.
    fn warn(&self, address: IpAddr, limit: Limit, now: Instant) {
        let mut last = self.last_warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut last[limit as usize];
        if last.is_none_or(|last| now >= last + WARN_EVERY) {
            *last = Some(now);
            let limit = limit.setting();
            warn!(%address, limit, "an address has reached a limit; if it is a proxy, name it in trusted_proxies.networks");
        }
    }
}

#[cfg(test)]
mod tests {
    use confluo_hub::Clock;

    use super::*;

    fn quotas(upgrade_patience: Duration) -> Quotas {
        Quotas::new(QuotaConfig {
            connections_per_address: 2,
            connections_per_user: 1,
            upgrades: Rate::per_second(10, 3),
            upgrade_patience,
            refused_per_address: 1,
            requests: Rate::per_second(10, 3),
            handshakes: Rate::per_second(10, 3),
            creations: Rate { count: 2, period: Duration::from_secs(3600), burst: 2 },
            unlimited_networks: Networks(vec!["127.0.0.0/8".parse().unwrap()]),
            proxies: Networks(vec!["127.0.0.9/32".parse().unwrap()]),
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ad8_a_place_is_taken_until_it_is_dropped_and_neighbours_in_a_64_share_them() {
        let (quotas, now) = (quotas(Duration::ZERO), Clock.now());
        let first = quotas.connect(ip("2001:db8::1"), now).unwrap();
        let _second = quotas.connect(ip("2001:db8::2"), now).unwrap();
        assert_eq!(quotas.connect(ip("2001:db8::ffff:3"), now).unwrap_err(), Limit::ConnectionsPerAddress);
        assert!(quotas.connect(ip("2001:db8:0:1::1"), now).is_ok(), "another network");
        drop(first);
        assert!(quotas.connect(ip("2001:db8::3"), now).is_ok());
        let _one = quotas.refuse(ip("192.0.2.1")).unwrap();
        assert_eq!(quotas.refuse(ip("::ffff:192.0.2.1")).unwrap_err(), Limit::RefusedPerAddress);
        let _session = quotas.enter(&UserId("ada".into())).unwrap();
        assert_eq!(quotas.enter(&UserId("ada".into())).unwrap_err(), Limit::ConnectionsPerUser);
        assert!(quotas.enter(&UserId("bob".into())).is_ok());
    }

    #[test]
    fn ad8_upgrades_come_at_once_then_each_in_its_turn_then_not_at_all() {
        let (quotas, start) = (quotas(Duration::from_millis(200)), Clock.now());
        let upgrade = |after_millis: u64| {
            let wait = quotas.upgrade(ip("192.0.2.1"), start + Duration::from_millis(after_millis));
            wait.map(|wait| wait.as_millis())
        };
        assert_eq!([upgrade(0), upgrade(0), upgrade(0)], [Ok(0); 3], "the burst");
        assert_eq!([upgrade(0), upgrade(0)], [Ok(100), Ok(200)]);
        for _ in 0..1_000 {
            assert_eq!(upgrade(0), Err(Limit::UpgradesPerAddress));
        }
        assert_eq!(upgrade(100), Ok(200), "who was refused has not used up anything");
        assert_eq!(quotas.upgrade(ip("192.0.2.2"), start), Ok(Duration::ZERO), "another address");
    }

    #[test]
    fn ad8_handshakes_of_one_address_come_at_once_and_then_in_their_time() {
        let (quotas, start) = (quotas(Duration::ZERO), Clock.now());
        let many = |address: &str, now| (0..100).filter(|_| quotas.shake_hands(ip(address), now).is_ok()).count();
        assert_eq!(many("192.0.2.1", start), 3);
        assert_eq!(many("192.0.2.1", start + Duration::from_millis(200)), 2);
        assert_eq!((many("192.0.2.2", start), many("127.0.0.1", start)), (3, 100), "another, and an unlimited one");
    }

    #[test]
    fn ad8_a_site_takes_a_few_times_what_one_of_its_networks_may_and_not_65536_times() {
        let (quotas, now) = (quotas(Duration::ZERO), Clock.now());
        let address = |network: u16| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, 1]);
        let places: Vec<_> = (0..100).filter_map(|network| quotas.connect(address(network), now).ok()).collect();
        assert_eq!(places.len(), 4 * 2);
        let upgrades = (0..100).filter(|&network| quotas.upgrade(address(network), now).is_ok()).count();
        let handshakes = (0..100).filter(|&network| quotas.shake_hands(address(network), now).is_ok()).count();
        assert_eq!((upgrades, handshakes), (4 * 3, 4 * 3));
        assert!(quotas.connect(ip("2001:db8:1::1"), now).is_ok(), "another site");
        drop(places);
        assert!(quotas.connect(address(0), now).is_ok());
    }

    #[test]
    fn one_address_or_many_write_so_many_refusals_and_no_more() {
        let (quotas, now) = (quotas(Duration::ZERO), Clock.now());
        let written = |address: &str| (0..1_000).filter(|_| quotas.write_refusal(ip(address), now)).count();
        assert_eq!((written("192.0.2.1"), written("127.0.0.1")), (50, 50));
        let many: usize = (0..100).map(|last| written(&format!("198.51.100.{last}"))).sum();
        assert_eq!(many, 900);
        assert!(quotas.write_refusal(ip("192.0.2.1"), now + Duration::from_secs(10)));
    }

    #[test]
    fn sy19_a_user_counts_wherever_it_is_and_without_users_the_address_counts() {
        let (quotas, start) = (quotas(Duration::ZERO), Clock.now());
        let (ada, hour) = (UserId("ada".into()), Duration::from_secs(3600));
        let create = |user, address: &str, now| quotas.create(user, ip(address), now);
        assert!(create(Some(&ada), "192.0.2.1", start) && create(Some(&ada), "127.0.0.1", start));
        assert!(!create(Some(&ada), "192.0.2.3", start));
        assert!(!create(Some(&ada), "192.0.2.3", start + Duration::from_secs(1_799)));
        assert!(create(Some(&ada), "192.0.2.3", start + hour / 2));
        assert!(create(None, "192.0.2.1", start) && create(None, "192.0.2.1", start));
        assert!(!create(None, "192.0.2.1", start) && create(None, "192.0.2.2", start));
    }

    #[test]
    fn in_an_unlimited_network_nothing_counts_by_address() {
        let (quotas, now) = (quotas(Duration::ZERO), Clock.now());
        let here = ip("127.0.0.1");
        let places: Vec<_> = (0..100).map(|_| (quotas.connect(here, now), quotas.refuse(here))).collect();
        assert!(places.iter().all(|(connection, refusal)| connection.is_ok() && refusal.is_ok()));
        assert!((0..100).all(|_| quotas.upgrade(here, now) == Ok(Duration::ZERO) && quotas.create(None, here, now)));
        let proxy = ip("127.0.0.9");
        let _places = [quotas.connect(proxy, now).unwrap(), quotas.connect(proxy, now).unwrap()];
        assert_eq!(quotas.connect(proxy, now).unwrap_err(), Limit::ConnectionsPerAddress, "but for a trusted proxy");
    }
}
