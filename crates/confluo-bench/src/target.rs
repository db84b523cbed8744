//! What is measured: an address for each room, the dialect spoken there, and the process that listens.

use std::str::FromStr;

use confluo_protocol::Writer;
use serde::{Deserialize, Serialize};

use crate::{BenchError, MetricsAddress, process::ProcessId};

/// A server under load.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host and port.
    pub(crate) authority: String,
    /// Path and query, with `{room}` in it.
    template: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Its process, if its cost is wanted.
    pub process: Option<ProcessId>,
    /// Where it tells its metrics, as Confluo does, if they are wanted.
    pub metrics: Option<MetricsAddress>,
    /// What its rooms are called, where they are to be found again; new ones for each run otherwise.
    rooms: Option<String>,
    /// Sets the rooms of this run apart from those of any other, so that a server that stores starts with empty documents.
    pub(crate) run: u32,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// The messages of y-websocket, as they are.
    #[default]
    YWebsocket,
    /// Those of Hocuspocus: each behind the document's name, and a token first.
    Hocuspocus,
    /// None: whatever is sent comes back to all, as [`crate::floor`] does. Nothing is kept.
    Relay,
}

impl FromStr for Dialect {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        match text {
            "y-websocket" => Ok(Self::YWebsocket),
            "hocuspocus" => Ok(Self::Hocuspocus),
            "relay" => Ok(Self::Relay),
            _ => Err(BenchError::Setting { setting: "dialect", rule: "must be y-websocket, hocuspocus or relay" }),
        }
    }
}

impl Target {
    /// An address such as `ws://127.0.0.1:8787/{room}`.
    pub fn new(url: &str, dialect: Dialect, process: Option<ProcessId>) -> Result<Self, BenchError> {
        let refuse = |reason| BenchError::Url { url: url.to_owned(), reason };
        let rest = url.strip_prefix("ws://").ok_or_else(|| refuse("it must begin with ws://"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(refuse("it names no host"));
        }
        if !path.contains("{room}") && dialect != Dialect::Hocuspocus {
            return Err(refuse("its path must hold {room}"));
        }
        let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let template = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        Ok(Self { authority, template, dialect, process, metrics: None, rooms: None, run: rand::random() })
    }

    /// The same server, which also tells its metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: Option<MetricsAddress>) -> Self {
        Self { metrics, ..self }
    }

    /// The same server, with rooms `{name}-0`, `{name}-1` and so on in each run.
    #[must_use]
    pub fn in_rooms(self, name: Option<String>) -> Self {
        Self { rooms: name, ..self }
    }

    /// The same server, with the rooms of this run also in later ones.
    pub(crate) fn in_rooms_of_this_run(&self) -> Self {
        let name = self.rooms.clone().unwrap_or_else(|| format!("bench-{:08x}", self.run));
        Self { rooms: Some(name), ..self.clone() }
    }

    /// The same server, with rooms that no run has used, unless they have a name.
    pub(crate) fn with_new_rooms(&self) -> Self {
        Self { run: rand::random(), ..self.clone() }
    }

    /// The address as it was given.
    pub fn url(&self) -> String {
        format!("ws://{}{}", self.authority, self.template)
    }

    /// The name of this run's room number `index`.
    pub(crate) fn room(&self, index: usize) -> String {
        match &self.rooms {
            Some(name) => format!("{name}-{index}"),
            None => format!("bench-{:08x}-{index}", self.run),
        }
    }

    /// Path and query of a room.
    pub(crate) fn path_of(&self, room: &str) -> String {
        self.template.replace("{room}", room)
    }

    /// A Yjs client id for this run's client number `index`: five bytes on the wire, as most are.
    pub(crate) fn client_id(&self, index: usize) -> u64 {
        0x8000_0000 | u64::from(self.run & 0x7fff) << 16 | (index as u64 & 0xffff)
    }
}

impl Dialect {
    /// What stands before each message of a room.
    pub(crate) fn prefix(self, room: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        if self == Self::Hocuspocus {
            writer.write_var_bytes(room.as_bytes());
        }
        writer.finish().into()
    }

    /// A message without what stands before it.
    pub(crate) fn strip(self, message: &[u8]) -> &[u8] {
        if self != Self::Hocuspocus {
            return message;
        }
        let Some((name_bytes, rest)) = read_var_uint(message) else { return &[] };
        rest.get(name_bytes as usize..).unwrap_or_default()
    }

    /// The first messages of a client that has nothing: a token where the dialect wants one, then step 1.
    pub(crate) fn opening(self) -> &'static [&'static [u8]] {
        const STEP_1: &[u8] = &[0, 0, 1, 0];
        // Auth, token, an empty-looking text: a server without a hook for it takes any.
        const TOKEN: &[u8] = &[2, 0, 1, b'-'];
        match self {
            Self::Hocuspocus => &[TOKEN, STEP_1],
            Self::YWebsocket | Self::Relay => &[STEP_1],
        }
    }
}

/// Reads a varUint from trusted bytes.
pub(crate) fn read_var_uint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_room_each() {
        let target = Target::new("ws://localhost:1/sync/{room}?x=1", Dialect::YWebsocket, None).unwrap();
        assert_eq!(target.path_of("a"), "/sync/a?x=1");
        assert_eq!(target.authority, "localhost:1");
        for url in ["http://h/{room}", "ws:///{room}", "ws://h/room"] {
            assert!(Target::new(url, Dialect::YWebsocket, None).is_err(), "{url}");
        }
        assert!(Target::new("ws://h", Dialect::Hocuspocus, None).is_ok());
    }

    #[test]
    fn hocuspocus_messages_stand_behind_the_name() {
        let mut message = Dialect::Hocuspocus.prefix("room");
        message.extend_from_slice(&[0, 0]);
        assert_eq!(message, b"\x04room\0\0");
        assert_eq!(Dialect::Hocuspocus.strip(&message), [0, 0]);
        assert_eq!(Dialect::YWebsocket.strip(&message), message);
    }
}
