//! One reader that stops reading for a while, as [`crate::slow`] wants it, and what that does to the others and to the server.

use std::{cell::RefCell, rc::Rc};

use super::room::{Room, Tally};
use crate::{
    BenchError, ProcessId, Report, Target,
    clock::{now, seconds_since},
    stamp::MARK_BYTES,
};

/// When it stops, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) after_seconds: f64,
    pub(crate) seconds: f64,
}

/// The pause as it goes.
#[derive(Debug)]
pub(super) struct Pausing {
    pause: Pause,
    resident_before: u64,
    most_resident: u64,
    updates_before: u64,
    updates_meanwhile: u64,
    /// When it was let go on, and what the others had been sent by then.
    released: Option<(u64, Vec<u32>)>,
    caught_up_after: Option<f64>,
}

impl Pausing {
    pub(super) fn new(pause: Pause) -> Self {
        Self {
            pause,
            resident_before: 0,
            most_resident: 0,
            updates_before: 0,
            updates_meanwhile: 0,
            released: None,
            caught_up_after: None,
        }
    }

    /// Stops or releases the reader if it is time, and looks at what the server holds.
    pub(super) fn go_on(
        &mut self,
        elapsed: f64,
        room: &Room,
        tally: &RefCell<Tally>,
        target: &Target,
    ) -> Result<(), BenchError> {
        let is_due = elapsed >= self.pause.after_seconds && elapsed < self.pause.after_seconds + self.pause.seconds;
        let was_paused = tally.borrow().paused;
        let resident = || target.process.map(ProcessId::usage).transpose();
        let updates = tally.borrow().updates;
        if is_due {
            let resident = resident()?.map_or(0, |usage| usage.resident_bytes);
            if !was_paused {
                (self.resident_before, self.updates_before) = (resident, updates);
            }
            self.most_resident = self.most_resident.max(resident);
        } else if was_paused {
            self.updates_meanwhile = updates - self.updates_before;
            self.released = Some((now(), room.sent_so_far()));
        }
        if is_due != was_paused {
            tally.borrow_mut().set_paused(is_due);
            room.hold_last(is_due);
        }
        if let (Some((at, level)), None) = (&self.released, self.caught_up_after)
            && room.last_has(level)
        {
            self.caught_up_after = Some(seconds_since(*at));
        }
        Ok(())
    }

    pub(super) fn push_figures(&self, tally: &Rc<RefCell<Tally>>, target: &Target, report: &mut Report) {
        let tally = tally.borrow();
        let Some(while_paused) = &tally.latency_while_paused else { return };
        let (before, paused) = (tally.latency_before.value_at_quantile(0.99), while_paused.value_at_quantile(0.99));
        report.push("latency_p99_before", before as f64 / 1e6, "ms");
        report.push("latency_p99_while_paused", paused as f64 / 1e6, "ms");
        if before > 0 {
            report.push("p99_paused_to_before", paused as f64 / before as f64, "×");
        }
        // The document grows all the time, so that the same without a pause would have come nearer to what is after it.
        if !tally.latency.is_empty() {
            report.push("latency_p99_after", tally.latency.value_at_quantile(0.99) as f64 / 1e6, "ms");
        }
        report.push("written_while_paused", (self.updates_meanwhile * MARK_BYTES as u64) as f64 / 1e6, "MB");
        if target.process.is_some() {
            let grown = self.most_resident.saturating_sub(self.resident_before);
            report.push("memory_grown_while_paused", grown as f64 / 1e6, "MB");
        }
        if let Some(seconds) = self.caught_up_after {
            report.push("caught_up_after", seconds, "s");
        }
    }
}
