//! Two phones talk: each hears the other, and not itself.

use anyhow::{Result, ensure};

use crate::browser::{Kind, Voice};
use crate::phone::{Phone, in_call};
use crate::rig::Rig;

/// `caller` dials, `callee` answers, both speak, the callee hangs up.
pub(super) async fn talk(rig: &Rig, name: &str, caller: &Phone, callee: &Phone, number: &str) -> Result<()> {
    caller.dial(number).await?;
    callee.call_is("incoming").await?;
    callee.press("answer").await?;
    in_call(caller, callee).await?;
    let (one, other) = tokio::try_join!(caller.record(8.0), callee.record(8.0))?;
    let there = other.heard_of(rig, &one)?;
    let back = one.heard_of(rig, &other)?;
    println!("{name}: caller to callee {there:.2?}\n{name}: callee to caller {back:.2?}");
    callee.press("hangup").await?;
    let (left, right) = (caller.ended().await?, callee.ended().await?);
    ensure!((left.as_str(), right.as_str()) == ("remote-hangup", "local-hangup"), "{left}, {right}");
    caller.is_usable().await?;
    callee.is_usable().await
}

/// Two Chromiums through Asterisk.
pub async fn asterisk(rig: &Rig) -> Result<()> {
    let alice = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    let bob = Phone::at_asterisk(rig, Kind::Chromium, Voice::B, "101").await?;
    talk(rig, "Chromium, Asterisk, Chromium", &alice, &bob, "101").await
}

/// Two Chromiums through the embedded server.
pub async fn embedded(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    talk(rig, "Chromium, embedded server, Chromium", &alice, &bob, "1002").await
}

/// The callee declines, the caller reads it.
pub async fn declined(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    alice.dial("1002").await?;
    bob.press("decline").await?;
    let (left, right) = (alice.ended().await?, bob.ended().await?);
    ensure!((left.as_str(), right.as_str()) == ("declined", "declined"), "{left}, {right}");
    alice.says("Your call was declined").await?;
    alice.is_usable().await
}

/// The caller gives up, the callee has missed a call.
pub async fn missed(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    alice.dial("1002").await?;
    bob.call_is("incoming").await?;
    alice.press("hangup").await?;
    let (left, right) = (alice.ended().await?, bob.ended().await?);
    ensure!((left.as_str(), right.as_str()) == ("cancelled", "missed"), "{left}, {right}");
    bob.says("Missed call from Alice").await
}

/// The embedded server's own numbers.
pub async fn embedded_numbers(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    alice.dial("600").await?;
    alice.call_is("active").await?;
    let likeness = alice.record(7.0).await?.is_echo(rig)?;
    println!("Chromium, embedded echo: {likeness:.2?}");
    alice.press("hangup").await?;
    for (number, cause) in [("602", "busy"), ("999", "not-found"), ("1003", "unavailable")] {
        alice.until("probe.phone().calls.length === 0").await?;
        alice.browser.run("probe.events.length = 0", serde_json::json!(null)).await?;
        alice.dial(number).await?;
        let ended = alice.ended().await?;
        ensure!(ended == cause, "{number}: {ended}");
    }
    Ok(())
}
