//! Where in a request the token stands.

use confluo_protocol::percent_decode;
use http::{HeaderMap, header};

use crate::{Token, TokenError};

/// The subprotocol that a server which speaks this protocol selects.
pub const SUBPROTOCOL: &str = "confluo";
/// What stands before a token that is offered as a subprotocol.
pub const TOKEN_SUBPROTOCOL_PREFIX: &str = "confluo.token.";

/// Where a token was found. `Display` names it for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer …`
    Authorization,
    /// `Sec-WebSocket-Protocol: confluo, confluo.token.…`
    Subprotocol,
    /// `?token=…`
    Query,
    /// The configured cookie.
    Cookie,
}

/// Finds the token of a request.
///
/// Precedence: `Authorization`, subprotocol, query, cookie. Two *different* tokens in the first three are refused: one
/// of them would be ignored, and whoever sent it would be somebody else than they think. A cookie comes along on its
/// own, so a token that was put there on purpose beats it silently. An empty token counts as absent, for clients that
/// always send the parameter.
#[derive(Debug, Clone, Default)]
pub struct TokenSources {
    /// The cookie that may carry a token; without one, cookies are not looked at.
    pub cookie: Option<String>,
}

impl TokenSources {
    /// The request's token and where it stood; `None` if it has none (it may still come in-band).
    pub fn find(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Option<(Token, TokenSource)>, TokenError> {
        let explicit = bearer_tokens(headers)
            .map(|text| (text.to_owned(), TokenSource::Authorization))
            .chain(offered_subprotocols(headers).filter_map(|offered| {
                Some((offered.strip_prefix(TOKEN_SUBPROTOCOL_PREFIX)?.to_owned(), TokenSource::Subprotocol))
            }))
            .chain(query_tokens(query.unwrap_or_default()).map(|text| (text, TokenSource::Query)))
            .filter(|(text, _)| !text.is_empty());

        let mut found: Option<(Token, TokenSource)> = None;
        for (text, source) in explicit {
            let token = Token::new(&text)?;
            match &found {
                Some((first, first_source)) if *first != token => {
                    return Err(TokenError::Conflicting { first: first_source.name(), second: source.name() });
                }
                Some(_) => {}
                None => found = Some((token, source)),
            }
        }
        if found.is_none()
            && let Some(name) = &self.cookie
            && let Some(text) = cookies(headers).find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v)
        {
            found = Some((Token::new(text)?, TokenSource::Cookie));
        }
        Ok(found)
    }
}

impl TokenSource {
    /// A name for logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization",
            Self::Subprotocol => "Sec-WebSocket-Protocol",
            Self::Query => "the query",
            Self::Cookie => "a cookie",
        }
    }
}

impl std::fmt::Display for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The subprotocol to answer with: `confluo` if it was offered, none otherwise. The one that holds the token must never
/// be selected, for the answer's headers are logged by others; and a browser that offered some fails if none is selected.
pub fn select_subprotocol(headers: &HeaderMap) -> Option<&'static str> {
    offered_subprotocols(headers).any(|offered| offered == SUBPROTOCOL).then_some(SUBPROTOCOL)
}

/// The query with the value of each `token=` replaced, for logs.
pub fn redact_query(query: &str) -> String {
    let redact = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if percent_decode(name.as_bytes()) == b"token" => format!("{name}=<redacted>"),
        _ => pair.to_owned(),
    };
    query.split('&').map(redact).collect::<Vec<_>>().join("&")
}

fn bearer_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}

