//! Where calls go besides to whom they were meant for: sent elsewhere, taken over, answered by themselves, without a
//! name.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::browser::{Kind, Voice};
use crate::phone::{Phone, in_call, stays};
use crate::relay::{Relay, Way};
use crate::rig::Rig;
use crate::script::{Message, Script, compose, description};

/// Bob sends Alice to the echo from his window (302); Alice's phone follows, and she hears herself.
pub async fn sent_elsewhere(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    alice.dial("1002").await?;
    bob.call_is("incoming").await?;
    bob.says("Forward").await?;
    bob.press("transfer").await?;
    bob.browser.run("probe.phone().dial('600')", Value::Null).await?;
    bob.press("call").await?;
    let ended = bob.ended().await?;
    ensure!(ended == "redirected", "{ended}");
    alice.call_is("active").await?;
    alice.until("probe.received('SIP/2.0 302').length === 1 && probe.call().remote.number === '600'").await?;
    let likeness = alice.record(7.0).await?.is_echo(rig)?;
    println!("redirected to the echo: {likeness:.2?}");
    alice.press("hangup").await?;
    let ended = alice.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");

    // By the method, to nobody: the caller hears how that went.
    alice.dial("1002").await?;
    bob.call_is("incoming").await?;
    bob.browser.run("probe.events.length = 0; await probe.call().redirect('999')", Value::Null).await?;
    alice.until("probe.phone().calls.length === 0").await?;
    alice.says("This number does not exist").await?;
    alice.is_usable().await
}

/// Alice asks that nobody needs to press a key at Bob's: a page that has not allowed it lets it ring; one that has
/// answers, after the time that the caller asks for.
pub async fn answered_by_itself(rig: &Rig) -> Result<()> {
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    let call = "await probe.phone().call('1002', args)";
    alice.browser.run(call, json!({ "autoAnswer": true })).await?;
    bob.call_is("incoming").await?;
    let asked = "return probe.received('INVITE').at(-1).text";
    let invite = bob.browser.run(asked, Value::Null).await?;
    ensure!(invite.as_str().is_some_and(|text| text.contains("\r\nAnswer-Mode: Auto")), "{invite}");
    stays(&bob, "probe.call().state", Duration::from_secs(1)).await?;
    alice.browser.run("await probe.call().hangup()", Value::Null).await?;
    bob.ended().await?;

    // The window's own switch.
    let allow = "probe.phone().open(); probe.press('settings');
        const allow = probe.phone().shadowRoot.querySelector('[data-set=answer]'); allow.click(); probe.press('settings');
        return probe.phone().autoAnswer";
    ensure!(bob.browser.run(allow, Value::Null).await? == true, "the switch does not set the attribute");
    for (options, at_least) in [
        (json!({ "headers": { "Call-Info": "<sip:1001@soft-phone.test>;answer-after=1" } }), 1_000.0),
        (json!({ "headers": { "Alert-Info": "<http://example.com>;info=alert-autoanswer" } }), 0.0),
        (json!({ "autoAnswer": true }), 0.0),
    ] {
        bob.browser.run("probe.events.length = probe.wire.length = 0", Value::Null).await?;
        alice.browser.run(call, options.clone()).await?;
        in_call(&alice, &bob).await?;
        let answer =
            "probe.wire.find(it => it.out && /^SIP\\/2.0 200/.test(it.text) && /CSeq: *[0-9]+ INVITE/i.test(it.text))";
        let took =
            bob.browser.run(&format!("return {answer}.at - probe.received('INVITE')[0].at"), Value::Null).await?;
        let took = took.as_f64().context("a time")?;
        ensure!((at_least..at_least + 3_000.0).contains(&took), "{options}: answered after {took} ms");
        // RFC 5373 §4.5: who asked in its words is told.
        let told = bob.browser.run(&format!("return /^Answer-Mode: *Auto/im.test({answer}.text)"), Value::Null).await?;
        let asked = options["autoAnswer"] == true;
        ensure!(told == json!(asked), "{options}: Answer-Mode is {told} in the answer");
        if asked {
            let (one, other) = tokio::try_join!(alice.record(8.0), bob.record(8.0))?;
            other.heard_of(rig, &one)?;
            one.heard_of(rig, &other)?;
        }
        alice.browser.run("await probe.call().hangup()", Value::Null).await?;
        bob.ended().await?;
    }
    Ok(())
}

