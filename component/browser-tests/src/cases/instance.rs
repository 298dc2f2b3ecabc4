//! Which phone is which to the registrar: the same one after its page is loaded again, and no two the same.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Kind, SOON, Voice};
use crate::phone::{Phone, account};
use crate::rig::Rig;

/// The instances of the REGISTERs that phones of this page have sent, each once, in order.
const INSTANCES: &str = "[...new Set(probe.sent('REGISTER').map(frame => frame.text.match(/\\+sip\\.instance=\"<(urn:uuid:[-0-9a-f]{36})>\"/)[1]))]";

async fn instances(phone: &Phone) -> Result<Vec<String>> {
    let found = phone.browser.run(&format!("return {INSTANCES}"), Value::Null).await?;
    Ok(serde_json::from_value(found)?)
}

/// How many contacts Asterisk has for a user.
async fn contacts(rig: &Rig, user: &str) -> Result<usize> {
    let printed = rig.asterisk.console("pjsip show contacts").await?;
    Ok(printed.lines().filter(|line| line.contains(&format!("{user}/sip:"))).count())
}

/// The page is loaded again, three times: one phone, one contact, whatever Asterisk knows of instances.
async fn reloaded(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = Phone::at_asterisk(rig, kind, Voice::A, "100").await?;
    let first = instances(&phone).await?;
    ensure!(first.len() == 1, "{first:?}");
    for _ in 0..3 {
        phone.browser.load(rig, "phone.html").await?;
        phone.make(json!({ "lang": "en" })).await?;
        phone.sign_in(&account("100", "pw-100")).await?;
        phone.registered().await?;
        let again = instances(&phone).await?;
        ensure!(again == first, "{first:?} became {again:?}");
    }
    // The binding of the page before may take a moment to go.
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let count = contacts(rig, "100").await?;
        if count == 1 {
            break;
        }
        ensure!(tokio::time::Instant::now() < end, "Asterisk has {count} contacts");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let listed = phone.browser.run("return probe.phone().diagnostics().contacts", Value::Null).await?;
    let own = listed.as_array().context("a list")?.iter().filter(|contact| contact["own"] == true).count();
    ensure!(own == 1, "{listed}");
    Ok(())
}

/// Chromium.
pub async fn reload(rig: &Rig) -> Result<()> {
    reloaded(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn reload_firefox(rig: &Rig) -> Result<()> {
    reloaded(rig, Kind::Firefox).await
}

/// Two phones with different accounts, on one page: each has its own connection, and its place is free again once it is gone.
pub async fn two_phones(rig: &Rig) -> Result<()> {
    let phone = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let second = "probe.make({ lang: 'en', 'account-url': '/account/bob' }, 'second')";
    phone.browser.run(second, Value::Null).await?;
    phone.until("probe.phone('second').registration === 'registered'").await?;
    ensure!(
        phone.browser.run("return probe.phone().leader && probe.phone('second').leader", Value::Null).await? == true
    );
    let both = instances(&phone).await?;
    ensure!(both.len() == 2, "{both:?}");
    phone.browser.run("probe.phone('second').remove()", Value::Null).await?;
    phone.until("probe.sent('REGISTER').at(-1).text.includes('\\r\\nExpires: 0\\r\\n')").await?;
    phone.browser.run(second, Value::Null).await?;
    phone.until("probe.phone('second').registration === 'registered'").await?;
    let again = instances(&phone).await?;
    ensure!(again == both, "{both:?} became {again:?}");
    Ok(())
}
