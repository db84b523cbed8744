//! AD5: who is refused hears it after a while, so that clients which come back at once do not hammer.

use std::{sync::Arc, time::Duration};

use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{CloseCode, DocumentName};
use confluo_store::MemoryStore;
use tokio_util::task::TaskTracker;

use crate::{stalled::StalledSocket, wire::Peer};

/// Time stands still but for what is waited for.
#[tokio::test(start_paused = true)]
async fn ad5_a_refusal_comes_after_its_delay() {
    let refusal_delay = Duration::from_secs(7);
    let config = HubConfig { refusal_delay, max_sessions_per_document: 1, ..HubConfig::default() };
    let hub = Hub::start(config, Arc::new(MemoryStore::new())).unwrap();
    let (tasks, document) = (TaskTracker::new(), DocumentName::new("notes").unwrap());
    let mut member = Peer::join(&hub, &document, &tasks);
    assert!(member.wait_on_disk().await);
    let mut refused = Peer::join(&hub, &document, &tasks).leave();
    let almost = Duration::from_millis(6_990);
    assert!(tokio::time::timeout(almost, &mut refused).await.is_err(), "it is told too early");
    tokio::time::timeout(Duration::from_millis(20), refused).await.expect("it is told in time").unwrap();
    assert!(member.wait_on_disk().await, "the member stays");
}

/// AU7: the server cannot judge the token now; it is the same peer who comes back at once.
#[tokio::test(start_paused = true)]
async fn ad5_a_token_that_cannot_be_judged_is_refused_after_the_delay_too() {
    let refusal_delay = Duration::from_secs(7);
    let config = HubConfig { refusal_delay, ..HubConfig::default() };
    let hub = Hub::start(config, Arc::new(MemoryStore::new())).unwrap();
    let mut refused = Box::pin(hub.refuse(StalledSocket::flowing(), CloseCode::TokenExpired, "try again"));
    let almost = Duration::from_millis(6_990);
    assert!(tokio::time::timeout(almost, &mut refused).await.is_err(), "it is told too early");
    tokio::time::timeout(Duration::from_millis(20), refused).await.expect("it is told in time");
}
