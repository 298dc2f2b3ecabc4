//! The phone in a real Creme CRM: sign in, click a contact's number, speak to Asterisk, find the call in Creme.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::browser::{Browser, Kind, Voice};
use crate::creme::Creme;
use crate::rig::Rig;

/// Creme's pages are large, and its server is one for developers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Creme's button behind the number of Echo Valley.
const BUTTON: &str = "[...document.querySelectorAll('a.cti-phonecall')].find(button => button.getAttribute('onclick').includes(`'600'`))";

/// What is of a call: the activity with its kind and status, who is related to it, and the row of the call.
const CALLS: &str = "SELECT e.id, a.title, e.description, s.name, a.start, a.\"end\",
    (SELECT group_concat(p.header_filter_search_field, '|') FROM creme_core_relation r
     JOIN creme_core_cremeentity p ON p.id = r.object_entity_id WHERE r.subject_entity_id = e.id ORDER BY r.id), c.seq
    FROM activities_activity a JOIN creme_core_cremeentity e ON e.id = a.cremeentity_ptr_id
    JOIN activities_status s ON s.id = a.status_id JOIN soft_phone_call c ON c.activity_id = e.id ORDER BY e.id";

/// Waits for an expression of a page of an application; they have no probe.
pub(super) async fn until(browser: &Browser, expression: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        // A page that is just leaving answers nothing.
        if let Ok(value) = browser.run(&format!("return Boolean({expression})"), Value::Null).await
            && value == json!(true)
        {
            return Ok(());
        }
        ensure!(Instant::now() < end, "never: {expression}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn registered(browser: &Browser) -> Result<()> {
    until(browser, "document.querySelector('soft-phone')?.registration === 'registered'").await
}

/// The whole way, from the sign-in to the card in Creme's own database; then the same events once more.
pub async fn call(rig: &Rig) -> Result<()> {
    let creme = Creme::start(rig).await?;
    let browser = Browser::open(rig, Kind::Chromium, Voice::A).await?;
    browser.load_at(creme.url("/creme_login/")).await?;
    let none = browser.run("return document.querySelector('soft-phone')", Value::Null).await?;
    ensure!(none.is_null(), "a phone on the sign-in page");
    let sign_in =
        "const form = document.querySelector('form'); form.username.value = 'root'; form.password.value = 'root';
        form.querySelector('[type=submit]').click()";
    browser.run(sign_in, Value::Null).await?;
    registered(&browser).await.context("after the sign-in")?;

    browser.load_at(creme.url("/persons/contacts")).await?;
    registered(&browser).await.context("on the list of contacts")?;
    until(&browser, BUTTON).await?;
    // What the phone sends is kept, to be sent once more.
    let watch = "const { fetch } = window; window.sent = [];
        window.fetch = (url, options) => { if (options?.method === 'POST') window.sent.push([String(url), options]); return fetch(url, options) };
        ";
    browser.run(&format!("{watch}{BUTTON}.click()"), Value::Null).await?;
    until(&browser, "document.querySelector('soft-phone').calls[0]?.state === 'active'").await?;
    ensure!(rig.asterisk.channels().await? > 0, "Asterisk knows of no call");
    // It is in Creme while it goes on.
    let end = Instant::now() + PATIENCE;
    loop {
        let calls = creme.rows(CALLS).await?;
        if calls[0][3] == "In progress" && calls[0][7].as_i64() >= Some(2) {
            break;
        }
        ensure!(Instant::now() < end, "no call that goes on in {calls}");
        sleep(Duration::from_millis(100)).await;
    }
    browser.run("await document.querySelector('soft-phone').calls[0].hangup()", Value::Null).await?;
    let end = Instant::now() + PATIENCE;
    let calls = loop {
        let calls = creme.rows(CALLS).await?;
        if calls[0][3] == "Done" {
            break calls;
        }
        ensure!(Instant::now() < end, "no call that has ended in {calls}");
        sleep(Duration::from_millis(100)).await;
    };
    let [call] = calls.as_array().context("rows")?.as_slice() else { anyhow::bail!("one call, not {calls}") };
    let text = |column: usize| call[column].as_str().unwrap_or_default();
    ensure!(text(1).contains("Valley") && text(1).starts_with("Call to"), "{call}");
    ensure!(text(2).starts_with("600: answered\n"), "{call}");
    ensure!(text(4) < text(5), "{call}");
    ensure!(text(6).contains("Valley"), "the contact is not related: {call}");

    let before = creme.rows(CALLS).await?;
    let replay = "const answers = [];
        for (const [url, options] of [...window.sent]) { const { signal, ...rest } = options; answers.push(...(await (await fetch(url, rest)).json()).results) }
        return answers.map(answer => answer.status)";
    let statuses = browser.run(replay, Value::Null).await?;
    let statuses = statuses.as_array().context("statuses")?;
    ensure!(statuses.len() >= 3 && statuses.iter().all(|status| status == "duplicate"), "{statuses:?}");
    ensure!(creme.rows(CALLS).await? == before, "the replay has changed something");
    super::asterisk_is_idle(rig, Duration::from_secs(10)).await
}
