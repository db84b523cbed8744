//! How long appends, opening and loading take: `cargo run --release -p confluo-store-redb --example redb_latency -- <folder>`.

use std::io::{self, Write};

use confluo_store::{
    DocumentStore,
    contract::{latency, name},
};
use confluo_store_redb::{RedbConfig, open};

fn main() -> io::Result<()> {
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args().nth(1).map_or_else(|| scratch.path().to_owned(), Into::into);
    let mut out = io::stdout();
    for records in [1, 4, 100, 1_000] {
        let measured = latency::measure(
            &open(RedbConfig::new(dir.join(format!("{records}")))).map_err(io::Error::other)?,
            400,
            records,
            1_000,
        );
        writeln!(out, "redb: slices of {records}: {measured:?}")?;
    }
    let many = RedbConfig::new(dir.join("many"));
    latency::fill(&open(many.clone()).map_err(io::Error::other)?, 100_000, 6_000);
    let (store, opening) = latency::timed(|| open(many));
    let store = store.map_err(io::Error::other)?;
    let (loaded, loading) = latency::timed(|| store.load(&name("team/document 50000")));
    loaded.map_err(io::Error::other)?;
    writeln!(
        out,
        "redb: 100,000 documents: open {opening:?}, first load {loading:?}, {} bytes",
        store.stats().disk_bytes
    )
}
