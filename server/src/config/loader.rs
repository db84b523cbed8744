//! Lays the layers over each other, and says for every setting that cannot be used where it came from.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Config as Layered, ConfigError, Environment, File, FileFormat, Format, Map, Source, Value, ValueKind};
use serde_json::Value as Json;

use super::{Config, DEFAULTS, Problem, Problems};

/// Variables that begin with this are settings.
const ENVIRONMENT_PREFIX: &str = "CONFLUO";

/// What lies over the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// A configuration file in TOML.
    pub file: Option<PathBuf>,
    /// The process's environment; other variables than `CONFLUO__…` are passed over.
    pub environment: HashMap<String, String>,
    /// Settings from command-line flags: the flag, the setting's name, its value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// A configuration that passed every check, and where its settings came from.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The settings.
    pub config: Config,
    origins: HashMap<String, String>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigLoadError {
    /// A layer cannot be read at all.
    #[error("cannot read the configuration: {0}")]
    Unreadable(String),
    /// Settings that are unknown or out of bounds; each line names one.
    #[error("the configuration cannot be used:\n  {}", lines(.0))]
    Invalid(Vec<Problem>),
}

impl Layers {
    /// The variables of this process that may be settings.
    pub fn process_environment() -> HashMap<String, String> {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        variables
            .filter(|(name, _)| name.to_uppercase().starts_with(ENVIRONMENT_PREFIX))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect()
    }

    /// Reads the layers, the last one winning, and checks the result.
    pub fn load(self) -> Result<LoadedConfig, ConfigLoadError> {
        self.load_checking(|_| true)
    }

    /// As [`Layers::load`], for a command that opens the store and serves nobody: what is wrong with the settings of a server
    /// does not keep it from its work.
    pub fn load_for_store(self) -> Result<LoadedConfig, ConfigLoadError> {
        self.load_checking(|setting| {
            let is_used = |section| setting.starts_with(section);
            !setting.contains('.')
                || setting == "server.data_dir"
                || ["store.", "limits.", "log."].into_iter().any(is_used)
        })
    }

    fn load_checking(self, is_used: impl Fn(&str) -> bool) -> Result<LoadedConfig, ConfigLoadError> {
        let unreadable = |error: ConfigError| ConfigLoadError::Unreadable(error.to_string());
        let mut layered = Layered::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(path) = self.file {
            layered = layered.add_source(TomlFile::read(&path)?);
        }
        let environment = Environment::with_prefix(ENVIRONMENT_PREFIX).prefix_separator("__").separator("__");
        let layered = layered
            .add_source(environment.source(Some(self.environment)))
            .add_source(Flags(self.flags))
            .build()
            .map_err(unreadable)?;
        let mut tree = layered.collect().map_err(unreadable)?;

        let mut origins = HashMap::new();
        let mut wrong = Vec::new();
        let schema = serde_json::to_value(Config::default()).expect("a configuration is plain data");
        take_unusable(&mut tree, &schema, "", &mut origins, &mut wrong);
        wrong.sort_by(|a, b| a.setting.cmp(&b.setting));
        let known = Layered::builder().add_source(Tree(tree)).build().map_err(unreadable)?;
        let mut config = read_values(known, &origins, &mut wrong)?;

        let mut problems = Problems::default();
        config.resolve(&mut problems);
        config.validate(&mut problems);
        for mut problem in problems.into_vec() {
            problem.origin = origins.get(&problem.setting).cloned();
            wrong.push(problem);
        }
        wrong.retain(|problem| is_used(&problem.setting));
        if wrong.is_empty() { Ok(LoadedConfig { config, origins }) } else { Err(ConfigLoadError::Invalid(wrong)) }
    }
}

