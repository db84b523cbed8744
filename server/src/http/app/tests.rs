use super::*;

/// A small app, built by hand.
#[derive(RustEmbed)]
#[folder = "tests/app"]
struct SmallApp;

#[derive(RustEmbed)]
#[folder = "tests/no-such-app"]
#[allow_missing = true]
struct NoApp;

const SCRIPT: &str = "/assets/index-a1b2c3.js";

fn ask<A: RustEmbed>(path: &str, header: Option<(header::HeaderName, &str)>) -> Response {
    let mut request = http::Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    serve_from::<A>(&request.body(Body::empty()).unwrap(), &AppConfig::default())
}

fn header_of(response: &Response, name: header::HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn body_of(response: Response) -> Bytes {
    axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

#[tokio::test]
async fn spaces_are_routed_by_the_page() {
    for path in ["/", "/index.html", "/s/brave-otter", "/s/a/b"] {
        let response = ask::<SmallApp>(path, None);
        assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache", "{path}");
        assert!(body_of(response).await.starts_with(b"<!doctype html><title>app"), "{path}");
    }
    assert_eq!(ask::<SmallApp>("/assets/missing.js", None).status(), StatusCode::NOT_FOUND);
}

#[test]
fn hashed_names_are_kept_for_ever() {
    let response = ask::<SmallApp>(SCRIPT, None);
    assert_eq!(header_of(&response, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(header_of(&response, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(header_of(&response, header::CONTENT_ENCODING), "");
}

#[test]
fn the_smallest_form_that_the_browser_takes_goes_out_as_it_lies_there() {
    for (accepted, sent) in [("gzip, br", "br"), ("gzip", "gzip"), ("zstd", "")] {
        let response = ask::<SmallApp>(SCRIPT, Some((header::ACCEPT_ENCODING, accepted)));
        assert_eq!(header_of(&response, header::CONTENT_ENCODING), sent, "{accepted}");
        assert_eq!(header_of(&response, header::VARY), "accept-encoding");
        assert_eq!(header_of(&response, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    }
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let etag = header_of(&ask::<SmallApp>("/", None), header::ETAG).to_owned();
    assert_eq!(etag.len(), 34, "{etag}");
    let again = ask::<SmallApp>("/", Some((header::IF_NONE_MATCH, &etag)));
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header_of(&again, header::ETAG), etag);
    assert!(body_of(again).await.is_empty());
    let changed = ask::<SmallApp>("/", Some((header::IF_NONE_MATCH, "\"other\"")));
    assert_eq!(changed.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_an_app_the_page_says_how_to_get_it() {
    let response = ask::<NoApp>("/s/any", None);
    assert_eq!(response.status(), StatusCode::OK);
    let page = body_of(response).await;
    assert!(String::from_utf8_lossy(&page).contains("cargo xtask serve"));
}

#[tokio::test]
async fn the_page_is_told_where_fresh_tokens_come_from_and_may_ask_there() {
    let ask = |url: &str| {
        let config = AppConfig { token_refresh_url: Some(url.to_owned()) };
        serve_from::<SmallApp>(&http::Request::get("/s/notes").body(Body::empty()).unwrap(), &config)
    };
    let (here, elsewhere) = (ask("/api/token"), ask("https://id.example.org/token"));
    assert_ne!(header_of(&here, header::ETAG), header_of(&elsewhere, header::ETAG));
    let policy = |response| header_of(response, header::CONTENT_SECURITY_POLICY).to_owned();
    assert!(policy(&here).contains("connect-src 'self' data: blob:;"));
    assert!(policy(&elsewhere).contains("connect-src 'self' data: blob: https://id.example.org;"));
    assert_eq!(header_of(&here, header::CACHE_CONTROL), "no-cache");
    let page = String::from_utf8(body_of(elsewhere).await.into()).unwrap();
    assert!(page.contains(r#"<meta name="confluo-token-refresh" content="https://id.example.org/token">"#), "{page}");
}
