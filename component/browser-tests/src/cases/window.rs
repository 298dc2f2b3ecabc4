//! The window: how it comes, where it stands, what its buttons are called and when they work.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Kind, Setting, Voice};
use crate::phone::Phone;
use crate::rig::Rig;

/// WebDriver's names of keys.
const ENTER: char = '\u{E007}';
const RIGHT: char = '\u{E014}';
const UP: char = '\u{E013}';
const TAB: char = '\u{E004}';

async fn phone(rig: &Rig, lang: &str) -> Result<Phone> {
    let attributes = json!({ "lang": lang, "account-url": "/account/alice" });
    let setting = Setting { animated: true, ..Setting::default() };
    let phone = Phone::open_with(rig, Kind::Chromium, Voice::A, setting, attributes).await?;
    phone.registered().await?;
    Ok(phone)
}

async fn corner(phone: &Phone) -> Result<(f64, f64)> {
    // At rest: an animation still moves it.
    let rest =
        "probe.phone().shadowRoot.getAnimations().every(it => it.playState !== 'running') && probe.box('window')";
    let place = phone.until(rest).await?;
    let number = |key: &str| place[key].as_f64().with_context(|| place.to_string());
    Ok((number("x")?, number("y")?))
}

async fn is_on_screen(phone: &Phone) -> Result<()> {
    let inside = "(place => Math.min(place.x, place.y, place.right, place.bottom) >= 0)(probe.box('window'))";
    phone.until(inside).await.map(drop)
}

async fn button(phone: &Phone, part: &str) -> Result<Value> {
    let facts =
        "const part = probe.part(args); return part && { words: part.innerText.trim(), enabled: probe.usable(args) }";
    phone.browser.run(facts, json!(part)).await
}

/// The round button slides in at its corner; a click and `Enter` open the window, a second closes it.
pub async fn opens(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "en").await?;
    let shown = "probe.part('window').checkVisibility({ visibilityProperty: true, opacityProperty: true })";
    phone.until("probe.usable('button')").await?;
    phone
        .until("(box => box.width > 30 && box.right >= 0 && box.right < 60 && box.bottom < 60)(probe.box('button'))")
        .await?;
    ensure!(phone.browser.run(&format!("return {shown}"), json!(null)).await? == false, "the window is open already");
    phone.press("button").await?;
    phone.until(shown).await?;
    is_on_screen(&phone).await?;
    phone.press("button").await?;
    phone.until(&format!("!{shown}")).await?;
    phone.browser.run("probe.part('button').focus()", json!(null)).await?;
    phone.browser.keys(&[ENTER]).await?;
    phone.until(shown).await?;
    phone.browser.run("probe.phone().close()", json!(null)).await?;
    phone.until(&format!("!{shown}")).await.map(drop)
}

/// Each value of `corner` puts the button there.
pub async fn corners(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "en").await?;
    for (corner, near) in [
        ("bottom-right", "box.right < 60 && box.bottom < 60"),
        ("bottom-left", "box.x < 60 && box.bottom < 60"),
        ("top-right", "box.right < 60 && box.y < 60"),
        ("top-left", "box.x < 60 && box.y < 60"),
    ] {
        phone.browser.run("probe.phone().corner = args", json!(corner)).await?;
        phone.until(&format!("(box => {near})(probe.box('button'))")).await.with_context(|| corner)?;
    }
    Ok(())
}

