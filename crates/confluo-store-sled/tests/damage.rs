//! Flipped bits and cut files: nothing is missing in silence.

use std::sync::Arc;

use confluo_store::contract::damage;
use confluo_store_sled::{SledConfig, open};

#[test]
fn damage_to_the_log_is_reported() {
    let report = damage::run_trials(|dir| Ok(Arc::new(open(SledConfig::new(dir))?)), "db", 0..60);
    println!("{report:?}");
    assert_eq!(report.silent, Vec::<String>::new());
    assert!(report.refused + report.reported > 0, "the trials hit nothing");
}

#[test]
fn damage_to_the_journal_of_a_killed_process_is_reported() {
    let report = damage::run_journal_trials(|dir| Ok(Arc::new(open(SledConfig::new(dir))?)), 0..30);
    println!("{report:?}");
    assert_eq!(report.silent, Vec::<String>::new());
    assert!(report.reported > 0, "the trials hit nothing");
}
