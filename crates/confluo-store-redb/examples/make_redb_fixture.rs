//! Makes an old store for the tests of later builds; see `fixtures/stores/README.md`.

use std::io;

use confluo_store::contract::old_store;
use confluo_store_redb::{RedbConfig, open};

fn main() -> io::Result<()> {
    let dir = std::env::args().nth(1).ok_or_else(|| io::Error::other("name the folder to make"))?;
    old_store::build(&open(RedbConfig::new(dir)).map_err(io::Error::other)?);
    Ok(())
}
