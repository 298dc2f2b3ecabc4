//! The page goes: nobody is left on the line, and the registrar forgets us.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// While it rings: CANCEL, and REGISTER with an expiry of 0. (In a call: `reload`.)
pub async fn while_it_rings(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "101").await?;
    phone.dial("603").await?;
    phone.call_is("ringing").await?;
    phone.browser.leave().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    is_forgotten(rig, "101", &["due to request"]).await
}

/// Idle, in Firefox, where the REGISTER of a page that goes does not arrive: there Asterisk itself takes the binding
/// away as the connection closes.
pub async fn firefox(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Firefox, Voice::A, "102").await?;
    phone.browser.leave().await?;
    is_forgotten(rig, "102", &["due to request", "due to shutdown"]).await
}

/// The binding is gone, and for one of these reasons: a REGISTER ("request") or the end of the connection ("shutdown").
async fn is_forgotten(rig: &Rig, user: &str, reasons: &[&str]) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let log = rig.asterisk.log()?;
        let removed = log
            .lines()
            .rev()
            .find(|line| line.contains("Removed contact") && line.contains(&format!("from AOR '{user}'")));
        match removed {
            Some(line) if reasons.iter().any(|reason| line.ends_with(reason)) => return Ok(()),
            _ => ensure!(
                Instant::now() < end,
                "{user} is still signed in, or for another reason than {reasons:?}: {removed:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
