//! The phone in a window of its own: its calls outlive the pages, which show and do all of it; and what becomes of it when the
//! window goes, or the browser opens none.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};
use soft_phone_benches::audio::{RATE, longest_gap, rms, write};
use tokio::time::Instant;

use super::asterisk_is_idle;
use super::creme::until;
use super::demo::{REFUSED, REGISTERED, newest_is, sign_in};
use crate::browser::{Browser, Kind, SOON, Voice};
use crate::crm::{Card, Crm};
use crate::phone::{Phone, account};
use crate::rig::Rig;

/// Below this there is no sound, dBFS: `hum` is above −35 at its softest.
const SILENCE_DBFS: f32 = -50.0;
/// The longest silence that is none, ms: one packet.
const GAP_MS: f32 = 20.0;
/// How long the phone may be without anybody who has it.
const HAND_OVER: Duration = Duration::from_secs(1);
/// So many pages are loaded meanwhile.
const PAGES: usize = 5;

/// What of a call is the same in the window and on every page.
const FACTS: &str = "(call => call && { id: call.id, state: call.state, direction: call.direction,
    number: call.remote.number, startedAt: call.startedAt, answeredAt: call.answeredAt, muted: call.muted })(probe.phone()?.calls?.[0])";

/// A page whose phone is to be in a window of its own, and that window.
struct Pair {
    phone: Phone,
    page: WindowHandle,
    window: Option<WindowHandle>,
}

/// A page of an application whose phone signs in by itself.
fn address(rig: &Rig, page: usize) -> String {
    let encoded = |value: Value| value.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let attributes = encoded(json!({ "lang": "en", "mode": "popup" }));
    let account = encoded(account("100", "pw-100"));
    rig.page(&format!("call.html?attributes={attributes}&account={account}&page={page}"))
}

impl Pair {
    /// The page, without the window.
    async fn load(rig: &Rig, kind: Kind) -> Result<Self> {
        let phone = Phone { browser: Browser::open(rig, kind, Voice::A).await? };
        phone.browser.load_at(address(rig, 0)).await?;
        phone.registered().await?;
        let page = phone.browser.client().window().await?;
        Ok(Self { phone, page, window: None })
    }

    /// The window as well, by a click on the button.
    async fn open(rig: &Rig, kind: Kind) -> Result<Self> {
        let mut pair = Self::load(rig, kind).await?;
        pair.click("button").await?;
        pair.hosted().await?;
        Ok(pair)
    }

    /// Waits on the page until the window has the phone, and puts a probe into it.
    async fn hosted(&mut self) -> Result<()> {
        self.phone.until("!probe.phone().leader && probe.phone().registration === 'registered'").await?;
        let mut others = self.phone.browser.client().windows().await?.into_iter().filter(|other| *other != self.page);
        self.window = Some(others.next().context("there is no window")?);
        ensure!(others.next().is_none(), "there is more than one window");
        self.to_window().await?;
        let body = "await import('/test/probe.js'); document.querySelector('soft-phone').id = 'phone'; return location.pathname";
        let place = self.phone.browser.run(body, Value::Null).await?;
        ensure!(place == "/soft-phone/popup.html", "the window is at {place}");
        self.phone.until("probe.phone().leader && probe.phone().registration === 'registered'").await?;
        self.to_page().await
    }

    async fn to_page(&self) -> Result<()> {
        Ok(self.phone.browser.client().switch_to_window(self.page.clone()).await?)
    }

    async fn to_window(&self) -> Result<()> {
        let window = self.window.clone().context("no window")?;
        Ok(self.phone.browser.client().switch_to_window(window).await?)
    }

    /// A click as a user's: browsers open windows for no other.
    async fn click(&self, part: &str) -> Result<()> {
        let stands = format!("probe.usable('{part}') && !probe.part('{part}').getAnimations().length");
        self.phone.until(&stands).await?;
        let place = format!("const box = probe.box('{part}'); return [box.x + box.width / 2, box.y + box.height / 2]");
        click(&self.phone.browser, &place).await
    }

    async fn facts(&self) -> Result<Value> {
        self.phone.browser.run(&format!("return {FACTS}"), Value::Null).await
    }

    /// On a page: hangs up, and the other side is gone.
    async fn hang_up(&self, rig: &Rig) -> Result<()> {
        self.phone.browser.run("probe.phone().open()", Value::Null).await?;
        self.phone.press("hangup").await?;
        self.phone.until("probe.phone().history.at(-1)?.cause === 'local-hangup'").await?;
        asterisk_is_idle(rig, Duration::from_secs(5)).await
    }
}

