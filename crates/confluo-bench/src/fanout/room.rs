//! One document under load: who writes into it, and what each of its members has received.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::time;

use super::FanoutConfig;
use crate::{
    BenchError,
    clock::now,
    connection::Connection,
    crowd::{Count, Crowd},
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, kind_of, update_message},
    report::latencies,
    stamp::{MAX_COUNTER, Stamp, StampWriter, find_stamps},
};

/// What all members of all rooms have seen since the measurement began.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) updates: u64,
    pub(crate) deliveries: u64,
    /// Updates that arrived a second time: in a step 2, or from a server that repeats itself.
    pub(crate) again: u64,
    /// Updates that were skipped: a later one of the same writer came first.
    pub(crate) gaps: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) latency: Histogram<u64>,
    pub(crate) latency_before: Histogram<u64>,
    pub(crate) latency_while_paused: Option<Histogram<u64>>,
    pub(crate) paused: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            updates: 0,
            deliveries: 0,
            again: 0,
            gaps: 0,
            frames: 0,
            bytes: 0,
            latency: latencies(),
            latency_before: latencies(),
            latency_while_paused: None,
            paused: false,
        }
    }
}

impl Tally {
    /// Forgets the warm-up, but not what went wrong in it.
    pub(crate) fn start(&mut self) {
        *self = Self { gaps: self.gaps, ..Self::default() };
    }

    /// Latencies of the time in which one reader does not read are kept apart, and that reader's own are in none.
    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        if paused {
            self.latency_before = std::mem::replace(&mut self.latency, latencies());
        } else {
            self.latency_while_paused = Some(std::mem::replace(&mut self.latency, latencies()));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Room {
    tally: Rc<RefCell<Tally>>,
    /// When each update of each writer was sent.
    sent: RefCell<Vec<Vec<u64>>>,
    /// As fast as it goes: how many updates of a writer may be on the way.
    window: Option<u32>,
    writing: Cell<bool>,
    joined: Count,
    members: RefCell<Vec<(Rc<Connection>, Rc<Member>)>>,
}

#[derive(Debug)]
pub(crate) struct Member {
    room: Rc<Room>,
    has_joined: Cell<bool>,
    /// Of each writer, the counter that comes next.
    next: RefCell<Vec<u32>>,
    writer: Option<(u16, RefCell<StampWriter>)>,
    /// Its latencies are its own fault.
    is_slow: Cell<bool>,
}

impl Room {
    pub(crate) fn new(config: &FanoutConfig, tally: Rc<RefCell<Tally>>) -> Self {
        Self {
            tally,
            sent: RefCell::new(vec![Vec::new(); config.writers]),
            window: config.rate.is_none().then_some(config.window),
            writing: Cell::new(false),
            joined: Count::default(),
            members: RefCell::default(),
        }
    }

    pub(crate) fn add(&self, connection: Rc<Connection>, member: Rc<Member>) {
        self.members.borrow_mut().push((connection, member));
    }

    /// Waits until so many members of all rooms are in.
    pub(crate) fn joined(rooms: &[Rc<Self>]) -> Joined<'_> {
        Joined { rooms }
    }

    /// Each writer begins: at its rate, or with a full window.
    pub(crate) fn start_writing(
        self: &Rc<Self>,
        config: &FanoutConfig,
        index: usize,
        crowd: &mut Crowd,
    ) -> Result<(), BenchError> {
        self.writing.set(true);
        let writers: Vec<_> =
            self.members.borrow().iter().filter(|(_, member)| member.writer.is_some()).cloned().collect();
        for (number, (connection, member)) in writers.into_iter().enumerate() {
            let Some(rate) = config.rate else {
                member.fill_window(&connection, 0);
                connection.flush()?;
                continue;
            };
            let period = Duration::from_secs_f64(1.0 / rate);
            // Spread evenly over the period, so that the rate is a rate and not a beat: the writers of a room as far apart as
            // they go, and the rooms between them.
            let place = (number * config.rooms + index) as f64 / (config.rooms * config.writers) as f64;
            crowd.add(member.write_at_rate(connection, period, period.mul_f64(place)));
        }
        Ok(())
    }

    pub(crate) fn stop_writing(&self) {
        self.writing.set(false);
    }

    /// Makes the last member stop reading, or read again.
    pub(crate) fn hold_last(&self, hold: bool) {
        if let Some((connection, member)) = self.members.borrow().last() {
            member.is_slow.set(true);
            if hold {
                connection.hold();
            } else {
                connection.release();
            }
        }
    }

    /// How many updates each writer has sent.
    pub(crate) fn sent_so_far(&self) -> Vec<u32> {
        self.sent.borrow().iter().map(|sent| sent.len() as u32).collect()
    }

    /// Whether the last member has received so many of each writer.
    pub(crate) fn last_has(&self, level: &[u32]) -> bool {
        let members = self.members.borrow();
        let has = |member: &Member| member.next.borrow().iter().zip(level).all(|(next, level)| next >= level);
        members.last().is_some_and(|(_, member)| has(member))
    }

    pub(crate) fn let_all_go(&self) {
        self.members.borrow_mut().clear();
    }

    pub(crate) fn release_all(&self) {
        for (connection, _) in self.members.borrow().iter() {
            connection.release();
        }
    }

    /// How many deliveries are still to come.
    pub(crate) fn missing(&self) -> u64 {
        let sent = self.sent.borrow();
        let members = self.members.borrow();
        let missing_of = |member: &Member| -> u64 {
            sent.iter().zip(member.next.borrow().iter()).map(|(sent, next)| sent.len() as u64 - u64::from(*next)).sum()
        };
        members.iter().map(|(_, member)| missing_of(member)).sum()
    }
}

/// See [`Room::joined`].
pub(crate) struct Joined<'a> {
    rooms: &'a [Rc<Room>],
}

