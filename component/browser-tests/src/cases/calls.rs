//! What is done in a call and to calls: keypad tones, devices, do not disturb, auto-answer, quality, codecs.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// Waits until Asterisk's console says `words`.
pub(super) async fn asterisk_says(rig: &Rig, words: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while !rig.asterisk.log()?.contains(words) {
        ensure!(Instant::now() < end, "Asterisk never said {words:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The keypad of the window, by mouse and by keyboard: 604 reads the digits.
async fn digits(rig: &Rig, kind: Kind, number: &str) -> Result<()> {
    let phone = Phone::at_asterisk(rig, kind, Voice::A, "100").await?;
    phone.dial("604").await?;
    phone.call_is("active").await?;
    let body = "
        const root = probe.phone().shadowRoot;
        root.querySelector('[data-do=keypad]').click();
        for (const digit of args.slice(0, 2)) root.querySelector(`[data-key='${digit}']`).click();
        for (const key of args.slice(2)) root.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));";
    phone.browser.run(body, json!(number)).await?;
    asterisk_says(rig, &format!("604 has read \"{number}\"")).await?;
    phone.says(number).await?;
    phone.press("hangup").await?;
    phone.ended().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// RFC 4733, from Chromium.
pub async fn digits_in_the_media(rig: &Rig) -> Result<()> {
    digits(rig, Kind::Chromium, "4711").await
}

/// RFC 4733, from Firefox.
pub async fn digits_in_firefox(rig: &Rig) -> Result<()> {
    digits(rig, Kind::Firefox, "0815").await
}

/// By INFO, as the page wants it, to a user for whom Asterisk listens to INFO.
pub async fn digits_by_info(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "102").await?;
    phone.dial("604").await?;
    phone.call_is("active").await?;
    phone
        .browser
        .run("await probe.call().sendDtmf('12#4'.replace('#', '3'), { transport: 'info' })", json!(null))
        .await?;
    let sent = phone.browser.run("return probe.sent('INFO').length", json!(null)).await?;
    ensure!(sent == json!(4), "{sent} INFOs");
    asterisk_says(rig, "604 has read \"1234\"").await?;
    let refused = "return probe.call().sendDtmf('12e').then(() => 'sent', error => error.code)";
    let refused = phone.browser.run(refused, json!(null)).await?;
    ensure!(refused == json!("number-invalid"), "{refused}");
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// The list has names once the microphone is allowed; another microphone is spoken into in mid-call.
pub async fn devices(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until("probe.phone().devices.microphones.length > 1 && probe.phone().devices.microphones[1].label").await?;
    let body = "const before = probe.call().localStream; const devices = probe.phone().devices;
        const other = devices.microphones.at(-1).id;
        probe.phone().devices = { microphone: other };
        await probe.until(() => probe.call().localStream !== before, 5000);
        const track = probe.call().localStream.getAudioTracks()[0];
        return [track.getSettings().deviceId === other, before.getAudioTracks()[0]?.readyState, probe.phone().devices.microphone === other]";
    let changed = phone.browser.run(body, json!(null)).await?;
    ensure!(changed == json!([true, "ended", true]), "{changed}");
    phone.record(7.0).await?.is_echo(rig)?;
    // The window's own pickers.
    let body = "const root = probe.phone().shadowRoot; probe.press('settings');
        const choice = root.querySelector('[data-set=microphone]');
        choice.value = ''; choice.dispatchEvent(new Event('change', { bubbles: true }));
        return [choice.checkVisibility(), probe.phone().devices.microphone]";
    let changed = phone.browser.run(body, json!(null)).await?;
    ensure!(changed == json!([true, ""]), "{changed}");
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// Busy for everybody, told nobody; then calls come in again.
pub async fn do_not_disturb(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    phone.browser.run("probe.phone().doNotDisturb = true", json!(null)).await?;
    rig.asterisk.ring_briefly("100").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "busy", "{ended}");
    phone.until("probe.sent('SIP/2.0 486').length === 1").await?;
    let rang = phone.browser.run("return probe.fired('incoming').length", json!(null)).await?;
    ensure!(rang == json!(0), "it rang");
    phone.browser.run("probe.phone().doNotDisturb = false", json!(null)).await?;
    rig.asterisk.ring_briefly("100").await?;
    phone.call_is("incoming").await
}

/// Answered without anybody's hand.
pub async fn auto_answer(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    phone.browser.run("probe.phone().autoAnswer = true", json!(null)).await?;
    rig.asterisk.ring("100").await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// Told every two seconds, good on a line without fault.
pub async fn quality(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    phone.dial("600").await?;
    phone.until("probe.fired('quality').length >= 2").await?;
    let told = phone.browser.run("return [probe.fired('quality').at(-1), probe.call().quality]", json!(null)).await?;
    let mos = told[0]["mos"].as_f64().unwrap_or_default();
    ensure!((3.5..=4.5).contains(&mos) && told[0]["engine"] == "browser", "{told}");
    ensure!(told[1]["mos"].is_number() && told[0]["playoutDelayMs"].as_f64().unwrap_or_default() > 0.0, "{told}");
    println!("Chromium, Asterisk's echo: {}", told[1]);
    phone.says("sound").await
}

/// The codec that is wanted first is the one that is used.
pub async fn codecs(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    phone.browser.run("probe.phone().codecs = 'PCMA opus'", json!(null)).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    let first =
        phone.browser.run("return probe.sent('INVITE').at(-1).text.match(/m=audio .*/)[0]", json!(null)).await?;
    ensure!(first.as_str().is_some_and(|line| line.contains("SAVPF 8 ")), "{first}");
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}
