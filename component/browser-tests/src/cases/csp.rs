//! The phone works under the strictest Content Security Policy that its README names.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// Signs in, calls, is moved about: nothing was refused, under a policy that would have refused it.
async fn no_violation(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = Phone::at_demo(rig, kind, Voice::A, "alice").await?;
    let policy = "return (await fetch(location.href)).headers.get('content-security-policy')";
    let policy = phone.browser.run(policy, json!(null)).await?;
    let policy = policy.as_str().unwrap_or_default();
    for rule in ["default-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", "require-trusted-types-for 'script'"] {
        ensure!(policy.contains(rule), "the page is served without {rule}: {policy}");
    }
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until("probe.call().remoteStream").await?;
    phone.press("hangup").await?;
    phone.ended().await?;
    let report = phone.browser.run("return [...probe.violations, ...probe.errors]", json!(null)).await?;
    ensure!(report == json!([]), "{report}");
    // The policy is in force and the probe sees what it refuses.
    let inline = "const it = document.createElement('style'); it.textContent = 'p{}'; document.head.append(it)";
    phone.browser.run(inline, json!(null)).await?;
    phone.until("probe.violations.length > 0").await?;
    phone.browser.run("probe.violations.length = 0", json!(null)).await.map(drop)
}

/// Chromium, Trusted Types included.
pub async fn chromium(rig: &Rig) -> Result<()> {
    no_violation(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn firefox(rig: &Rig) -> Result<()> {
    no_violation(rig, Kind::Firefox).await
}
