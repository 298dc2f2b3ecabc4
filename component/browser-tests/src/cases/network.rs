//! Networks that are slow, that fall silent, that lose one way: candidates that come late, a connection that only looks
//! open, media that stall.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::asterisk::{SECURE_SERVER, SERVER};
use crate::browser::{Kind, Voice};
use crate::phone::{Phone, account, in_call};
use crate::relay::{Relay, Way, with_body};
use crate::rig::Rig;
use crate::stun::Stun;

/// Over TLS, with voice: once in each browser.
async fn secure(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = Phone::open(rig, kind, Voice::A, json!({ "lang": "en" })).await?;
    let mut secure = account("100", "pw-100");
    secure["server"] = json!([SECURE_SERVER]);
    phone.sign_in(&secure).await?;
    phone.registered().await?;
    let via = "return [probe.sockets[0].url, probe.sent('REGISTER')[0].text.match(/Via: (SIP\\S+)/)[1]]";
    let via = phone.browser.run(via, Value::Null).await?;
    ensure!(via == json!([SECURE_SERVER, "SIP/2.0/WSS"]), "{via}");
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// Chromium.
pub async fn wss(rig: &Rig) -> Result<()> {
    secure(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn wss_firefox(rig: &Rig) -> Result<()> {
    secure(rig, Kind::Firefox).await
}

/// Whether a phone has told of a candidate by INFO.
const TRICKLED: &str = "return probe.sent('INFO').some(it =>
    /application\\/trickle-ice-sdpfrag/.test(it.text) && /a=candidate:/.test(it.text))";

/// Neither INVITE nor its answers bring a candidate to the other side: those that are found later, at the latest by a slow
/// STUN server, follow by INFO (RFC 8840), and lead the voices there.
pub async fn trickled_candidates(rig: &Rig) -> Result<()> {
    let stun = Stun::start(Duration::from_millis(1_500)).await?;
    let relay = Relay::start(&rig.demo_server(), |way, text| {
        let described = text.starts_with("INVITE ") || text.starts_with("SIP/2.0 ");
        let Some((head, body)) = text.split_once("\r\n\r\n").filter(|_| described && way == Way::ToServer) else {
            return vec![(way, text)];
        };
        if !head.contains("application/sdp") {
            return vec![(way, text)];
        }
        let kept: Vec<&str> = body.split("\r\n").filter(|line| !line.starts_with("a=candidate:")).collect();
        vec![(way, with_body(&text, &kept.join("\r\n")))]
    })
    .await?;
    let ice = json!({ "iceServers": [{ "urls": [stun.url()] }] });
    let alice = Phone::at_demo_through(rig, Voice::A, "alice", &relay.url(), ice.clone()).await?;
    let bob = Phone::at_demo_through(rig, Voice::B, "bob", &relay.url(), ice).await?;
    alice.dial("1002").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
    let there = other.heard_of(rig, &one)?;
    let back = one.heard_of(rig, &other)?;
    println!("by trickled candidates alone: {there:.2?}, {back:.2?}");
    // Whose leads there first, a host's that came behind the description or the server's, is nobody's business: with it a
    // browser stops looking for more, and the other side may have told all that it found in its description.
    let mut trickled = 0;
    for phone in [&alice, &bob] {
        if phone.browser.run(TRICKLED, Value::Null).await? == true {
            trickled += 1;
            phone.until("probe.sent('INFO').some(it => /a=end-of-candidates/.test(it.text))").await?;
        }
    }
    ensure!(trickled > 0, "neither told of a candidate by INFO");
    // Nothing of it was a second description.
    let again = "return probe.wire.filter(it => /^INVITE /.test(it.text) && /^To:.*;tag=/im.test(it.text)).length";
    let again = alice.browser.run(again, Value::Null).await?;
    ensure!(again == json!(0), "{again} re-INVITEs");
    alice.press("hangup").await?;
    bob.ended().await.map(drop)
}

/// The answer to a REGISTER, with keep-alives as often as they can be (RFC 5626 §4.4), else a case takes a minute; `None` for
/// anything else.
fn in_a_hurry(way: Way, text: &str) -> Option<String> {
    let registered = way == Way::ToPhone && text.starts_with("SIP/2.0 200") && text.contains(" REGISTER\r\n");
    registered.then(|| text.replacen("\r\n", "\r\nFlow-Timer: 5\r\n", 1))
}

/// A phone that has been told to sign in at Asterisk by way of `relay`.
async fn signs_in_through(rig: &Rig, relay: &Relay) -> Result<Phone> {
    let phone = Phone::open(rig, Kind::Chromium, Voice::A, json!({ "lang": "en" })).await?;
    let mut account = account("100", "pw-100");
    account["server"] = json!([relay.url()]);
    phone.sign_in(&account).await?;
    Ok(phone)
}

/// Asterisk sends keep-alives of its own and answers none: they are not taken for answers to ours, and the connection that
/// stands is left alone.
pub async fn server_pings(rig: &Rig) -> Result<()> {
    let relay = Relay::start(SERVER, |way, text| match in_a_hurry(way, &text) {
        Some(text) => vec![(way, text), (way, "\r\n\r\n".to_owned())],
        None => vec![(way, text)],
    })
    .await?;
    let phone = signs_in_through(rig, &relay).await?;
    phone.registered().await?;
    phone.until("probe.wire.some(it => !it.out && it.text === '\\r\\n\\r\\n')").await?;
    // The first keep-alive had no answer, and may have none.
    phone.browser.until("probe.sent('OPTIONS').length > 1", Duration::from_secs(30)).await?;
    let sockets = phone.browser.run("return probe.sockets.length", Value::Null).await?;
    ensure!(sockets == json!(1), "{sockets} connections");
    phone.registered().await
}

/// A server that has just been started passes over the first REGISTER, as Asterisk does, and is there for all that follows: on
/// another connection it is sent anew, long before its transaction ends by itself.
pub async fn register_passed_over(rig: &Rig) -> Result<()> {
    // Anything else may come meanwhile.
    const OPTIONS: &str = "OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS 127.0.0.1;branch=z9hG4bK-1\r\nMax-Forwards: 70\r\n\
        From: <sip:pbx@127.0.0.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let first = AtomicBool::new(true);
    let relay = Relay::start(SERVER, move |way, text| {
        let passed_over = text.starts_with("REGISTER ") && first.swap(false, Ordering::Relaxed);
        if passed_over { vec![(Way::ToPhone, OPTIONS.to_owned())] } else { vec![(way, text)] }
    })
    .await?;
    let phone = signs_in_through(rig, &relay).await?;
    phone.browser.until("probe.sockets.length === 2", Duration::from_secs(15)).await?;
    phone.registered().await
}

/// The connection stays open and nothing comes any more, in the middle of a call: no pong, so a new connection, and the
/// call goes on over it.
pub async fn half_open_connection(rig: &Rig) -> Result<()> {
    let relay =
        Relay::start(&rig.demo_server(), |way, text| vec![(way, in_a_hurry(way, &text).unwrap_or(text))]).await?;
    let phone = Phone::at_demo_through(rig, Voice::A, "alice", &relay.url(), json!({})).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until("probe.wire.some(it => !it.out && /^[\\r\\n]+$/.test(it.text))").await?;
    relay.silence();
    phone.browser.until("probe.sockets.length === 2", Duration::from_secs(30)).await?;
    phone.registered().await?;
    phone.call_is("active").await?;
    phone.until("probe.wire.some(it => it.socket === 1 && !it.out && /^SIP\\/2.0 200/.test(it.text) && /CSeq: *[0-9]+ INVITE/i.test(it.text))").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.press("hangup").await?;
    phone.until("probe.wire.some(it => it.socket === 1 && it.out && /^BYE /.test(it.text))").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    Ok(())
}

/// The user name fragment of the last offer that was sent, apart from the first one's.
const NEW_ICE: &str = "(fragments => fragments.length > 1 && fragments.at(-1) !== fragments[0] && fragments.at(-1))(\
    probe.sent('INVITE').map(it => it.text.match(/a=ice-ufrag:(\\S+)/)?.[1]).filter(Boolean))";

/// Bob's packets stop although the way stands: one new beginning of ICE, and the call is left to go on. When they come
/// again he is heard.
pub async fn media_stall(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    alice.dial("1002").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    alice.until("probe.fired('quality').length >= 1").await?;
    bob.browser.run("await probe.hush(true)", Value::Null).await?;
    alice.browser.until(NEW_ICE, Duration::from_secs(20)).await?;
    in_call(&alice, &bob).await?;
    let sockets = alice.browser.run("return probe.sockets.length", Value::Null).await?;
    ensure!(sockets == json!(1), "{sockets} connections: the one there is was good");
    bob.browser.run("await probe.hush(false)", Value::Null).await?;
    let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other)?;
    alice.press("hangup").await?;
    bob.ended().await.map(drop)
}
