//! `confluo bench fill`.

use anyhow::ensure;
use clap::Args;
use confluo_bench::fill::document_of;
use confluo_hub::Clock;
use confluo_protocol::{DocumentName, LineageId, Seq};
use confluo_store::{Append, Record};

use super::{print, progress};
use crate::config::Config;
use crate::store::StoreAddress;

/// Documents that become durable together.
const AT_ONCE: usize = 512;

/// Flags of `bench fill`.
#[derive(Debug, Args)]
pub(super) struct FillArgs {
    /// The empty store to fill, created if missing: sled:FOLDER or redb:FOLDER; no server may run on it
    #[arg(long, value_name = "ENGINE:FOLDER")]
    to: StoreAddress,
    /// How many documents
    #[arg(long, default_value_t = 100_000)]
    documents: usize,
    /// The size of each, as its whole state in V1
    #[arg(long, default_value_t = 2_000)]
    document_bytes: usize,
    /// What their names begin with; a hyphen and a number follow
    #[arg(long, default_value = "filled")]
    rooms: String,
}

impl FillArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let store = self.to.open(Config::default().store.cache_bytes)?;
        ensure!(store.stats().documents == 0, "{} already has documents; fill an empty folder", self.to);
        let (update, progress) = (document_of(self.document_bytes), progress());
        let numbers: Vec<_> = (0..self.documents).collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let append = |number: &usize| {
                let document = DocumentName::new(&format!("{}-{number}", self.rooms))?;
                let at = Clock.wall().into();
                let record = Record { seq: Seq(1), at, authors: Vec::new(), update: update.clone() };
                anyhow::Ok(Append { document, lineage: LineageId(rand::random()), record })
            };
            store.append(&numbers.iter().map(append).collect::<Result<Vec<_>, _>>()?)?;
            if let Some(last) = numbers.last() {
                progress.say(&format!("{} of {} documents are stored", last + 1, self.documents));
            }
        }
        print(&format!("stored {} documents of {} bytes in {}\n", self.documents, update.0.len(), self.to))
    }
}
