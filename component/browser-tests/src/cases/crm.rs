//! The application's cards of calls: each call is one, whatever server, browser and user do meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{self, Browser, Kind, Setting, Voice};
use crate::crm::{Card, Crm, Mood, fields};
use crate::phone::Phone;
use crate::rig::Rig;

/// What a server in trouble needs at most, with the longest pause between two tries that the cases come to.
const PATIENCE: Duration = Duration::from_secs(45);

/// Calls, one after the other: answered and held, busy, given up while it rings, and a number that is none.
const MAKE_CALLS: &str = "
    const phone = probe.phone();
    const ids = [];
    for (let n = 0; n < args; n++) {
      const kind = n % 4;
      const call = await phone.call(['600', '602', '603', '699'][kind]);
      ids.push(call.id);
      if (kind === 0) {
        await probe.until(() => call.state === 'active', 10000);
        if (n % 8 === 0) { await call.hold(); await call.resume(); }
        await call.hangup();
      } else if (kind === 2) {
        await probe.until(() => call.state === 'ringing', 10000);
        await call.hangup();
      }
      await probe.until(() => call.state === 'ended', 10000);
    }
    return ids";

/// The records that the page has of its calls, by their ids.
const RECORDS: &str = "return Object.fromEntries(probe.phone().history.map(record => [record.id, record]))";

/// The user is back from the application's sign-in.
const BACK: &str = "await fetch('/crm/login', { method: 'POST' }); dispatchEvent(new Event('focus'))";

/// From now on the page notes in `probe.kept` which calls are on the disk.
pub(super) const WATCH_THE_DISK: &str = "
    probe.kept = new Set();
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (...wanted) {
      const begun = transaction.apply(this, wanted);
      begun.calls = [];
      begun.addEventListener('complete', () => begun.calls.forEach(id => probe.kept.add(id)));
      return begun;
    };
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (row) {
      if (this.name === 'calls') this.transaction.calls.push(row.id);
      return put.call(this, row);
    };";

/// Notes of each call that rings whether it was on the disk when the page was told, and makes another phone that calls.
const WATCH_RINGS: &str = "
    probe.rang = [];
    const phone = probe.phone();
    phone.addEventListener('soft-phone-incoming', event => probe.rang.push(probe.kept.has(event.detail.call.id)));
    phone.addEventListener('soft-phone-call-change', event => {
      const { call } = event.detail;
      if (call.direction === 'outbound' && call.state === 'ringing') probe.rang.push(probe.kept.has(call.id));
    });
    probe.other = document.createElement('soft-phone');
    probe.other.mode = 'headless';
    probe.other.account = args.other;
    document.body.append(probe.other);
    await probe.until(() => probe.other.registration === 'registered', 10000)";

/// A call comes in and is given up.
const RING: &str = "const rang = probe.rang.length;
    const call = await probe.other.call(args);
    await probe.until(() => probe.rang.length > rang, 10000);
    await call.hangup();
    await probe.until(() => probe.phone().calls.length === 0, 10000)";

/// The disk is at something else for ever.
const OCCUPY_THE_DISK: &str = "
    const opened = indexedDB.open('soft-phone');
    await new Promise(done => { opened.onsuccess = done; });
    const busy = opened.result.transaction('calls', 'readwrite').objectStore('calls');
    await new Promise(done => {
      const again = () => { busy.count().onsuccess = again; done(); };
      busy.count().onsuccess = again;
    })";

/// The account of somebody else, who calls.
pub(super) fn other(rig: &Rig) -> Result<Value> {
    let user = rig.user("bob")?;
    Ok(json!({
        "version": 1, "server": [rig.demo_server()], "uri": format!("sip:{}@soft-phone.test", user.number),
        "username": user.number, "password": user.password,
    }))
}

/// A phone of the application's user.
pub(super) fn attributes() -> Value {
    json!({ "lang": "en", "account-url": "/crm/account", "calls-url": "/crm/calls" })
}

