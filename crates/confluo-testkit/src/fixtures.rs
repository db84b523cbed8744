//! What the JavaScript reference made, read from the repository's `fixtures/`; its README tells the shapes.
//!
//! The readers panic when a file is missing or has another shape: a test that cannot read its fixtures has failed.

use std::{collections::BTreeMap, fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use confluo_protocol::{ClientId, UpdateV1};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

use crate::state::{DeleteRanges, Roots, State};

/// A document of one kind of content.
#[derive(Debug, Clone, Deserialize)]
pub struct DocumentFixture {
    /// The name of its file.
    pub name: String,
    /// What is in it, in words.
    pub about: String,
    /// What the server is known not to keep, in words; then `kept` says what it keeps instead.
    pub loss: Option<String>,
    /// The content after the server, where it is not [`DocumentFixture::content`].
    pub kept: Option<Value>,
    /// The roots to look at.
    pub roots: Roots,
    /// What Yjs sees, as [`crate::state`] describes it.
    pub content: Value,
    /// The state vector.
    #[serde(rename = "stateVector")]
    pub state_vector: BTreeMap<ClientId, u32>,
    /// The delete set.
    #[serde(rename = "deleteSet")]
    pub delete_set: DeleteRanges,
    /// The whole document as one update.
    #[serde(deserialize_with = "update_from_base64")]
    pub v1: UpdateV1,
    /// The whole document as one update in encoding V2.
    #[serde(deserialize_with = "bytes_from_base64")]
    pub v2: Bytes,
    /// Edit by edit.
    #[serde(deserialize_with = "updates_from_base64")]
    pub updates: Vec<UpdateV1>,
}

impl DocumentFixture {
    /// What a replica must hold after the server had the document in between.
    pub fn kept_state(&self) -> State {
        State {
            content: self.kept.clone().unwrap_or_else(|| self.content.clone()),
            state_vector: self.state_vector.clone(),
            delete_set: self.delete_set.clone(),
        }
    }
}

/// What several clients did, some of it apart, and what it came to.
#[derive(Debug, Clone, Deserialize)]
pub struct HistoryFixture {
    /// The name of its file.
    pub name: String,
    /// What happens in it, in words.
    pub about: String,
    /// The roots to look at.
    pub roots: Roots,
    /// Who takes part.
    pub clients: Vec<ClientId>,
    /// In the order in which it happened. After the last step all meet.
    pub steps: Vec<HistoryStep>,
    /// What all replicas hold when all have met.
    pub end: HistoryEnd,
}

/// One step of a [`HistoryFixture`].
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum HistoryStep {
    /// A client edited its replica.
    Edit {
        /// Who.
        client: ClientId,
        /// What its replica sent.
        #[serde(deserialize_with = "update_from_base64")]
        update: UpdateV1,
    },
    /// Two replicas exchanged what they knew.
    Sync {
        /// Whose.
        sync: [ClientId; 2],
    },
}

/// The end of a [`HistoryFixture`].
#[derive(Debug, Clone, Deserialize)]
pub struct HistoryEnd {
    /// What every replica must hold.
    pub state: State,
    /// The same as one update.
    #[serde(deserialize_with = "update_from_base64")]
    pub v1: UpdateV1,
}

/// The wire bytes of one message.
#[derive(Debug, Clone, Deserialize)]
pub struct MessageFixture {
    /// A unique name.
    pub name: String,
    /// When it is sent.
    pub about: String,
    /// The bytes of a frame with just this message.
    #[serde(rename = "hex", deserialize_with = "bytes_from_hex")]
    pub bytes: Bytes,
    /// What they say.
    pub message: MessageMeaning,
}

/// What a message says. Payloads are in hex.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum MessageMeaning {
    /// Type 0.
    Sync {
        /// `step1`, `step2` or `update`.
        kind: String,
        /// A state vector or an update, in hex.
        payload: String,
    },
    /// Type 1.
    Awareness {
        /// In their order on the wire.
        entries: Vec<AwarenessMeaning>,
    },
    /// Type 2.
    Auth {
        /// `permission-denied`, `token` or `accepted`.
        kind: String,
        /// The reason, the token or the access.
        text: String,
    },
    /// Type 3.
    QueryAwareness,
    /// Type 102.
    SaveStatus {
        /// The client's own bytes, in hex.
        payload: String,
    },
    /// Type 103.
    Lineage {
        /// The lineage's id.
        text: String,
    },
    /// A type that nobody knows.
    Unknown {
        /// The type.
        kind: u64,
    },
}

/// One entry of an awareness message.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AwarenessMeaning {
    /// Whose state.
    pub client: ClientId,
    /// Its clock.
    pub clock: u64,
    /// The state; `null` when the client is gone.
    pub state: Value,
}

/// Bytes that a server must refuse.
#[derive(Debug, Clone, Deserialize)]
pub struct RefusedFixture {
    /// A unique name.
    pub name: String,
    /// What is wrong, in words.
    pub about: String,
    /// For what is well formed but unsupported: the name that the refusal must hold.
    pub refusal: Option<String>,
    /// The bytes of an update or of a frame.
    #[serde(rename = "hex", deserialize_with = "bytes_from_hex")]
    pub bytes: Bytes,
}

/// One document for each kind of content, by name.
pub fn documents() -> Vec<DocumentFixture> {
    read_folder("documents")
}

/// The document of one name.
pub fn document(name: &str) -> DocumentFixture {
    read_file(&format!("documents/{name}.json"))
}

/// Histories of two and three clients, by name.
pub fn histories() -> Vec<HistoryFixture> {
    read_folder("histories")
}

/// Every kind of message.
pub fn messages() -> Vec<MessageFixture> {
    read_list("messages.json", "messages")
}

/// Updates (V1) of Yjs with content that the server refuses by name.
pub fn unsupported_updates() -> Vec<RefusedFixture> {
    read_list("unsupported.json", "updates")
}

/// Frames that close their sender's connection as malformed.
pub fn hostile_frames() -> Vec<RefusedFixture> {
    read_list("hostile/frames.json", "frames")
}

/// Bytes that claim to be an update (V1) and are none.
pub fn hostile_updates() -> Vec<RefusedFixture> {
    read_list("hostile/updates.json", "updates")
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

fn read_folder<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let entries = fs::read_dir(folder().join(name)).expect("the fixtures are in the repository");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").file_name()).collect();
    files.sort();
    files.iter().map(|file| read_file(&format!("{name}/{}", file.display()))).collect()
}

fn read_list<T: DeserializeOwned>(path: &str, key: &str) -> Vec<T> {
    let mut whole: BTreeMap<String, Value> = read_file(path);
    let list = whole.remove(key).unwrap_or_else(|| panic!("fixtures/{path} has no `{key}`"));
    serde_json::from_value(list).unwrap_or_else(|error| panic!("fixtures/{path}: {error}"))
}

fn read_file<T: DeserializeOwned>(path: &str) -> T {
    let text = fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("fixtures/{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("fixtures/{path}: {error}"))
}

fn bytes_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
}

fn update_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UpdateV1, D::Error> {
    bytes_from_base64(deserializer).map(UpdateV1)
}

fn updates_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<UpdateV1>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| BASE64_STANDARD.decode(text).map(|bytes| UpdateV1(bytes.into())))
        .collect::<Result<_, _>>()
        .map_err(D::Error::custom)
}

fn bytes_from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digit = |place: usize| text.get(place..place + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digit).collect::<Option<Bytes>>().ok_or_else(|| D::Error::custom("not hex"))
}
