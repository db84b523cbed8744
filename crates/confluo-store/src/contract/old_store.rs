//! Stores that older builds wrote: made once, kept as fixtures, opened by every later build.

use std::{fs, path::Path};

use super::{append, expected, name, snapshot};
use crate::{
    DocumentStore, Engine, EngineStore, StoreError, keys,
    value::{self, FORMAT_VERSION},
};

/// Document, head, end of the snapshot, bytes of each update.
type Documents = &'static [(&'static str, u64, u64, usize)];

/// What the fixtures of a format hold. One value is longer than an engine takes at once.
fn documents(format: u32) -> Documents {
    match format {
        1 => &[("notes", 5, 0, 40), ("team/plan", 9, 6, 300), ("team/é 😀", 2, 2, 10), ("large", 3, 1, 70_000)],
        _ => &[("notes", 5, 0, 40), ("team/plan", 9, 6, 300), ("team/é 😀", 2, 2, 10), ("large", 1, 0, 66_000)],
    }
}

/// Writes the documents of a fixture of this build's format.
pub fn build(store: &dyn DocumentStore) {
    for (document, head, through, length) in documents(FORMAT_VERSION) {
        let records: Vec<_> = (1..=*head).map(|seq| append(document, seq, *length)).collect();
        store.append(&records).expect("a healthy store appends");
        if *through > 0 {
            store.compact(&name(document), snapshot(*through, *length)).expect("within range");
        }
    }
}

/// Opens a copy of a format's fixture and looks for every document; then goes on with one of them. It is a store of this build's
/// format from then on. The fixture's main file is kept without the zeros at its end, which the copy gets back.
pub fn check<E: Engine>(
    fixture: &Path,
    format: u32,
    main_file: &str,
    open: impl Fn(&Path) -> Result<EngineStore<E>, StoreError>,
) {
    const SIZE_UNIT: u64 = 16 * 1024 * 1024;
    let copy = tempfile::tempdir().expect("a scratch folder");
    super::damage::copy_folder(fixture, copy.path());
    let size: u64 = fs::read_to_string(fixture.join("size"))
        .map_or(SIZE_UNIT, |text| text.trim().parse().expect("the fixture's size is a number"));
    let file = fs::OpenOptions::new().write(true).open(copy.path().join(main_file)).expect("the fixture is whole");
    file.set_len(size).expect("the copy is ours");
    let store = open(copy.path()).expect("an old store opens");
    assert_eq!(store.stats().findings, Vec::new());
    for (document, head, through, length) in documents(format) {
        let loaded = store.load(&name(document)).expect("an old document loads");
        assert_eq!(loaded, Some(expected(document, *head, *through, *length)));
    }
    store.append(&[append("notes", 6, 40)]).expect("an old document goes on");
    assert_eq!(store.stats().documents, documents(format).len() as u64);
    drop(store);
    let store = open(copy.path()).expect("it was closed");
    let marked = store.engine().get(keys::FORMAT).expect("a healthy engine reads").unwrap_or_default();
    assert_eq!(value::decode_format(keys::FORMAT, &marked), Ok(FORMAT_VERSION));
    assert_eq!(store.stats().findings, Vec::new());
}
