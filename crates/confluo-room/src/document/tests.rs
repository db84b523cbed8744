//! What stays in memory of what the document does not have.

use std::sync::Arc;

use confluo_protocol::{Writer, check_update, update::Misplaced};
use yrs::Text;

use super::{admit::NotAdmitted, *};

/// `ab` of client 1, then an item that stands right of itself; and what was collected of many other clients.
#[test]
fn sy20_a_refused_update_leaves_no_clocks_in_memory() {
    let mut update = Writer::default();
    update.write_var_uint(100_001);
    update.write_raw(&[2, 1, 0, 0x04, 1, 1, b't', 2, b'a', b'b', 0xc4, 1, 1, 1, 1, 1, b'x']);
    for client in 2..100_002 {
        update.write_var_uint(1).write_var_uint(client).write_raw(&[0, 0, 1]);
    }
    update.write_var_uint(0);
    let update = check_update(UpdateV1(update.finish()), &UpdateLimits::default()).expect("well formed");
    let mut document = Document::empty();
    assert_eq!(document.admit(&update, |_| false).err(), Some(NotAdmitted::Misplaced(Misplaced::CrossedOrigins)));
    assert_eq!(document.clocks.0.len(), 0, "clocks are left");
}

/// Each client writes one letter behind that of the one before: to place the last, yrs empties all sections, and then goes
/// through them.
#[test]
fn many_clients_in_a_chain_do_not_overflow_the_stack() {
    const CLIENTS: u64 = 24_000;
    let mut update = Writer::default();
    update.write_var_uint(CLIENTS);
    update.write_raw(&[1, 1, 0, 0x04, 1, 1, b't', 1, b'x']);
    for client in 2..=CLIENTS {
        update.write_var_uint(1).write_var_uint(client).write_raw(&[0, 0x84]);
        update.write_var_uint(client - 1).write_raw(&[0, 1, b'x']);
    }
    update.write_var_uint(0);
    let update = check_update(UpdateV1(update.finish()), &UpdateLimits::default()).expect("well formed");
    let mut document = Document::empty();
    let admission = document.admit(&update, |_| false).expect("nothing is misplaced");
    document.apply(&[admission.admitted.expect("nothing is early")], admission.repeats).expect("yrs takes it");
    let state = UpdateV1(document.encode_state().expect("it is whole").into());
    let (mut loaded, refused) = Document::load(std::slice::from_ref(&state)).expect("nothing nests");
    assert_eq!(refused, [0_usize; 0]);
    assert_eq!(loaded.encode_state().expect("it is whole").len(), state.0.len());
}

/// Who repeats what is known may say that it stands elsewhere, which counts for nothing. What follows on it, of somebody
/// honest, must not be joined to that.
#[test]
fn what_follows_on_known_structs_stands_where_they_stand() {
    let mut document = Document::empty();
    let mut apply = |updates: &[&[u8]]| {
        let mut batch = Vec::new();
        let mut repeats = false;
        for update in updates {
            let update = UpdateV1(bytes::Bytes::copy_from_slice(update));
            let checked = check_update(update, &UpdateLimits::default()).expect("well formed");
            let admission = document.admit(&checked, |_| false).expect("nothing is misplaced");
            repeats |= admission.repeats;
            batch.extend(admission.admitted);
        }
        document.apply(&batch, repeats).expect("yrs takes it").update.expect("it is news").0
    };
    let elsewhere = [1, 1, 7, 0, 4, 1, 5, b'o', b't', b'h', b'e', b'r', 3, b'a', b'b', b'c', 0];
    let goes_on = [1, 1, 7, 3, 0x84, 7, 2, 2, b'd', b'e', 0];
    apply(&[&[1, 1, 7, 0, 4, 1, 1, b't', 3, b'a', b'b', b'c', 0]]);
    assert_eq!(apply(&[&elsewhere, &goes_on]), goes_on[..]);
    apply(&[&[0, 1, 7, 1, 0, 5]]);
}

#[test]
fn a_transaction_that_broke_is_freed_without_its_commit() {
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let doc = Doc::new();
    let observed = doc.observe_update_v1("token", move |_, _| panic!("committed with {held:?}"));
    observed.expect("nobody else holds it");
    let mut transaction = doc.transact_mut();
    transaction.get_or_insert_text("note").push(&mut transaction, "half");
    abandon(transaction);
    drop(doc);
    assert_eq!(Arc::strong_count(&token), 1);
}