/// The application's page, in a session, with a phone that is ready.
async fn at_crm(crm: &Crm, phone: &Phone, attributes: Value) -> Result<()> {
    phone.browser.load_at(crm.url("/test/phone.html")).await?;
    phone.browser.run("await fetch('/crm/login', { method: 'POST' })", Value::Null).await?;
    phone.make(attributes).await?;
    phone.registered().await
}

/// A browser at the application's page, with a phone that is ready.
pub(super) async fn open(
    rig: &Rig,
    crm: &Crm,
    kind: Kind,
    profile: Option<&'static str>,
    attributes: Value,
) -> Result<Phone> {
    let setting = Setting { profile, ..Setting::default() };
    let phone = Phone { browser: Browser::open_with(rig, kind, Voice::A, setting).await? };
    at_crm(crm, &phone, attributes).await?;
    Ok(phone)
}

/// Moods as a bad day brings them: none of them is lost on the outbox, and some come in a row.
fn bad_day(length: usize) -> Vec<Mood> {
    let day = [
        Mood::Well,
        Mood::Fails(500),
        Mood::Breaks,
        Mood::Well,
        Mood::BreaksAtOnce,
        Mood::Fails(503),
        Mood::Well,
        Mood::Well,
        Mood::Fails(429),
        Mood::Breaks,
        Mood::Well,
    ];
    day.iter().cycle().take(length).cloned().collect()
}

async fn make_calls(phone: &Phone, count: usize) -> Result<Vec<String>> {
    let made = phone.browser.run(MAKE_CALLS, json!(count)).await?;
    Ok(serde_json::from_value(made)?)
}

/// Each of the calls is one complete card, and there is no other.
fn are_complete(cards: &BTreeMap<String, Card>, calls: &[String]) -> bool {
    cards.len() == calls.len()
        && calls.iter().all(|id| cards.get(id).is_some_and(|card| card.call["disposition"].is_string()))
}

/// Cards say what the page's own records say.
async fn agree(phone: &Phone, crm: &Crm, calls: &[String]) -> Result<()> {
    let records = phone.browser.run(RECORDS, Value::Null).await?;
    let cards = crm.cards();
    for id in calls {
        let (record, card) = (&records[id], cards.get(id).context("a card")?);
        for field in
            ["direction", "from", "to", "startedAt", "answeredAt", "endedAt", "talkSeconds", "disposition", "cause"]
        {
            ensure!(record[field] == card.call[field], "{field} of {id}: {} and {}", record[field], card.call[field]);
        }
    }
    Ok(())
}

