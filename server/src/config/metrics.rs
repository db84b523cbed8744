//! `[metrics]`: who may read them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Problems, Secret};

/// Who may read the metrics.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether `/metrics` answers.
    pub enabled: bool,
    /// A bearer token that `/metrics` asks for.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The file that holds it; read once, when the configuration is loaded.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl MetricsConfig {
    /// Takes the token from its file, if one is named.
    pub(super) fn resolve(&mut self, problems: &mut Problems) {
        let Some(path) = &self.token_file else { return };
        if self.token.is_some() {
            problems.add("metrics.token_file", "it may not be set together with metrics.token; keep one of the two");
            return;
        }
        match Secret::read(path) {
            Ok(secret) => self.token = Some(secret),
            Err(error) => problems.add("metrics.token_file", format!("cannot read {}: {error}", path.display())),
        }
    }

    pub(super) fn validate(&self, problems: &mut Problems) {
        let named = self.token.as_ref().is_none_or(|token| !token.expose().is_empty());
        problems.check("metrics.token", named, || "it is empty; leave it out to ask for none".to_owned());
    }
}
