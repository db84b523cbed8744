//! One page that cannot be read costs one document.

use std::sync::Arc;

use confluo_store::contract::bad_page;
use confluo_store_sled::{SledConfig, open};

#[test]
fn a_bad_page_costs_one_document() {
    bad_page::check(|dir| Ok(Arc::new(open(SledConfig::new(dir))?)), "db");
}

#[test]
fn a_bad_page_that_the_journal_writes_to_costs_one_document() {
    bad_page::check_killed(|dir| Ok(Arc::new(open(SledConfig::new(dir))?)), "db");
}

#[test]
fn removals_beside_a_bad_page_cost_nobody_anything() {
    bad_page::check_removals(|dir| Ok(Arc::new(open(SledConfig::new(dir))?)), "db");
}