/// Errors, cut connections, a server that never answers, a lost session, and a browser that is killed in a call.
async fn one_card_each(rig: &Rig, kind: Kind, profile: &'static str, count: usize) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let phone = open(rig, &crm, kind, Some(profile), attributes()).await?;
    crm.moods(bad_day(400));
    let mut calls = make_calls(&phone, count).await?;
    // A server that keeps a request for ever, and a session that ends when it is asked again.
    crm.moods([Mood::Hangs, Mood::LogsOut]);
    calls.extend(make_calls(&phone, 3).await?);
    phone.browser.until("probe.fired('error').some(event => event.code === 'calls-sign-in')", PATIENCE).await?;
    phone.browser.run("probe.phone().open()", Value::Null).await?;
    phone.says("Sign in to the application again").await?;
    calls.extend(make_calls(&phone, 2).await?);
    ensure!(!crm.has_session() && !are_complete(&crm.cards(), &calls), "there was nothing to wait for");
    // The user is back from the sign-in, with another token.
    phone.browser.run(BACK, Value::Null).await?;
    crm.until(PATIENCE, |cards| are_complete(cards, &calls)).await?;
    agree(&phone, &crm, &calls).await?;

    // In a call, with events that are not sent yet, the browser is killed.
    crm.moods(vec![Mood::Fails(500); 400]);
    calls.extend(make_calls(&phone, 4).await?);
    let call = "const call = await probe.phone().call('600');
        await probe.until(() => call.state === 'active', 10000); return call.id";
    let cut: String = serde_json::from_value(phone.browser.run(call, Value::Null).await?)?;
    calls.push(cut.clone());
    let written = "(await new Promise((done, fail) => {
        const opened = indexedDB.open('soft-phone');
        opened.onerror = fail;
        opened.onsuccess = () => {
          const all = opened.result.transaction('calls').objectStore('calls').getAll();
          all.onsuccess = () => { opened.result.close(); done(all.result); };
        };
      })).some(row => row.live && row.snapshot.answeredAt)";
    phone.browser.run(&format!("await probe.until(async () => {written}, 5000)"), Value::Null).await?;
    browser::kill(rig, profile)?;
    // Firefox's driver has one session at a time; that there is no browser any more is no news.
    let _gone = phone.browser.client().clone().close().await;
    ensure!(!are_complete(&crm.cards(), &calls), "everything had been sent before");
    crm.moods(bad_day(6));

    // The next session, in two tabs: what was left behind is sent once, and both write into one outbox.
    let next = open(rig, &crm, kind, Some(profile), attributes()).await?;
    let first = next.browser.client().window().await?;
    let second = next.browser.client().new_window(true).await?.handle;
    next.browser.client().switch_to_window(second).await?;
    next.browser.load_at(crm.url("/test/phone.html")).await?;
    next.make(attributes()).await?;
    next.registered().await?;
    calls.extend(make_calls(&next, 4).await?);
    crm.until(PATIENCE, |cards| are_complete(cards, &calls)).await?;
    next.browser.client().switch_to_window(first).await?;
    calls.extend(make_calls(&next, 4).await?);
    crm.until(PATIENCE, |cards| are_complete(cards, &calls)).await?;

    let cards = crm.cards();
    let end = &cards.get(&cut).context("the call that was cut off")?.call;
    ensure!(end["disposition"] == "interrupted" && end["endedAt"].is_string(), "{end}");
    let left = "const opened = indexedDB.open('soft-phone');
        await new Promise(done => { opened.onsuccess = done; });
        const all = store => new Promise(done => {
          const asked = opened.result.transaction(store).objectStore(store).getAll();
          asked.onsuccess = () => done(asked.result);
        });
        const kept = JSON.stringify([await all('calls'), await all('outbox'), await all('dead')]);
        const left = (await all('outbox')).length + (await all('dead')).length;
        opened.result.close();
        return { left, secret: /password|token-/.test(kept) }";
    let left = next.browser.run(left, Value::Null).await?;
    ensure!(left == json!({ "left": 0, "secret": false }), "{left}");
    let (requests, duplicates, _) = crm.counts();
    println!(
        "  {} calls, {} cards, 0 lost, 0 doubled; {requests} requests, {duplicates} events came twice",
        calls.len(),
        cards.len()
    );
    Ok(())
}

/// Chromium.
pub async fn cards(rig: &Rig) -> Result<()> {
    one_card_each(rig, Kind::Chromium, "profile-chromium", 24).await
}

/// Firefox.
pub async fn cards_firefox(rig: &Rig) -> Result<()> {
    one_card_each(rig, Kind::Firefox, "profile-firefox", 8).await
}

