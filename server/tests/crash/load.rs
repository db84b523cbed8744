//! Clients that write as fast as they are answered, a watcher without memory, and what the server promised them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use confluo_client::{
    Client,
    yrs::{
        Any, Array, Doc, Out, ReadTxn, StateVector, Transact, Update, WriteTxn, updates::decoder::Decode,
        updates::encoder::Encode,
    },
};
use confluo_protocol::{Message, StateVectorV1, SyncMessage, UpdateV1};
use confluo_ws::{
    Incoming, Limits, Opcode, WebSocket, WsError,
    client::{ClientRequest, connect},
};
use tokio::{net::TcpStream, sync::watch};
use tokio_util::sync::CancellationToken;

/// For each document the items that must be on the disk, whatever happens now: their save status came back, or the
/// server showed them to somebody (to their author, as an echo).
#[derive(Clone)]
pub(crate) struct Promises {
    items: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
    count: watch::Sender<usize>,
}

impl Promises {
    pub(crate) fn new() -> Self {
        Self { items: Arc::default(), count: watch::Sender::new(0) }
    }

    pub(crate) fn add(&self, document: &str, items: impl IntoIterator<Item = String>) {
        let mut promises = self.lock();
        promises.entry(document.to_owned()).or_default().extend(items);
        self.count.send_replace(promises.values().map(BTreeSet::len).sum());
    }

    pub(crate) fn of(&self, document: &str) -> BTreeSet<String> {
        self.lock().get(document).cloned().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until there are at least `count`.
    pub(crate) async fn reach(&self, count: usize) {
        self.count.subscribe().wait_for(|now| *now >= count).await.unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.items.lock().unwrap()
    }
}

/// Puts one item after the other at the end of the list, each after the one before is on disk, until told to stop;
/// through any number of servers' deaths. An item begins with `author` and a slash.
pub(crate) async fn write(
    client: Client,
    document: String,
    author: String,
    promises: Promises,
    stop: CancellationToken,
) {
    for number in 0.. {
        if stop.is_cancelled() {
            return;
        }
        // Now and then a long one, so that a kill may hit a value of many pages.
        let item = format!("{author}/{number}{}", if number % 16 == 0 { ".".repeat(5_000) } else { String::new() });
        add(&client, item.clone()).await;
        client.wait_on_disk().await.unwrap();
        promises.add(&document, [item]);
    }
}

/// Puts an item at the end of the document's list.
pub(crate) async fn add(client: &Client, item: String) {
    let push = |txn: &mut confluo_client::yrs::TransactionMut<'_>| {
        let list = txn.get_or_insert_array("items");
        list.push_back(txn, item);
    };
    client.edit(push).await.unwrap();
}

/// The list, sorted. Fails on an item that is there twice.
pub(crate) fn items_of(txn: &impl ReadTxn) -> BTreeSet<String> {
    let Some(list) = txn.get_array("items") else { return BTreeSet::new() };
    let mut items = BTreeSet::new();
    for item in list.iter(txn) {
        let Out::Any(Any::String(item)) = item else { panic!("a list of strings: {item:?}") };
        assert!(items.insert(item.to_string()), "{item} is there twice");
    }
    items
}

pub(crate) async fn items(client: &Client) -> BTreeSet<String> {
    client.read(|txn| items_of(txn)).await.unwrap()
}

/// Follows a document from its beginning, with edits of its own between, until the server is gone; all that the server
/// has shown. It keeps no copy beyond that, so that it never brings back what the server lost.
pub(crate) async fn watch(
    address: SocketAddr,
    document: String,
    author: String,
    gone: CancellationToken,
) -> BTreeSet<String> {
    let shown = Doc::new();
    let connected = tokio::select! {
        socket = knock(address, &document) => Some(socket),
        () = gone.cancelled() => None,
    };
    if let Some(mut socket) = connected {
        // An error is the end of the connection, which is the end of the story.
        drop(follow(&mut socket, &shown, &author).await);
    }
    items_of(&shown.transact())
}

async fn knock(address: SocketAddr, document: &str) -> WebSocket<TcpStream> {
    let path_and_query = format!("/sync/{document}");
    let request = ClientRequest { host: address.to_string(), path_and_query, ..ClientRequest::default() };
    let mut interval = tokio::time::interval(Duration::from_millis(5));
    loop {
        interval.tick().await;
        let Ok(stream) = TcpStream::connect(address).await else { continue };
        let limits = Limits { max_message_bytes: 64 << 20, ..Limits::default() };
        if let Ok(connected) = connect(stream, &request, limits).await {
            return connected.socket;
        }
    }
}

async fn follow(socket: &mut WebSocket<TcpStream>, shown: &Doc, author: &str) -> Result<(), WsError> {
    let own = Doc::new();
    let vector = StateVectorV1(StateVector::default().encode_v1().into());
    socket.send(Opcode::Binary, &Message::Sync(SyncMessage::Step1(vector)).encode()).await?;
    for number in 0.. {
        let item = format!("{author}/{number}");
        socket.send(Opcode::Binary, &edit(&own, item)).await?;
        // Until it comes back as an echo.
        while shown.transact().state_vector().get(&own.client_id()) <= number {
            match socket.receive().await? {
                Incoming::Message { bytes, .. } => take(shown, &bytes),
                Incoming::Closed(_) => return Ok(()),
                Incoming::Ping | Incoming::Pong(_) => {}
            }
        }
    }
    Ok(())
}

fn edit(own: &Doc, item: String) -> Bytes {
    let list = own.get_or_insert_array("items");
    let mut txn = own.transact_mut();
    list.push_back(&mut txn, item);
    let update = UpdateV1(txn.encode_update_v1().into());
    Message::Sync(SyncMessage::Update(update)).encode()
}

fn take(shown: &Doc, bytes: &Bytes) {
    for message in Message::read_all(bytes).unwrap() {
        if let Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) = message {
            shown.transact_mut().apply_update(Update::decode_v1(&update.0).unwrap()).unwrap();
        }
    }
}
