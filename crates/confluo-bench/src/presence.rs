//! Everybody moves a cursor: how soon everybody knows where everybody is.
//!
//! The clients do what stock ones do, and send every state that is news to them back to the server.

use std::{cell::RefCell, rc::Rc, time::Duration};

use confluo_protocol::{AwarenessEntry, AwarenessWriter, Message, Writer};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::{
    BenchError, Progress, Report, Target,
    clock::{now, seconds_since},
    connection::Connection,
    crowd::{Count, Crowd, OPENING_AT_ONCE},
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, kind_of},
    report::{Meter, latencies},
    target::read_var_uint,
};

/// Who is soon enough, in nanoseconds.
const SOON: u64 = 250_000_000;
const LOST_AFTER: Duration = Duration::from_secs(10);

/// How many cursors move, and how often.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceConfig {
    /// Clients in the one room.
    pub clients: usize,
    /// States a second of each.
    pub rate: f64,
    /// Whether the clients send back what they receive, as stock ones do.
    pub relay: bool,
    /// Seconds of measurement, after a warm-up of a second.
    pub seconds: f64,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self { clients: 200, rate: 5.0, relay: true, seconds: 30.0 }
    }
}

#[derive(Debug)]
struct Room {
    first_client_id: u64,
    /// When each state of each client was sent; its clock is the index + 1.
    sent: Vec<Vec<u64>>,
    measuring: bool,
    states: u64,
    seen: u64,
    late: u64,
    frames: u64,
    relayed: u64,
    latency: Histogram<u64>,
}