fn offered_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn query_tokens(query: &str) -> impl Iterator<Item = String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| percent_decode(name.as_bytes()) == b"token")
        // What is not UTF-8 is no token either, and is refused as malformed a little later.
        .map(|(_, value)| String::from_utf8_lossy(&percent_decode(value.as_bytes())).into_owned())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(lines: &[(&'static str, &str)], query: &str) -> Result<Option<(String, TokenSource)>, TokenError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let sources = TokenSources { cookie: Some("session".into()) };
        Ok(sources.find(&headers, Some(query))?.map(|(token, source)| (token.reveal().to_owned(), source)))
    }

    #[test]
    fn a_token_is_found_in_each_place_by_precedence() {
        use TokenSource::*;
        let check = |lines: &[(&'static str, &str)], query: &str, expected: Option<(&str, TokenSource)>| {
            let expected = expected.map(|(text, source)| (text.to_owned(), source));
            assert_eq!(find(lines, query), Ok(expected), "{lines:?} ?{query}");
        };
        check(&[], "", None);
        check(&[], "a=b&token=x.y.z", Some(("x.y.z", Query)));
        check(&[], "token=x%2Ey.z&c=d", Some(("x.y.z", Query)));
        check(&[], "t%6Fken=x", Some(("x", Query)));
        check(&[], "token=&mytoken=x&token", None);
        check(&[("authorization", "Bearer x.y.z")], "", Some(("x.y.z", Authorization)));
        check(&[("authorization", "bearer  x ")], "", Some(("x", Authorization)));
        check(&[("authorization", "Basic x")], "", None);
        check(&[("authorization", "Bearer ")], "", None);
        check(&[("sec-websocket-protocol", "confluo, confluo.token.x.y.z")], "", Some(("x.y.z", Subprotocol)));
        check(
            &[("sec-websocket-protocol", "confluo"), ("sec-websocket-protocol", "confluo.token.x")],
            "",
            Some(("x", Subprotocol)),
        );
        check(&[("cookie", "a=b; session=x.y; c")], "", Some(("x.y", Cookie)));
        check(&[("cookie", "session=\"x\"")], "", Some(("x", Cookie)));
        check(&[("cookie", "xsession=x")], "", None);
        check(&[("authorization", "Bearer x")], "token=x", Some(("x", Authorization)));
        check(&[("cookie", "session=old")], "token=new", Some(("new", Query)));
        check(&[("cookie", "session=x")], "token=", Some(("x", Cookie)));
    }

    #[test]
    fn two_different_tokens_are_refused() {
        let check = |lines: &[(&'static str, &str)], query: &str| {
            assert_eq!(find(lines, query).unwrap_err().kind(), "conflicting", "{lines:?} ?{query}");
        };
        check(&[("authorization", "Bearer a")], "token=b");
        check(&[("sec-websocket-protocol", "confluo, confluo.token.a")], "token=b");
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], "");
        check(&[], "token=a&token=b");
    }

    #[test]
    fn a_huge_token_is_refused_wherever_it_stands() {
        let huge = "x".repeat(9000);
        assert_eq!(find(&[], &format!("token={huge}")).unwrap_err().kind(), "too_large");
        assert_eq!(find(&[("authorization", &format!("Bearer {huge}"))], "").unwrap_err().kind(), "too_large");
        assert_eq!(find(&[("cookie", &format!("session={huge}"))], "").unwrap_err().kind(), "too_large");
    }

    #[test]
    fn cookies_are_ignored_unless_configured() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "session=x".parse().unwrap());
        assert_eq!(TokenSources::default().find(&headers, None), Ok(None));
    }

    #[test]
    fn only_confluo_is_ever_selected() {
        let check = |offered: &str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-websocket-protocol", offered.parse().unwrap());
            assert_eq!(select_subprotocol(&headers), expected, "{offered}");
        };
        check("confluo, confluo.token.a.b.c", Some("confluo"));
        check("confluo.token.a.b.c,confluo", Some("confluo"));
        check("confluo.token.a.b.c", None);
        check("y-sync", None);
        assert_eq!(select_subprotocol(&HeaderMap::new()), None);
    }

    #[test]
    fn logged_queries_hold_no_token() {
        assert_eq!(redact_query("a=b&token=x.y&c"), "a=b&token=<redacted>&c");
        assert_eq!(redact_query("t%6fken=x"), "t%6fken=<redacted>");
        assert_eq!(redact_query(""), "");
    }
}