/// The page is told of a call once it is on the disk, so none is lost whenever the browser dies; and a disk that does not
/// answer silences no phone, nor the last word when the page goes.
async fn kept_before_told(rig: &Rig, kind: Kind) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let phone = open(rig, &crm, kind, None, attributes()).await?;
    let number = &rig.user("alice")?.number;
    phone.browser.run(WATCH_THE_DISK, Value::Null).await?;
    phone.browser.run(WATCH_RINGS, json!({ "other": other(rig)? })).await?;
    for _ in 0..5 {
        phone.browser.run(RING, json!(number)).await?;
        let call = "const call = await probe.phone().call('603');
            await probe.until(() => call.state === 'ringing', 10000);
            await call.hangup()";
        phone.browser.run(call, Value::Null).await?;
    }
    let rang = phone.browser.run("return probe.rang", Value::Null).await?;
    ensure!(rang == json!(vec![true; 10]), "on the disk when it rang: {rang}");
    crm.until(PATIENCE, |cards| cards.len() == 10).await?;

    phone.browser.run(OCCUPY_THE_DISK, Value::Null).await?;
    phone.browser.run(RING, json!(number)).await?;
    let last = phone.browser.run("return probe.rang.at(-1)", Value::Null).await?;
    ensure!(last == json!(false), "the disk was not at something else");
    let ring = "await probe.other.call(args);
        await probe.until(() => probe.phone().calls.length > 0, 10000);
        return probe.phone().calls[0].id";
    let id: String = serde_json::from_value(phone.browser.run(ring, json!(number)).await?)?;
    phone.browser.leave().await?;
    crm.until(PATIENCE, |cards| cards.get(&id).is_some_and(|card| card.call["disposition"].is_string())).await
}

/// Chromium.
pub async fn kept(rig: &Rig) -> Result<()> {
    kept_before_told(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn kept_firefox(rig: &Rig) -> Result<()> {
    kept_before_told(rig, Kind::Firefox).await
}

/// What is written after a call, and during it: the form insists, also after the page was loaded again; a recording that
/// comes late.
pub async fn written(rig: &Rig) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let mut wrap_up = attributes();
    wrap_up["wrap-up"] = json!("Sold, Call back, No interest");
    let phone = open(rig, &crm, Kind::Chromium, None, wrap_up.clone()).await?;
    let body = "const call = await probe.phone().call('600');
        await probe.until(() => call.state === 'active', 10000);
        call.note('wants a boat'); await call.hangup(); return call.id";
    let id: String = serde_json::from_value(phone.browser.run(body, Value::Null).await?)?;
    phone.says("After the call with 600").await?;
    phone.until("probe.part('wrap-up').querySelector('textarea').value === 'wants a boat'").await?;
    // Loaded again: it still waits.
    at_crm(&crm, &phone, wrap_up).await?;
    phone.says("After the call with 600").await?;
    let save = "probe.part('wrap-up').querySelector('[name=save]').click()";
    phone.browser.run(save, Value::Null).await?;
    ensure!(crm.cards().get(&id).is_some_and(|card| card.call["outcome"].is_null()), "it was saved without an outcome");
    ensure!(
        phone.browser.run("return probe.part('wrap-up').querySelector('[name=skip]')", Value::Null).await?.is_null()
    );
    let fill = format!(
        "const form = probe.part('wrap-up'); form.querySelector('select').value = 'Call back';
         form.querySelector('textarea').value = 'on Monday'; {save}"
    );
    phone.browser.run(&fill, Value::Null).await?;
    let wants = |field: &'static str, value: Value| {
        let id = id.clone();
        move |cards: &BTreeMap<String, Card>| cards.get(&id).is_some_and(|card| card.call[field] == value)
    };
    crm.until(PATIENCE, wants("outcome", json!("Call back"))).await?;
    phone.until("!probe.part('wrap-up').checkVisibility()").await?;
    let late = "return await probe.phone().updateCall(args, { recordingUrl: '/recording/1' })";
    ensure!(phone.browser.run(late, json!(id)).await? == true);
    ensure!(phone.browser.run(late, json!("no such call")).await? == false);
    crm.until(PATIENCE, wants("recordingUrl", json!("/recording/1"))).await?;
    let card = crm.cards().remove(&id).context("a card")?;
    ensure!(card.call["notes"] == "on Monday" && card.call["disposition"] == "answered", "{card:?}");
    ensure!(card.call["contact"] == json!({ "type": "Contacts", "id": "9" }), "{card:?}");
    ensure!(card.states == ["answered", "updated", "ended", "updated", "updated"], "{card:?}");
    ensure!(crm.cards().len() == 1);
    Ok(())
}

