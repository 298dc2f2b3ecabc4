//! The demo's small CRM in a browser: sign in, go to a contact's page, click the number, see the card appear.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::creme::until;
use crate::browser::{Browser, Kind, Setting, Voice};
use crate::rig::Rig;

/// What the policy has refused on this page since it began to load.
pub(super) const REFUSED: &str = "const refused = [];
    const observer = new ReportingObserver(reports => refused.push(...reports.map(report => report.body.toJSON())),
      { types: ['csp-violation'], buffered: true });
    observer.observe();
    await new Promise(resolve => setTimeout(resolve));
    refused.push(...observer.takeRecords().map(report => report.body.toJSON()));
    return refused";

pub(super) const REGISTERED: &str = "document.querySelector('soft-phone')?.registration === 'registered'";

/// The newest card's state, in the table of calls.
pub(super) fn newest_is(state: &str) -> String {
    format!("document.querySelector('#cards tbody tr')?.cells[4].textContent === '{state}'")
}

/// Signs in to the CRM as the first of its agents.
pub(super) async fn sign_in(rig: &Rig, browser: &Browser) -> Result<()> {
    let agent = rig.agents.first().context("an agent")?;
    browser.load_at(format!("http://{}/crm/", rig.demo.addr)).await?;
    let form = "const form = document.querySelector('form'); form.elements.name.value = args[0];
        form.elements.password.value = args[1]; form.querySelector('button').click()";
    browser.run(form, json!([agent.user.name, agent.password])).await?;
    until(browser, REGISTERED).await.context("after the sign-in").map(drop)
}

/// From the sign-in to the card, which appears while the call goes on and ends with it.
pub async fn call(rig: &Rig) -> Result<()> {
    let at = |path: &str| format!("http://{}{path}", rig.demo.addr);
    let setting = Setting { animated: true, ..Setting::default() };
    let browser = Browser::open_with(rig, Kind::Chromium, Voice::A, setting).await?;
    sign_in(rig, &browser).await?;
    let contact = "[...document.querySelectorAll('td:first-child a')].find(link => link.textContent === 'Echo')";
    let page = browser.run(&format!("return {contact}.href"), Value::Null).await?;
    browser.load_at(page.as_str().context("Echo's page")?.to_owned()).await?;
    until(&browser, REGISTERED).await.context("on another page")?;
    // Of cases before, whose demo it was, too.
    let rows = "return document.querySelectorAll('#cards tbody tr').length";
    let before = browser.run(rows, Value::Null).await?.as_u64().context("rows")?;
    browser.run("document.querySelector('.numbers a[href=\"tel:600\"]').click()", Value::Null).await?;
    until(&browser, &newest_is("talking")).await?;
    let contact =
        browser.run("return document.querySelector('#cards tbody tr').cells[3].textContent", Value::Null).await?;
    ensure!(contact == "Echo", "the card is with {contact}");
    browser.run("await document.querySelector('soft-phone').calls[0].hangup()", Value::Null).await?;
    until(&browser, &newest_is("answered")).await?;
    let after = browser.run(rows, Value::Null).await?.as_u64().context("rows")?;
    ensure!(after == before + 1, "{before} cards, and {after} behind one call");
    let refused = browser.run(REFUSED, Value::Null).await?;
    ensure!(refused == json!([]), "{refused}");
    // The policy is in force, and what it refuses is seen.
    let inline = "const it = document.createElement('style'); it.textContent = 'p{}'; document.head.append(it)";
    browser.run(inline, Value::Null).await?;
    let refused = browser.run(REFUSED, Value::Null).await?;
    ensure!(refused.as_array().is_some_and(|refused| refused.len() == 1), "{refused}");
    // Signed out: the page of before leads to the sign-in, and there is no phone on it.
    browser.run("document.querySelector('form[action=\"/crm/sign-out\"] button').click()", Value::Null).await?;
    until(&browser, "location.pathname === '/crm/sign-in'").await?;
    browser.load_at(at("/crm/calls")).await?;
    until(&browser, "location.pathname === '/crm/sign-in' && !document.querySelector('soft-phone')").await?;
    Ok(())
}
