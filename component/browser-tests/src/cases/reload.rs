//! A page is loaded anew in a call: the call goes on, as it was, and the other side hears no more than a short silence.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use soft_phone_benches::audio::{RATE, longest_gap, rms};
use tokio::time::Instant;

use super::asterisk_is_idle;
use crate::browser::{Browser, Kind, SOON, Voice};
use crate::phone::{Phone, account, in_call};
use crate::rig::Rig;

/// Below this there is no sound, dBFS: `hum` is above −35 at its softest.
const SILENCE_DBFS: f32 = -50.0;
/// How long the other side may hear nothing, median, ms.
const GAP_MS: f32 = 1_500.0;
/// So many reloads are measured, unless `SOFT_PHONE_RELOADS` wants more.
const RELOADS: usize = 3;

/// What of a call stays the same over its pages.
const FACTS: &str = "return (call => ({ id: call.id, direction: call.direction,
    number: call.remote.number, startedAt: call.startedAt, answeredAt: call.answeredAt, state: call.state,
    held: call.held, muted: call.muted, calls: probe.phone().calls.length }))(probe.call())";

/// A page whose phone signs in by itself; its microphone hears `source`.
async fn page(rig: &Rig, kind: Kind, user: &str, source: &str) -> Result<Phone> {
    let phone = Phone { browser: Browser::open(rig, kind, Voice::A).await? };
    phone.browser.load_at(address(rig, user, source)).await?;
    phone.registered().await?;
    Ok(phone)
}

pub(super) fn address(rig: &Rig, user: &str, source: &str) -> String {
    address_of(rig, &account(user, &format!("pw-{user}")), source)
}

/// The same of this account.
pub(super) fn address_of(rig: &Rig, account: &Value, source: &str) -> String {
    address_with(rig, account, &json!({ "lang": "en" }), source)
}

/// The same with these attributes.
pub(super) fn address_with(rig: &Rig, account: &Value, attributes: &Value, source: &str) -> String {
    let [account, attributes] =
        [account, attributes].map(|it| it.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<String>());
    rig.page(&format!("call.html?attributes={attributes}{source}&account={account}"))
}

/// Loads the page of a call anew and waits until both hear each other again.
pub(super) async fn reload(phone: &Phone) -> Result<()> {
    phone.browser.run("window.isOld = true", Value::Null).await?;
    phone.browser.client().refresh().await?;
    let stands =
        "!window.isOld && probe.phone()?.calls?.length === 1 && probe.call().remoteStream && probe.connected()";
    phone.until(stands).await?;
    // Where the time goes, in ms of the page's life.
    let steps = "const at = what => Math.round(probe.sent(what)[0]?.at); return `REGISTER ${at('REGISTER')}, INVITE ${at('INVITE')}, ACK ${at('ACK')}, connected ${Math.round(probe.connectedAt)}`";
    let steps = phone.browser.run(steps, Value::Null).await?;
    println!("  {steps}");
    Ok(())
}

