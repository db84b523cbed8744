//! What counts by address counts by its site too, of which each may take a few times as much.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confluo_hub::Rate;

use super::address_group::{AddressGroup, Site};
use super::buckets::Buckets;
use super::places::{Place, Places};

/// How many groups' worth one site may take. A site may be a company, with a network for each floor.
const GROUPS_OF_A_SITE: u32 = 4;

/// Places by address.
#[derive(Debug)]
pub(super) struct AddressPlaces {
    of_groups: Arc<Places<AddressGroup>>,
    of_sites: Arc<Places<Site>>,
}

/// Rates by address.
#[derive(Debug)]
pub(super) struct AddressBuckets {
    of_groups: Buckets<AddressGroup>,
    of_sites: Buckets<Site>,
}

/// One of an address's places, given back when it is dropped. Empty where nothing counts.
#[derive(Debug, Default)]
pub struct AddressPlace {
    _of_group: Option<Place<AddressGroup>>,
    _of_site: Option<Place<Site>>,
}

impl AddressPlaces {
    /// `most` for each group.
    pub(super) fn new(most: usize) -> Self {
        let of_a_site = most.saturating_mul(GROUPS_OF_A_SITE as usize);
        Self { of_groups: Places::new(most), of_sites: Places::new(of_a_site) }
    }

    /// One of the address's places, if there is one left.
    pub(super) fn take(&self, address: IpAddr) -> Option<AddressPlace> {
        let group = AddressGroup::from(address);
        let of_group = self.of_groups.take(group)?;
        let of_site = match group.site() {
            Some(site) => Some(self.of_sites.take(site)?),
            None => None,
        };
        Some(AddressPlace { _of_group: Some(of_group), _of_site: of_site })
    }
}

impl AddressBuckets {
    /// `rate` for each group.
    pub(super) fn new(rate: Rate) -> Self {
        let many = u64::from(GROUPS_OF_A_SITE);
        let of_a_site = Rate { count: rate.count.saturating_mul(many), burst: rate.burst.saturating_mul(many), ..rate };
        Self { of_groups: Buckets::new(rate), of_sites: Buckets::new(of_a_site) }
    }

    /// Takes one for `address` if it will be there within `patience`: how long until then.
    pub(super) fn try_take(&self, address: IpAddr, now: Instant, patience: Duration) -> Option<Duration> {
        let group = AddressGroup::from(address);
        let wait = self.of_groups.try_take(group, now, patience)?;
        let of_site = group.site().map(|site| self.of_sites.try_take(site, now, patience));
        of_site.map_or(Some(wait), |of_site| Some(wait.max(of_site?)))
    }
}
