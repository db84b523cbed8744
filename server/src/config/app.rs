//! `[app]`: what the embedded browser app is told.

use http::Uri;
use serde::{Deserialize, Serialize};

use super::Problems;

/// What the embedded browser app is told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// Where the app gets a fresh token: a path of this origin, or an http(s) URL, whose origin the page may then call.
    #[serde(default)]
    pub token_refresh_url: Option<String>,
}

impl AppConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let is_usable = self.token_refresh_url.as_deref().is_none_or(is_path_or_url);
        problems.check("app.token_refresh_url", is_usable, || {
            "it must be a path that begins with /, or a URL with http or https".to_owned()
        });
    }

    /// The origin that the page calls for fresh tokens, where that is not its own.
    #[must_use]
    pub fn foreign_origin(&self) -> Option<String> {
        let url = self.token_refresh_url.as_deref()?.parse::<Uri>().ok()?;
        Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
    }
}

/// Stands in an attribute of the page and, in part, in a header: so nothing that would end either.
fn is_path_or_url(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>;,&\\".contains(&byte));
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_url = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    is_plain && (is_path || is_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, is_usable: bool, origin: Option<&str>) {
        let config = AppConfig { token_refresh_url: Some(url.to_owned()) };
        let mut problems = Problems::default();
        config.validate(&mut problems);
        assert_eq!(problems.into_vec().is_empty(), is_usable, "{url}");
        if is_usable {
            assert_eq!(config.foreign_origin().as_deref(), origin, "{url}");
        }
    }

    #[test]
    fn a_path_or_a_url_and_nothing_that_could_end_a_header_or_an_attribute() {
        check("/api/token", true, None);
        check("https://id.example.org/token?app=notes", true, Some("https://id.example.org"));
        check("http://localhost:9000/token", true, Some("http://localhost:9000"));
        for bad in [
            "",
            "token",
            "//elsewhere/token",
            "javascript:1",
            "ftp://x/y",
            "https://a;b/",
            "/a\"b",
            "/a b",
            "https://u@h/",
        ] {
            check(bad, false, None);
        }
    }
}
