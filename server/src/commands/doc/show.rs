//! `confluo doc show`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use confluo_protocol::DocumentName;
use confluo_room::{Inspection, RootKind};
use serde_json::{Map, Value, json};

use super::{Opened, Workplace, no_such_document, parse_name, print};

/// Flags of `doc show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The document's name
    #[arg(value_parser = parse_name)]
    name: DocumentName,
    /// A root and its type: NAME:text, NAME:map, NAME:array or NAME:xml; may be repeated. A document does not know its
    /// roots' types; without this the names of the roots are listed
    #[arg(long = "root", value_name = "NAME:TYPE")]
    roots: Vec<RootArgument>,
    /// One JSON object by root, shared types and formatting told apart from plain values by keys that start with `$`
    #[arg(long)]
    json: bool,
}

/// `name:type`. The name may hold colons.
#[derive(Debug, Clone)]
struct RootArgument {
    name: String,
    kind: RootKind,
}

impl FromStr for RootArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, kind) = text.rsplit_once(':').unwrap_or((text, ""));
        let kind = match kind {
            "text" => RootKind::Text,
            "map" => RootKind::Map,
            "array" => RootKind::Array,
            "xml" => RootKind::Xml,
            _ => return Err("write the root's name, a colon, and text, map, array or xml".into()),
        };
        Ok(Self { name: name.into(), kind })
    }
}

impl Show {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        let stored = workplace.store.load(&self.name)?.ok_or_else(|| no_such_document(&self.name))?;
        let Opened { mut inspection, problems } = Opened::new(stored)?;
        for problem in problems {
            tracing::warn!(document = self.name.as_str(), problem, "the document is shown without what is damaged");
        }
        let text = match (self.roots.is_empty(), self.json) {
            (true, false) => list_roots(&mut inspection)?,
            (true, true) => list_roots_as_json(&mut inspection)?,
            (false, false) => self.render_text(&mut inspection)?,
            (false, true) => self.render_json(&mut inspection)?,
        };
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn render_text(&self, inspection: &mut Inspection) -> anyhow::Result<String> {
        let mut text = String::new();
        for root in &self.roots {
            if self.roots.len() > 1 {
                writeln!(text, "--- {}", root.name)?;
            }
            writeln!(text, "{}", inspection.render_text(&root.name, root.kind)?)?;
        }
        Ok(text)
    }

    fn render_json(&self, inspection: &mut Inspection) -> anyhow::Result<String> {
        let mut roots = Map::new();
        for root in &self.roots {
            roots.insert(root.name.clone(), inspection.render_json(&root.name, root.kind)?);
        }
        Ok(format!("{:#}\n", Value::from(roots)))
    }
}

fn list_roots(inspection: &mut Inspection) -> anyhow::Result<String> {
    let mut text = format!("{:>10} {:>10}  root (show one with --root NAME:text|map|array|xml)\n", "length", "keys");
    for root in inspection.roots()? {
        writeln!(text, "{:>10} {:>10}  {}", root.length, root.keys, root.name)?;
    }
    Ok(text)
}

fn list_roots_as_json(inspection: &mut Inspection) -> anyhow::Result<String> {
    let roots = inspection.roots()?.into_iter();
    let roots: Map<_, _> = roots.map(|root| (root.name, json!({ "length": root.length, "keys": root.keys }))).collect();
    Ok(format!("{:#}\n", Value::from(roots)))
}