/// A call between two pages, one of which is loaded anew, again and again: what the other hears meanwhile.
async fn gaps(rig: &Rig, kind: Kind) -> Result<()> {
    let count = std::env::var("SOFT_PHONE_RELOADS").ok().and_then(|count| count.parse().ok()).unwrap_or(RELOADS);
    let far = Phone::at_asterisk(rig, Kind::Chromium, Voice::B, "101").await?;
    let phone = page(rig, kind, "100", "&source=hum").await?;
    phone.dial("101").await?;
    far.call_is("incoming").await?;
    far.press("answer").await?;
    in_call(&phone, &far).await?;
    far.until("probe.call().remoteStream && probe.connected()").await?;
    let before = phone.browser.run(FACTS, Value::Null).await?;
    let mut gaps = Vec::new();
    for _ in 0..count {
        far.browser.run("probe.tape = probe.record([probe.call().remoteStream], 5)", Value::Null).await?;
        far.until("probe.recorded > 0.5").await?;
        reload(&phone).await?;
        let recorded = far.browser.run("return probe.recorded", Value::Null).await?;
        ensure!(recorded.as_f64().is_some_and(|seconds| seconds < 4.5), "what was heard after it is not on the tape");
        let heard = far.browser.recordings("return await probe.tape").await?.remove(0);
        let tail = &heard[heard.len() - RATE as usize / 2..];
        ensure!(20.0 * rms(tail).log10() > SILENCE_DBFS, "half a second before the end there is no sound yet");
        gaps.push(longest_gap(&heard, SILENCE_DBFS));
        let after = phone.browser.run(FACTS, Value::Null).await?;
        ensure!(after == before, "{before} became {after}");
    }
    gaps.sort_by(f32::total_cmp);
    let median = gaps[gaps.len() / 2];
    println!("  {kind:?}: {count} reloads in a call, silence {gaps:.0?} ms, median {median:.0}");
    ensure!(median <= GAP_MS, "a median of {median} ms");
    // The other side has heard no hang-up, and this one is heard by it as before; and hears it.
    ensure!(far.browser.run("return probe.fired('call-end').length", Value::Null).await? == 0);
    // It is as long as it was: the window's clock goes on from the answer.
    phone.browser.run("probe.phone().open()", Value::Null).await?;
    phone.says("In a call").await?;
    let clock = "const [, minutes, seconds] = probe.words().match(/(\\d\\d):(\\d\\d)/);
        return (Date.now() - probe.call().answeredAt) / 1000 - minutes * 60 - seconds";
    let late = phone.browser.run(clock, Value::Null).await?;
    ensure!(late.as_f64().is_some_and(|seconds| (-0.5..2.0).contains(&seconds)), "the clock is {late} s late");
    phone.press("hangup").await?;
    ensure!(phone.ended().await? == "local-hangup");
    ensure!(far.ended().await? == "remote-hangup");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Chromium.
pub async fn gap(rig: &Rig) -> Result<()> {
    gaps(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn gap_firefox(rig: &Rig) -> Result<()> {
    gaps(rig, Kind::Firefox).await
}

/// Held and muted stays held and muted; back from it both voices pass. Nothing secret lies about meanwhile.
pub async fn as_it_was(rig: &Rig) -> Result<()> {
    let phone = page(rig, Kind::Chromium, "100", "").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until("probe.connected()").await?;
    phone.browser.run("probe.call().mute(); await probe.call().hold()", Value::Null).await?;
    let before = phone.browser.run(FACTS, Value::Null).await?;
    let kept =
        "addEventListener('pagehide', () => localStorage.setItem('kept', JSON.stringify({ ...sessionStorage })))";
    phone.browser.run(kept, Value::Null).await?;
    phone.browser.client().refresh().await?;
    phone.until("probe.phone()?.calls?.length === 1 && probe.connected()").await?;
    // It takes the place of the one that there was, and is held again.
    phone.until("/^Replaces: /m.test(probe.sent('INVITE')[0]?.text)").await?;
    phone.until("probe.sent('ACK').length === probe.sent('INVITE').length && probe.sent('INVITE').at(-1).text.includes('a=sendonly')").await?;
    let after = phone.browser.run(FACTS, Value::Null).await?;
    ensure!(after == before && after["held"] == true && after["muted"] == true, "{before} became {after}");
    let told = "return probe.fired('call-change')[0]";
    let told = phone.browser.run(told, Value::Null).await?;
    ensure!(told["state"] == "held" && told["previous"].is_null(), "{told}");
    let kept = phone.browser.run("return localStorage.getItem('kept')", Value::Null).await?;
    let kept = kept.as_str().context("what was kept")?;
    ensure!(kept.contains("soft-phone-calls sip:100@127.0.0.1") && !kept.contains("pw-100"), "{kept}");
    let left = phone.browser.run("return Object.keys(sessionStorage).length", Value::Null).await?;
    ensure!(left == 0, "it was not taken");
    phone.browser.run("await probe.call().resume(); probe.call().unmute()", Value::Null).await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.browser.run("probe.phone().open()", Value::Null).await?;
    phone.press("hangup").await?;
    ensure!(phone.ended().await? == "local-hangup");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// The page goes, and the next one comes when the call's time is over: it ends the call, and says so.
pub async fn too_late(rig: &Rig) -> Result<()> {
    let phone = page(rig, Kind::Chromium, "100", "").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    // A page without a phone.
    phone.browser.load(rig, "phone.html").await?;
    ensure!(rig.asterisk.channels().await? == 1, "the call has ended with its page");
    let age = "const [key] = Object.keys(sessionStorage);
        sessionStorage.setItem(key, sessionStorage.getItem(key).replace(/^[0-9]+/, at => at - 20000))";
    phone.browser.run(age, Value::Null).await?;
    phone.browser.load_at(address(rig, "100", "")).await?;
    phone.registered().await?;
    phone.until("probe.fired('call-end').length === 1").await?;
    let cause = phone.browser.run(
        "const { call, record } = probe.fired('call-end')[0]; return [call.cause, record.disposition]",
        Value::Null,
    );
    ensure!(cause.await? == json!(["network", "interrupted"]));
    ensure!(
        phone
            .browser
            .run("return probe.sent('BYE').length > 0 && probe.sent('INVITE').length === 0", Value::Null)
            .await?
            == true
    );
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// The next page is refused the microphone: the call goes on, one hears, and is told that one is not heard.
pub async fn no_microphone(rig: &Rig) -> Result<()> {
    let far = Phone::at_asterisk(rig, Kind::Chromium, Voice::B, "101").await?;
    let phone = page(rig, Kind::Chromium, "100", "").await?;
    phone.dial("101").await?;
    far.call_is("incoming").await?;
    far.press("answer").await?;
    in_call(&phone, &far).await?;
    phone.until("probe.connected()").await?;
    let start = Instant::now();
    phone.browser.load_at(address(rig, "100", "&error=NotAllowedError")).await?;
    phone.until("probe.phone()?.calls?.length === 1 && probe.call().remoteStream && probe.connected()").await?;
    ensure!(start.elapsed() < SOON);
    phone.browser.run("probe.phone().open()", Value::Null).await?;
    phone.says("The microphone is blocked").await?;
    let heard = phone.browser.record(&["probe.call().remoteStream"], 4.0).await?.remove(0);
    ensure!(rms(&heard) > 0.003, "nothing is heard: {}", rms(&heard));
    phone.press("hangup").await?;
    ensure!(phone.ended().await? == "local-hangup");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}
