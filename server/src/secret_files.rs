//! Files of secrets and of documents, and who else may read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tracing::warn;

use crate::config::{Config, LoadedConfig};

/// Everybody on the machine may read the file. Who its group is, only the operator knows.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Warns of each file of a secret that everybody on this machine may read, a configuration file with a secret in it included.
pub fn warn_of_readable(loaded: &LoadedConfig) {
    for (setting, file) in readable(&loaded.config).into_iter().chain(readable_inline(loaded)) {
        warn!(setting, file = %file.display(), "everybody on this machine may read this secret; chmod o-r keeps it");
    }
}

/// Warns where everybody on this machine may look into the data folder, as into one that was made by hand.
pub fn warn_of_open_folder(data_dir: &Path) {
    if is_readable_by_others(data_dir) {
        let data_dir = data_dir.display();
        warn!(%data_dir, "everybody on this machine may look into the data folder; chmod go-rwx keeps its documents");
    }
}

fn readable(config: &Config) -> Vec<(&'static str, &Path)> {
    let keys = config.auth.keys.iter().map(|key| ("auth.keys", key.secret_file.as_deref()));
    let others = [
        ("tls.key_file", config.tls.key_file.as_deref()),
        ("metrics.token_file", config.metrics.token_file.as_deref()),
    ];
    let files = keys.chain(others).filter_map(|(setting, file)| Some((setting, file?)));
    files.filter(|(_, file)| is_readable_by_others(file)).collect()
}

/// The configuration file, for each setting that is a secret in it.
fn readable_inline(loaded: &LoadedConfig) -> Vec<(&'static str, &Path)> {
    let has_secret = loaded.config.auth.keys.iter().any(|key| key.secret.is_some());
    // An origin that is no file is a variable or a flag.
    let file_of = |setting| loaded.origin(setting).map(Path::new).filter(|file| is_readable_by_others(file));
    let of_keys = file_of("auth.keys").filter(|_| has_secret).map(|file| ("auth.keys", file));
    of_keys.into_iter().chain(file_of("metrics.token").map(|file| ("metrics.token", file))).collect()
}

/// What cannot be looked at is told by whoever needs it.
fn is_readable_by_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & READABLE_BY_OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::config::Layers;

    #[test]
    fn a_secret_that_everybody_may_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let mut config = Config::default();
        assert_eq!(readable(&config), []);
        let key = serde_json::json!({ "algorithm": "HS256", "secret_file": file });
        config.auth.keys = vec![serde_json::from_value(key).unwrap()];
        config.tls.key_file = Some(file.clone());
        config.metrics.token_file = Some(file.clone());
        assert_eq!(readable(&config), [], "it is not there");
        fs::write(&file, "").unwrap();
        for (mode, count) in [(0o600, 0), (0o640, 0), (0o604, 3), (0o644, 3)] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(readable(&config).len(), count, "{mode:o}");
        }
    }
    #[test]
    fn a_configuration_that_everybody_may_read_is_found_if_a_secret_stands_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("confluo.toml");
        let secret = "secret = \"a secret of thirty-two bytes or more\"";
        for (auth, metrics, count) in [
            (secret, "token = \"hunter2\"", 2),
            (secret, "", 1),
            ("secret_file = \"/etc/confluo/secret\"", "enabled = true", 0),
        ] {
            let keys = format!("[auth]\nmode = \"token\"\nkeys = [{{ algorithm = \"HS256\", {auth} }}]");
            fs::write(&file, format!("{keys}\n[metrics]\n{metrics}\n")).unwrap();
            let layers = Layers { file: Some(file.clone()), ..Layers::default() };
            let loaded = layers.load().unwrap();
            for (mode, count) in [(0o640, 0), (0o644, count)] {
                fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
                assert_eq!(readable_inline(&loaded).len(), count, "{auth} {metrics} {mode:o}");
            }
        }
    }
}
