//! Which addresses count as one.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address, or the first 64 bits of an IPv6 address: a household or a machine has all the addresses of such a
/// network, and could otherwise be as many as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum AddressGroup {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

/// The first 48 bits of an IPv6 address: whoever asks a provider for a network gets one such, which is 65,536 groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Site([u16; 3]);

impl AddressGroup {
    /// The site that it is in. There is none of IPv4.
    pub(super) fn site(self) -> Option<Site> {
        match self {
            Self::V4(_) => None,
            Self::V6([a, b, c, _]) => Some(Site([a, b, c])),
        }
    }
}

impl From<IpAddr> for AddressGroup {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}
