//! A stream that gives up on a reader who does not read.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use confluo_hub::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Who reads at least so fast is waited for without end.
const SLOWEST_BYTES_PER_SECOND: u32 = 4 << 10;

/// What a plain answer is written to. The time that its reader made it wait is added up, and each byte that went out makes
/// good what it takes at the slowest speed that is borne. A stream that owes the whole patience fails.
///
/// A WebSocket has its own rules for readers, and takes the stream out.
#[derive(Debug)]
pub struct PatientStream<S> {
    inner: S,
    patience: Duration,
    owed: Duration,
    /// Only while a write waits: an idle stream has no timer.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    limit: Pin<Box<Sleep>>,
}

/// The reader of an answer has made it wait for too long.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not read")]
pub(super) struct AnswerNotRead;

impl<S> PatientStream<S> {
    pub(super) fn new(inner: S, patience: Duration) -> Self {
        Self { inner, patience, owed: Duration::ZERO, waiting: None }
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// What becomes of an attempt to write: it goes on, or has taken too long.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(done) = attempt else {
            let left = self.patience.saturating_sub(self.owed);
            let waiting = self
                .waiting
                .get_or_insert_with(|| Waiting { since: Clock.now(), limit: Box::pin(tokio::time::sleep(left)) });
            ready!(waiting.limit.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, AnswerNotRead)));
        };
        if let Some(waiting) = self.waiting.take() {
            self.owed += Clock.now().saturating_duration_since(waiting.since);
        }
        let written = done.as_ref().map_or(0, bytes);
        let made_good = Duration::from_secs(written as u64) / SLOWEST_BYTES_PER_SECOND;
        self.owed = self.owed.saturating_sub(made_good);
        Poll::Ready(done)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.judge(cx, attempt, |written| *written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.judge(cx, attempt, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.inner).poll_flush(cx);
        this.judge(cx, attempt, |()| 0)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.judge(cx, attempt, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_given_up_and_who_reads_slowly_is_not() {
        let patience = Duration::from_secs(30);
        let (mut reader, stream) = duplex(1024);
        let mut stream = PatientStream::new(stream, patience);
        let begun = Clock.now();
        let error = stream.write_all(&[0; 10_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(Clock.now() - begun, patience);
        drop(stream);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();

        // A kilobyte each tenth of a second is more than twice the slowest speed; one each ten seconds is not.
        for (pause, is_borne) in [(Duration::from_millis(100), true), (Duration::from_secs(10), false)] {
            let (mut reader, stream) = duplex(1024);
            let mut stream = PatientStream::new(stream, patience);
            let reading = async {
                let mut bytes = [0; 1024];
                while reader.read_exact(&mut bytes).await.is_ok() {
                    let mut interval = tokio::time::interval(pause);
                    interval.tick().await;
                    interval.tick().await;
                }
            };
            let writing = async {
                let written = stream.write_all(&vec![0; 1 << 20]).await;
                drop(stream);
                written.is_ok()
            };
            assert_eq!(tokio::join!(writing, reading).0, is_borne, "{pause:?}");
        }
    }
}
