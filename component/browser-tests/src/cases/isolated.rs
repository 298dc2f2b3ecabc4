//! A page that is cross-origin isolated: frames come from the worker to the worklet by shared memory.

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use super::receive;
use crate::browser::{Browser, Kind, Voice};
use crate::phone::{Phone, account};
use crate::rig::Rig;

/// What makes a page isolated (HTML, "cross-origin isolation"); its workers must come with the second one, too.
const HEADERS: [(&str, &str); 2] =
    [("cross-origin-opener-policy", "same-origin"), ("cross-origin-embedder-policy", "require-corp")];

/// Serves the phone and the test pages so, as long as the case runs.
async fn serve(rig: &Rig) -> Result<String> {
    let mut router = Router::new()
        .nest_service("/soft-phone", ServeDir::new(&rig.dist))
        .nest_service("/test", ServeDir::new(rig.lane.join("www")));
    for (name, value) in HEADERS {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        router = router.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let _ends_with_the_lane = axum::serve(listener, router).await;
    });
    Ok(format!("http://{address}/test/phone.html"))
}

async fn in_browser(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = Phone { browser: Browser::open(rig, kind, Voice::A).await? };
    phone.browser.load_at(serve(rig).await?).await?;
    let isolated = phone.browser.run("return crossOriginIsolated", Value::Null).await?;
    ensure!(isolated == json!(true), "the page is not isolated");
    let spy = "probe.shared = [];
        const Memory = SharedArrayBuffer;
        window.SharedArrayBuffer = function (length) { probe.shared.push(length); return new Memory(length); };";
    phone.browser.run(spy, Value::Null).await?;
    phone.make(json!({ "lang": "en", "jitter-buffer": "rust" })).await?;
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await?;
    receive::played(rig, kind, &phone, "opus").await?;
    let shared = phone.browser.run("return probe.shared.length", Value::Null).await?;
    ensure!(shared.as_u64().context("a number")? > 0, "no memory was shared");
    Ok(())
}

/// Chromium.
pub async fn chromium(rig: &Rig) -> Result<()> {
    in_browser(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn firefox(rig: &Rig) -> Result<()> {
    in_browser(rig, Kind::Firefox).await
}
