//! The connection goes while a call stands: the call does not.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// A phone in a call with the echo.
async fn in_call(rig: &Rig, kind: Kind) -> Result<Phone> {
    let phone = Phone::at_asterisk(rig, kind, Voice::A, "100").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    Ok(phone)
}

/// The connection closes under a call: the phone is back at once, says in the dialog where it is now, and is heard.
async fn lost(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = in_call(rig, kind).await?;
    phone.browser.run("probe.sockets.at(-1).close()", json!(null)).await?;
    phone.until("probe.sockets.length === 2").await?;
    phone.registered().await?;
    let over_the_new = "probe.wire.filter(frame => frame.socket === 1)";
    let again =
        format!("{over_the_new}.some(it => it.out && /^INVITE /.test(it.text) && /^To:.*;tag=/im.test(it.text))");
    phone.until(&again).await?;
    let taken = format!(
        "{over_the_new}.some(it => !it.out && /^SIP\\/2.0 200 /.test(it.text) && /^CSeq: *[0-9]+ INVITE/im.test(it.text))"
    );
    phone.until(&taken).await?;
    phone.call_is("active").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    // The BYE goes the new way too.
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Chromium.
pub async fn connection_lost(rig: &Rig) -> Result<()> {
    lost(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn connection_lost_firefox(rig: &Rig) -> Result<()> {
    lost(rig, Kind::Firefox).await
}
