//! Whatever goes wrong ends in its contract code, in words, with a window that can still be used.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Kind, Setting, Voice};
use crate::fault::{Fault, Server};
use crate::phone::{Phone, account};
use crate::rig::Rig;

async fn phone(rig: &Rig, attributes: Value) -> Result<Phone> {
    Phone::open(rig, Kind::Chromium, Voice::A, attributes).await
}

/// The sign-in failed with `cause`, the window says `words`, and signing in with a good account works.
async fn fails_and_recovers(phone: &Phone, cause: &str, words: &str) -> Result<()> {
    let failed = format!("probe.fired('registration').find(event => event.cause === '{cause}')");
    phone.until(&failed).await?;
    phone.browser.run("probe.phone().open()", json!(null)).await?;
    phone.says(words).await?;
    phone.browser.run("probe.phone().removeAttribute('account-url')", json!(null)).await?;
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await?;
    phone.is_usable().await
}

/// An account URL that answers `status` and `body`.
async fn account_url(rig: &Rig, status: u16, body: &str, cause: &str, words: &str) -> Result<()> {
    let phone = phone(rig, json!({ "lang": "en" })).await?;
    let answer = json!({ "status": status, "body": body });
    phone.browser.run("probe.answers['/test/account'] = args", answer).await?;
    phone.browser.run("probe.phone().accountUrl = '/test/account'", json!(null)).await?;
    fails_and_recovers(&phone, cause, words).await
}

/// Not JSON; JSON of another shape; a version that we do not know.
pub async fn malformed_account(rig: &Rig) -> Result<()> {
    let bodies =
        ["<html>sign in</html>", r#"{"version":1,"server":"","uri":7}"#, r#"{"version":99}"#, "null", "[]", ""];
    for body in bodies {
        let tried = account_url(rig, 200, body, "account-invalid", "Your phone settings cannot be read").await;
        tried.map_err(|error| error.context(format!("account {body:?}")))?;
        rig.close_browsers().await;
    }
    Ok(())
}

/// 401: the user must sign in to the application.
pub async fn account_unauthorized(rig: &Rig) -> Result<()> {
    account_url(rig, 401, "{}", "account-sign-in", "You are signed out of this site").await
}

/// 404: this user has no phone.
pub async fn account_missing(rig: &Rig) -> Result<()> {
    account_url(rig, 404, "{}", "account-missing", "You have no phone account").await
}

/// 500: try later.
pub async fn account_unreachable(rig: &Rig) -> Result<()> {
    account_url(rig, 500, "{}", "account-unreachable", "Your phone settings could not be loaded").await
}

/// `ws://` to another machine, a scheme that is no WebSocket, no URL at all: no connection is even tried.
pub async fn server_url(rig: &Rig) -> Result<()> {
    let phone = phone(rig, json!({ "lang": "en" })).await?;
    for server in
        ["ws://192.0.2.1/ws", "http://127.0.0.1:8088/ws", "javascript:alert(1)", "pbx", "ws://localhost.evil/"]
    {
        let mut bad = account("100", "pw-100");
        bad["server"] = json!([server]);
        // A phone for each: one that has refused an address says nothing new about the next.
        let make = "const phone = probe.make({ lang: 'en' }, args.id); phone.account = args.account";
        phone.browser.run(make, json!({ "id": server, "account": bad })).await?;
        let refused = format!("probe.events.find(event => event.phone === '{server}' && event.cause === 'server-url')");
        phone.until(&refused).await.map_err(|error| error.context(server))?;
    }
    let sockets = phone.browser.run("return probe.sockets.length", json!(null)).await?;
    ensure!(sockets == json!(0), "{sockets} connections were tried");
    let mut bad = account("100", "pw-100");
    bad["server"] = json!(["ws://192.0.2.1/ws"]);
    phone.sign_in(&bad).await?;
    fails_and_recovers(&phone, "server-url", "not secure").await
}

/// WebSocket, but no SIP.
pub async fn no_sip(rig: &Rig) -> Result<()> {
    let server = Server::start(Fault::NoSip).await?;
    let phone = phone(rig, json!({ "lang": "en" })).await?;
    let mut bad = account("100", "pw-100");
    bad["server"] = json!([server.url()]);
    phone.sign_in(&bad).await?;
    fails_and_recovers(&phone, "not-sip", "not a phone server").await
}

/// Nobody listens there.
pub async fn no_server(rig: &Rig) -> Result<()> {
    let phone = phone(rig, json!({ "lang": "en" })).await?;
    let mut bad = account("100", "pw-100");
    bad["server"] = json!(["ws://127.0.0.1:9/ws"]);
    phone.sign_in(&bad).await?;
    fails_and_recovers(&phone, "network", "No connection to the phone server").await
}

/// A server that is down, then the next of the list.
pub async fn next_server(rig: &Rig) -> Result<()> {
    let phone = phone(rig, json!({ "lang": "en" })).await?;
    let mut two = account("100", "pw-100");
    two["server"] = json!(["ws://127.0.0.1:9/ws", crate::asterisk::SERVER]);
    phone.sign_in(&two).await?;
    phone.registered().await
}

/// The connection is cut in the middle of an INVITE: the call ends, the phone signs in again by itself.
pub async fn cut_in_the_middle_of_invite(rig: &Rig) -> Result<()> {
    let server = Server::start(Fault::CutsAtInvite).await?;
    let phone = phone(rig, json!({ "lang": "en" })).await?;
    let mut through = account("100", "pw-100");
    through["server"] = json!([server.url()]);
    phone.sign_in(&through).await?;
    phone.registered().await?;
    phone.dial("600").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "network", "{ended}");
    phone.says("The connection was lost").await?;
    phone.until("probe.sockets.length === 2").await?;
    phone.registered().await?;
    phone.is_usable().await
}

