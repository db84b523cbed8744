//! Damaged documents: what is told of them, and what is left.

use std::fs;
use std::process::Command;

use confluo_protocol::{Seq, UpdateV1};
use confluo_store::keys::{self, DocumentNumber};
use confluo_store::{Batch, DocumentStore, Engine, contract::without_masks};
use confluo_store_sled::SledConfig;
use confluo_testkit::content::Content;
use confluo_testkit::fixtures;

use crate::place::{Place, append, fill};
use crate::text_update;

/// Documents `a`, with its second record flipped, and `b`.
fn damaged() -> Place {
    with_second_record(|value, _| {
        let middle = value.len() / 2;
        value[middle] ^= 1;
    })
}

/// The same with a second record of `a` that a later format wrote: intact, and of a version that this build does not know.
fn with_a_newer_record() -> Place {
    with_second_record(|value, key| {
        value[0] += 1;
        let checksum = crc32fast::hash(&[&value[..1], key, &value[5..]].concat());
        value[1..5].copy_from_slice(&checksum.to_le_bytes());
    })
}

/// Documents `a`, whose second record was changed as it lies in the store under the key given, and `b`.
fn with_second_record(change: impl FnOnce(&mut Vec<u8>, &[u8])) -> Place {
    let place = Place::new();
    let updates = fixtures::document("text-plain").updates;
    let store = confluo_store_sled::open(SledConfig::new(place.data())).unwrap();
    let records: Vec<_> = (1..).zip(&updates).map(|(seq, update)| append("a", seq, update)).collect();
    store.append(&records).unwrap();
    store.append(&[append("b", 1, &fixtures::document("xml").v1)]).unwrap();
    let record = keys::record(DocumentNumber(1), Seq(2));
    let key = keys::chunk(&record, 0);
    let mut value = store.engine().get(&key).unwrap().unwrap();
    change(&mut value, &record);
    let mut batch = Batch::default();
    batch.put(key, value);
    store.engine().commit(batch).unwrap();
    place
}

#[test]
fn verify_names_the_document_and_the_record_that_would_not_load() {
    let place = damaged();
    let report = place.fail(&["doc", "verify"]);
    assert!(report.contains("document \"a\": record 2 is damaged"), "{report}");
    assert!(!report.contains("document \"b\""), "{report}");
    place.succeed(&["doc", "verify", "b"]);
    assert!(place.fail(&["doc", "verify", "b", "c"]).contains("document \"c\": there is none"));
}

#[test]
fn verify_goes_on_past_a_record_of_a_newer_version() {
    let place = with_a_newer_record();
    let report = place.fail(&["doc", "verify"]);
    assert!(report.contains("document \"a\": record 2") && report.contains("run a newer confluo"), "{report}");
    assert!(report.contains("read 2 documents") && !report.contains("document \"b\""), "{report}");
    assert!(!report.contains("record 2 is damaged"), "it is whole, and to be read by another build: {report}");
    place.succeed(&["doc", "verify", "b"]);
}

/// The advice of an error may be to run the command that prints it.
#[test]
fn verify_sends_nobody_to_itself() {
    let place = damaged();
    // More commits were acknowledged than there are.
    let acknowledged = 1_000_u64.to_le_bytes();
    let checksum = crc32fast::hash(&acknowledged).to_le_bytes();
    fs::write(place.data().join("watermark"), [&acknowledged[..], &checksum].concat()).unwrap();
    let report = place.fail(&["doc", "verify", "a", "c"]);
    assert!(report.contains("commits that were on disk are gone"), "{report}");
    assert!(report.contains("document \"c\": there is none, and it may be"), "{report}");
    assert!(!report.contains("doc verify"), "{report}");
}

#[test]
fn verify_names_a_record_that_holds_no_update() {
    let place = Place::new();
    fill(&place.data(), &[append("a", 1, &UpdateV1("no update".into()))]);
    let report = place.fail(&["doc", "verify"]);
    assert!(report.contains("document \"a\": record 1: malformed update"), "{report}");
}