/// Mouse, finger and keyboard move it; it stays on screen and is there again on the next page.
pub async fn moves(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "en").await?;
    // High enough for two steps up: a pointer cannot be sent out of the viewport.
    phone.browser.client().set_window_size(1_280, 1_200).await?;
    phone.browser.run("probe.phone().open()", json!(null)).await?;
    for finger in [false, true] {
        let before = corner(&phone).await?;
        let hold = (before.0 + 120.0, before.1 + 14.0);
        phone.browser.drag(hold, (hold.0 - 150.0, hold.1 - 90.0), finger).await?;
        let after = corner(&phone).await?;
        let moved = ((after.0 - before.0).round(), (after.1 - before.1).round());
        let expected = (-150.0, (-90.0_f64).max(8.0 - before.1).round());
        ensure!(moved == expected, "finger {finger}: moved by {moved:?}, not {expected:?}");
    }
    let before = corner(&phone).await?;
    phone.browser.drag((before.0 + 120.0, before.1 + 14.0), (2.0, 2.0), false).await?;
    is_on_screen(&phone).await?;
    let grip =
        "[...probe.part('window').querySelectorAll('button')].find(it => /arrow keys/i.test(it.ariaLabel ?? it.title))";
    phone.browser.run(&format!("{grip}.focus()"), json!(null)).await?;
    let before = corner(&phone).await?;
    phone.browser.keys(&[RIGHT, RIGHT, RIGHT]).await?;
    let after = corner(&phone).await?;
    ensure!(after.0 > before.0 + 20.0 && after.1 == before.1, "{before:?} {after:?}");
    phone.browser.keys(&[UP; 60]).await?;
    is_on_screen(&phone).await?;

    let place = corner(&phone).await?;
    phone.browser.load(rig, "phone.html").await?;
    phone.make(json!({ "lang": "en", "account-url": "/account/alice" })).await?;
    phone.browser.run("probe.phone().open()", json!(null)).await?;
    let again = corner(&phone).await?;
    ensure!(again == place, "left at {place:?}, found at {again:?}");
    phone.browser.client().set_window_size(500, 500).await?;
    is_on_screen(&phone).await
}

/// In a viewport of 800 pixels the window stands whole, with room, whatever is open in it; what is of no use folds away.
pub async fn fits(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "en").await?;
    phone
        .browser
        .run("probe.phone().open(); window.frame = [outerWidth - innerWidth, outerHeight - innerHeight]", json!(null))
        .await?;
    let frame = phone.browser.run("return window.frame", json!(null)).await?;
    let frame = |index: usize| frame[index].as_u64().and_then(|pixels| u32::try_from(pixels).ok()).context("a frame");
    phone.browser.client().set_window_size(1_000 + frame(0)?, 800 + frame(1)?).await?;
    phone.until("innerHeight === 800").await?;
    let shown = "probe.phone().shadowRoot.querySelector('[data-do=messages]').checkVisibility()";
    ensure!(
        phone.browser.run(&format!("return {shown}"), json!(null)).await? == false,
        "nothing is told, the row is there"
    );
    // Rest: an animation still moves it.
    let room = "(() => { const box = probe.part('window'); return probe.phone().shadowRoot.getAnimations().every(it => it.playState !== 'running')\
         && [Math.round(box.getBoundingClientRect().height), box.scrollHeight - box.clientHeight]; })()";
    let mut heights = Vec::new();
    let mut measure = async |what: &str| -> Result<()> {
        let height = phone.until(room).await?;
        heights.push(format!("{what} {}", height[0]));
        let (height, hidden) = (height[0].as_u64().unwrap_or(u64::MAX), height[1].as_u64().unwrap_or(u64::MAX));
        ensure!(height <= 700 && hidden == 0, "{what}: {height} pixels, {hidden} of them hidden");
        Ok(())
    };
    measure("idle").await?;
    phone.press("settings").await?;
    phone.until(shown).await?;
    measure("settings").await?;
    let open = "probe.phone().shadowRoot.querySelector(`[data-do=${args}]`).click()";
    phone.browser.run(open, json!("messages")).await?;
    phone.until("probe.part('messages').checkVisibility() && !probe.phone().shadowRoot.querySelector('.settings').checkVisibility()").await?;
    measure("messages").await?;
    phone.browser.run(open, json!("lamps")).await?;
    phone.until("probe.part('lamps').checkVisibility() && !probe.part('messages').checkVisibility()").await?;
    measure("lamps").await?;
    phone.browser.run(open, json!("lamps")).await?;
    phone.until(&format!("!{shown}")).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    measure("in a call").await?;
    println!("the window's height: {}", heights.join(", "));
    // By keyboard alone: from the gear to the switch that answers by itself.
    phone.browser.run("probe.part('settings').focus()", json!(null)).await?;
    phone.browser.keys(&[ENTER]).await?;
    let focused = "probe.phone().shadowRoot.activeElement?.dataset.set";
    for _ in 0..12 {
        if phone.browser.run(&format!("return {focused} ?? null"), json!(null)).await? == "answer" {
            break;
        }
        phone.browser.keys(&[TAB]).await?;
    }
    phone.browser.keys(&[' ']).await?;
    phone.until("probe.phone().autoAnswer === true").await.map(drop)
}