/// Clicks where a function of the page says.
async fn click(browser: &Browser, place: &str) -> Result<()> {
    let place = browser.run(place, Value::Null).await?;
    let at = (place[0].as_f64().context("a place")?, place[1].as_f64().context("a place")?);
    browser.drag(at, at, false).await
}

/// Addresses under which Asterisk knows the phone.
async fn contacts(rig: &Rig) -> Result<usize> {
    let printed = rig.asterisk.console("pjsip show contacts").await?;
    Ok(printed.lines().filter(|line| line.contains("100/sip:")).count())
}

/// A call to Asterisk's echo, pages that come and go meanwhile, and what is heard in the window all the time.
async fn outlives(rig: &Rig, kind: Kind) -> Result<()> {
    let pair = Pair::open(rig, kind).await?;
    let phone = &pair.phone;
    ensure!(contacts(rig).await? == 1, "it is signed in more than once");
    pair.to_window().await?;
    phone.browser.run("probe.source = 'hum'", Value::Null).await?;
    pair.to_page().await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    let before = pair.facts().await?;
    pair.to_window().await?;
    phone.until("probe.call().remoteStream && probe.connected()").await?;
    ensure!(pair.facts().await? == before, "the window has another call than {before}");
    let tape = "probe.end = Infinity; probe.tape = probe.record([probe.call().localStream, probe.call().remoteStream], () => probe.end)";
    phone.browser.run(tape, Value::Null).await?;
    phone.until("probe.recorded > 0.5").await?;
    pair.to_page().await?;
    for page in 1..=PAGES {
        phone.browser.load_at(address(rig, page % 2)).await?;
        phone.until(FACTS).await.with_context(|| format!("page {page}"))?;
        let shown = pair.facts().await?;
        ensure!(shown == before, "{before} became {shown} on page {page}");
        phone.browser.run("probe.phone().open()", Value::Null).await?;
        phone.says("In a call").await?;
        let clock = "const [, minutes, seconds] = probe.words().match(/(\\d\\d):(\\d\\d)/);
            return [(Date.now() - probe.call().answeredAt) / 1000 - minutes * 60 - seconds, probe.open().connections, probe.phone().leader]";
        let told = phone.browser.run(clock, Value::Null).await?;
        ensure!(told[0].as_f64().is_some_and(|late| (-0.5..2.0).contains(&late)), "the clock is {} s late", told[0]);
        ensure!(told[1] == 0 && told[2] == false, "the phone is on the page: {told}");
    }
    pair.to_window().await?;
    // Half a second behind the last page.
    phone.browser.run("probe.end = probe.recorded + 0.5", Value::Null).await?;
    let mut tape = phone.browser.recordings("return await probe.tape").await?.into_iter();
    let (said, heard) = (tape.next().context("what was said")?, tape.next().context("what was heard")?);
    let edge = RATE as usize / 2;
    for (place, part) in [("beginning", &heard[..edge]), ("end", &heard[heard.len() - edge..])] {
        ensure!(20.0 * rms(part).log10() > SILENCE_DBFS, "at the {place} nothing is heard");
    }
    let gaps = [&said, &heard].map(|sound| longest_gap(sound, SILENCE_DBFS));
    println!(
        "  {kind:?}: {PAGES} pages in {:.1} s of a call: longest silence said {:.0} ms, heard {:.0} ms",
        heard.len() as f32 / RATE as f32,
        gaps[0],
        gaps[1]
    );
    if gaps[1] > GAP_MS {
        write(&rig.lane.join("logs/said.wav"), &said)?;
        write(&rig.lane.join("logs/heard.wav"), &heard)?;
    }
    ensure!(gaps[1] <= GAP_MS, "a gap of {} ms", gaps[1]);
    ensure!(pair.facts().await? == before && contacts(rig).await? == 1);
    pair.to_page().await?;
    pair.hang_up(rig).await?;
    pair.to_window().await?;
    phone
        .until("probe.fired('call-end').length === 1 && !probe.open().connections && !probe.open().tracks")
        .await
        .map(drop)
}

