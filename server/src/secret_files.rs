//! Files of secrets, and who else may read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tracing::warn;

use crate::config::Config;

/// Everybody on the machine may read the file. Who its group is, only the operator knows.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Warns of each file of a secret that everybody on this machine may read.
pub fn warn_of_readable(config: &Config) {
    for (setting, file) in readable(config) {
        warn!(setting, file = %file.display(), "everybody on this machine may read this secret; chmod o-r keeps it");
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

/// What cannot be looked at is told by whoever needs it.
fn is_readable_by_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & READABLE_BY_OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

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
}