/// Neither a caller who does not want to be known is shown, nor do we tell who calls when the user says so.
pub async fn without_a_name(rig: &Rig) -> Result<()> {
    let script = Script::start().await?;
    let phone = Phone::open(rig, Kind::Chromium, Voice::A, json!({ "lang": "en" })).await?;
    let account =
        json!({ "server": [script.url()], "uri": "sip:100@127.0.0.1", "displayName": "Alice", "password": "x" });
    phone.sign_in(&account).await?;
    let mut line = script.line().await?;
    let register = line.expect("REGISTER ").await?;
    line.send(register.registered())?;
    phone.registered().await?;

    let head = "Via: SIP/2.0/WS script.invalid;branch=z9hG4bK-anonymous\r\nMax-Forwards: 70\r\n\
        From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=far\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: anonymous\r\n\
        CSeq: 1 INVITE\r\nContact: <sip:far@127.0.0.1>\r\nPrivacy: id\r\n\
        P-Asserted-Identity: \"Eve Secret\" <sip:+4930123@127.0.0.1>\r\n";
    line.send(compose(&format!("INVITE {} SIP/2.0", register.contact()), head, &description("", "actpass")))?;
    line.expect("SIP/2.0 180").await?;
    phone.call_is("incoming").await?;
    phone.says("Unknown caller").await?;
    let shown =
        "const { number, name, uri } = probe.call().remote; return [number, name, uri, probe.words()].join('|')";
    let shown = phone.browser.run(shown, Value::Null).await?;
    let shown = shown.as_str().context("text")?;
    ensure!(!shown.contains("Eve") && !shown.contains("4930123") && !shown.contains("anonymous"), "{shown}");
    phone.press("decline").await?;
    let declined = line.expect("SIP/2.0 603").await?;
    line.send(compose(
        &format!("ACK {} SIP/2.0", register.contact()),
        &head
            .replace("1 INVITE", "1 ACK")
            .replace("To: <sip:100@127.0.0.1>", &format!("To: {}", declined.header("To").unwrap_or_default())),
        "",
    ))?;
    phone.ended().await?;

    phone
        .browser
        .run(
            "probe.press('settings'); probe.phone().shadowRoot.querySelector('[data-set=hide]').click(); probe.press('settings')",
            Value::Null,
        )
        .await?;
    phone.dial("600").await?;
    let invite = line.expect("INVITE ").await?;
    let from = invite.header("From").unwrap_or_default();
    ensure!(from.contains("sip:anonymous@anonymous.invalid") && !from.contains("Alice"), "{}", invite.text);
    ensure!(invite.header("Privacy").is_some_and(|wish| wish.contains("id")), "{}", invite.text);
    line.send(invite.reply("486 Busy Here", "far", "", ""))?;
    line.expect("ACK ").await?;
    phone.ended().await.map(drop)
}

/// Carol sees by her lamp that Bob's phone rings, and takes the call over: Alice speaks with Carol, Bob's phone stops.
/// The embedded server tells nothing of dialogs; a relay does it in its place.
pub async fn taken_over(rig: &Rig) -> Result<()> {
    let subscribed: Arc<Mutex<Option<Message>>> = Arc::default();
    let heard = Arc::clone(&subscribed);
    let relay = Relay::start(&rig.demo_server(), move |way, text| {
        if way == Way::ToServer && text.starts_with("SUBSCRIBE ") {
            let message = Message { at: Instant::now(), text };
            let answer = message.reply("200 OK", "lamps", "Expires: 600\r\nContact: <sip:lamps@127.0.0.1>\r\n", "");
            if let Ok(mut heard) = heard.lock() {
                *heard = Some(message);
            }
            return vec![(Way::ToPhone, answer)];
        }
        // Answers to NOTIFY are for the relay.
        if way == Way::ToServer && text.starts_with("SIP/2.0 ") && text.contains(" NOTIFY\r\n") {
            return Vec::new();
        }
        vec![(way, text)]
    })
    .await?;
    let alice = Phone::at_demo(rig, Kind::Chromium, Voice::A, "alice").await?;
    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::A, "bob").await?;
    let carol = Phone::at_demo_through(rig, Voice::B, "carol", &relay.url(), json!({})).await?;
    carol.browser.run("probe.phone().subscribe('1002', 'dialog'); probe.phone().open()", Value::Null).await?;
    carol.until("probe.received('SIP/2.0 200').some(it => /CSeq: *[0-9]+ SUBSCRIBE/i.test(it.text))").await?;
    let subscribe = subscribed.lock().ok().and_then(|found| found.clone()).context("a SUBSCRIBE")?;
    let notify = |number: u32, dialogs: &str| {
        let body = format!(
            "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{number}\" \
             state=\"full\" entity=\"sip:1002@soft-phone.test\">{dialogs}</dialog-info>"
        );
        let extra =
            "Event: dialog\r\nSubscription-State: active;expires=600\r\nContent-Type: application/dialog-info+xml\r\n";
        relay.tell(subscribe.request("NOTIFY", number, "lamps", number, extra, &body))
    };
    notify(1, "")?;
    carol.says("1002 — free").await?;

    alice.dial("1002").await?;
    bob.call_is("incoming").await?;
    alice.call_is("ringing").await?;
    let ringing = alice.browser.run("return probe.received('SIP/2.0 180')[0].text", Value::Null).await?;
    let ringing = Message { at: Instant::now(), text: ringing.as_str().context("a 180")?.to_owned() };
    let tag = |header| ringing.tag(header).context("a tag");
    notify(
        2,
        &format!(
            "<dialog id=\"1\" call-id=\"{}\" local-tag=\"{}\" remote-tag=\"{}\" direction=\"recipient\"><state>early</state>\
             <remote><identity>sip:1001@soft-phone.test</identity></remote></dialog>",
            ringing.header("Call-ID").context("a Call-ID")?,
            tag("To")?,
            tag("From")?,
        ),
    )?;
    carol.says("1002 — ringing").await?;
    carol.browser.run("probe.phone().shadowRoot.querySelector('[data-do=lamp]').click()", Value::Null).await?;
    in_call(&carol, &alice).await?;
    let ended = bob.ended().await?;
    ensure!(["missed", "answered-elsewhere"].contains(&ended.as_str()), "{ended}");
    alice.until("probe.phone().calls.length === 1 && probe.call().remote.number === '1003'").await?;
    let (one, other) = tokio::try_join!(alice.record(8.0), carol.record(8.0))?;
    other.heard_of(rig, &one)?;
    one.heard_of(rig, &other)?;
    carol.press("hangup").await?;
    alice.ended().await.map(drop)
}