/// Call and hang up become answer and decline; what makes no sense is disabled.
pub async fn buttons(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "en").await?;
    phone.browser.run("probe.phone().open()", json!(null)).await?;
    ensure!(button(&phone, "call").await? == json!({ "words": "Call", "enabled": false }), "no number, no call");
    ensure!(button(&phone, "hangup").await?["enabled"] != json!(true), "no call, nothing to hang up");
    phone.browser.run("probe.phone().dial('603')", json!(null)).await?;
    phone.until("probe.usable('call')").await?;
    phone.press("call").await?;
    phone.call_is("ringing").await?;
    ensure!(button(&phone, "hangup").await? == json!({ "words": "Hang up", "enabled": true }), "a call can be ended");
    ensure!(button(&phone, "call").await?["enabled"] != json!(true), "one call at a time");
    phone.press("hangup").await?;
    phone.ended().await?;

    let bob = Phone::at_demo(rig, Kind::Chromium, Voice::B, "bob").await?;
    bob.dial("1001").await?;
    phone.until("probe.usable('answer')").await?;
    ensure!(button(&phone, "answer").await?["words"] == "Answer", "while a call comes in");
    ensure!(
        button(&phone, "decline").await? == json!({ "words": "Decline", "enabled": true }),
        "while a call comes in"
    );
    ensure!(button(&phone, "call").await? == json!(null), "while a call comes in");
    phone.says("Bob").await?;
    phone.press("answer").await?;
    phone.call_is("active").await?;
    ensure!(button(&phone, "answer").await? == json!(null), "it is answered");
    ensure!(button(&phone, "mute").await?["enabled"] == json!(true), "a call can be muted");
    phone.press("mute").await?;
    phone.until("probe.call().muted").await?;
    phone.press("hangup").await?;
    phone.until("probe.part('call')").await.map(drop)
}

/// Russian from the attribute, and changed while it is shown; an unknown language is English.
pub async fn languages(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "ru").await?;
    phone.browser.run("probe.phone().open()", json!(null)).await?;
    phone.says("Готов к звонкам").await?;
    phone.says("Позвонить").await?;
    phone.dial("602").await?;
    phone.ended().await?;
    phone.says("Линия занята").await?;
    for (lang, word) in [("en", "Call"), ("ru-RU", "Позвонить"), ("tlh", "Call")] {
        phone.browser.run("probe.phone().lang = args", json!(lang)).await?;
        phone.until(&format!("probe.part('call').innerText.includes('{word}')")).await.with_context(|| lang)?;
    }
    Ok(())
}

/// `inline` stands in the page's flow, `headless` draws nothing and still calls.
pub async fn modes(rig: &Rig) -> Result<()> {
    let phone = phone(rig, "en").await?;
    phone.browser.run("probe.phone().mode = 'inline'", json!(null)).await?;
    phone.until("probe.usable('number') && getComputedStyle(probe.part('window')).position !== 'fixed'").await?;
    phone.browser.run("probe.phone().mode = 'headless'", json!(null)).await?;
    phone
        .until("probe.phone().getBoundingClientRect().height === 0 && !probe.part('window')?.checkVisibility()")
        .await?;
    phone.browser.run("await probe.phone().call('602')", json!(null)).await?;
    let ended = phone.ended().await?;
    ensure!(ended == "busy", "{ended}");
    Ok(())
}
