//! A server that a test starts, looks into and stops.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use confluo::{
    access::Door,
    config::Config,
    documents::{Documents, Drained, LiveDocuments},
    http::Listener,
    server,
    tls::Tls,
};
use confluo_client::{
    Backoff, Client, ClientConfig, ClientError, StopReason,
    yrs::{Any, Array, Out, ReadTxn, WriteTxn},
};
use confluo_hub::{Hub, HubMetrics};
use confluo_protocol::DocumentName;
use confluo_store::{DocumentStore, MemoryStore, faulty::FaultyStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::raw::Raw;

/// Everything that a test waits for comes sooner than this, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it should have happened by now")
}

/// Waits for a state that cannot be subscribed to.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        let mut interval = tokio::time::interval(Duration::from_millis(2));
        while !holds() {
            interval.tick().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, look).await.is_ok(), "not in time: {what}");
}

/// The server's defaults, with every wait as short as it may be.
pub(crate) fn quick() -> Config {
    let mut config = Config::default();
    config.rooms.linger = Duration::from_millis(20);
    config.sessions.rejection_delay = Duration::ZERO;
    config.sessions.close_timeout = Duration::from_millis(500);
    config.store.reopen_interval = Duration::from_millis(20);
    config.shutdown.window = Duration::ZERO;
    config
}

/// A memory store that does as it is told.
pub(crate) fn faulty() -> Arc<FaultyStore<MemoryStore>> {
    Arc::new(FaultyStore::new(MemoryStore::new()))
}

pub(crate) fn name(document: &str) -> DocumentName {
    DocumentName::new(document).unwrap()
}

/// A server between its start and its stop.
pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) door: Arc<Door>,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    running: TaskTracker,
    drained: oneshot::Receiver<Drained>,
}

impl Server {
    pub(crate) async fn start(store: Arc<dyn DocumentStore>, config: Config) -> Self {
        let hub = Hub::start(config.hub(), store).unwrap();
        let door = Arc::new(Door::open(&config).unwrap());
        let documents = LiveDocuments::new(
            hub.clone(),
            Arc::clone(&door),
            config.socket_limits(),
            config.limits.max_inbound_bytes.as_usize(),
            config.shutdown.window,
        );
        let documents: Arc<dyn Documents> = Arc::new(documents);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Listener::new(listener, Tls::open(&config.tls).unwrap());
        let (shutdown, running) = (CancellationToken::new(), TaskTracker::new());
        let (tell, drained) = oneshot::channel();
        let serving = server::run(listener, Arc::new(config), documents, shutdown.clone());
        running.spawn(async move { tell.send(serving.await) });
        running.close();
        Self { hub, door, address, shutdown, running, drained }
    }

    pub(crate) fn metrics(&self) -> &HubMetrics {
        self.hub.metrics()
    }

    /// How a client gets here; it comes back without patience.
    pub(crate) fn client_config(&self, document: &str) -> ClientConfig {
        let mut config = ClientConfig::new(&format!("ws://{}/sync/{document}", self.address)).unwrap();
        config.backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(50), 1);
        config
    }

    pub(crate) fn client(&self, document: &str) -> Client {
        Client::connect(self.client_config(document))
    }

    /// A client that has everything.
    pub(crate) async fn synced(&self, document: &str) -> Client {
        let client = self.client(document);
        soon(client.wait_synced()).await.unwrap();
        client
    }

    /// A bare socket; `target` is the path with the query.
    pub(crate) async fn raw(&self, target: &str) -> Raw {
        Raw::connect(self.address, target).await
    }

    /// Status and body of a plain request.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", "").await
    }

    /// The same with a bearer token and a body of JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = self.exchange(&request).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// What is answered to these bytes until the server closes.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        soon(async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        })
        .await
    }

    /// The value of one line of `/metrics`, named with its labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    /// Waits until a line of `/metrics` has this value.
    pub(crate) async fn metric_becomes(&self, name: &str, value: f64) {
        soon(async { while (self.metric(name).await - value).abs() > 0.5 {} }).await;
    }

    /// Waits until `/health/ready` answers so, and returns its body.
    pub(crate) async fn ready_answers(&self, wanted: u16) -> String {
        soon(async {
            let mut interval = tokio::time::interval(Duration::from_millis(5));
            loop {
                interval.tick().await;
                let (status, body) = self.get("/health/ready").await;
                if status == wanted {
                    return body;
                }
            }
        })
        .await
    }

    /// After the last client: waits until nothing is left in memory.
    pub(crate) async fn is_empty(&self) {
        until("no document in memory and no session", || {
            self.hub.documents_open() == 0
                && self.metrics().documents_open.get() == 0
                && self.metrics().sessions.get() == 0
        })
        .await;
    }

    /// What it says of the store when it has stopped.
    pub(crate) async fn stop_and_tell(self) -> Drained {
        self.shutdown.cancel();
        soon(self.drained).await.unwrap()
    }

    /// Stops as a signal would, and waits until the store is let go of.
    pub(crate) async fn stop(self) {
        assert_eq!(self.stop_and_count_panics().await, 0, "nothing here may make the server panic");
    }

    /// The same, where a test made the server panic.
    pub(crate) async fn stop_and_count_panics(self) -> u64 {
        self.shutdown.cancel();
        // Sooner than any timer of a room that nothing wakes.
        let stopped = tokio::time::timeout(Duration::from_secs(10), self.running.wait()).await;
        assert!(stopped.is_ok(), "a stop must not wait for anything that lingers");
        let panics = self.metrics().panics_caught.get();
        soon(tokio::task::spawn_blocking(move || self.hub.join_committer())).await.unwrap();
        panics
    }
}

/// Puts an item at the end of the document's list.
pub(crate) async fn add(client: &Client, item: impl Into<String>) {
    let item = item.into();
    client
        .edit(move |txn| {
            let list = txn.get_or_insert_array("items");
            list.push_back(txn, item);
        })
        .await
        .unwrap();
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

pub(crate) async fn wait_for_item(client: &Client, item: &'static str) {
    soon(client.wait_until(move |txn| items_of(txn).contains(item))).await.unwrap();
}

pub(crate) fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

/// Waits until the server has stopped the client for good; returns the close code.
pub(crate) async fn stopped_with(client: &Client) -> u16 {
    match soon(client.wait_status(|_| false)).await {
        Err(ClientError::Stopped(StopReason::ClosedByServer { code, .. })) => code,
        other => panic!("not stopped by a close code: {other:?}"),
    }
}
