//! What a browser takes, and what it has already.

use http::{HeaderMap, header};

/// A compression in which a file may lie beside itself, the better one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

impl Encoding {
    /// Its name in HTTP.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The extension of files in it.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }
}

/// The encodings that `accept-encoding` names and does not forbid (RFC 9110, section 12.5.3).
pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Encoding> {
    let is_named = |encoding: &Encoding| {
        let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(encoding.name()) && weight.is_some_and(|weight| weight > 0.0)
        })
    };
    [Encoding::Brotli, Encoding::Gzip].into_iter().filter(is_named)
}

/// Whether `if-none-match` names this very content.
pub(super) fn has_current(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_accepted(value: &str, expected: &[Encoding]) {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
        assert_eq!(accepted(&headers).collect::<Vec<_>>(), expected, "{value}");
    }

    #[test]
    fn the_best_encoding_that_is_named_comes_first() {
        check_accepted("gzip, deflate, br, zstd", &[Encoding::Brotli, Encoding::Gzip]);
        check_accepted("GZIP;q=0.5", &[Encoding::Gzip]);
        check_accepted("br;q=0, gzip", &[Encoding::Gzip]);
        check_accepted("identity", &[]);
    }

    #[test]
    fn an_etag_is_recognised_in_a_list_and_when_weak() {
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, "\"a\", W/\"b\"".parse().unwrap())]);
        assert!(has_current(&headers, "\"a\"") && has_current(&headers, "\"b\""));
        assert!(!has_current(&headers, "\"c\"") && !has_current(&HeaderMap::new(), "\"a\""));
    }
}
