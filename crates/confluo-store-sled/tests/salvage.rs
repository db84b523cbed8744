//! What comes back from beside the main file, and where it may go.

use std::{path::Path, sync::Arc};

use confluo_store::{DocumentStore, StoreError, contract::salvage};
use confluo_store_sled::{SledConfig, open, open_wreck};

fn open_store(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError> {
    Ok(Arc::new(open(SledConfig::new(dir))?))
}

#[test]
fn what_only_the_journal_has_is_salvaged_whatever_the_main_file_holds() {
    salvage::salvage_journal(open_store, open_wreck, "db");
}

#[test]
fn what_the_main_file_has_lost_is_found_in_what_was_kept_aside() {
    salvage::salvage_what_was_kept_aside(open_store, open_wreck, "db");
}

#[test]
fn one_document_that_is_not_taken_does_not_end_a_salvage() {
    salvage::salvage_into_what_does_not_take_all(open_store, open_wreck);
}
