//! Texts, lamps, presence and voice messages, against Asterisk: by the contract's methods and by the window's controls.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::asterisk_is_idle;
use crate::browser::{Kind, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

async fn phone(rig: &Rig, kind: Kind, user: &str) -> Result<Phone> {
    Phone::at_asterisk(rig, kind, Voice::A, user).await
}

/// Types into a field of the window and ends with `Enter`, as a user does.
async fn type_into(phone: &Phone, field: &str, text: &str) -> Result<()> {
    let body = "
        const field = probe.phone().shadowRoot.querySelector(args[0]);
        field.focus();
        field.value = args[1];
        field.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true }));
        field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, composed: true, cancelable: true }));";
    phone.browser.run(body, json!([field, text])).await.map(drop)
}

/// Clicks on what carries this `data-do`.
async fn click(phone: &Phone, action: &str) -> Result<()> {
    phone
        .until(&format!("probe.phone().shadowRoot.querySelector('[data-do={action}]:enabled')?.checkVisibility()"))
        .await?;
    let body = "probe.phone().shadowRoot.querySelector(`[data-do=${args}]`).click()";
    phone.browser.run(body, json!(action)).await.map(drop)
}

async fn open(phone: &Phone) -> Result<()> {
    phone.browser.run("probe.phone().open()", json!(null)).await.map(drop)
}

/// The last `soft-phone-notify` whose state has this status.
async fn told(phone: &Phone, status: &str) -> Result<Value> {
    phone
        .until(&format!("probe.fired('notify').at(-1)?.state?.status === '{status}' && probe.fired('notify').at(-1)"))
        .await
}

/// Two elements write to each other through Asterisk: one by the method, one by keyboard in the window.
async fn texts_in(rig: &Rig, kind: Kind) -> Result<()> {
    // geckodriver has one Firefox at a time: the one who is looked at.
    let (alice, bob) = (phone(rig, kind, "100").await?, phone(rig, Kind::Chromium, "101").await?);
    let text = "Привет, <b>Bob</b> & Co";
    alice.browser.run("await probe.phone().sendMessage('101', args)", json!(text)).await?;
    let message = bob.until("probe.fired('message')[0]").await?;
    ensure!(message["body"] == text && message["from"]["number"] == "100", "{message}");
    ensure!(message["contentType"].as_str().is_some_and(|kind| kind.starts_with("text/plain")), "{message}");
    open(&bob).await?;
    bob.says("Messages, 1 new").await?;
    click(&bob, "messages").await?;
    bob.says(text).await?;
    bob.until("!probe.words().includes('1 new')").await?;
    // The answer goes to whom the text came from; several keep their order.
    for answer in ["one", "two", "three"] {
        type_into(&bob, ".field-text", answer).await?;
    }
    alice.until("probe.fired('message').length === 3").await?;
    let order = alice.browser.run("return probe.fired('message').map(message => message.body)", json!(null)).await?;
    ensure!(order == json!(["one", "two", "three"]), "{order}");
    bob.until("!probe.words().includes('Sending')").await?;
    bob.says("You to 100: three").await
}