/// The microphone cannot be had: the call does not begin, and the user reads why.
async fn no_call(rig: &Rig, setting: Setting, code: &str, words: &str) -> Result<()> {
    let phone = Phone::open_with(rig, Kind::Chromium, Voice::A, setting, json!({ "lang": "en" })).await?;
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await?;
    phone.dial("600").await?;
    phone.until(&format!("probe.fired('error').find(event => event.code === '{code}')")).await?;
    phone.says(words).await?;
    let rejected = "return probe.phone().call('600').then(() => 'called', error => `${error.name} ${error.code}`)";
    let rejected = phone.browser.run(rejected, json!(null)).await?;
    ensure!(rejected == json!(format!("SoftPhoneError {code}")), "{rejected}");
    phone.until("probe.phone().calls.length === 0").await?;
    let invites = phone.browser.run("return probe.sent('INVITE').length", json!(null)).await?;
    ensure!(invites == json!(0), "{invites} INVITEs without a microphone");
    phone.is_usable().await
}

/// No microphone is plugged in.
pub async fn no_microphone(rig: &Rig) -> Result<()> {
    let setting = Setting { no_microphone: true, ..Setting::default() };
    no_call(rig, setting, "microphone-missing", "No microphone was found").await
}

/// The user has blocked it.
pub async fn microphone_denied(rig: &Rig) -> Result<()> {
    let setting = Setting { deny_microphone: true, ..Setting::default() };
    no_call(rig, setting, "microphone-denied", "The microphone is blocked").await
}

/// Line breaks in number, name or address would be headers of their own: refused, nothing is sent.
pub async fn header_injection(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    for number in ["600\r\nX-Evil: 1", "600\nX-Evil: 1", "sip:600@127.0.0.1\r\nX-Evil: 1"] {
        let call = "return probe.phone().call(args).then(() => 'called', error => error.code)";
        let answer = phone.browser.run(call, json!(number)).await?;
        ensure!(answer == "number-invalid", "{number:?}: {answer}");
    }
    let mut bad = account("100", "pw-100");
    bad["uri"] = json!("sip:100@127.0.0.1\r\nX-Evil: 1");
    phone.sign_in(&bad).await?;
    phone.until("probe.fired('registration').find(event => event.cause === 'account-invalid')").await?;
    let mut bad = account("100", "pw-100");
    bad["displayName"] = json!("Eve\r\nX-Evil: 1");
    phone.sign_in(&bad).await?;
    phone.until("['registered', 'failed'].includes(probe.phone().registration)").await?;
    let evil = "return probe.wire.filter(frame => frame.out && /X-Evil/.test(frame.text)).length";
    let evil = phone.browser.run(evil, json!(null)).await?;
    ensure!(evil == json!(0), "an injected header was sent");
    Ok(())
}