impl LoadedConfig {
    /// Where `setting` (`section.key`) came from; none if it has its default.
    pub fn origin(&self, setting: &str) -> Option<&str> {
        self.origins.get(setting).map(String::as_str)
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n  ")
}

/// A file as a layer whose values know the path as it was given.
#[derive(Debug, Clone)]
struct TomlFile {
    path: String,
    text: String,
}

impl TomlFile {
    fn read(path: &Path) -> Result<Self, ConfigLoadError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigLoadError::Unreadable(format!("{}: {error}", path.display())))?;
        let path = path.display().to_string();
        // The layering crate would show the line, which may hold a secret.
        text.parse::<toml::Table>().map_err(|error| {
            let line = 1 + error.span().map_or(0, |span| text[..span.start].matches('\n').count());
            ConfigLoadError::Unreadable(format!("{path}, line {line}: {}", error.message()))
        })?;
        Ok(Self { path, text })
    }
}

impl Source for TomlFile {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let unreadable = |cause| ConfigError::FileParse { uri: Some(self.path.clone()), cause };
        FileFormat::Toml.parse(Some(&self.path), &self.text).map_err(unreadable)
    }
}

/// The flags as a layer whose values know which flag they are.
#[derive(Debug, Clone)]
struct Flags(Vec<(&'static str, &'static str, String)>);

impl Source for Flags {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let value = |flag: &str, text: &String| Value::new(Some(&flag.to_owned()), text.clone());
        Ok(self.0.iter().map(|(flag, setting, text)| ((*setting).to_owned(), value(flag, text))).collect())
    }
}

/// The settings that were read already.
#[derive(Debug, Clone)]
struct Tree(Map<String, Value>);

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Notes each setting's origin, and takes out each setting that `schema` (the defaults, every key present) does not have,
/// so that the values of all others can be looked at; so is a fraction, where the layering crate would round it.
fn take_unusable(
    tree: &mut Map<String, Value>,
    schema: &Json,
    section: &str,
    origins: &mut HashMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    tree.retain(|key, value| {
        let setting = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        let origin = value.origin().map(|origin| describe_origin(origin, &setting));
        match (schema.get(key), &mut value.kind) {
            (None, _) => {
                problems.push(unknown(&setting, key, origin.or_else(|| first_origin(value, &setting)), schema));
                return false;
            }
            (Some(Json::Number(default)), ValueKind::Float(fraction)) if !default.is_f64() => {
                problems.push(wrong(&setting, origin, &format!("{fraction} is not allowed; expected a whole number")));
                return false;
            }
            // A table whose keys are the operator's own, such as grants.
            (Some(Json::Object(free)), ValueKind::Table(_)) if free.is_empty() => {}
            (Some(known @ Json::Object(_)), ValueKind::Table(table)) => {
                take_unusable(table, known, &setting, origins, problems);
            }
            (Some(_), _) => {
                if let Some(origin) = origin {
                    origins.insert(setting, origin);
                }
            }
        }
        true
    });
}

/// A table that was put together from several layers has no origin itself; what stands in it has.
fn first_origin(value: &Value, setting: &str) -> Option<String> {
    match &value.kind {
        ValueKind::Table(table) => {
            let (key, inner) = table.iter().next()?;
            let setting = format!("{setting}.{key}");
            inner.origin().map(|origin| describe_origin(origin, &setting)).or_else(|| first_origin(inner, &setting))
        }
        _ => None,
    }
}

fn describe_origin(origin: &str, setting: &str) -> String {
    if origin == "the environment" {
        let variable = setting.to_uppercase().replace('.', "__");
        return format!("{ENVIRONMENT_PREFIX}__{variable}");
    }
    origin.to_owned()
}

fn unknown(setting: &str, key: &str, origin: Option<String>, schema: &Json) -> Problem {
    let mut known: Vec<_> =
        schema.as_object().map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default();
    known.sort_unstable();
    let what = if setting == key { "section" } else { "setting" };
    let distance = |candidate: &&str| strsim::damerau_levenshtein(key, candidate);
    let nearest = known.iter().copied().min_by_key(distance).filter(|nearest| distance(nearest) <= 1 + key.len() / 3);
    let suggestion = nearest.map(|nearest| format!("did you mean {nearest}? ")).unwrap_or_default();
    let message = format!("there is no such {what}; {suggestion}known here: {}", known.join(", "));
    Problem { setting: setting.to_owned(), origin, message }
}

