//! What of an update the document takes, and what is refused before yrs sees it.

use confluo_protocol::{
    ClientId, CloseCode,
    update::{Admission, CheckedUpdate, Clocks as _, CrowdedIds, Misplaced, NestedTooDeep},
};

use super::{Document, clocks::Held, subdocuments::TooManySubdocuments};

/// Why nothing of an update is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    /// SY18, SY20, SY21, SY23.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// SY24.
    #[error(transparent)]
    TooManySubdocuments(#[from] TooManySubdocuments),
}

impl NotAdmitted {
    /// With what its sender is closed.
    pub(crate) fn close_code(self) -> CloseCode {
        match self {
            Self::Misplaced(_) => CloseCode::Malformed,
            Self::TooManySubdocuments(_) => CloseCode::TooLarge,
        }
    }
}

impl Document {
    /// Splits an update into what can be taken now and what is early, as is all that is new of a client that `is_held`. What
    /// is admitted counts as known from here on.
    pub(crate) fn admit(
        &mut self,
        update: &CheckedUpdate,
        is_held: impl Fn(ClientId) -> bool,
    ) -> Result<Admission, NotAdmitted> {
        let admission = update.admit(&mut Held { clocks: &mut self.clocks, is_held });
        let subdocuments = new_subdocuments(&admission, update);
        let placed = self.subdocuments.refuse_beyond_bound(subdocuments.len()).map_err(NotAdmitted::from);
        let placed = placed.and_then(|()| Ok(self.place(&admission, update)?));
        self.admit_if(placed, admission, subdocuments)
    }

    /// The same for a document that comes from elsewhere: it is as it is there.
    pub(crate) fn admit_import(&mut self, update: &CheckedUpdate) -> Result<Admission, NestedTooDeep> {
        let admission = update.admit(&mut self.clocks);
        let subdocuments = new_subdocuments(&admission, update);
        let placed = self.places.load(update, |client| self.clocks.clock(client));
        self.admit_if(placed, admission, subdocuments)
    }

    fn place(&mut self, admission: &Admission, update: &CheckedUpdate) -> Result<(), Misplaced> {
        self.note_new_ids(admission)?;
        let placed = self.places.take(update, |client| self.clocks.clock(client));
        placed.inspect_err(|_| {
            let ids_before = self.clocks.0.len() - new_ids(admission).count();
            self.spread.remove(new_ids(admission), ids_before);
        })
    }

    fn note_new_ids(&mut self, admission: &Admission) -> Result<(), CrowdedIds> {
        if new_ids(admission).next().is_none() {
            return Ok(());
        }
        self.spread.add(new_ids(admission), self.clocks.0.keys().copied())
    }

    fn admit_if<E>(
        &mut self,
        placed: Result<(), E>,
        admission: Admission,
        subdocuments: Vec<(ClientId, u32)>,
    ) -> Result<Admission, E> {
        if placed.is_ok() {
            self.subdocuments.extend(subdocuments);
        } else {
            // Ascending, so the last to be undone is where the client stood.
            for range in admission.structs.iter().rev() {
                self.clocks.0.insert(range.client, range.start);
            }
            self.clocks.0.retain(|_, clock| *clock > 0);
        }
        placed.map(|()| admission)
    }
}

/// The client ids that the document did not know before.
fn new_ids(admission: &Admission) -> impl Iterator<Item = ClientId> + Clone {
    admission.structs.iter().filter(|range| range.start == 0).map(|range| range.client)
}

/// The subdocuments among the structs that are new.
fn new_subdocuments(admission: &Admission, update: &CheckedUpdate) -> Vec<(ClientId, u32)> {
    if update.subdocuments().is_empty() {
        return Vec::new();
    }
    let mut structs = admission.structs.clone();
    structs.sort_unstable();
    let is_new = |&(client, clock): &(ClientId, u32)| {
        let place = structs.partition_point(|range| (range.client, range.end) <= (client, clock));
        structs.get(place).is_some_and(|range| range.client == client && range.start <= clock)
    };
    update.subdocuments().iter().copied().filter(is_new).collect()
}
