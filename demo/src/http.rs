//! The demo's pages, the phone's built files and the account JSON; `/ws` is the SIP server's door.
//!
//! Everything is served to loopback only, and only under a loopback name: a page of another site that points its own
//! name at 127.0.0.1 (DNS rebinding) is turned away before it sees a password.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::User;
use crate::connection::{self, Gate};
use crate::crm::{self, Crm};
use crate::server::DOMAIN;

/// What the element needs (its README says why), and nothing for anybody else. `connect-src` lets the page reach a
/// server of the visitor's own.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     connect-src 'self' ws://127.0.0.1:* ws://localhost:* wss:; require-trusted-types-for 'script'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Everything the handlers share.
pub(crate) struct Site {
    /// Who has an account.
    pub(crate) users: Vec<User>,
    /// The way to the SIP server.
    pub(crate) gate: Gate,
}

/// All routes of the demo.
pub(crate) fn router(site: Arc<Site>, crm: Arc<Crm>, dist: PathBuf, extra: Option<PathBuf>) -> Router {
    let mut router = Router::new()
        .route("/", get(|| page(HTML, include_str!("../www/index.html"))))
        .route("/floating", get(|| page(HTML, include_str!("../www/floating.html"))))
        .route("/demo/page.js", get(|| page(SCRIPT, include_str!("../www/page.js"))))
        .route("/demo/page.css", get(|| page(STYLE, include_str!("../www/page.css"))))
        .route("/demo/crm.js", get(|| page(SCRIPT, include_str!("../www/crm.js"))))
        .route("/demo/window.js", get(|| page(SCRIPT, include_str!("../www/window.js"))))
        .route("/demo/crm.css", get(|| page(STYLE, include_str!("../www/crm.css"))))
        .route("/demo/favicon.svg", get(|| page("image/svg+xml", include_str!("../www/favicon.svg"))))
        .route("/account/{name}", get(account))
        .route("/ws", get(connection::upgrade))
        .nest_service("/soft-phone", ServeDir::new(dist).fallback(get(not_built)));
    if let Some(extra) = extra {
        router = router.nest_service("/test", ServeDir::new(extra));
    }
    let always = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    router
        .fallback(|| async { text(StatusCode::NOT_FOUND, "no such page") })
        .with_state(site)
        .merge(crm::router(crm))
        .layer(middleware::from_fn(loopback_names_only))
        .layer(always(CONTENT_SECURITY_POLICY, POLICY))
        .layer(always(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Not `no-referrer`: forms would then come without their origin, which is what tells them from forged ones.
        .layer(always(REFERRER_POLICY, "same-origin"))
        // Files change with each build, accounts with each start.
        .layer(always(CACHE_CONTROL, "no-store"))
}

async fn page(media_type: &'static str, body: &'static str) -> Response {
    ([(CONTENT_TYPE, media_type)], body).into_response()
}

async fn not_built(uri: Uri) -> Response {
    text(StatusCode::NOT_FOUND, &format!("{} is not there: run `cargo xtask build`", uri.path()))
}

/// A short answer in words.
pub(crate) fn text(status: StatusCode, body: &str) -> Response {
    (status, [(CONTENT_TYPE, PLAIN)], format!("{body}\n")).into_response()
}

/// The account JSON, version 1: what a phone needs to sign in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account<'a> {
    version: u32,
    server: [String; 1],
    uri: String,
    username: &'a str,
    password: &'a str,
    ha1: Option<&'a str>,
    display_name: &'a str,
    ice_servers: [&'a str; 0],
    ice_transport_policy: &'a str,
    user: Owner<'a>,
}

#[derive(Serialize)]
struct Owner<'a> {
    id: &'a str,
    name: &'a str,
}

impl<'a> Account<'a> {
    /// A user's, at the name that the browser knows this server by.
    pub(crate) fn of(user: &'a User, host: &str) -> Account<'a> {
        Account {
            version: 1,
            server: [format!("ws://{host}/ws")],
            uri: format!("sip:{}@{DOMAIN}", user.number),
            username: &user.number,
            password: &user.password,
            ha1: None,
            display_name: &user.display_name,
            ice_servers: [],
            ice_transport_policy: "all",
            user: Owner { id: &user.name, name: &user.display_name },
        }
    }
}

async fn account(State(site): State<Arc<Site>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    // Browsers say who asks; another site gets nothing, not even a response it could not read.
    let asked_by = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(asked_by, None | Some(b"same-origin" | b"none")) {
        return text(StatusCode::FORBIDDEN, "accounts are for this site's own pages");
    }
    let Some(user) = site.users.iter().find(|user| user.name == name) else {
        return text(StatusCode::NOT_FOUND, "no account for this user");
    };
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return text(StatusCode::BAD_REQUEST, "a Host header is needed");
    };
    axum::Json(Account::of(user, host)).into_response()
}

async fn loopback_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback_authority) {
        return text(StatusCode::MISDIRECTED_REQUEST, "this server answers to loopback names only");
    }
    next.run(request).await
}

/// True when the request comes from no page at all, or from a page of this machine.
pub(crate) fn is_origin_allowed(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority.is_some_and(|(_, authority)| is_loopback_authority(authority))
}

fn is_loopback_authority(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_authorities() {
        for good in ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8080"] {
            assert!(is_loopback_authority(good), "{good}");
        }
        for bad in
            ["", "example.com", "127.0.0.1.example.com:80", "198.51.100.1:80", "localhost.example.com", "[::2]:1"]
        {
            assert!(!is_loopback_authority(bad), "{bad}");
        }
    }

    #[test]
    fn origins() {
        let of = |origin: &'static str| HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
        assert!(is_origin_allowed(&HeaderMap::new()));
        assert!(is_origin_allowed(&of("http://127.0.0.1:9")));
        assert!(!is_origin_allowed(&of("https://example.com")));
        assert!(!is_origin_allowed(&of("null")));
    }
}
