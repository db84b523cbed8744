//! What is in the journal and not yet in the engine.

use std::{collections::BTreeMap, iter::Peekable, ops::ControlFlow, sync::Arc, vec};

use crate::{Batch, Engine, EngineError, engine::Visit};

/// The changes of a sealed file.
pub(super) struct Sealed {
    pub(super) changes: Batch,
    /// The number of the last frame.
    pub(super) through: u64,
}

/// The changes that the engine does not have. What is `active` is newer than what is `sealed`.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) active: Batch,
    pub(super) sealed: Option<Arc<Sealed>>,
}

/// Keys in ascending order, each with its new value, or `None` where it is removed.
type Changes = Peekable<vec::IntoIter<(Vec<u8>, Option<Vec<u8>>)>>;

impl Layers {
    /// Ends the active layer. There is no sealed one.
    pub(super) fn seal(&mut self, through: u64) {
        self.sealed = Some(Arc::new(Sealed { changes: std::mem::take(&mut self.active), through }));
    }

    /// There are these changes, and no others.
    pub(super) fn set(&mut self, sealed: Arc<Sealed>) {
        *self = Self { active: Batch::default(), sealed: Some(sealed) };
    }

    /// The newest change of a key, if there is one.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let in_sealed = || self.sealed.as_ref().and_then(|sealed| sealed.changes.get(key));
        self.active.get(key).or_else(in_sealed)
    }

    /// The newest changes of the keys that a scan wants.
    pub(super) fn changes_from(&self, prefix: &[u8], from: &[u8]) -> Changes {
        let mut newest = BTreeMap::new();
        for layer in self.sealed.iter().map(|sealed| &sealed.changes).chain([&self.active]) {
            let changes = layer.changes_from(prefix, from);
            newest.extend(changes.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))));
        }
        newest.into_iter().collect::<Vec<_>>().into_iter().peekable()
    }
}

/// Scans an engine as if it had these changes.
pub(super) fn scan<E: Engine>(
    mut newer: Changes,
    engine: &E,
    prefix: &[u8],
    from: &[u8],
    visit: Visit<'_>,
) -> Result<(), EngineError> {
    let mut flow = ControlFlow::Continue(());
    engine.scan(prefix, from, &mut |key, value| {
        while let Some((changed, change)) = newer.next_if(|(changed, _)| changed.as_slice() <= key) {
            if let Some(value) = change {
                flow = visit(&changed, &value);
            }
            if flow.is_break() || changed == key {
                return flow;
            }
        }
        flow = visit(key, value);
        flow
    })?;
    for (key, change) in newer {
        if flow.is_break() {
            break;
        }
        if let Some(value) = change {
            flow = visit(&key, &value);
        }
    }
    Ok(())
}