/// Chromium.
pub async fn outlives_pages(rig: &Rig) -> Result<()> {
    outlives(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn outlives_pages_firefox(rig: &Rig) -> Result<()> {
    outlives(rig, Kind::Firefox).await
}

/// A click that calls opens the window, which has the call from its beginning. It is closed in the call: the page goes on with
/// it; and gives it back to the window when that is opened again.
pub async fn closed(rig: &Rig) -> Result<()> {
    let crm = Crm::at_asterisk(rig, "100").await?;
    let attributes = json!({ "lang": "en", "mode": "popup", "account-url": "/crm/account", "calls-url": "/crm/calls" });
    let phone = super::crm::open(rig, &crm, Kind::Chromium, None, attributes).await?;
    let page = phone.browser.client().window().await?;
    let mut pair = Pair { phone, page, window: None };
    pair.phone.browser.run("probe.phone().open(); probe.phone().dial('600')", Value::Null).await?;
    pair.click("call").await?;
    pair.phone.call_is("active").await?;
    pair.hosted().await?;
    let invites = pair.phone.browser.run("return probe.sent('INVITE').length", Value::Null).await?;
    ensure!(invites == 0, "the call was made on the page");
    let before = pair.facts().await?;
    pair.to_window().await?;
    let start = Instant::now();
    pair.phone.browser.client().close_window().await?;
    pair.to_page().await?;
    pair.phone.until("probe.phone().leader && probe.phone().registration === 'registered'").await?;
    let handed_over = start.elapsed();
    pair.phone.until("probe.call().state === 'active' && probe.call().remoteStream && probe.connected()").await?;
    println!(
        "  handed over {handed_over:.0?} after the window was closed, a way for packets after {:.0?}",
        start.elapsed()
    );
    ensure!(handed_over <= HAND_OVER);
    pair.phone.record(6.0).await?.is_echo(rig)?;
    ensure!(pair.facts().await? == before, "it is another call than {before}");

    // The page's own window stands before the button.
    pair.phone.browser.run("probe.phone().close()", Value::Null).await?;
    pair.click("button").await?;
    pair.hosted().await?;
    pair.to_window().await?;
    pair.phone.until("probe.call().state === 'active' && probe.call().remoteStream && probe.connected()").await?;
    pair.phone.record(6.0).await?.is_echo(rig)?;
    ensure!(pair.facts().await? == before && contacts(rig).await? == 1);
    pair.to_page().await?;
    pair.phone.until("!probe.open().connections && !probe.open().tracks").await?;
    ensure!(pair.facts().await? == before, "the page has another call than {before}");
    ensure!(pair.phone.browser.run("return probe.fired('call-end').length", Value::Null).await? == 0);
    pair.hang_up(rig).await?;
    let is_one = |cards: &BTreeMap<String, Card>| {
        cards.len() == 1 && cards.values().all(|card| card.call["disposition"] == "answered")
    };
    crm.until(SOON, is_one).await.context("one card for the call")
}

/// The browser opens no window: the page says so, and calls all the same. A script that calls opens none, either.
pub async fn blocked(rig: &Rig) -> Result<()> {
    let pair = Pair::load(rig, Kind::Chromium).await?;
    let phone = &pair.phone;
    let body = "probe.opened = 0; window.open = () => { probe.opened += 1; return null; };
        const call = await probe.phone().call('600');
        await probe.until(() => call.state === 'active', 10000);
        await call.hangup();
        return probe.opened";
    ensure!(phone.browser.run(body, Value::Null).await? == 0, "a window without a click");
    pair.click("button").await?;
    phone.says("The browser has blocked the phone's own window").await?;
    let told = phone.until("probe.fired('error').at(-1)").await?;
    ensure!(told["code"] == "popup-blocked", "{told}");
    phone.browser.run("probe.phone().dial('600')", Value::Null).await?;
    pair.click("call").await?;
    phone.call_is("active").await?;
    phone.says("allow pop-ups for this site").await?;
    ensure!(phone.browser.run("return [probe.opened, probe.phone().leader]", Value::Null).await? == json!([2, true]));
    phone.record(6.0).await?.is_echo(rig)?;
    pair.hang_up(rig).await
}

/// A call comes in: it rings in the window, is answered on the page, and is spoken in the window.
pub async fn answered(rig: &Rig) -> Result<()> {
    let pair = Pair::open(rig, Kind::Chromium).await?;
    let phone = &pair.phone;
    // What is dialled in the window the page may veto.
    let veto = "addEventListener('soft-phone-dial', event => event.preventDefault(), { once: true })";
    phone.browser.run(veto, Value::Null).await?;
    pair.to_window().await?;
    let refused = "return await probe.phone().call('600').then(() => null, error => error.code)";
    ensure!(phone.browser.run(refused, Value::Null).await? == "vetoed", "the page has not been asked");
    // The phone knew the browser's AudioContext before there was a probe.
    let tones = "const { start } = AudioBufferSourceNode.prototype;
        AudioBufferSourceNode.prototype.start = function (...args) { probe.tones = (probe.tones ?? 0) + 1; return start.apply(this, args); }";
    phone.browser.run(tones, Value::Null).await?;
    pair.to_page().await?;
    let asked = phone.browser.run("return probe.fired('dial')", Value::Null).await?;
    ensure!(asked.as_array().is_some_and(|asked| asked.len() == 1 && asked[0]["number"] == "600"), "{asked}");

    rig.asterisk.ring("100").await?;
    phone.call_is("incoming").await?;
    ensure!(phone.browser.run("return probe.open().contexts", Value::Null).await? == 0, "it rings on the page");
    pair.to_window().await?;
    phone.until("probe.call().state === 'incoming' && probe.tones === 1").await?;
    phone.says("Incoming call").await?;
    pair.to_page().await?;
    phone.press("answer").await?;
    phone.call_is("active").await?;
    ensure!(phone.browser.run("return probe.open()", Value::Null).await?["connections"] == 0);
    pair.to_window().await?;
    phone.record(6.0).await?.is_echo(rig)?;
    pair.to_page().await?;
    pair.hang_up(rig).await
}

/// The demo's CRM, whose every click loads a new page: the switch, a click on a number, which opens the window and calls there,
/// and a call that goes on from page to page and is one card.
pub async fn crm(rig: &Rig) -> Result<()> {
    let browser = Browser::open(rig, Kind::Chromium, Voice::A).await?;
    sign_in(rig, &browser).await?;
    let page = browser.client().window().await?;
    // Of cases before, whose demo it was, too.
    let cards = "return (await (await fetch('/crm/calls')).text()).split('data-card=').length - 1";
    let cards_of_before = browser.run(cards, Value::Null).await?.as_u64().context("cards")?;
    let ready =
        format!("{REGISTERED} && performance.getEntriesByName(new URL('/soft-phone/popup.js', location).href)[0]");
    browser.run("document.querySelector('#own-window').click()", Value::Null).await?;
    until(&browser, &ready).await.context("the switch")?;
    let link = "[...document.querySelectorAll('td:first-child a')].find(link => link.textContent === 'Echo')";
    browser.run(&format!("{link}.click()"), Value::Null).await?;
    until(&browser, &format!("location.pathname !== '/crm/contacts' && {ready}")).await.context("Echo's page")?;
    let place = "const box = document.querySelector('.numbers a[href=\"tel:600\"]').getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]";
    click(&browser, place).await?;
    until(&browser, &newest_is("talking")).await?;
    let call = "(phone => !phone.leader && phone.calls[0]?.state === 'active' && phone.calls[0].id)(document.querySelector('soft-phone'))";
    until(&browser, call).await.context("a call in the window")?;
    let asked = format!("return {call}");
    let before = browser.run(&asked, Value::Null).await?;
    for path in ["/crm/calls", "/crm/contacts", "/crm/calls"] {
        browser.run("document.querySelector(`nav a[href='${args}']`).click()", json!(path)).await?;
        let there = format!("location.pathname === '{path}' && {call}");
        until(&browser, &there).await.with_context(|| path)?;
        let now = browser.run(&asked, Value::Null).await?;
        ensure!(now == before, "{before} became {now} at {path}");
    }
    let windows = browser.client().windows().await?;
    ensure!(windows.len() == 2, "{} windows", windows.len());
    browser.run("await document.querySelector('soft-phone').calls[0].hangup()", Value::Null).await?;
    until(&browser, &newest_is("answered")).await?;
    let made = browser.run(cards, Value::Null).await?.as_u64().context("cards")? - cards_of_before;
    ensure!(made == 1, "{made} cards of one call");
    // The window has the phone by the same rules as the page: nothing was refused to it.
    let window = windows.into_iter().find(|window| *window != page).context("the window")?;
    browser.client().switch_to_window(window).await?;
    let refused = browser.run(REFUSED, Value::Null).await?;
    ensure!(refused == json!([]), "{refused}");
    Ok(())
}
