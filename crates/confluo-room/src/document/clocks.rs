//! How far a document knows each client.

use std::collections::BTreeMap;

use confluo_protocol::{ClientId, update::Clocks};

/// The next clock of each client, mirrored so that admission needs no transaction.
///
/// Sorted, not hashed: clients choose their ids, and a hash that they cannot turn against us costs more than a look into a
/// small tree.
#[derive(Debug, Default)]
pub(crate) struct KnownClocks(pub(super) BTreeMap<ClientId, u32>);

impl Clocks for KnownClocks {
    fn clock(&mut self, client: ClientId) -> u32 {
        self.0.get(&client).copied().unwrap_or(0)
    }

    fn advance(&mut self, client: ClientId, to: u32) {
        self.0.insert(client, to);
    }
}

/// The clocks, as one sender meets them.
pub(super) struct Held<'a, F> {
    pub(super) clocks: &'a mut KnownClocks,
    pub(super) is_held: F,
}

impl<F: Fn(ClientId) -> bool> Clocks for Held<'_, F> {
    fn clock(&mut self, client: ClientId) -> u32 {
        self.clocks.clock(client)
    }

    fn advance(&mut self, client: ClientId, to: u32) {
        self.clocks.advance(client, to);
    }

    fn is_held(&mut self, client: ClientId) -> bool {
        (self.is_held)(client)
    }
}