/// What the application never takes is put aside, where the user sees it, and may be sent again.
pub async fn refused(rig: &Rig) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let phone = open(rig, &crm, Kind::Chromium, None, attributes()).await?;
    // A page instead of an answer, and then no session: everything waits.
    crm.moods([Mood::Page, Mood::LogsOut]);
    let calls = make_calls(&phone, 2).await?;
    phone.until("probe.fired('error').some(event => event.code === 'calls-sign-in')").await?;
    crm.until(PATIENCE, |_| !crm.has_session()).await?;
    // All at once: one is bad, so each is tried alone; the first is bad, the second is said no to, the rest is well.
    crm.moods([Mood::Fails(422), Mood::Fails(422), Mood::Refuses]);
    phone.browser.run(BACK, Value::Null).await?;
    phone.until("probe.fired('error').some(event => event.code === 'calls-refused')").await?;
    phone.browser.run("probe.phone().open()", Value::Null).await?;
    phone.says("did not take").await?;
    phone.says("not in this office").await?;
    phone.until("probe.part('reports').querySelector('ul').children.length === 2").await?;
    phone.browser.run("probe.part('reports').querySelector('[name=again]').click()", Value::Null).await?;
    crm.until(PATIENCE, |cards| are_complete(cards, &calls)).await?;
    phone.until("!probe.part('reports').checkVisibility()").await.map(drop)
}

/// The page goes while it rings: the end is told at once, by a beacon, and not again by the next page. Firefox closes the
/// connection before it says that the page goes: there the call has `cause`.
async fn left(rig: &Rig, kind: Kind, disposition: &str, cause: &str) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let phone = open(rig, &crm, kind, None, attributes()).await?;
    let call = "const call = await probe.phone().call('603');
        await probe.until(() => call.state === 'ringing', 10000); return call.id";
    let id: String = serde_json::from_value(phone.browser.run(call, Value::Null).await?)?;
    phone.browser.leave().await?;
    let ended =
        |cards: &BTreeMap<String, Card>| cards.get(&id).is_some_and(|card| card.call["disposition"].is_string());
    crm.until(PATIENCE, ended).await?;
    ensure!(crm.counts().2 == 1, "{} beacons", crm.counts().2);
    at_crm(&crm, &phone, attributes()).await?;
    let next = make_calls(&phone, 1).await?;
    crm.until(PATIENCE, |cards| are_complete(cards, &[id.clone(), next[0].clone()])).await?;
    let card = crm.cards().remove(&id).context("a card")?;
    ensure!(card.call["disposition"] == disposition && card.call["cause"] == cause, "{card:?}");
    ensure!(card.states.iter().filter(|state| *state == "ended").count() == 1, "{card:?}");
    Ok(())
}

/// Chromium.
pub async fn page_goes(rig: &Rig) -> Result<()> {
    left(rig, Kind::Chromium, "cancelled", "local-hangup").await
}

/// Firefox.
pub async fn page_goes_firefox(rig: &Rig) -> Result<()> {
    left(rig, Kind::Firefox, "failed", "network").await
}