/// What is left of a document that is not whole.
fn salvage(place: &Place, name: &str) -> Vec<u8> {
    let output = place.run(&["doc", "export", name, "--salvage"]);
    assert_eq!(output.status.code(), Some(1), "something is left out: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_damaged_document_is_exported_only_when_asked_for_what_is_left() {
    let place = damaged();
    let message = place.fail(&["doc", "export", "a"]);
    assert!(message.contains("record 2 is damaged") && message.contains("--salvage"), "{message}");
    let left = salvage(&place, "a");
    let first = fixtures::document("text-plain").updates.swap_remove(0);
    // yrs writes the keys of an embedded object in any order.
    let [whole, salvaged] = [&["doc", "export", "b"][..], &["doc", "export", "b", "--salvage"]]
        .map(|export| Content::of_updates(&[UpdateV1(place.succeed(export).into())]));
    assert_eq!(salvaged, whole, "nothing is left out");
    let (left, first) = (Content::of_updates(&[UpdateV1(left.into())]), Content::of_updates(&[first]));
    assert_eq!(left.clocks(), first.clocks(), "what builds on the second record is gone with it");
}

/// Of six documents of 4 MiB, `doc3` has a flipped bit in a page that sled cannot read then.
fn with_a_bad_page() -> Place {
    let place = Place::new();
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (random >> 33) as u8 % 26)
    };
    let texts: Vec<String> = (0..6).map(|_| (0..4 << 20).map(|_| noise()).collect()).collect();
    for (index, text) in texts.iter().enumerate() {
        let record = append(&format!("doc{index}"), 1, &UpdateV1(text_update(text).into()));
        without_masks(|| fill(&place.data(), &[record]));
    }
    fill(&place.data(), &[append("small", 1, &fixtures::document("text-plain").v1)]);
    // sled notes at a start what its file holds. What is newer than that it reads when it opens.
    drop(confluo_store_sled::open(SledConfig::new(place.data())).unwrap());
    let path = place.data().join("db");
    let mut file = fs::read(&path).unwrap();
    let wanted = &texts[3].as_bytes()[1 << 19..][..32];
    let places: Vec<_> =
        (0..file.len() - 32).filter(|at| file[*at] == wanted[0] && file[*at..].starts_with(wanted)).collect();
    assert!(!places.is_empty());
    for place in places {
        file[place] ^= 1;
    }
    fs::write(path, file).unwrap();
    place
}

#[test]
fn a_page_that_the_engine_cannot_read_costs_one_document() {
    let place = with_a_bad_page();
    let report = place.fail(&["doc", "verify"]);
    assert!(report.contains("document \"doc3\": the engine cannot read all of it"), "{report}");
    assert!(report.contains("read 7 documents") && report.contains("doc export --salvage"), "{report}");
    for whole in ["doc0", "doc1", "doc5", "small"] {
        assert!(!report.contains(whole), "{report}");
        place.succeed(&["doc", "verify", whole]);
    }
    let listed = place.list();
    assert_eq!(listed.iter().filter_map(|line| line["head"].as_u64()).count(), 6, "{listed:?}");
    let message = place.fail(&["doc", "export", "doc3"]);
    assert!(message.contains("--salvage") && !message.contains("panicked"), "{message}");
    let left = salvage(&place, "doc3");
    assert_eq!(left, [0, 0], "its one record is gone");
    let mut copy = Command::new(env!("CARGO_BIN_EXE_confluo"));
    copy.args(["store", "copy", "--from", &format!("sled:{}", place.data().display()), "--to"]);
    let copied = copy.arg(format!("redb:{}", place.folder.path().join("copy").display())).env_clear().output().unwrap();
    let told = String::from_utf8_lossy(&copied.stdout) + String::from_utf8_lossy(&copied.stderr);
    assert!(told.contains("copied 6 documents") && told.contains("doc3: not copied"), "{told}");
    place.import("doc3", &text_update("anew"), &["--replace"]);
    place.succeed(&["doc", "verify"]);
    place.succeed(&["doc", "delete", "doc3", "--yes"]);
    place.succeed(&["doc", "verify"]);
}