/// Chromium.
pub async fn texts(rig: &Rig) -> Result<()> {
    texts_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn texts_firefox(rig: &Rig) -> Result<()> {
    texts_in(rig, Kind::Firefox).await
}

/// Nobody has the number: the promise and the window say so. A text that is too long is not sent.
pub async fn texts_not_delivered(rig: &Rig) -> Result<()> {
    let phone = phone(rig, Kind::Chromium, "100").await?;
    let body = "return probe.phone().sendMessage('999', 'hello').then(() => 'taken', ({ code, sipStatus }) => ({ code, sipStatus }))";
    let failure = phone.browser.run(body, json!(null)).await?;
    ensure!(failure == json!({ "code": "not-found", "sipStatus": 404 }), "{failure}");
    open(&phone).await?;
    click(&phone, "messages").await?;
    phone.says("Not delivered: nobody has this address.").await?;
    let sent = phone.browser.run("return probe.sent('MESSAGE').length", json!(null)).await?;
    type_into(&phone, ".field-text", &"ж".repeat(651)).await?;
    phone.says("This message is too long").await?;
    let left =
        "return [probe.sent('MESSAGE').length, probe.phone().shadowRoot.querySelector('.field-text').value.length]";
    let left = phone.browser.run(left, json!(null)).await?;
    ensure!(left == json!([sent, 651]), "{left}");
    Ok(())
}

/// A busy lamp: free, ringing, busy, free; a press calls.
async fn lamp_in(rig: &Rig, kind: Kind) -> Result<()> {
    // geckodriver has one Firefox at a time: the one who is looked at.
    let (alice, bob) = (phone(rig, kind, "100").await?, phone(rig, Kind::Chromium, "101").await?);
    alice
        .browser
        .run("window.unsubscribe = probe.phone().subscribe('101', 'dialog'); probe.phone().open()", json!(null))
        .await?;
    let first = told(&alice, "free").await?;
    ensure!(first["package"] == "dialog" && first["target"] == "101" && first["subscription"] == "active", "{first}");
    alice.says("101 — free").await?;
    rig.asterisk.ring("101").await?;
    told(&alice, "ringing").await?;
    alice.says("101 — ringing").await?;
    bob.press("answer").await?;
    told(&alice, "busy").await?;
    alice.says("101 — busy").await?;
    bob.press("hangup").await?;
    told(&alice, "free").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;

    click(&alice, "lamp").await?;
    bob.call_is("incoming").await?;
    ensure!(alice.browser.run("return probe.fired('dial').at(-1).number", json!(null)).await? == "101");
    alice.press("hangup").await?;
    alice.ended().await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;

    // The user's own lamp, put up and taken away by the window.
    type_into(&alice, ".field-watch", "100").await?;
    alice.says("100 — free").await?;
    alice.browser.run("unsubscribe()", json!(null)).await?;
    alice.until("!probe.words().includes('101 — ')").await?;
    click(&alice, "unwatch").await?;
    alice.until("!probe.words().includes('100 — ')").await?;
    alice.until("probe.sent('SUBSCRIBE').filter(frame => /^Expires: 0\\r$/im.test(frame.text)).length >= 2").await?;
    let subscriptions = "Active: 0";
    let shown = rig.asterisk.console("pjsip show subscriptions inbound").await?;
    ensure!(!shown.contains("101") || shown.contains(subscriptions), "Asterisk still tells: {shown}");
    Ok(())
}

/// Chromium.
pub async fn lamp(rig: &Rig) -> Result<()> {
    lamp_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn lamp_firefox(rig: &Rig) -> Result<()> {
    lamp_in(rig, Kind::Firefox).await
}

/// Presence as Asterisk makes it from the state of a phone.
async fn presence_in(rig: &Rig, kind: Kind) -> Result<()> {
    let alice = phone(rig, kind, "100").await?;
    alice.browser.run("probe.phone().subscribe('101', 'presence'); probe.phone().open()", json!(null)).await?;
    told(&alice, "offline").await?;
    alice.says("101 — not reachable").await?;
    let bob = phone(rig, Kind::Chromium, "101").await?;
    told(&alice, "available").await?;
    alice.says("101 — free").await?;
    bob.dial("600").await?;
    bob.call_is("active").await?;
    let busy = told(&alice, "busy").await?;
    ensure!(busy["state"]["note"] == "On the phone", "{busy}");
    bob.press("hangup").await?;
    bob.ended().await?;
    told(&alice, "available").await.map(drop)
}

/// Chromium.
pub async fn presence(rig: &Rig) -> Result<()> {
    presence_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn presence_firefox(rig: &Rig) -> Result<()> {
    presence_in(rig, Kind::Firefox).await
}

/// Voice messages, subscribed to: counted in the window, whose button calls the mailbox.
async fn mailbox_in(rig: &Rig, kind: Kind) -> Result<()> {
    rig.asterisk.empty_mailbox("100")?;
    let phone = phone(rig, kind, "100").await?;
    phone.browser.run("probe.phone().subscribe('', 'message-summary'); probe.phone().open()", json!(null)).await?;
    phone.until("probe.fired('notify').at(-1)?.state?.waiting === false").await?;
    rig.asterisk.leave_message("100")?;
    let told = phone.until("probe.fired('notify').at(-1).state.waiting && probe.fired('notify').at(-1)").await?;
    ensure!(told["state"]["new"] == 1 && told["package"] == "message-summary", "{told}");
    phone.says("New voice messages: 1").await?;
    click(&phone, "mailbox").await?;
    phone.call_is("active").await?;
    ensure!(phone.browser.run("return probe.call().number ?? probe.call().remote.number", json!(null)).await? == "608");
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// Chromium.
pub async fn mailbox(rig: &Rig) -> Result<()> {
    mailbox_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn mailbox_firefox(rig: &Rig) -> Result<()> {
    mailbox_in(rig, Kind::Firefox).await
}

/// Asterisk tells of voice messages unasked, as it does where the mailbox belongs to the endpoint.
pub async fn mailbox_without_subscription(rig: &Rig) -> Result<()> {
    let phone = phone(rig, Kind::Chromium, "101").await?;
    open(&phone).await?;
    rig.asterisk.leave_message("101")?;
    let told = phone.until("probe.fired('notify').at(-1)?.state?.waiting && probe.fired('notify').at(-1)").await?;
    ensure!(told["subscription"].is_null() && told["state"]["new"] == 1, "{told}");
    phone.says("New voice messages: 1").await?;
    let asked = phone.browser.run("return probe.sent('SUBSCRIBE').length", json!(null)).await?;
    ensure!(asked == json!(0), "{asked} SUBSCRIBEs");
    Ok(())
}

/// Asterisk takes no presence: the promise says so, and nothing is tried again and again.
pub async fn publish(rig: &Rig) -> Result<()> {
    let phone = phone(rig, Kind::Chromium, "100").await?;
    let body = "return probe.phone().publish('busy', 'lunch').then(() => 'taken', ({ sipStatus }) => sipStatus)";
    let status = phone.browser.run(body, json!(null)).await?;
    ensure!(status == json!(489), "{status}");
    open(&phone).await?;
    phone.says("does not tell others how you are").await?;
    let sent = phone.browser.run("return probe.sent('PUBLISH').at(-1).text", json!(null)).await?;
    let sent = sent.as_str().unwrap_or_default();
    ensure!(sent.contains("<rpid:busy/>") && sent.contains("<note>lunch</note>"), "{sent}");
    Ok(())
}
