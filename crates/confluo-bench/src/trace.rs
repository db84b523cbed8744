//! A recorded editing session, and the updates that typing it again makes.
//!
//! The format is that of the public collection `josephg/editing-traces`: JSON, gzip-compressed or not. In the sequential
//! form `txns[].patches[]` are `[position, deleted, inserted]`, applied in order. In the concurrent form each transaction
//! also names its `agent` and its `parents`: the indexes of the transactions that it was typed on top of.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use confluo_client::yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, Text, TextRef, Transact, Update, updates::decoder::Decode,
};
use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::BenchError;

/// The name of the text that is typed.
pub(crate) const TEXT: &str = "text";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    #[serde(default)]
    start_content: String,
    end_content: String,
    txns: Vec<Transaction>,
}

#[derive(Debug, Deserialize)]
struct Transaction {
    parents: Option<Vec<usize>>,
    #[serde(default)]
    agent: usize,
    patches: Vec<(u32, u32, String)>,
}

/// The updates of a trace, one for each transaction, in an order in which none is early, and the text that they end in.
#[derive(Debug)]
pub struct Typed {
    /// One for each transaction.
    pub updates: Vec<Vec<u8>>,
    /// What the trace says that its text is at the end.
    pub end: String,
}

/// Reads a trace and types it.
pub fn type_trace(path: &Path) -> Result<Typed, BenchError> {
    let refuse = |reason: String| BenchError::Trace { path: path.to_owned(), reason };
    let trace = read(path)?;
    let astral = |text: &str| text.chars().any(|character| character.len_utf16() > 1);
    if astral(&trace.start_content) || trace.txns.iter().flat_map(|txn| &txn.patches).any(|patch| astral(&patch.2)) {
        // Positions are counted in code points there, in UTF-16 units here; they are the same without these.
        return Err(refuse("it holds characters beyond the basic multilingual plane".to_owned()));
    }
    let is_concurrent = trace.txns.iter().any(|txn| txn.parents.is_some());
    if is_concurrent { type_concurrently(&trace).map_err(refuse) } else { type_in_order(&trace).map_err(refuse) }
}

fn read(path: &Path) -> Result<Trace, BenchError> {
    let failed = |source| BenchError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
    let parsed = if bytes.starts_with(&GZIP_MAGIC) {
        serde_json::from_reader(BufReader::new(GzDecoder::new(&bytes[..])))
    } else {
        serde_json::from_slice(&bytes)
    };
    parsed.map_err(|error| BenchError::Trace { path: path.to_owned(), reason: error.to_string() })
}

/// One author's copy.
struct Copy {
    doc: Doc,
    text: TextRef,
    /// Which transactions are in it.
    has: BTreeSet<usize>,
}

