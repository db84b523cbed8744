//! Flipped bits and cut files: nothing is missing in silence, and what sled can make anew costs nothing.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use confluo_store::{
    DocumentStore, StoreError,
    contract::damage::{self, DamageReport},
};
use confluo_store_sled::{SledConfig, open};

fn open_store(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError> {
    Ok(Arc::new(open(SledConfig::new(dir))?))
}

#[test]
fn damage_to_any_file_is_reported() {
    let mut reports = damage::run_trials(open_store, 0..30);
    println!("{reports:?}");
    check("db", &reports.remove("db").unwrap());
    check("db without its snapshots", &reports.remove("db without its snapshots").unwrap());
    check_redundant(reports, 60);
}

#[test]
fn damage_to_any_file_of_a_killed_process_is_reported() {
    let mut reports = damage::run_trials_of_killed(open_store, 0..15);
    println!("{reports:?}");
    check("db", &reports.remove("db").unwrap());
    check("db without its snapshots", &reports.remove("db without its snapshots").unwrap());
    check("journal-0", &reports.remove("journal-0").unwrap());
    // It is made beside, and was not written to.
    let spare = reports.remove("journal-1");
    assert!(spare.is_none_or(|report| report.unharmed == 30), "nothing is in it");
    check_redundant(reports, 30);
}

fn check(file: &str, report: &DamageReport) {
    assert_eq!(report.silent, Vec::<String>::new(), "{file}");
    assert!(report.refused + report.reported > 0, "the trials hit nothing of {file}");
}

/// sled makes its own two anew; a watermark that cannot be read accuses nobody.
fn check_redundant(mut reports: BTreeMap<String, DamageReport>, starts: u32) {
    for file in ["snap", "conf", "watermark"] {
        let unharmed = DamageReport { unharmed: starts, ..DamageReport::default() };
        assert_eq!(reports.remove(file), Some(unharmed), "{file}");
    }
    assert!(reports.is_empty(), "files without a trial: {reports:?}");
}
