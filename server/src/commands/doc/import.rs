//! `confluo doc import`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use confluo_hub::Clock;
use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1};
use confluo_room::{Inspection, update_from_v2};
use confluo_store::{Append, Record, StoreError, StoredDocument};

use crate::config::Config;

use super::{Format, Opened, Workplace, parse_name, print};

/// The update that holds nothing, for a document that exists and is empty.
const EMPTY_UPDATE: &[u8] = &[0, 0];

/// Flags of `doc import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The document's name; it is created if there is none
    #[arg(value_parser = parse_name)]
    name: DocumentName,
    /// The file with the update; `-` is standard input
    file: PathBuf,
    /// The encoding of the update
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Put the update in the place of the document. That starts a new lineage: clients that know lineages drop the old
    /// content, stock clients that still hold it merge it back
    #[arg(long)]
    replace: bool,
    /// Make a store in the data folder if there is none. Without this a folder whose name was mistyped is refused
    #[arg(long)]
    pub(super) create_store: bool,
    /// What is in the file.
    #[arg(skip)]
    update: Option<UpdateV1>,
}

/// Where the next record goes.
struct Target {
    inspection: Inspection,
    lineage: LineageId,
    head: Seq,
}

impl Target {
    fn new_document() -> Self {
        Self { inspection: Inspection::empty(), lineage: LineageId(rand::random()), head: Seq(0) }
    }
}

/// A document of one record.
fn whole(lineage: LineageId, record: Record) -> StoredDocument {
    StoredDocument {
        lineage,
        created_at: record.at,
        head: record.seq,
        snapshot: None,
        records: vec![record],
        set_aside: Vec::new(),
    }
}

impl Import {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        let mut target = self.target(workplace)?;
        let news = self.merge_into(&mut target)?;
        let update = match news {
            Some(news) => news,
            None if target.head == Seq(0) => UpdateV1(EMPTY_UPDATE.into()),
            None => {
                print(&format!("{:?} has all of it already\n", self.name))?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        self.check_size(&mut target.inspection, &workplace.config)?;
        // All that can be refused has been; only the disk can fail from here on.
        let (seq, at) = (target.head.next(), Clock.wall().into());
        let record = Record { seq, at, authors: Vec::new(), update };
        if self.replace {
            workplace.store.replace(&self.name, &whole(target.lineage, record))?;
        } else {
            workplace.store.append(&[Append { document: self.name.clone(), lineage: target.lineage, record }])?;
        }
        print(&format!("imported into {:?} as record {}\n", self.name, seq.0))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Reads the file.
    pub(super) fn read_update(&mut self) -> anyhow::Result<()> {
        self.update = Some(self.read()?);
        Ok(())
    }

    /// Whether a new document can be made of it.
    pub(super) fn check_as_new(&self, config: &Config) -> anyhow::Result<()> {
        let mut target = Target::new_document();
        self.merge_into(&mut target)?;
        self.check_size(&mut target.inspection, config)
    }

    fn merge_into(&self, target: &mut Target) -> anyhow::Result<Option<UpdateV1>> {
        let update = self.update.clone().unwrap_or_else(|| UpdateV1(EMPTY_UPDATE.into()));
        target.inspection.merge(update).with_context(|| format!("cannot import {}", self.file.display()))
    }

    fn read(&self) -> anyhow::Result<UpdateV1> {
        let bytes = if self.file == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(&self.file)
        };
        let bytes = bytes.with_context(|| format!("cannot read {}", self.file.display()))?;
        match self.format {
            Format::V1 => Ok(UpdateV1(bytes.into())),
            Format::V2 => update_from_v2(&bytes).with_context(|| format!("cannot import {}", self.file.display())),
        }
    }

    fn target(&self, workplace: &Workplace) -> anyhow::Result<Target> {
        if self.replace {
            return Ok(Target::new_document());
        }
        let stored = match workplace.store.load(&self.name) {
            // Whoever imports it wants it to be there.
            Err(StoreError::MayBeLost { .. }) => None,
            stored => stored?,
        };
        let Some(stored) = stored else { return Ok(Target::new_document()) };
        let (lineage, head) = (stored.lineage, stored.head);
        let Opened { inspection, problems } = Opened::new(stored)?;
        for problem in problems {
            tracing::warn!(document = self.name.as_str(), problem, "merging into a damaged document");
        }
        Ok(Target { inspection, lineage, head })
    }

    fn check_size(&self, inspection: &mut Inspection, config: &Config) -> anyhow::Result<()> {
        let (bytes, limit) = (inspection.encode_v1()?.0.len() as u64, config.limits.max_document_bytes);
        ensure!(
            bytes <= limit.as_u64(),
            "document {:?} would have {bytes} bytes, more than limits.max_document_bytes (\"{limit}\"); raise it, here \
             and for the server, with --config or CONFLUO__LIMITS__MAX_DOCUMENT_BYTES",
            self.name
        );
        Ok(())
    }
}
