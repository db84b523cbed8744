//! Moving house: every document of one store into another, with its lineage, seqs, times and authors.

use confluo_protocol::DocumentName;

use crate::{DocumentStore, StoreError};

const PAGE: usize = 1000;

/// What [`copy_store`] did.
#[derive(Debug, Clone, Default)]
pub struct CopyReport {
    /// How many documents are now in the other store.
    pub copied: u64,
    /// Documents that were copied without everything: damaged records stay behind and show as missing there.
    pub incomplete: Vec<DocumentName>,
    /// Documents that could not be read.
    pub failed: Vec<(DocumentName, StoreError)>,
}

/// Copies every document. One that cannot be read is reported and the rest goes on; a failure to write ends it.
/// Documents that the other store already has are an error: copy into an empty one.
pub fn copy_store(from: &dyn DocumentStore, to: &dyn DocumentStore) -> Result<CopyReport, StoreError> {
    let mut report = CopyReport::default();
    let mut after = None;
    loop {
        let page = from.list("", after.as_ref(), PAGE)?;
        for listed in page.documents {
            match from.load(&listed.name) {
                Ok(Some(document)) => {
                    to.import(&listed.name, &document)?;
                    report.copied += 1;
                    if !document.set_aside.is_empty() {
                        report.incomplete.push(listed.name.clone());
                    }
                }
                Ok(None) => {}
                Err(error) if error.ends_reading() => return Err(error),
                Err(error) => report.failed.push((listed.name.clone(), error)),
            }
            after = Some(listed.name);
        }
        if !page.more {
            return Ok(report);
        }
    }
}
