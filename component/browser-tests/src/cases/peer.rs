//! The rig proves itself with a phone that is not ours: when these fail, look here first.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use soft_phone_benches::audio::{self, compare};

use crate::asterisk::SERVER;
use crate::browser::{Browser, Kind, SOON, Voice};
use crate::rig::Rig;

/// JsSIP, signed in as `user` at Asterisk.
async fn peer(rig: &Rig, kind: Kind, voice: Voice, user: &str) -> Result<Browser> {
    let browser = Browser::open(rig, kind, voice).await?;
    browser.load(rig, "peer.html").await?;
    let account = json!({ "server": SERVER, "uri": format!("sip:{user}@127.0.0.1"), "password": format!("pw-{user}") });
    browser.run("await peer.register(args)", account).await?;
    Ok(browser)
}

async fn echo(rig: &Rig, kind: Kind, user: &str) -> Result<()> {
    let browser = peer(rig, kind, Voice::A, user).await?;
    browser.run("peer.call('600')", json!(null)).await?;
    browser.until("peer.remote && peer.states.some(it => it.state === 'confirmed')", SOON).await?;
    let recordings = browser.record(&["peer.local()", "peer.remote"], 7.0).await?;
    browser.run("peer.session.terminate()", json!(null)).await?;
    let likeness = compare(&recordings[0], &recordings[1])?;
    println!("{kind:?} through Asterisk's echo: {likeness:?}");
    ensure!(likeness.found >= 0.7 && likeness.correlation >= 0.6, "{likeness:?}");
    // What was sent is the voice that the rig gave to the microphone.
    let said = audio::read(&rig.folder.join(Voice::A.file()))?;
    let own = compare(&said, &recordings[0])?;
    ensure!(own.found >= 0.7, "not the microphone's recording: {own:?}");
    let other = compare(&audio::read(&rig.folder.join(Voice::B.file()))?, &recordings[0]);
    ensure!(other.as_ref().map_or(true, |other| other.found <= 0.2), "the other voice is found too: {other:?}");
    Ok(())
}

/// Chromium, its fake microphone, Asterisk, the recorder and the comparison.
pub async fn chromium(rig: &Rig) -> Result<()> {
    echo(rig, Kind::Chromium, "100").await
}

/// Firefox with speech from Web Audio.
pub async fn firefox(rig: &Rig) -> Result<()> {
    echo(rig, Kind::Firefox, "101").await
}

/// Asterisk's console: nothing is left of a call that has ended.
pub async fn console(rig: &Rig) -> Result<()> {
    let browser = peer(rig, Kind::Chromium, Voice::A, "102").await?;
    browser.run("peer.call('603')", json!(null)).await?;
    browser.until("peer.states.some(it => it.state === 'progress')", SOON).await?;
    let channels = rig.asterisk.channels().await?;
    ensure!(channels == 1, "a call that rings is one channel, not {channels}");
    browser.run("peer.session.terminate()", json!(null)).await?;
    super::asterisk_is_idle(rig, Duration::from_secs(5)).await
}
