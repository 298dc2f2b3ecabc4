//! Credentials that the page is asked for again, and sound that the browser holds back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Kind, Setting, Voice};
use crate::phone::{Phone, account, stays};
use crate::rig::Rig;
use crate::script::Script;

/// The property `credentials`: a function that gives the list's accounts one after the other, the last one for ever.
const CREDENTIALS: &str =
    "probe.asked = 0; probe.phone().credentials = async () => args[Math.min(probe.asked++, args.length - 1)]";

async fn phone(rig: &Rig) -> Result<Phone> {
    Phone::open(rig, Kind::Chromium, Voice::A, json!({ "lang": "en" })).await
}

/// Asked again before they end, and the call that goes on does not notice.
pub async fn before_expiry(rig: &Rig) -> Result<()> {
    let phone = phone(rig).await?;
    let mut ends = account("100", "pw-100");
    let soon = phone.browser.run("return new Date(Date.now() + 65000).toISOString()", Value::Null).await?;
    ends["expiresAt"] = soon;
    phone.browser.run(CREDENTIALS, json!([ends, account("100", "pw-100")])).await?;
    phone.registered().await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.browser.until("probe.asked === 2", Duration::from_secs(15)).await?;
    phone.until("probe.phone().registration === 'registered'").await?;
    phone.call_is("active").await?;
    // What came last does not end.
    stays(&phone, "probe.asked", Duration::from_secs(2)).await?;
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    Ok(())
}

/// The registrar refuses the password: the page is asked once more, and what it gives then is used. A page that knows no
/// better is not asked for ever.
pub async fn after_a_refusal(rig: &Rig) -> Result<()> {
    let phone = phone(rig).await?;
    phone.browser.run(CREDENTIALS, json!([account("100", "wrong"), account("100", "pw-100")])).await?;
    phone.registered().await?;
    let asked = phone.browser.run("return probe.asked", Value::Null).await?;
    ensure!(asked == json!(2), "asked {asked} times");

    phone.browser.run("await probe.phone().unregister()", Value::Null).await?;
    phone.browser.run(CREDENTIALS, json!([account("100", "wrong")])).await?;
    phone.until("probe.asked === 1").await?;
    let refused = "return probe.phone().register().then(() => 'registered', error => error.code)";
    let refused = phone.browser.run(refused, Value::Null).await?;
    ensure!(refused == "unauthorized", "{refused}");
    phone.until("probe.phone().registration === 'failed' && probe.asked === 2").await?;
    stays(&phone, "probe.asked", Duration::from_secs(2)).await?;
    let fact = phone.until("probe.fired('registration').findLast(event => event.state === 'failed')").await?;
    ensure!(fact["cause"] == "unauthorized", "{fact}");

    // 403, as some registrars say it.
    let script = Script::start().await?;
    let at_script = |password: &str| {
        let mut account = account("100", password);
        account["server"] = json!([script.url()]);
        account
    };
    phone.browser.run(CREDENTIALS, json!([at_script("old"), at_script("new")])).await?;
    let mut line = script.line().await?;
    let first = line.expect("REGISTER ").await?;
    line.send(first.reply("403 Forbidden", "registrar", "", ""))?;
    let again = line.expect("REGISTER ").await?;
    line.send(again.registered())?;
    phone.registered().await?;
    let asked = phone.browser.run("return probe.asked", Value::Null).await?;
    ensure!(asked == json!(2), "asked {asked} times");
    Ok(())
}

/// A browser that plays nothing before the user touches the page: said in words and by an event, and a click lets the
/// sound through.
pub async fn sound_blocked(rig: &Rig) -> Result<()> {
    let setting = Setting { silent: true, ..Setting::default() };
    let attributes = json!({ "lang": "en", "auto-answer": "" });
    let phone = Phone::open_with(rig, Kind::Chromium, Voice::A, setting, attributes).await?;
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await?;
    rig.asterisk.ring("100").await?;
    phone.call_is("active").await?;
    let playing = "[...probe.phone().shadowRoot.querySelectorAll('audio')].some(it => it.srcObject && !it.paused)";
    phone.until("probe.fired('error').find(event => event.code === 'sound-blocked')").await?;
    phone.says("sound").await?;
    ensure!(phone.browser.run(&format!("return {playing}"), Value::Null).await? == false, "it is heard all the same");
    let place = "(box => [box.x + box.width / 2, box.y + box.height / 2])(\
        probe.phone().shadowRoot.querySelector('[data-do=notice]').getBoundingClientRect())";
    let place = phone.browser.run(&format!("return {place}"), Value::Null).await?;
    let at = |index: usize| place[index].as_f64().context("a place");
    let at = (at(0)?, at(1)?);
    phone.browser.drag(at, at, false).await?;
    phone.until(playing).await?;
    phone.until("!probe.phone().shadowRoot.querySelector('.notice').checkVisibility()").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}
