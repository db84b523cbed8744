//! A bad network between clients and a server: a TCP proxy on real sockets that trickles, stalls, resets, holds everything
//! back, or lets one side vanish without a word.
//!
//! Whoever connects gets a connection of its own to the server. Two pumps carry the bytes, one each way, a segment at a
//! time, and each segment meets the [`Weather`] of its moment.

use std::{
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most bytes that one read takes: small, so that a message is many segments.
const SEGMENT_BYTES: usize = 512;

/// What the network does to the segments of every connection.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// Nothing passes, either way, and neither side is told. What was sent meanwhile arrives afterwards.
    pub(crate) is_parted: bool,
    /// How many bytes go on at once.
    pub(crate) piece_bytes: usize,
    /// One segment in so many is held for a time drawn from the range; those behind it wait too.
    pub(crate) stalls: Option<(u32, Range<Duration>)>,
    /// A new connection is reset after a number of bytes drawn from this, wherever in a frame that is.
    pub(crate) reset_after_bytes: Option<Range<usize>>,
}

impl Weather {
    pub(crate) fn calm() -> Self {
        Self { is_parted: false, piece_bytes: SEGMENT_BYTES, stalls: None, reset_after_bytes: None }
    }
}

/// What befalls all connections of one moment.
#[derive(Default, Clone)]
struct Fate {
    vanish: CancellationToken,
    reset: CancellationToken,
}

/// The proxy. Everything it runs ends with it.
pub(crate) struct FaultProxy {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// What befalls the connections of now; replaced when it has.
    fate: Mutex<Fate>,
    stop: CancellationToken,
}

impl FaultProxy {
    pub(crate) async fn start(server: SocketAddr, seed: u64) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            weather: watch::Sender::new(Weather::calm()),
            fate: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, server, Arc::downgrade(&proxy), proxy.stop.clone(), StdRng::seed_from_u64(seed)));
        proxy
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// On the connections of now neither side hears of the other again, and neither is closed: a laptop that was shut, a
    /// phone out of its cell, a machine without power. Later connections are not touched.
    pub(crate) fn vanish(&self) {
        std::mem::take(&mut *self.fate.lock().unwrap()).vanish.cancel();
    }

    /// Resets the connections of now.
    pub(crate) fn reset(&self) {
        std::mem::take(&mut *self.fate.lock().unwrap()).reset.cancel();
    }

    fn lot(&self) -> (watch::Receiver<Weather>, Fate) {
        (self.weather.subscribe(), self.fate.lock().unwrap().clone())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    proxy: std::sync::Weak<FaultProxy>,
    stop: CancellationToken,
    mut rng: StdRng,
) {
    let connections = TaskTracker::new();
    while let Some(Ok((near, _))) = stop.run_until_cancelled(listener.accept()).await {
        let Some(proxy) = proxy.upgrade() else { break };
        let (weather, fate) = proxy.lot();
        let seed = rng.random();
        let carrying = carry(near, server, weather, fate, StdRng::seed_from_u64(seed));
        let stop = stop.clone();
        connections.spawn(async move { drop(stop.run_until_cancelled(carrying).await) });
    }
    connections.close();
    connections.wait().await;
}

/// How one way of a connection came to its end.
enum End {
    /// Its sender will send no more.
    Finished,
    /// An error, or a reset that the weather asked for.
    Broken,
    Vanished,
}

/// One direction of one connection.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    weather: watch::Receiver<Weather>,
    fate: Fate,
    bytes_to_reset: Option<usize>,
    rng: StdRng,
}

async fn carry(
    near: TcpStream,
    server: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    fate: Fate,
    mut rng: StdRng,
) -> io::Result<()> {
    // As if its first packet were lost: the client waits for the connection.
    passing(&mut weather).await;
    let far = TcpStream::connect(server).await?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    let range = weather.borrow().reset_after_bytes.clone();
    let mut way = |from, to, weather: &watch::Receiver<Weather>| Way {
        from,
        to,
        weather: weather.clone(),
        fate: fate.clone(),
        bytes_to_reset: range.clone().map(|range| rng.random_range(range)),
        rng: StdRng::seed_from_u64(rng.random()),
    };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let mut up = way(near_read, far_write, &weather);
    let mut down = way(far_read, near_write, &weather);
    // Half a close, which a WebSocket never lives on after, ends both ways here.
    let end = tokio::select! {
        end = up.pump() => end,
        end = down.pump() => end,
    };
    match end {
        End::Finished => {
            up.to.shutdown().await.ok();
            down.to.shutdown().await.ok();
        }
        End::Broken => {
            // With this, closing sends a reset instead of an end.
            up.to.as_ref().set_zero_linger()?;
            down.to.as_ref().set_zero_linger()?;
        }
        End::Vanished => {
            // Read and discarded, so that whoever is left notices nothing from the kernel.
            tokio::join!(discard(&mut up.from), discard(&mut down.from));
        }
    }
    Ok(())
}

impl Way {
    async fn pump(&mut self) -> End {
        let Fate { vanish, reset } = self.fate.clone();
        tokio::select! {
            end = self.pump_segments() => end,
            () = vanish.cancelled() => End::Vanished,
            () = reset.cancelled() => End::Broken,
        }
    }

    async fn pump_segments(&mut self) -> End {
        let mut segment = [0; SEGMENT_BYTES];
        loop {
            let read = self.from.read(&mut segment).await;
            // An end does not pass a parted network either.
            passing(&mut self.weather).await;
            match read {
                Ok(0) => return End::Finished,
                Ok(count) => match self.pass(&segment[..count]).await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return End::Broken,
                },
                Err(_) => return End::Broken,
            }
        }
    }

    /// False if the connection is to be reset behind the last byte.
    async fn pass(&mut self, segment: &[u8]) -> io::Result<bool> {
        let Weather { piece_bytes, stalls, .. } = self.weather.borrow().clone();
        if let Some((one_in, times)) = stalls
            && self.rng.random_ratio(1, one_in)
        {
            time::sleep(self.rng.random_range(times)).await;
        }
        let count = self.bytes_to_reset.map_or(segment.len(), |left| left.min(segment.len()));
        for piece in segment[..count].chunks(piece_bytes) {
            passing(&mut self.weather).await;
            self.to.write_all(piece).await?;
            // Lets the other side read this piece by itself.
            tokio::task::yield_now().await;
        }
        let Some(left) = &mut self.bytes_to_reset else { return Ok(true) };
        *left -= count;
        Ok(*left > 0)
    }
}

async fn passing(weather: &mut watch::Receiver<Weather>) {
    // The sender is gone only when the proxy is, which ends this task too.
    weather.wait_for(|weather| !weather.is_parted).await.ok();
}

async fn discard(from: &mut OwnedReadHalf) {
    let mut bytes = [0; SEGMENT_BYTES];
    while from.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    // Held open, so that nothing closes before the proxy ends.
    std::future::pending::<()>().await;
}
