//! Subdocuments are kept and passed on, never opened.
//!
//! Each holds the document that holds it: yrs would never free the two. And what yrs does with those that a transaction has
//! deleted, it does when the transaction ends, with items that are freed by then; so it is made to forget of them before.

use confluo_protocol::{ClientId, UpdateV1, Writer};
use yrs::{TransactionMut, WriteTxn};

use super::{Document, commit_alone};

/// Makes yrs forget which subdocuments the transaction has added and deleted: of all that is left to do at its end, that is
/// nothing which is needed here. To be called before each commit.
pub(super) fn forget_subdocuments(transaction: &mut TransactionMut<'_>) {
    drop(std::mem::take(transaction.subdocs_mut()));
}

impl Drop for Document {
    fn drop(&mut self) {
        if self.subdocuments.is_empty() {
            return;
        }
        let deletion = delete_all(std::mem::take(&mut self.subdocuments));
        let _ = self.transact(&[deletion], commit_alone);
    }
}

/// An update that deletes these items and does nothing else.
fn delete_all(mut ids: Vec<(ClientId, u32)>) -> UpdateV1 {
    ids.sort_unstable();
    ids.dedup();
    let clients: Vec<_> = ids.chunk_by(|one, other| one.0 == other.0).collect();
    let mut writer = Writer::default();
    writer.write_var_uint(0).write_var_uint(clients.len() as u64);
    for of_client in clients {
        writer.write_var_uint(of_client[0].0).write_var_uint(of_client.len() as u64);
        for &(_, clock) in of_client {
            writer.write_var_uint(u64::from(clock)).write_var_uint(1);
        }
    }
    UpdateV1(writer.finish())
}
