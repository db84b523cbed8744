//! `confluo doc export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;
use confluo_protocol::DocumentName;

use super::{Format, Opened, Workplace, no_such_document, parse_name, print_bytes};

/// Flags of `doc export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The document's name
    #[arg(value_parser = parse_name)]
    name: DocumentName,
    /// The file to write, for its owner alone if it is a new one; `-` is standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The encoding of the update. V2 is refused where a map or list holds a `Uint8Array` by itself, and may turn
    /// whole numbers beyond 2^53 in embeds and formats into `BigInt`
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Of a damaged document, write what is left of it; the exit status is 1 if something is left out
    #[arg(long)]
    salvage: bool,
}

impl Export {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        let store = &workplace.store;
        let stored = if self.salvage { store.salvage(&self.name) } else { store.load(&self.name) };
        let Opened { mut inspection, problems } = Opened::new(stored?.ok_or_else(|| no_such_document(&self.name))?)?;
        let is_whole = problems.is_empty();
        if self.salvage {
            for problem in problems {
                tracing::warn!(document = self.name.as_str(), problem, "left out");
            }
        } else if !is_whole {
            bail!(
                "document {:?} is damaged: {}; restore a backup, or export what is left with --salvage",
                self.name,
                problems.join("; ")
            );
        }
        let update = match self.format {
            Format::V1 => inspection.encode_v1()?.0,
            Format::V2 => inspection.encode_v2()?,
        };
        if self.file == Path::new("-") {
            ensure!(
                !io::stdout().is_terminal(),
                "an update is not for a terminal; name a file, or redirect the output"
            );
            print_bytes(&update)?;
        } else {
            write_whole(&self.file, &update)?;
        }
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The file that was there or the new one, whatever happens in between.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = replace(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let Some(folder) = written.as_deref().and_then(Path::parent) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| {
        format!(
            "{} is written, but its folder cannot be synced, so that a cut of power may still undo it; export again when              the disk is well",
            path.display()
        )
    })
}

/// Returns what was put in its place, unless it is no file.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<Option<PathBuf>> {
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        // A pipe holds nothing that could be lost.
        return fs::write(path, bytes).map(|()| None);
    }
    // What a link leads to is written, and not the link.
    let path = if before.is_some() { path.canonicalize()? } else { path.to_owned() };
    let mut draft = path.clone().into_os_string();
    draft.push(".confluo-unfinished");
    // An export that was killed left it, or somebody put a link there.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_synced(Path::new(&draft), bytes, before.map(|before| before.permissions()))
        .and_then(|()| fs::rename(&draft, &path))
        .inspect_err(|_| drop(fs::remove_file(&draft)))?;
    Ok(Some(path))
}

/// Nobody else may read it before it has the permissions of the one that was there. Without one it keeps these.
fn write_synced(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}