/// The page is loaded anew in a call, and again: one card, whose events are numbered on, and nothing is interrupted; a note
/// from before is still there.
pub async fn page_is_reloaded(rig: &Rig) -> Result<()> {
    let crm = Crm::at_asterisk(rig, "100").await?;
    let phone = open(rig, &crm, Kind::Chromium, None, attributes()).await?;
    let call = "const call = await probe.phone().call('600');
        await probe.until(() => call.state === 'active', 10000); call.note('about a boat'); return call.id";
    let id: String = serde_json::from_value(phone.browser.run(call, Value::Null).await?)?;
    for _ in 0..2 {
        at_crm(&crm, &phone, attributes()).await?;
        phone.until("probe.phone().calls.length === 1 && probe.connected()").await?;
        phone.browser.run("await probe.call().hold(); await probe.call().resume()", Value::Null).await?;
    }
    phone.browser.run("await probe.call().hangup()", Value::Null).await?;
    crm.until(PATIENCE, |cards| are_complete(cards, std::slice::from_ref(&id))).await?;
    let card = crm.cards().remove(&id).context("a card")?;
    ensure!(card.call["disposition"] == "answered" && card.call["cause"] == "local-hangup", "{card:?}");
    ensure!(card.call["notes"] == "about a boat", "{card:?}");
    ensure!(card.states == ["answered", "updated", "held", "resumed", "held", "resumed", "ended"], "{card:?}");
    Ok(())
}

/// In the words of Zammad's generic CTI.
pub async fn zammad(rig: &Rig) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let mut attributes = attributes();
    attributes["calls-url"] = json!("/crm/cti");
    attributes["calls-style"] = json!("zammad");
    let phone = open(rig, &crm, Kind::Chromium, None, attributes).await?;
    let calls = make_calls(&phone, 2).await?;
    crm.until_forms(PATIENCE, 5).await?;
    let told: Vec<BTreeMap<String, String>> =
        crm.forms().iter().map(|form| fields(form).into_iter().collect()).collect();
    let said: Vec<(&str, &str)> = told.iter().map(|form| (form["event"].as_str(), form["callId"].as_str())).collect();
    let (first, second) = (calls[0].as_str(), calls[1].as_str());
    let wanted = [("newCall", first), ("answer", first), ("hangup", first), ("newCall", second), ("hangup", second)];
    ensure!(said == wanted, "{told:#?}");
    ensure!(told[0]["direction"] == "out" && told[0]["from"] == "1001" && told[0]["to"] == "600", "{:?}", told[0]);
    ensure!(told[4]["cause"] == "busy", "{:?}", told[4]);
    Ok(())
}

/// The application's session ends in a call, and later the account goes: told in words, and the call goes on as long as
/// those who speak want it to.
pub async fn account_goes(rig: &Rig) -> Result<()> {
    let crm = Crm::start(rig).await?;
    let phone = open(rig, &crm, Kind::Chromium, None, attributes()).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    crm.moods([Mood::LogsOut]);
    phone.browser.run("await probe.call().hold()", Value::Null).await?;
    phone.until("probe.fired('error').some(event => event.code === 'account-sign-in')").await?;
    phone.says("signed out of this site").await?;
    let stands = "probe.phone().registration === 'registered' && probe.phone().calls.length === 1";
    ensure!(
        phone.browser.run(&format!("return {stands}"), Value::Null).await? == true,
        "the call or the phone is gone"
    );

    phone.browser.run(BACK, Value::Null).await?;
    phone.until("!probe.phone().shadowRoot.querySelector('.notice').checkVisibility()").await?;
    let held =
        |cards: &BTreeMap<String, Card>| cards.values().any(|card| card.states.iter().any(|state| state == "held"));
    crm.until(PATIENCE, held).await?;

    // The user has no phone any more.
    crm.lose_account();
    phone.browser.run("await probe.call().resume()", Value::Null).await?;
    phone.until("probe.fired('error').some(event => event.code === 'account-missing')").await?;
    ensure!(
        phone.browser.run(&format!("return {stands}"), Value::Null).await? == true,
        "the call or the phone is gone"
    );
    phone.call_is("active").await?;
    phone.press("hangup").await?;
    phone.ended().await?;
    phone.until("probe.phone().registration === 'failed'").await?;
    let fact = phone.until("probe.fired('registration').findLast(event => event.state === 'failed')").await?;
    ensure!(fact["cause"] == "account-missing", "{fact}");
    Ok(())
}