/// Reads every value. The layering crate stops at the first that is of the wrong kind; its default takes its place, so
/// that all of them are found.
fn read_values(
    mut layered: Layered,
    origins: &HashMap<String, String>,
    wrong: &mut Vec<Problem>,
) -> Result<Config, ConfigLoadError> {
    loop {
        let problem = match layered.clone().try_deserialize() {
            Ok(config) => return Ok(config),
            Err(error) => wrong_value(error, origins),
        };
        let was_replaced = wrong.iter().any(|known| known.setting == problem.setting);
        let replaced = if was_replaced { None } else { with_default(&layered, &problem.setting) };
        wrong.push(problem);
        match replaced {
            Some(replaced) => layered = replaced,
            None => return Err(ConfigLoadError::Invalid(std::mem::take(wrong))),
        }
    }
}

/// The same settings but for one, which gets its default back, if it has one; of an entry of a list the list does.
fn with_default(layered: &Layered, setting: &str) -> Option<Layered> {
    let defaults = Layered::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build().ok()?;
    let setting = setting.split('[').next().unwrap_or(setting);
    let default: Value = defaults.get(setting).ok()?;
    Layered::builder().add_source(layered.clone()).set_override(setting, default).ok()?.build().ok()
}

/// A value of the wrong kind, as the layering crate reports it.
fn wrong_value(error: ConfigError, origins: &HashMap<String, String>) -> Problem {
    let (setting, message) = match error {
        ConfigError::Type { unexpected, expected, key, .. } => {
            (key, format!("{unexpected} is not allowed; expected {expected}"))
        }
        ConfigError::At { error, key, .. } => (key, error.to_string()),
        other => (None, other.to_string()),
    };
    let may_hold_secret = setting.as_deref().is_none_or(|setting| {
        let section = setting.split(['.', '[']).next();
        matches!(section, Some("auth" | "metrics"))
    });
    let message = if may_hold_secret { without_value(message) } else { message };
    let setting = setting.unwrap_or_else(|| "configuration".to_owned());
    let origin = origins.get(&setting).cloned();
    wrong(&setting, origin, &message)
}

/// What was expected, or which field is wrong. What stands between may be a secret in a place that is not its own.
fn without_value(message: String) -> String {
    if message.starts_with("unknown field") || message.starts_with("missing field") {
        return message;
    }
    let expected = message.rsplit_once("expected ").map(|(_, expected)| format!("expected {expected}"));
    let expected = expected.unwrap_or_else(|| "`confluo config print --defaults` says what is".to_owned());
    format!("what is set is not allowed; {expected}")
}

fn wrong(setting: &str, origin: Option<String>, message: &str) -> Problem {
    let form = if message.contains("duration") {
        "; write a number and a unit, such as \"500 ms\", \"30 s\" or \"5 min\""
    } else {
        ""
    };
    let allowed = allowed(setting).map(|allowed| format!("; allowed is {allowed}")).unwrap_or_default();
    Problem { setting: setting.to_owned(), origin, message: format!("{message}{form}{allowed}") }
}

/// What is allowed for a setting that is a number, a size or a duration: the end of its comment in the defaults.
fn allowed(setting: &str) -> Option<String> {
    let (section, key) = setting.rsplit_once('.')?;
    let mut lines = DEFAULTS.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
    let mut comment = String::new();
    let value = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| {
        let Some((found, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            comment.push_str(line.trim_start_matches('#'));
            return None;
        };
        let is_it = found == key;
        if !is_it {
            comment.clear();
        }
        is_it.then_some(value)
    })?;
    if !value.trim_matches('"').starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let end = comment.trim().trim_end_matches('.').rsplit(". ").next()?.rsplit("… ").next()?;
    let mut letters = end.chars();
    Some(letters.next()?.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
