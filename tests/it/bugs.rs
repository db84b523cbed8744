//! What a bug of the server costs.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use confluo_hub::{Received, SessionSocket, SocketLost};
use confluo_protocol::{CloseCode, Frame};
use confluo_testkit::socket::by_nobody;

use crate::harness::{Server, add, faulty, items, name, quick, set, soon};

/// Panics when it is read, and knows how it was closed.
struct PanickingSocket {
    closed: Arc<OnceLock<CloseCode>>,
}

impl SessionSocket for PanickingSocket {
    fn poll_receive(&mut self, _: &mut Context<'_>) -> Poll<Received> {
        panic!("a bug that a test asked for");
    }

    fn activity(&self) -> u32 {
        0
    }

    fn received_bytes(&self) -> u32 {
        0
    }

    fn sent_bytes(&self) -> u32 {
        0
    }

    fn encode(frame: Frame) -> Bytes {
        frame.into_wire()
    }

    fn encode_ping() -> Bytes {
        Bytes::new()
    }

    fn poll_send(&mut self, _: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>> {
        frames.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, code: CloseCode, _: &str) -> Poll<()> {
        let _ = self.closed.set(code);
        Poll::Ready(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cl1_1011_a_session_that_panics_is_closed_and_neither_its_room_nor_the_stop_waits_for_it() {
    let server = Server::start(faulty(), quick()).await;
    let other = server.synced("notes").await;
    let closed = Arc::new(OnceLock::new());
    let socket = PanickingSocket { closed: Arc::clone(&closed) };
    soon(server.hub.serve(by_nobody(&name("notes")), socket)).await;
    assert_eq!(closed.get(), Some(&CloseCode::InternalError));
    assert_eq!(server.metrics().closed_with(CloseCode::InternalError).get(), 1);
    add(&other, "it goes on").await;
    soon(other.wait_on_disk()).await.unwrap();
    assert_eq!(items(&other).await, set(&["it goes on"]));
    other.close().await;
    server.is_empty().await;
    assert_eq!(server.stop_and_count_panics().await, 1);
}
