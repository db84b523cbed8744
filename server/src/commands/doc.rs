//! `confluo doc …`: single documents in the data folder of a stopped server.

mod delete;
mod export;
mod import;
mod list;
mod show;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use clap::{Args, Subcommand, ValueEnum};
use confluo_protocol::{DocumentName, Seq, UpdateV1};
use confluo_room::{InspectError, Inspection};
use confluo_store::{DocumentStore, StoredDocument};

use crate::cli::DataArgs;
use crate::config::Config;
use crate::store::StoreAddress;
use crate::telemetry;

const EXAMPLES: &str = "\
Examples, while no server runs on the data folder:
  confluo doc list --prefix team/ --data-dir ./confluo-data
  confluo doc show notes --root content:text
  confluo doc export notes notes.yjs
  confluo doc import notes notes.yjs           merges; with --replace the file takes the document's place
  confluo doc import notes notes.yjs --create-store    also where there is no store yet
  confluo doc verify                           reads every document to its last byte";

/// Works on documents in the data folder of a stopped server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Doc {
    #[command(flatten)]
    data: DataArgs,
    #[command(subcommand)]
    command: DocCommand,
}

#[derive(Debug, Subcommand)]
enum DocCommand {
    /// List documents: last record, records since the snapshot, bytes on disk, lineage, name
    List(list::List),
    /// Show what a document holds: the names of its roots, or the content of some of them
    Show(show::Show),
    /// Write a document as one Yjs update
    Export(export::Export),
    /// Merge a Yjs update into a document, or make a document of it
    Import(import::Import),
    /// Delete a document. Stock clients that still hold its content bring it back when they next connect
    Delete(delete::Delete),
    /// Read documents to the last byte and report every record that would not load; the exit status is 1 if there is one
    Verify(verify::Verify),
}

/// An encoding of Yjs updates.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// As `Y.encodeStateAsUpdate` writes it
    #[default]
    V1,
    /// As `Y.encodeStateAsUpdateV2` writes it
    V2,
}

/// What every command works with.
struct Workplace {
    store: Arc<dyn DocumentStore>,
    config: Config,
}

impl Doc {
    /// Does what was asked.
    pub fn run(mut self) -> anyhow::Result<ExitCode> {
        let config = self.data.load()?.config;
        telemetry::install(&config.log)?;
        let address = StoreAddress::of(&config);
        let cache = config.store.cache_bytes;
        let store = if let DocCommand::Import(import) = &mut self.command {
            let is_there = address.is_there();
            ensure!(
                is_there || import.create_store,
                "there is no store in {}; check the path (--data-dir or server.data_dir), or make one with --create-store",
                address.folder.display()
            );
            import.read_update()?;
            if !is_there {
                // What cannot be imported leaves no empty store.
                import.check_as_new(&config)?;
            }
            address.open(cache)?
        } else {
            address.open_existing(cache)?
        };
        let workplace = Workplace { store, config };
        match self.command {
            DocCommand::List(list) => list.run(&workplace),
            DocCommand::Show(show) => show.run(&workplace),
            DocCommand::Export(export) => export.run(&workplace),
            DocCommand::Import(import) => import.run(&workplace),
            DocCommand::Delete(delete) => delete.run(&workplace),
            DocCommand::Verify(verify) => verify.run(&workplace),
        }
    }
}

/// A document as it would open, and what is wrong with it.
struct Opened {
    inspection: Inspection,
    problems: Vec<String>,
}

impl Opened {
    fn new(stored: StoredDocument) -> Result<Self, InspectError> {
        let mut problems: Vec<String> = stored.set_aside.iter().map(ToString::to_string).collect();
        let (seqs, updates) = updates_of(stored);
        let (inspection, refused) = Inspection::load(&updates)?;
        problems.extend(refused.into_iter().map(|place| format!("{} cannot be applied", place_name(seqs[place]))));
        if inspection.lost_content() {
            problems.push("some content builds on edits that are missing, and is left out".into());
        }
        Ok(Self { inspection, problems })
    }
}

/// The updates in order, each with its record's seq; `None` is the snapshot.
fn updates_of(stored: StoredDocument) -> (Vec<Option<Seq>>, Vec<UpdateV1>) {
    let snapshot = stored.snapshot.map(|snapshot| (None, snapshot.state));
    let records = stored.records.into_iter().map(|record| (Some(record.seq), record.update));
    snapshot.into_iter().chain(records).unzip()
}

fn place_name(seq: Option<Seq>) -> String {
    seq.map_or_else(|| "the snapshot".into(), |seq| format!("record {}", seq.0))
}

/// Reads a document's name from the command line.
fn parse_name(name: &str) -> Result<DocumentName, String> {
    DocumentName::new(name).map_err(|error| error.to_string())
}

fn no_such_document(name: &DocumentName) -> anyhow::Error {
    anyhow!("there is no document {name:?}; `confluo doc list` names those that there are")
}

fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).context("cannot write to standard output")
}
