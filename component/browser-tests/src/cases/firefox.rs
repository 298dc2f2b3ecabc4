//! Firefox, as far as it goes on a machine without sound hardware. Its microphone is a recording played by Web Audio:
//! the fake one of its own is a tone, by which voices cannot be told apart. What is left out: the browser's own
//! prompts, which WebDriver cannot answer in Firefox.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{asterisk_is_idle, pair};
use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// The own voice comes back from Asterisk.
pub async fn echo(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Firefox, Voice::A, "100").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    let likeness = phone.record(7.0).await?.is_echo(rig)?;
    println!("Firefox, Asterisk's echo: {likeness:.2?}");
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Firefox calls Chromium through the embedded server.
pub async fn calls_chromium(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Firefox, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    pair::talk(rig, "Firefox, embedded server, Chromium", &alice, &bob, "1002").await
}

/// Chromium calls Firefox through Asterisk.
pub async fn is_called(rig: &Rig) -> Result<()> {
    let alice = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    let bob = Phone::at_asterisk(rig, Kind::Firefox, Voice::B, "101").await?;
    pair::talk(rig, "Chromium, Asterisk, Firefox", &alice, &bob, "101").await
}

/// Busy, unknown, cancelled: each in its words.
pub async fn endings(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Firefox, Voice::A, "100").await?;
    for (number, cause, words) in
        [("602", "busy", "The line is busy"), ("999", "not-found", "This number does not exist")]
    {
        phone.browser.run("probe.events.length = 0", serde_json::json!(null)).await?;
        phone.dial(number).await?;
        let ended = phone.ended().await?;
        ensure!(ended == cause, "{number}: {ended}");
        phone.says(words).await?;
        phone.is_usable().await?;
    }
    Ok(())
}
