//! Networks, as they are configured.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

/// Addresses (`10.0.0.7`) and networks (`10.0.0.0/8`, `fd00::/8`). A bare address is the network of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether one of them holds this address. An IPv4 address within IPv6 is the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &String| {
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                let message = format!("{text:?} is neither an address (10.0.0.7) nor a network (10.0.0.0/8)");
                serde::de::Error::custom(message)
            })
        };
        Vec::<String>::deserialize(deserializer)?.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}
