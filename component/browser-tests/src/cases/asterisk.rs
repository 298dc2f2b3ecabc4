//! Chromium and a real Asterisk: signing in, each way a call ends, an incoming call.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::{Phone, account, stays};
use crate::rig::Rig;

async fn phone(rig: &Rig, user: &str) -> Result<Phone> {
    Phone::at_asterisk(rig, Kind::Chromium, Voice::A, user).await
}

/// The phone calls `number`, which ends by itself with `cause` and in these words.
async fn ends(rig: &Rig, number: &str, cause: &str, words: &str) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.dial(number).await?;
    let ended = phone.ended().await?;
    ensure!(ended == cause, "{number} ended as {ended}, not {cause}");
    phone.says(words).await?;
    phone.is_usable().await
}

/// Signs in, signs out; the registrar's challenge is answered once each time.
pub async fn sign_in(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.says("Ready for calls").await?;
    let contacts = rig.asterisk.console("pjsip show contacts").await?;
    ensure!(contacts.contains("100/sip:"), "Asterisk knows no contact: {contacts}");
    let sent = phone.browser.run("return probe.sent('REGISTER').length", json!(null)).await?;
    ensure!(sent == json!(2), "{sent} REGISTERs to sign in: one to be challenged, one with credentials");
    phone.browser.run("await probe.phone().unregister()", json!(null)).await?;
    phone.until("probe.phone().registration === 'offline'").await?;
    let contacts = rig.asterisk.console("pjsip show contacts").await?;
    ensure!(!contacts.contains("100/sip:"), "the contact is still there: {contacts}");
    phone.browser.run("await probe.phone().register()", json!(null)).await?;
    phone.registered().await
}

/// Asterisk offers SHA-256 to 103, SHA-256 and MD5 to 104: the stronger one is answered.
pub async fn sign_in_with_sha256(rig: &Rig) -> Result<()> {
    for user in ["103", "104"] {
        let phone = phone(rig, user).await?;
        let strong = "probe.sent('REGISTER').at(-1).text.includes('algorithm=SHA-256')";
        phone.until(strong).await?;
        rig.close_browsers().await;
    }
    Ok(())
}

/// A wrong password: told in words, tried once, then quiet.
pub async fn wrong_password(rig: &Rig) -> Result<()> {
    let phone = Phone::open(rig, Kind::Chromium, Voice::A, json!({ "lang": "en" })).await?;
    phone.sign_in(&account("100", "not the password")).await?;
    phone.until("probe.phone().registration === 'failed'").await?;
    let fact = phone.until("probe.fired('registration').find(event => event.state === 'failed')").await?;
    ensure!(fact["cause"] == "unauthorized", "{fact}");
    ensure!(matches!(fact["sipStatus"].as_u64(), Some(401 | 403)), "{fact}");
    phone.browser.run("probe.phone().open()", json!(null)).await?;
    phone.says("did not accept your user name or password").await?;
    let tries = "probe.sent('REGISTER').filter(frame => /^Authorization:/im.test(frame.text)).length";
    stays(&phone, tries, Duration::from_secs(6)).await?;
    let tries = phone.browser.run(&format!("return {tries}"), json!(null)).await?;
    ensure!(tries == json!(1), "{tries} tries with a password that is wrong");
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await
}

/// The own voice comes back; half of the way there and back is the delay.
pub async fn echo(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.says("In a call").await?;
    let likeness = phone.record(7.0).await?.is_echo(rig)?;
    println!(
        "Chromium, Asterisk's echo: correlation {:.2}, {:.0} % found, one-way delay {:.0} ms, {:.0} dBFS",
        likeness.correlation,
        likeness.found * 100.0,
        likeness.delay_ms / 2.0,
        likeness.level_dbfs
    );
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Muted, the other side hears nothing; unmuted, it hears again.
pub async fn mute(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.record(3.0).await?;
    phone.browser.run("await probe.call().mute()", json!(null)).await?;
    phone.until("probe.call().muted === true").await?;
    // What was under way when the microphone was muted still comes back.
    phone.record(1.0).await?;
    let silence = soft_phone_benches::audio::rms(&phone.record(2.0).await?.heard);
    ensure!(silence < 0.001, "muted, but {silence} is heard");
    phone.browser.run("await probe.call().unmute()", json!(null)).await?;
    phone.until("probe.call().muted === false").await?;
    phone.record(7.0).await?.is_echo(rig).map(drop)
}

/// We give up while it rings: CANCEL, and Asterisk is rid of the call.
pub async fn hang_up_before_answer(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.dial("603").await?;
    phone.call_is("ringing").await?;
    phone.says("Ringing").await?;
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "cancelled", "{ended}");
    phone.until("probe.sent('CANCEL').length === 1").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    phone.is_usable().await
}

/// We give up before anything came back: no call may be left at the server.
pub async fn hang_up_at_once(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.dial("603").await?;
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "cancelled", "{ended}");
    asterisk_is_idle(rig, Duration::from_secs(8)).await?;
    phone.is_usable().await
}

/// 609 rings, answers and hangs up.
pub async fn the_other_side_hangs_up(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    phone.dial("609").await?;
    phone.call_is("active").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "remote-hangup", "{ended}");
    phone.says("The other side hung up").await?;
    phone.is_usable().await
}

/// 486.
pub async fn busy(rig: &Rig) -> Result<()> {
    ends(rig, "602", "busy", "The line is busy").await
}

/// 403, as Asterisk says "declined".
pub async fn declined(rig: &Rig) -> Result<()> {
    ends(rig, "607", "declined", "Your call was declined").await
}

/// 404.
pub async fn unknown_number(rig: &Rig) -> Result<()> {
    ends(rig, "999", "not-found", "This number does not exist").await
}

/// A phone that is not signed in.
pub async fn unavailable(rig: &Rig) -> Result<()> {
    ends(rig, "104", "unavailable", "Nobody can be reached").await
}

/// Asterisk rings; answered, it echoes.
pub async fn incoming_answered(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    rig.asterisk.ring("100").await?;
    phone.call_is("incoming").await?;
    phone.until("probe.fired('incoming').length === 1").await?;
    // The window opens by itself: that is what a call is for.
    phone.says("Incoming call").await?;
    phone.press("answer").await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.press("hangup").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Declined: the caller is told so, the phone is ready for the next call.
pub async fn incoming_declined(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    rig.asterisk.ring("100").await?;
    phone.call_is("incoming").await?;
    phone.press("decline").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "declined", "{ended}");
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    phone.is_usable().await
}

/// Rung for three seconds and nobody answered.
pub async fn incoming_missed(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "100").await?;
    rig.asterisk.ring_briefly("100").await?;
    phone.call_is("incoming").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "missed", "{ended}");
    phone.says("Missed call").await?;
    phone.is_usable().await
}
