//! Flipped bits and cut files: nothing is missing in silence.

use std::{path::Path, sync::Arc};

use confluo_store::{
    DocumentStore, StoreError,
    contract::damage::{self, DamageReport},
};
use confluo_store_redb::{RedbConfig, open};

fn open_store(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError> {
    Ok(Arc::new(open(RedbConfig::new(dir))?))
}

#[test]
fn damage_to_any_file_is_reported() {
    let mut reports = damage::run_trials(open_store, 0..30);
    println!("{reports:?}");
    check("confluo.redb", &reports.remove("confluo.redb").unwrap());
    // A watermark that cannot be read accuses nobody.
    assert_eq!(reports.remove("watermark"), Some(DamageReport { unharmed: 60, ..DamageReport::default() }));
    assert!(reports.is_empty(), "files without a trial: {reports:?}");
}

#[test]
fn damage_to_any_file_of_a_killed_process_is_reported() {
    let mut reports = damage::run_trials_of_killed(open_store, 0..15);
    println!("{reports:?}");
    check("confluo.redb", &reports.remove("confluo.redb").unwrap());
    check("journal-0", &reports.remove("journal-0").unwrap());
    // It is made beside, and was not written to.
    let spare = reports.remove("journal-1");
    assert!(spare.is_none_or(|report| report.unharmed == 30), "nothing is in it");
    assert_eq!(reports.remove("watermark"), Some(DamageReport { unharmed: 30, ..DamageReport::default() }));
    assert!(reports.is_empty(), "files without a trial: {reports:?}");
}

fn check(file: &str, report: &DamageReport) {
    assert_eq!(report.silent, Vec::<String>::new(), "{file}");
    assert!(report.refused + report.reported > 0, "the trials hit nothing of {file}");
}
