//! Moving house: every document of one store into another, with its lineage, seqs, times and authors; also out of a ruin.

use confluo_protocol::DocumentName;

use crate::{DocumentStore, Finding, StoreError, StoredDocument, WreckStore};

const PAGE: usize = 1000;

/// What [`copy_store`] did.
#[derive(Debug, Clone, Default)]
pub struct CopyReport {
    /// How many documents are now in the other store.
    pub copied: u64,
    /// Documents that were copied without everything: damaged records stay behind and show as missing there.
    pub incomplete: Vec<DocumentName>,
    /// Documents that could not be read, or not be written.
    pub failed: Vec<(DocumentName, StoreError)>,
}

/// Copies every document. One that cannot be read, or that the other store does not take, is reported and the rest goes on; a failure
/// of the other store ends it. Documents that it already has are not taken: copy into an empty one.
///
/// The other store is marked as one that may lack something, before anything else, and the mark stays unless all is there.
pub fn copy_store(from: &dyn DocumentStore, to: &dyn DocumentStore) -> Result<CopyReport, StoreError> {
    let is_unmarked = to.stats().findings.iter().all(|finding| *finding == Finding::Salvaged);
    to.note_findings(&[Finding::Salvaged])?;
    let report = copy_all(from, to, &mut |_, error| Err(error))?;
    let is_whole = report.incomplete.is_empty() && report.failed.is_empty();
    let may_lack_more = from.stats().findings.iter().any(Finding::may_miss_documents);
    if is_unmarked && is_whole && !may_lack_more {
        to.acknowledge()?;
    }
    Ok(report)
}

/// As [`copy_store`], from what is left of a store: of a document that does not load what can be read is copied, and the other
/// store is marked as one that may lack something, before anything else.
pub fn salvage_store(from: &WreckStore, to: &dyn DocumentStore) -> Result<CopyReport, StoreError> {
    to.note_findings(&[&[Finding::Salvaged][..], &from.stats().findings].concat())?;
    copy_all(from, to, &mut |name, error| {
        // The first error says more than that of the second attempt.
        let left = from.salvage(name).ok().flatten();
        let has_content = |left: &StoredDocument| left.snapshot.is_some() || !left.records.is_empty();
        left.filter(has_content).ok_or(error)
    })
}

fn copy_all(
    from: &dyn DocumentStore,
    to: &dyn DocumentStore,
    read_otherwise: &mut dyn FnMut(&DocumentName, StoreError) -> Result<StoredDocument, StoreError>,
) -> Result<CopyReport, StoreError> {
    let mut report = CopyReport::default();
    let mut after = None;
    loop {
        let page = from.list("", after.as_ref(), PAGE)?;
        for listed in page.documents {
            let loaded = match from.load(&listed.name) {
                Err(error) if error.ends_reading() => return Err(error),
                Err(error) => read_otherwise(&listed.name, error).map(Some),
                loaded => loaded,
            };
            match loaded {
                Ok(Some(document)) => match to.import(&listed.name, &document) {
                    Ok(()) => {
                        report.copied += 1;
                        if !document.set_aside.is_empty() {
                            report.incomplete.push(listed.name.clone());
                        }
                    }
                    Err(error) if error.is_store_wide() => return Err(error),
                    Err(error) => report.failed.push((listed.name.clone(), error)),
                },
                Ok(None) => {}
                Err(error) => report.failed.push((listed.name.clone(), error)),
            }
            after = Some(listed.name);
        }
        if !page.more {
            return Ok(report);
        }
    }
}
