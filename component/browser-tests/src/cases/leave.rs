//! The page goes: nobody is left on the line, and the registrar forgets us.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// In a call: BYE and REGISTER with an expiry of 0 still leave.
pub async fn in_a_call(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.browser.leave().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    is_forgotten(rig, "100").await
}

/// While it rings: CANCEL.
pub async fn while_it_rings(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "101").await?;
    phone.dial("603").await?;
    phone.call_is("ringing").await?;
    phone.browser.leave().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    is_forgotten(rig, "101").await
}

/// Idle, in Firefox.
pub async fn firefox(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Firefox, Voice::A, "102").await?;
    phone.browser.leave().await?;
    is_forgotten(rig, "102").await
}

async fn is_forgotten(rig: &Rig, user: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let contacts = rig.asterisk.console("pjsip show contacts").await?;
        if !contacts.contains(&format!("{user}/sip:")) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "Asterisk still knows {contacts}");
    }
}