impl Joined<'_> {
    pub(crate) async fn reach(&self, number: u64) {
        while self.rooms.iter().map(|room| room.joined.get()).sum::<u64>() < number {
            time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Member {
    pub(crate) fn new(room: Rc<Room>, writer: Option<(u16, u64)>) -> Rc<Self> {
        let next = RefCell::new(vec![0; room.sent.borrow().len()]);
        let writer = writer.map(|(writer, client_id)| (writer, RefCell::new(StampWriter::new(client_id, writer))));
        Rc::new(Self { room, has_joined: Cell::new(false), next, writer, is_slow: Cell::new(false) })
    }

    pub(crate) fn hear(&self, connection: &Connection, heard: Heard<'_>, at: u64) {
        let Heard::Message(message) = heard else { return };
        let kind = kind_of(message);
        if matches!(kind, Kind::Step1 | Kind::Content(_)) && !self.has_joined.replace(true) {
            self.room.joined.add(1);
            connection.queue(EMPTY_STEP_2);
        }
        let mut tally = self.room.tally.borrow_mut();
        tally.frames += 1;
        tally.bytes += message.len() as u64;
        if let Kind::Content(content) = kind {
            self.count(content, at, &mut tally);
            drop(tally);
            if let Some((writer, _)) = self.writer {
                let acknowledged = self.next.borrow()[usize::from(writer)];
                self.fill_window(connection, acknowledged);
            }
        }
    }

    fn count(&self, content: &[u8], at: u64, tally: &mut Tally) {
        let sent = self.room.sent.borrow();
        let mut next = self.next.borrow_mut();
        find_stamps(content, |Stamp { writer, counter }| {
            let writer = usize::from(writer);
            let Some(sent_at) = sent.get(writer).and_then(|sent| sent.get(counter as usize)) else { return };
            let next = &mut next[writer];
            if counter < *next {
                tally.again += 1;
                return;
            }
            tally.gaps += u64::from(counter - *next);
            *next = counter + 1;
            tally.deliveries += 1;
            if !self.is_slow.get() {
                tally.latency.saturating_record(at.saturating_sub(*sent_at));
            }
        });
    }

    /// As fast as it goes: sends until the window is full again.
    fn fill_window(&self, connection: &Connection, acknowledged: u32) {
        let (Some(window), Some((_, stamps))) = (self.room.window, &self.writer) else { return };
        while self.room.writing.get() && stamps.borrow().written() - acknowledged < window {
            self.queue_next(connection);
        }
    }

    fn queue_next(&self, connection: &Connection) {
        let Some((writer, stamps)) = &self.writer else { return };
        let mut stamps = stamps.borrow_mut();
        if stamps.written() == MAX_COUNTER {
            return;
        }
        let (_, update) = stamps.next_update();
        self.room.sent.borrow_mut()[usize::from(*writer)].push(now());
        self.room.tally.borrow_mut().updates += 1;
        connection.queue(&update_message(update));
    }

    /// Writes one update each period, beginning after `offset`.
    async fn write_at_rate(
        self: Rc<Self>,
        connection: Rc<Connection>,
        period: Duration,
        offset: Duration,
    ) -> Result<(), BenchError> {
        time::sleep(offset).await;
        let mut interval = time::interval(period);
        loop {
            interval.tick().await;
            if !self.room.writing.get() {
                return Ok(());
            }
            self.queue_next(&connection);
            connection.flush()?;
        }
    }
}
