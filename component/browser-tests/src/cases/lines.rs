//! Several calls, and calls that change: hold, a second call, transfers, conferences, session timers, a lost server.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use soft_phone_benches::audio::rms;

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::{Phone, in_call};
use crate::rig::Rig;

async fn alice(rig: &Rig, kind: Kind) -> Result<Phone> {
    Phone::at_asterisk(rig, kind, Voice::A, "100").await
}

/// Nothing is heard on hold, everything again behind it.
async fn hold(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = alice(rig, kind).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.press("hold").await?;
    phone.call_is("held").await?;
    phone.says("On hold").await?;
    phone.until("probe.call().held === true").await?;
    // What was under way is heard to its end.
    phone.record(1.0).await?;
    let silence = rms(&phone.record(2.0).await?.heard);
    ensure!(silence < 0.001, "on hold, but {silence} is heard");
    phone.press("hold").await?;
    phone.call_is("active").await?;
    let likeness = phone.record(7.0).await?.is_echo(rig)?;
    println!("{kind:?}, after hold: {likeness:.2?}");
    phone.press("hangup").await?;
    phone.ended().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Chromium.
pub async fn hold_in_chromium(rig: &Rig) -> Result<()> {
    hold(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn hold_in_firefox(rig: &Rig) -> Result<()> {
    hold(rig, Kind::Firefox).await
}

/// The far end's hold is shown, by the embedded server, which hands descriptions on.
pub async fn held_by_the_far_end(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    alice.dial("1002").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    alice.press("hold").await?;
    bob.until("probe.call().remoteHeld === true").await?;
    bob.says("has put you on hold").await?;
    alice.press("hold").await?;
    bob.until("probe.call().remoteHeld === false").await?;
    let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other).map(drop)
}

/// The first call waits on hold while the second goes on; the list switches between them.
pub async fn second_call(rig: &Rig) -> Result<()> {
    let phone = alice(rig, Kind::Chromium).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.browser.run("probe.phone().shadowRoot.querySelector('[data-do=second]').click()", json!(null)).await?;
    phone.dial("608").await?;
    let states = |first: &str, second: &str| {
        format!("probe.phone().calls.map(call => call.state).join() === '{first},{second}'")
    };
    phone.until(&states("held", "active")).await?;
    phone.says("600 — On hold").await?;
    phone.browser.run("probe.phone().shadowRoot.querySelector('[data-do=line]').click()", json!(null)).await?;
    phone.until(&states("active", "held")).await?;
    phone.record(7.0).await?.is_echo(rig)?;
    // By the page's script: resuming one holds the other.
    phone.browser.run("await probe.phone().calls[1].resume()", json!(null)).await?;
    phone.until(&states("held", "active")).await?;
    phone.press("hangup").await?;
    phone.until("probe.phone().calls.length === 1 && probe.phone().calls[0].state === 'held'").await?;
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// A call comes in while another stands: answered, the first one waits.
pub async fn call_waiting(rig: &Rig) -> Result<()> {
    let phone = alice(rig, Kind::Chromium).await?;
    phone.dial("608").await?;
    phone.call_is("active").await?;
    rig.asterisk.ring("100").await?;
    phone.until("probe.phone().calls[1]?.state === 'incoming'").await?;
    phone.press("answer").await?;
    phone.until("probe.phone().calls.map(call => call.state).join() === 'held,active'").await?;
    phone.press("hangup").await?;
    phone.until("probe.phone().calls.length === 1").await?;
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// 101 is in a call with 100.
async fn pair(rig: &Rig) -> Result<(Phone, Phone)> {
    let alice = alice(rig, Kind::Chromium).await?;
    let bob = Phone::at_asterisk(rig, Kind::Chromium, Voice::B, "101").await?;
    alice.dial("101").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    Ok((alice, bob))
}

/// Bob is sent to the echo; Alice is out of it.
pub async fn blind_transfer(rig: &Rig) -> Result<()> {
    let (alice, bob) = pair(rig).await?;
    alice.press("transfer").await?;
    alice.browser.run("probe.phone().dial('600')", json!(null)).await?;
    alice.press("call").await?;
    let ended = alice.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    bob.record(7.0).await?.is_echo(rig)?;
    bob.press("hangup").await?;
    bob.ended().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Nobody of that number: told in words, and both go on speaking.
pub async fn failed_transfer(rig: &Rig) -> Result<()> {
    let (alice, bob) = pair(rig).await?;
    let refused = "return probe.call().transfer('999').then(() => 'done', error => error.code)";
    let refused = alice.browser.run(refused, json!(null)).await?;
    ensure!(refused != json!("done"), "transferred to nobody");
    alice.call_is("active").await?;
    alice.says("The transfer did not work").await?;
    let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other).map(drop)
}

/// Alice speaks with Bob, then with the bridge of the tests, and connects the two.
pub async fn attended_transfer(rig: &Rig) -> Result<()> {
    let (alice, bob) = pair(rig).await?;
    let carol = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "103").await?;
    alice.browser.run("await probe.phone().call('103')", json!(null)).await?;
    carol.press("answer").await?;
    alice.until("probe.phone().calls.map(call => call.state).join() === 'held,active'").await?;
    alice.browser.run("probe.phone().shadowRoot.querySelector('[data-do=connect]').click()", json!(null)).await?;
    alice.until("probe.phone().calls.length === 0").await?;
    let (one, other) = tokio::try_join!(carol.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other)?;
    bob.press("hangup").await?;
    bob.ended().await?;
    carol.ended().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Bob's phone itself makes the new call, when the server hands REFER on.
pub async fn transferred(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    alice.dial("1002").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    alice.browser.run("await probe.call().transfer('600')", json!(null)).await?;
    alice.until("probe.phone().calls.length === 0").await?;
    bob.until("probe.phone().calls.length === 1 && probe.call().remote.number === '600'").await?;
    bob.call_is("active").await?;
    bob.until("probe.fired('dial').at(-1).source === 'transfer'").await?;
    bob.record(7.0).await?.is_echo(rig).map(drop)
}

/// Three far ends and we: Bob hears Carol, whom only Alice is connected with.
pub async fn conference(rig: &Rig) -> Result<()> {
    let (alice, bob) = pair(rig).await?;
    let carol = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "103").await?;
    alice.browser.run("await probe.phone().call('103')", json!(null)).await?;
    carol.press("answer").await?;
    alice.until("probe.phone().calls.map(call => call.state).join() === 'held,active'").await?;
    alice.browser.run("await probe.phone().conference(probe.phone().calls)", json!(null)).await?;
    alice.says("In a conference").await?;
    // Alice and Carol say the same: without Alice's voice what is heard is Carol's.
    alice.browser.run("for (const call of probe.phone().calls) call.mute()", json!(null)).await?;
    let (one, other) = tokio::try_join!(carol.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other)?;
    // One leaves: the rest is a call as any other.
    carol.press("hangup").await?;
    alice.until("probe.phone().calls.length === 1").await?;
    alice.browser.run("probe.call().unmute()", json!(null)).await?;
    let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other).map(drop)
}

/// Asterisk's own bridge: both hear each other.
pub async fn bridge(rig: &Rig) -> Result<()> {
    let alice = alice(rig, Kind::Chromium).await?;
    let bob = Phone::at_asterisk(rig, Kind::Firefox, Voice::B, "101").await?;
    for phone in [&alice, &bob] {
        phone.dial("605").await?;
        phone.call_is("active").await?;
    }
    let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other).map(drop)
}

/// 104's sessions end after 90 seconds without a refresh; one comes at half of that, and keeps the call.
pub async fn session_timer(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "104").await?;
    rig.asterisk.ring("104").await?;
    phone.press("answer").await?;
    phone.call_is("active").await?;
    let agreed =
        "probe.wire.some(frame => /^SIP\\/2.0 200/.test(frame.text) && /^Session-Expires: *90/im.test(frame.text))";
    phone.until(agreed).await?;
    let refreshed =
        "probe.wire.filter(frame => /^(UPDATE|INVITE) /.test(frame.text) && /^To:.*tag=/im.test(frame.text)).length";
    phone.browser.until(refreshed, Duration::from_secs(60)).await?;
    phone.browser.until(&format!("{refreshed} >= 2"), Duration::from_secs(60)).await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig).map(drop)
}

/// The server dies in the middle of a call and comes back without any memory of it: the phone finds it again, offers the
/// call from the new connection, and learns that there is none.
pub async fn server_restarts(rig: &Rig) -> Result<()> {
    let phone = alice(rig, Kind::Chromium).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    rig.asterisk.crash().await?;
    phone.browser.until("probe.sockets.length > 1", Duration::from_secs(30)).await?;
    phone.browser.until("probe.phone().registration === 'registered'", Duration::from_secs(30)).await?;
    phone.browser.until("probe.phone().calls.length === 0", Duration::from_secs(45)).await?;
    let ended = phone.ended().await?;
    ensure!(ended == "network", "{ended}");
    phone.says("The connection was lost").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig).map(drop)
}
