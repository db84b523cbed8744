//! `confluo doc list`.

use std::process::ExitCode;

use clap::Args;
use confluo_store::{DocumentStats, Listed};
use serde_json::json;

use super::{Workplace, print};

/// Documents that are read at once.
const PAGE: usize = 500;

/// Flags of `doc list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only documents whose names start with this
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        if !self.json {
            print(&format!("{:>10} {:>10} {:>12}  {:<32}  name\n", "head", "records", "bytes", "lineage"))?;
        }
        let mut after = None;
        loop {
            let page = workplace.store.list(&self.prefix, after.as_ref(), PAGE)?;
            let mut lines = String::new();
            for listed in &page.documents {
                match workplace.store.document_stats(&listed.name) {
                    Ok(stats) => lines += &self.line(listed, stats.as_ref()),
                    Err(error) if error.ends_reading() => return Err(error.into()),
                    Err(error) => {
                        tracing::error!(%error, "a document is damaged");
                        lines += &self.line(listed, None);
                    }
                }
            }
            print(&lines)?;
            if !page.more {
                return Ok(ExitCode::SUCCESS);
            }
            after = page.documents.into_iter().next_back().map(|listed| listed.name);
        }
    }

    fn line(&self, listed: &Listed, stats: Option<&DocumentStats>) -> String {
        let name = listed.name.as_str();
        let lineage = listed.lineage.map(|lineage| lineage.to_string());
        if self.json {
            let line = json!({
                "name": name,
                "lineage": lineage,
                "head": stats.map(|stats| stats.head.0),
                "snapshot_through": stats.map(|stats| stats.snapshot_through.0),
                "records": stats.map(|stats| stats.records),
                "bytes": stats.map(|stats| stats.snapshot_bytes + stats.record_bytes),
            });
            return format!("{line}\n");
        }
        let lineage = lineage.as_deref().unwrap_or("damaged");
        let figure = |value: Option<u64>| value.map_or_else(|| "damaged".into(), |value| value.to_string());
        format!(
            "{:>10} {:>10} {:>12}  {lineage:<32}  {name}\n",
            figure(stats.map(|stats| stats.head.0)),
            figure(stats.map(|stats| stats.records)),
            figure(stats.map(|stats| stats.snapshot_bytes + stats.record_bytes)),
        )
    }
}
