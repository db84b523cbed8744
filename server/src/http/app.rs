//! The browser app, embedded when the binary was built.
//!
//! Names with a hash are kept for ever by browsers; the page itself is asked for anew each time, by its ETag. Files that
//! have a `.br` or `.gz` beside them go out compressed. Without a built app the page says how to get it.

mod negotiation;

use std::borrow::Cow;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use self::negotiation::Encoding;
use crate::config::AppConfig;

/// What the page may do: everything from this server, nothing from elsewhere but, where configured, fresh tokens. Styles
/// may stand inline, as editors set them on elements; scripts may not.
fn content_security_policy(token_origin: Option<&str>) -> String {
    let token_origin = token_origin.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self' data:; connect-src 'self' data: blob:{token_origin}; worker-src 'self' blob:; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The page names here where fresh tokens come from.
const TOKEN_REFRESH: &[u8] = br#"name="confluo-token-refresh" content=""#;

const WITHOUT_APP: &str = include_str!("app/without-app.html");

#[derive(RustEmbed)]
#[folder = "../client-web/dist"]
#[allow_missing = true]
struct Built;

/// Answers any request that is neither a route nor a document.
pub(super) fn serve(request: &Request, config: &AppConfig) -> Response {
    serve_from::<Built>(request, config)
}

fn serve_from<A: RustEmbed>(request: &Request, config: &AppConfig) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let mut response = match file_of::<A>(path) {
        Some((name, file)) => match &config.token_refresh_url {
            Some(url) if name == "index.html" => page_that_renews(&file, url, request.headers()),
            _ => answer_with::<A>(name, file, request.headers()),
        },
        None if is_page(path) => {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], WITHOUT_APP)
                .into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(config.foreign_origin().as_deref())) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The app routes these itself.
fn is_page(path: &str) -> bool {
    path.is_empty() || path == "index.html" || path.starts_with("s/")
}

fn file_of<A: RustEmbed>(path: &str) -> Option<(&str, EmbeddedFile)> {
    let name = if is_page(path) { "index.html" } else { path };
    A::get(name).map(|file| (name, file))
}

/// The page with what it is told, which is too small to be worth compressing anew.
fn page_that_renews(file: &EmbeddedFile, url: &str, headers: &HeaderMap) -> Response {
    let page = &file.data;
    let found = page.windows(TOKEN_REFRESH.len()).position(|window| window == TOKEN_REFRESH);
    let (before, after) = page.split_at(found.map_or(page.len(), |at| at + TOKEN_REFRESH.len()));
    let value_bytes = after.iter().position(|&byte| byte == b'"').unwrap_or_default();
    let told = if found.is_some() { url } else { "" };
    let content = [before, told.as_bytes(), &after[value_bytes..]].concat();
    let etag = format!("\"{:016x}\"", BuildHasherDefault::<DefaultHasher>::default().hash_one(&content));
    answer("index.html", None, &etag, content.into(), headers)
}

fn answer_with<A: RustEmbed>(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let (encoding, file) = negotiation::accepted(headers)
        .find_map(|encoding| Some((Some(encoding), A::get(&format!("{name}.{}", encoding.extension()))?)))
        .unwrap_or((None, file));
    let etag = etag_of(&file);
    answer(name, encoding, &etag, content_of(file), headers)
}

fn content_of(file: EmbeddedFile) -> Bytes {
    match file.data {
        Cow::Borrowed(embedded) => Bytes::from_static(embedded),
        Cow::Owned(read) => Bytes::from(read),
    }
}

fn answer(name: &str, encoding: Option<Encoding>, etag: &str, content: Bytes, headers: &HeaderMap) -> Response {
    let caching = if is_immutable(name) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if negotiation::has_current(headers, etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(content));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type_of(name)));
        if let Some(encoding) = encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The bundler puts a hash of the content into every name below `assets/`.
fn is_immutable(name: &str) -> bool {
    name.starts_with("assets/")
}

fn etag_of(file: &EmbeddedFile) -> String {
    let [high, low] = [0, 8].map(|at| {
        let hash = file.metadata.sha256_hash();
        u64::from_be_bytes(std::array::from_fn(|offset| hash[at + offset]))
    });
    format!("\"{high:016x}{low:016x}\"")
}

fn content_type_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