impl Copy {
    fn new(client_id: u64) -> Self {
        let options = Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(client_id)) };
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text(TEXT);
        Self { doc, text, has: BTreeSet::new() }
    }

    fn edit(&self, patches: &[(u32, u32, String)]) -> Result<Vec<u8>, String> {
        let mut txn = self.doc.transact_mut();
        for (position, deleted, inserted) in patches {
            if position + deleted > self.text.len(&txn) {
                return Err(format!("a patch at {position} lies beyond the text's end"));
            }
            if *deleted > 0 {
                self.text.remove_range(&mut txn, *position, *deleted);
            }
            if !inserted.is_empty() {
                self.text.insert(&mut txn, *position, inserted);
            }
        }
        txn.commit();
        Ok(txn.encode_update_v1())
    }

    fn end(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

fn type_in_order(trace: &Trace) -> Result<Typed, String> {
    let copy = Copy::new(rand::random::<u32>().into());
    let mut updates = Vec::with_capacity(trace.txns.len() + 1);
    if !trace.start_content.is_empty() {
        updates.push(copy.edit(&[(0, 0, trace.start_content.clone())])?);
    }
    for txn in &trace.txns {
        updates.push(copy.edit(&txn.patches)?);
    }
    let end = copy.end();
    if end != trace.end_content {
        return Err("typed again, it does not end in its own end".to_owned());
    }
    Ok(Typed { updates, end })
}

/// Each author has a copy, which takes in exactly what its next transaction was typed on top of. Where two authors wrote
/// at the same place, Yjs may order them differently than the recording did: the end is what a copy with everything says.
fn type_concurrently(trace: &Trace) -> Result<Typed, String> {
    let authors = trace.txns.iter().map(|txn| txn.agent + 1).max().unwrap_or(0);
    let base = u64::from(rand::random::<u32>() & 0x7fff_ff00);
    let mut copies: Vec<_> = (0..authors).map(|author| Copy::new(base + author as u64)).collect();
    let mut updates: Vec<Vec<u8>> = Vec::with_capacity(trace.txns.len());
    for (index, txn) in trace.txns.iter().enumerate() {
        let parents = txn.parents.as_deref().unwrap_or_default();
        if parents.iter().any(|parent| *parent >= index) {
            return Err(format!("transaction {index} has a parent that comes later"));
        }
        let copy = &mut copies[txn.agent];
        take_in(copy, parents, trace, &updates)?;
        updates.push(copy.edit(&txn.patches)?);
        copy.has.insert(index);
    }
    let mut whole = Copy::new(base + authors as u64);
    let everything: Vec<usize> = (0..updates.len()).collect();
    take_in(&mut whole, &everything, trace, &updates)?;
    Ok(Typed { end: whole.end(), updates })
}

/// Applies to a copy what it lacks of these transactions and all that they stand on.
fn take_in(copy: &mut Copy, wanted: &[usize], trace: &Trace, updates: &[Vec<u8>]) -> Result<(), String> {
    let mut lacking = BTreeSet::new();
    let mut look_at = wanted.to_vec();
    while let Some(index) = look_at.pop() {
        if !copy.has.contains(&index) && lacking.insert(index) {
            look_at.extend(trace.txns[index].parents.as_deref().unwrap_or_default());
        }
    }
    let mut txn = copy.doc.transact_mut();
    for index in lacking {
        let update = Update::decode_v1(&updates[index]).map_err(|error| error.to_string())?;
        txn.apply_update(update).map_err(|error| error.to_string())?;
        copy.has.insert(index);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(json: &str) -> Result<Typed, BenchError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        type_trace(file.path())
    }

    #[test]
    fn a_sequential_trace_ends_in_its_end() {
        let typed = typed(
            r#"{"startContent":"ab","endContent":"aXc","txns":[{"patches":[[1,1,"X"]]},{"patches":[[2,0,"c"]]}]}"#,
        );
        let typed = typed.unwrap();
        assert_eq!((typed.updates.len(), typed.end.as_str()), (3, "aXc"));
    }

    #[test]
    fn a_concurrent_trace_is_typed_on_top_of_what_each_author_saw() {
        let typed = typed(
            r#"{"kind":"concurrent","endContent":"-","txns":[
                {"parents":[],"agent":0,"patches":[[0,0,"hello"]]},
                {"parents":[0],"agent":0,"patches":[[5,0,"!"]]},
                {"parents":[0],"agent":1,"patches":[[0,1,"H"]]},
                {"parents":[1,2],"agent":1,"patches":[[6,0,"?"]]}]}"#,
        );
        assert_eq!(typed.unwrap().end, "Hello!?");
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        for json in [
            "{}",
            r#"{"endContent":"b","txns":[{"patches":[[0,0,"a"]]}]}"#,
            r#"{"endContent":"a","txns":[{"patches":[[1,0,"a"]]}]}"#,
            r#"{"endContent":"😀","txns":[{"patches":[[0,0,"😀"]]}]}"#,
            r#"{"endContent":"a","txns":[{"parents":[3],"patches":[[0,0,"a"]]}]}"#,
        ] {
            assert!(matches!(typed(json), Err(BenchError::Trace { .. })), "{json}");
        }
    }
}