/// Measures it.
pub async fn run(config: &PresenceConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.clients == 0 || config.rate <= 0.0 {
        return Err(BenchError::Setting { setting: "clients and rate", rule: "must be more than 0" });
    }
    let mut report = Report::new("presence", target, config);
    let room = Rc::new(RefCell::new(Room {
        first_client_id: target.client_id(0),
        sent: vec![Vec::new(); config.clients],
        measuring: false,
        states: 0,
        seen: 0,
        late: 0,
        frames: 0,
        relayed: 0,
        latency: latencies(),
    }));
    let (mut crowd, joined) = (Crowd::default(), Count::default());
    let mut members = Vec::with_capacity(config.clients);
    for index in 0..config.clients {
        let (connection, listener) = Connection::open(target, &target.room(0)).await?;
        let known = Rc::new(RefCell::new(vec![0_u32; config.clients]));
        members.push((connection, Rc::clone(&known)));
        let (room, tell_joined, relay) = (Rc::clone(&room), joined.clone(), config.relay);
        let mut has_joined = false;
        crowd.add(listener.listen(u64::MAX, move |connection, heard, at| {
            let Heard::Message(message) = heard else { return };
            match kind_of(message) {
                Kind::Step1 | Kind::Content(_) if !has_joined => {
                    has_joined = true;
                    tell_joined.add(1);
                    connection.queue(EMPTY_STEP_2);
                }
                Kind::Awareness(entries) => {
                    let news = room.borrow_mut().hear(index, entries, &mut known.borrow_mut(), at);
                    if relay && let Some(news) = news {
                        room.borrow_mut().relayed += 1;
                        connection.queue(&news);
                    }
                }
                _ => {}
            }
        }));
        if (index + 1) % OPENING_AT_ONCE == 0 || index + 1 == config.clients {
            crowd.until_within(Duration::from_secs(60), "joining", joined.reach(index as u64 + 1)).await?;
        }
    }
    let period = Duration::from_secs_f64(1.0 / config.rate);
    let stop = Rc::new(std::cell::Cell::new(false));
    for (index, (connection, _)) in members.iter().enumerate() {
        let offset = period.mul_f64(index as f64 / config.clients as f64);
        crowd.add(publish(index, Rc::clone(connection), Rc::clone(&room), period, offset, Rc::clone(&stop)));
    }
    crowd.until(time::sleep(Duration::from_secs_f64(1.0_f64.max(1.0 / config.rate)))).await?;
    let meter = Meter::start(target)?;
    room.borrow_mut().measuring = true;
    let measuring = now();
    while seconds_since(measuring) < config.seconds {
        let left = config.seconds - seconds_since(measuring);
        crowd.until(time::sleep(Duration::from_secs_f64(left.clamp(0.0, 0.1)))).await?;
        progress.say(&format!("{:.0} of {:.0} s", seconds_since(measuring), config.seconds));
    }
    stop.set(true);
    let cost = meter.read()?;
    let all_latest = async {
        while room.borrow().behind(members.iter().map(|(_, known)| known)) > 0 {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    let complete = crowd.until(time::timeout(LOST_AFTER, all_latest)).await?.is_ok();
    let behind = room.borrow().behind(members.iter().map(|(_, known)| known));

    let room = room.borrow();
    report.complete = complete;
    report.push("states_per_second", room.states as f64 / cost.seconds, "/s");
    report.push_latency(&room.latency);
    report.push("within_250_ms", 100.0 * (1.0 - room.late as f64 / room.seen.max(1) as f64), "%");
    report.push_cost(&cost, "cpu_per_state", room.states);
    report.push("frames", room.frames as f64, "");
    report.push("relayed", room.relayed as f64, "");
    report.push("not_up_to_date", behind as f64, "");
    Ok(report)
}

impl Room {
    /// Takes note of states; yields the message that sends back those that are news and somebody else's.
    fn hear(&mut self, own: usize, entries: &[u8], known: &mut [u32], at: u64) -> Option<bytes::Bytes> {
        self.frames += u64::from(self.measuring);
        let mut relayed = AwarenessWriter::default();
        let (count, mut rest) = read_var_uint(entries)?;
        for _ in 0..count {
            let (client_id, after) = read_var_uint(rest)?;
            let (clock, after) = read_var_uint(after)?;
            let (length, after) = read_var_uint(after)?;
            let json = after.get(..length as usize)?;
            rest = &after[length as usize..];
            let index = client_id.wrapping_sub(self.first_client_id) as usize;
            let Some(sent) = self.sent.get(index) else { continue };
            let before = known[index];
            known[index] = before.max(clock as u32);
            if u64::from(before) >= clock {
                continue;
            }
            if self.measuring {
                // A newer state stands for those that it has overtaken.
                for sent_at in &sent[before as usize..(clock as usize).min(sent.len())] {
                    let latency = at.saturating_sub(*sent_at);
                    self.latency.saturating_record(latency);
                    self.seen += 1;
                    self.late += u64::from(latency > SOON);
                }
            }
            if index != own {
                relayed.push(AwarenessEntry { client_id, clock, json });
            }
        }
        (!relayed.is_empty()).then(|| Message::Awareness(relayed.finish()).encode())
    }

    /// How many clients lack the latest state of how many others.
    fn behind<'a>(&self, members: impl Iterator<Item = &'a Rc<RefCell<Vec<u32>>>>) -> usize {
        members
            .map(|known| {
                known.borrow().iter().zip(&self.sent).filter(|(clock, sent)| (**clock as usize) < sent.len()).count()
            })
            .sum()
    }
}

async fn publish(
    index: usize,
    connection: Rc<Connection>,
    room: Rc<RefCell<Room>>,
    period: Duration,
    offset: Duration,
    stop: Rc<std::cell::Cell<bool>>,
) -> Result<(), BenchError> {
    time::sleep(offset).await;
    let mut interval = time::interval(period);
    loop {
        interval.tick().await;
        if stop.get() {
            return Ok(());
        }
        let message = {
            let mut room = room.borrow_mut();
            room.states += u64::from(room.measuring);
            room.sent[index].push(now());
            let clock = room.sent[index].len() as u64;
            state_message(room.first_client_id + index as u64, clock)
        };
        connection.send(&message)?;
    }
}

/// A state such as an editor's: a name, a colour and a place.
fn state_message(client_id: u64, clock: u64) -> Vec<u8> {
    let json = format!(
        r##"{{"user":{{"name":"client {client_id}","color":"#30bced"}},"cursor":{{"x":{},"y":{}}}}}"##,
        clock * 37 % 1920,
        clock * 23 % 1080
    );
    let mut entries = AwarenessWriter::default();
    entries.push(AwarenessEntry { client_id, clock, json: json.as_bytes() });
    let entries = entries.finish();
    let mut writer = Writer::default();
    writer.write_var_uint(1).write_var_bytes(&entries);
    writer.finish().into()
}
