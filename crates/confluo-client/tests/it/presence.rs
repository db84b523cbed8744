//! Awareness over a connection.

use std::time::Duration;

use bytes::Bytes;
use confluo_client::Client;
use confluo_protocol::{AwarenessEntry, AwarenessReader, AwarenessWriter, Message};

use crate::peer::{Peer, Session, soon};

async fn next_state(session: &mut Session) -> (u64, u64, String) {
    session
        .receive_until(|message| match message {
            Message::Awareness(payload) => {
                let entry = AwarenessReader::new(&payload).unwrap().next().unwrap().unwrap();
                Some((entry.client_id, entry.clock, String::from_utf8(entry.json.to_vec()).unwrap()))
            }
            _ => None,
        })
        .await
}

fn state(client_id: u64, clock: u64, json: &str) -> Bytes {
    let mut writer = AwarenessWriter::default();
    writer.push(AwarenessEntry { client_id, clock, json: json.as_bytes() });
    writer.finish()
}

#[tokio::test]
async fn aw1_the_own_state_is_published_and_renewed_with_newer_clocks() {
    let peer = Peer::bind().await;
    let mut config = peer.config();
    config.awareness_renewal = Duration::from_millis(5);
    let client = Client::connect(config);
    client.set_awareness(Some(r#"{"name":"ann"}"#.to_owned())).await.unwrap();
    let mut session = peer.accept().await;
    let first = next_state(&mut session).await;
    let renewed = next_state(&mut session).await;
    assert_eq!((first.0, first.2.as_str()), (client.client_id(), r#"{"name":"ann"}"#));
    assert_eq!((renewed.0, &renewed.2), (first.0, &first.2));
    assert!(renewed.1 > first.1);
    client.set_awareness(None).await.unwrap();
    while next_state(&mut session).await.2 != "null" {}
    client.close().await;
}

#[tokio::test]
async fn aw4_others_are_seen_while_the_connection_lasts() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    client.set_awareness(Some("1".to_owned())).await.unwrap();
    let mut session = peer.accept().await;
    let own = next_state(&mut session).await;
    session.send(Message::Awareness(state(77, 1, "{}"))).await;
    let mut awareness = client.watch_awareness();
    soon(awareness.wait_for(|states| states.len() == 2 && states[&77] == "{}")).await.unwrap();
    drop(session);
    soon(awareness.wait_for(|states| states.len() == 1)).await.unwrap();
    let mut session = peer.accept().await;
    let again = next_state(&mut session).await;
    assert!(again.1 > own.1 + 1, "above the removal that the others were told");
    client.close().await;
}
