//! Awareness: the own state and what others have said of theirs.

use std::collections::BTreeMap;

use bytes::Bytes;
use confluo_protocol::{AwarenessEntry, AwarenessReader, AwarenessWriter, ClientId, DecodeError, Message};
use tokio::sync::watch;

/// States that are not renewed for this many ticks are dropped.
const TICKS_TO_LIVE: u64 = 10;
/// How often [`Presence::tick`] is to be called, so that a state lives for 30 s as everywhere in Yjs.
pub(crate) const TICK: std::time::Duration = std::time::Duration::from_secs(3);

/// Every known state, as JSON, the own one included.
pub(crate) type States = BTreeMap<ClientId, String>;

#[derive(Debug)]
pub(crate) struct Presence {
    own_id: ClientId,
    own_clock: u64,
    clocks: BTreeMap<ClientId, Heard>,
    now: u64,
    states: watch::Sender<States>,
}

/// The newest that was heard of another client. Kept after it has gone, so that a stale relayed copy does not bring it back.
#[derive(Debug)]
struct Heard {
    clock: u64,
    at: u64,
}

impl Presence {
    pub(crate) fn new(own_id: ClientId) -> Self {
        Self { own_id, own_clock: 0, clocks: BTreeMap::new(), now: 0, states: watch::Sender::new(States::new()) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<States> {
        self.states.subscribe()
    }

    /// Takes a new own state (`None`: gone) and returns the frame that says so.
    pub(crate) fn set_own(&mut self, json: Option<String>) -> Bytes {
        self.own_clock += 1;
        self.states.send_modify(|states| match json {
            Some(json) => drop(states.insert(self.own_id, json)),
            None => drop(states.remove(&self.own_id)),
        });
        self.own_frame().unwrap_or_else(|| self.frame_of("null"))
    }

    /// The frame that renews the own state, if there is one.
    pub(crate) fn renew(&mut self) -> Option<Bytes> {
        self.own_clock += 1;
        self.own_frame()
    }

    /// The first frame of a new connection. The server has told the others that this client was gone with a clock one
    /// above the last, so the next one lies above that.
    pub(crate) fn reconnect(&mut self) -> Option<Bytes> {
        self.own_clock += 2;
        self.own_frame()
    }

    /// Without a connection nobody is known to be there.
    pub(crate) fn forget_others(&mut self) {
        self.clocks.clear();
        let own_id = self.own_id;
        self.states.send_if_modified(|states| {
            let before = states.len();
            states.retain(|id, _| *id == own_id);
            states.len() != before
        });
    }

    /// Takes what the server says of others. The answer is the frame that contradicts a rumour of one's own death.
    pub(crate) fn apply(&mut self, payload: &Bytes) -> Result<Option<Bytes>, DecodeError> {
        let mut rumour = false;
        for entry in AwarenessReader::new(payload)? {
            let entry = entry?;
            if entry.client_id == self.own_id {
                if entry.is_null() && entry.clock >= self.own_clock {
                    self.own_clock = entry.clock;
                    rumour = true;
                }
                continue;
            }
            self.apply_entry(&entry)?;
        }
        Ok(if rumour { self.renew() } else { None })
    }

    fn apply_entry(&mut self, entry: &AwarenessEntry<'_>) -> Result<(), DecodeError> {
        let known = self.clocks.get(&entry.client_id).map(|heard| heard.clock);
        let same_but_gone = known == Some(entry.clock) && entry.is_null();
        if known.is_some_and(|clock| entry.clock <= clock) && !same_but_gone {
            return Ok(());
        }
        let json = std::str::from_utf8(entry.json).map_err(|_| DecodeError::InvalidUtf8)?;
        self.clocks.insert(entry.client_id, Heard { clock: entry.clock, at: self.now });
        self.states.send_if_modified(|states| {
            if entry.is_null() {
                states.remove(&entry.client_id).is_some()
            } else {
                states.insert(entry.client_id, json.to_owned()).as_deref() != Some(json)
            }
        });
        Ok(())
    }

    /// Drops the states of those who have not renewed theirs for 30 s.
    pub(crate) fn tick(&mut self) {
        self.now += 1;
        let now = self.now;
        let clocks = &mut self.clocks;
        clocks.retain(|_, heard| now - heard.at < TICKS_TO_LIVE);
        let own_id = self.own_id;
        self.states.send_if_modified(|states| {
            let before = states.len();
            states.retain(|id, _| *id == own_id || clocks.contains_key(id));
            states.len() != before
        });
    }

    fn own_frame(&self) -> Option<Bytes> {
        let states = self.states.borrow();
        states.get(&self.own_id).map(|json| self.frame_of(json))
    }

    fn frame_of(&self, json: &str) -> Bytes {
        let mut writer = AwarenessWriter::default();
        writer.push(AwarenessEntry { client_id: self.own_id, clock: self.own_clock, json: json.as_bytes() });
        Message::Awareness(writer.finish()).encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: ClientId = 1;
    const OTHER: ClientId = 2;

    fn payload(client_id: ClientId, clock: u64, json: &str) -> Bytes {
        let mut writer = AwarenessWriter::default();
        writer.push(AwarenessEntry { client_id, clock, json: json.as_bytes() });
        writer.finish()
    }

    fn clock_of(frame: &Bytes) -> u64 {
        let Message::Awareness(payload) = Message::read_all(frame).unwrap().remove(0) else { panic!("{frame:?}") };
        AwarenessReader::new(&payload).unwrap().next().unwrap().unwrap().clock
    }

    #[test]
    fn only_newer_states_of_others_count_and_the_gone_stay_gone() {
        let mut presence = Presence::new(OWN);
        let mut check = |clock, json, expected: Option<&str>| {
            presence.apply(&payload(OTHER, clock, json)).unwrap();
            let states = presence.watch();
            assert_eq!(states.borrow().get(&OTHER).map(String::as_str), expected, "{clock} {json}");
        };
        check(5, "{}", Some("{}"));
        check(4, "4", Some("{}"));
        check(5, "5", Some("{}"));
        check(6, "6", Some("6"));
        check(6, "null", None);
        check(6, "6", None);
        check(7, "7", Some("7"));
    }

    #[test]
    fn states_that_are_not_renewed_expire_after_30_s() {
        let mut presence = Presence::new(OWN);
        presence.set_own(Some("{}".to_owned()));
        presence.apply(&payload(OTHER, 1, "{}")).unwrap();
        for _ in 0..TICKS_TO_LIVE - 1 {
            presence.tick();
        }
        assert_eq!(presence.watch().borrow().len(), 2);
        presence.tick();
        assert_eq!(presence.watch().borrow().keys().copied().collect::<Vec<_>>(), [OWN]);
    }

    #[test]
    fn a_rumour_of_ones_own_death_is_contradicted() {
        let mut presence = Presence::new(OWN);
        let first = clock_of(&presence.set_own(Some("{}".to_owned())));
        let reply = presence.apply(&payload(OWN, first + 1, "null")).unwrap().unwrap();
        assert!(clock_of(&reply) > first + 1);
        assert_eq!(presence.apply(&payload(OWN, first, "null")), Ok(None), "an old rumour is no news");
        presence.set_own(None);
        assert_eq!(presence.apply(&payload(OWN, 100, "null")), Ok(None), "who is gone does not object");
    }

    #[test]
    fn a_reconnected_client_lies_above_the_removal_of_its_old_session() {
        let mut presence = Presence::new(OWN);
        let last = clock_of(&presence.set_own(Some("{}".to_owned())));
        presence.apply(&payload(OTHER, 1, "{}")).unwrap();
        presence.forget_others();
        assert_eq!(presence.watch().borrow().len(), 1);
        assert!(clock_of(&presence.reconnect().unwrap()) > last + 1);
    }
}
