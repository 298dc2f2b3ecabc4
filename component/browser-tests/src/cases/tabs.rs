//! Several tabs of one account are one phone: who has it, what the others show and do, and who goes on with it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::asterisk_is_idle;
use super::reload::address_of;
use crate::asterisk::SERVER;
use crate::browser::{Browser, Kind, Voice, kill_pages, pages};
use crate::phone::{Phone, account};
use crate::relay::Relay;
use crate::rig::Rig;

/// How long the phone may be without a tab that has it.
const HAND_OVER: Duration = Duration::from_secs(1);
/// The whole of what a tab shows of a call.
const CALL: &str = "(call => call && { id: call.id, state: call.state, number: call.remote.number, startedAt: call.startedAt, answeredAt: call.answeredAt, muted: call.muted })(probe.phone().calls[0])";

/// The tabs of one browser, each with the same phone.
struct Tabs {
    phone: Phone,
    handles: Vec<WindowHandle>,
    /// Asterisk, or what stands before it.
    server: String,
}

impl Tabs {
    /// Opens `count` tabs, one after the other.
    async fn open(rig: &Rig, kind: Kind, count: usize) -> Result<Self> {
        Self::open_at(rig, kind, count, SERVER).await
    }

    async fn open_at(rig: &Rig, kind: Kind, count: usize, server: &str) -> Result<Self> {
        let phone = Phone { browser: Browser::open(rig, kind, Voice::A).await? };
        let handles = vec![phone.browser.client().window().await?];
        let mut tabs = Self { handles, phone, server: server.to_owned() };
        tabs.load(rig).await?;
        for _ in 1..count {
            tabs.more(rig).await?;
        }
        Ok(tabs)
    }

    async fn more(&mut self, rig: &Rig) -> Result<()> {
        let handle = self.phone.browser.client().new_window(true).await?.handle;
        self.handles.push(handle);
        self.to(self.handles.len() - 1).await?;
        self.load(rig).await
    }

    async fn load(&self, rig: &Rig) -> Result<()> {
        let mut account = account("100", "pw-100");
        account["server"] = json!([self.server]);
        self.phone.browser.load_at(address_of(rig, &account, "")).await?;
        self.phone.registered().await
    }

    async fn to(&self, tab: usize) -> Result<()> {
        Ok(self.phone.browser.client().switch_to_window(self.handles[tab].clone()).await?)
    }

    /// Waits in each tab until this holds, and returns what it is there.
    async fn each(&self, expression: &str) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for tab in 0..self.handles.len() {
            self.to(tab).await?;
            values.push(self.phone.until(expression).await.with_context(|| format!("tab {tab}"))?);
        }
        Ok(values)
    }

    /// What each tab has, true or not.
    async fn all(&self, expression: &str) -> Result<Vec<Value>> {
        Ok(self.each(&format!("[{expression}]")).await?.into_iter().map(|mut list| list[0].take()).collect())
    }

    /// The only tab that has the phone.
    async fn leader(&self) -> Result<usize> {
        let leads = self.all("probe.phone().leader").await?;
        let mut leaders = leads.iter().enumerate().filter(|(_, leads)| **leads == true).map(|(tab, _)| tab);
        let leader = leaders.next().context("no tab has the phone")?;
        ensure!(leaders.next().is_none(), "{leads:?}");
        Ok(leader)
    }

    async fn sum(&self, expression: &str) -> Result<u64> {
        Ok(self.all(expression).await?.iter().filter_map(Value::as_u64).sum())
    }

    /// Waits in a tab until another one than before has the phone, and returns how long that took since `start`.
    async fn handed_over(&self, start: Instant) -> Result<Duration> {
        self.phone.until("probe.phone().leader && probe.phone().registration === 'registered'").await?;
        Ok(start.elapsed())
    }
}

/// All say the same, in every tab.
fn same(values: &[Value]) -> Result<&Value> {
    let first = values.first().context("no tab")?;
    ensure!(values.iter().all(|value| value == first), "the tabs do not agree: {values:#?}");
    Ok(first)
}

async fn contacts(rig: &Rig) -> Result<usize> {
    let printed = rig.asterisk.console("pjsip show contacts").await?;
    Ok(printed.lines().filter(|line| line.contains("100/sip:")).count())
}

/// One sign-in, one ring; each tab shows and does all of it; the tab in which one answers need not be the one that has it.
async fn one_phone(rig: &Rig, kind: Kind, count: usize) -> Result<()> {
    let tabs = Tabs::open(rig, kind, count).await?;
    let phone = &tabs.phone;
    ensure!(tabs.leader().await? == 0, "not the first one");
    ensure!(tabs.sum("probe.sockets.length").await? == 1 && contacts(rig).await? == 1, "more than one has signed in");
    ensure!(tabs.all("probe.fired('registration').at(-1)?.state").await?.iter().all(|state| state == "registered"));

    rig.asterisk.ring("100").await?;
    tabs.each("probe.phone().calls[0]?.state === 'incoming' && probe.fired('incoming').length === 1").await?;
    tabs.each("probe.words().includes('Incoming call')").await?;
    ensure!(tabs.sum("probe.open().contexts").await? == 1, "more than one rings");
    tabs.to(count - 1).await?;
    phone.press("answer").await?;
    tabs.each("probe.phone().calls[0]?.state === 'active'").await?;
    same(&tabs.all(CALL).await?)?;
    let streams = tabs.all("Boolean(probe.phone().calls[0].remoteStream) || probe.open().connections").await?;
    ensure!(
        streams[0] == true && streams[1..].iter().all(|has| *has == 0),
        "media are not in the first tab: {streams:?}"
    );

    // By the script's interface of another tab.
    tabs.to(1).await?;
    let body = "const [call] = probe.phone().calls;
        call.mute();
        await probe.until(() => call.muted, 5000);
        await call.sendDtmf('12', { transport: 'rtp' });
        await call.hold();
        if (!call.held) throw new Error('it is not held');
        const refused = await call.answer().then(() => null, error => [error.name, error.code]);
        const unknown = await probe.phone().call('6 0?0').then(() => null, error => error.code);
        await call.resume();
        call.unmute();
        await probe.until(() => !call.muted && call.state === 'active', 5000);
        return [refused, unknown]";
    let refused = phone.browser.run(body, Value::Null).await?;
    ensure!(refused == json!([["SoftPhoneError", "wrong-state"], "number-invalid"]), "{refused}");
    // A switch of the phone's is the same in all windows.
    phone.browser.run("probe.phone().doNotDisturb = true", Value::Null).await?;
    tabs.each("probe.phone().doNotDisturb").await?;
    tabs.to(count - 1).await?;
    phone.browser.run("await probe.call().hangup()", Value::Null).await?;
    tabs.each("probe.fired('call-end').length === 1 && probe.phone().calls.length === 0").await?;
    let ends = tabs.all("[probe.phone().history.map(({ id, disposition, cause, talkSeconds }) => ({ id, disposition, cause, talkSeconds })), probe.call().cause]").await?;
    let end = same(&ends)?;
    ensure!(end[0].as_array().is_some_and(|list| list.len() == 1) && end[0][0]["cause"] == "local-hangup", "{end}");

    // A call that a follower's page makes; its own veto counts.
    phone
        .browser
        .run("addEventListener('soft-phone-dial', event => event.preventDefault(), { once: true })", Value::Null)
        .await?;
    let made = "const vetoed = await probe.phone().call('600').catch(error => error.code);
        const call = await probe.phone().call('600');
        await probe.until(() => call.state === 'active', 10000);
        return [vetoed, call.direction, call.remote.number, call === probe.phone().calls[0]]";
    let made = phone.browser.run(made, Value::Null).await?;
    ensure!(made == json!(["vetoed", "outbound", "600", true]), "{made}");
    tabs.to(0).await?;
    phone.press("hangup").await?;
    tabs.each("probe.fired('call-end').length === 2").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// Eight tabs, Chromium.
pub async fn eight(rig: &Rig) -> Result<()> {
    one_phone(rig, Kind::Chromium, 8).await
}

/// Three windows, Firefox.
pub async fn three_firefox(rig: &Rig) -> Result<()> {
    one_phone(rig, Kind::Firefox, 3).await
}

/// The tab that has the phone is closed, and the next one killed, while nothing happens: another one has it within a second,
/// and calls come there.
pub async fn idle(rig: &Rig) -> Result<()> {
    let mut tabs = Tabs::open(rig, Kind::Chromium, 1).await?;
    let own = pages()?;
    tabs.more(rig).await?;
    tabs.more(rig).await?;
    tabs.to(0).await?;
    let start = Instant::now();
    kill_pages(&own)?;
    tabs.handles.remove(0);
    tabs.to(0).await?;
    let killed = tabs.handed_over(start).await?;
    let start = Instant::now();
    tabs.phone.browser.client().close_window().await?;
    tabs.handles.remove(0);
    tabs.to(0).await?;
    let closed = tabs.handed_over(start).await?;
    println!("  handed over {killed:.0?} after a kill, {closed:.0?} after a tab was closed");
    ensure!(killed <= HAND_OVER && closed <= HAND_OVER);
    ensure!(contacts(rig).await? == 1, "it has signed in as another phone");
    rig.asterisk.ring("100").await?;
    tabs.phone.call_is("incoming").await?;
    tabs.phone.press("answer").await?;
    tabs.phone.call_is("active").await?;
    tabs.phone.press("hangup").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// The tab that has the phone is killed, and later the next one closed, while a call comes in: it rings on in another one, for the
/// caller, too, and can be answered and declined there.
pub async fn ringing(rig: &Rig) -> Result<()> {
    let mut tabs = Tabs::open(rig, Kind::Chromium, 1).await?;
    let own = pages()?;
    tabs.more(rig).await?;
    tabs.more(rig).await?;
    rig.asterisk.ring("100").await?;
    let before = same(&tabs.each(CALL).await?)?.clone();
    ensure!(before["state"] == "incoming", "{before}");
    tabs.to(1).await?;
    let start = Instant::now();
    kill_pages(&own)?;
    tabs.handles.remove(0);
    tabs.to(0).await?;
    let killed = tabs.handed_over(start).await?;
    tabs.phone.until("probe.open().contexts === 1 && probe.words().includes('Incoming call')").await?;
    let heard = start.elapsed();
    ensure!(same(&tabs.all(CALL).await?)? == &before, "it is another call than {before}");
    ensure!(
        tabs.leader().await? == 0 && rig.asterisk.channels().await? == 1,
        "it does not ring at the caller's any more"
    );
    tabs.to(1).await?;
    // Not by its buttons: a browser does not draw a tab that nobody sees.
    tabs.phone.browser.run("await probe.phone().calls[0].answer()", Value::Null).await?;
    tabs.each("probe.phone().calls[0]?.state === 'active'").await?;
    tabs.to(0).await?;
    tabs.phone.record(7.0).await?.is_echo(rig)?;
    ensure!(tabs.sum("probe.fired('incoming').length").await? == 2, "a tab was told of it twice");
    ensure!(tabs.sum("probe.fired('call-end').length").await? == 0);
    tabs.phone.browser.run("await probe.phone().calls[0].hangup()", Value::Null).await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;

    rig.asterisk.ring("100").await?;
    tabs.each("probe.phone().calls[0]?.state === 'incoming'").await?;
    tabs.to(0).await?;
    let start = Instant::now();
    tabs.phone.browser.client().close_window().await?;
    tabs.handles.remove(0);
    tabs.to(0).await?;
    let closed = tabs.handed_over(start).await?;
    println!("  rings on {killed:.0?} after a kill, is heard after {heard:.0?}; {closed:.0?} after a tab was closed");
    ensure!(killed <= HAND_OVER && closed <= HAND_OVER);
    tabs.phone.until("probe.open().contexts === 1").await?;
    ensure!(rig.asterisk.channels().await? == 1, "it does not ring at the caller's any more");
    tabs.phone.browser.run("await probe.phone().calls[0].reject()", Value::Null).await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    let ends = tabs.all("probe.phone().history.map(({ cause, disposition }) => [cause, disposition])").await?;
    ensure!(ends[0][1] == json!(["declined", "rejected"]), "{}", ends[0]);
    Ok(())
}

/// The tab that has the phone is killed in a call, and then the next one loaded anew: another one goes on with the call, the
/// same one, and the far end is heard there.
pub async fn in_a_call(rig: &Rig) -> Result<()> {
    let mut tabs = Tabs::open(rig, Kind::Chromium, 1).await?;
    let own = pages()?;
    tabs.more(rig).await?;
    tabs.more(rig).await?;
    tabs.phone
        .browser
        .run(
            "const call = await probe.phone().call('600'); await probe.until(() => call.state === 'active', 10000)",
            Value::Null,
        )
        .await?;
    let before = same(&tabs.each(CALL).await?)?.clone();
    tabs.to(1).await?;
    let start = Instant::now();
    kill_pages(&own)?;
    tabs.handles.remove(0);
    tabs.to(0).await?;
    let killed = tabs.handed_over(start).await?;
    let goes_on = "probe.phone().calls.length === 1 && probe.call().state === 'active' && probe.call().remoteStream && probe.connected()";
    tabs.phone.until(goes_on).await?;
    let heard = start.elapsed();
    ensure!(same(&tabs.all(CALL).await?)? == &before, "it is another call than {before}");
    // The page that is loaded anew finds its call in another tab, and does not call in its place itself.
    tabs.to(0).await?;
    let start = Instant::now();
    tabs.phone.browser.client().refresh().await?;
    tabs.to(1).await?;
    let reloaded = tabs.handed_over(start).await?;
    tabs.phone.until(goes_on).await?;
    println!(
        "  handed over {killed:.0?} after a kill, a way for packets after {heard:.0?}; {reloaded:.0?} after a reload"
    );
    ensure!(killed <= HAND_OVER && reloaded <= 2 * HAND_OVER);
    tabs.phone.record(7.0).await?.is_echo(rig)?;
    ensure!(same(&tabs.each(CALL).await?)? == &before, "it is another call than {before}");
    ensure!(tabs.leader().await? == 1 && contacts(rig).await? == 1);
    ensure!(tabs.sum("probe.fired('call-end').length").await? == 0);
    tabs.to(0).await?;
    ensure!(tabs.phone.browser.run("return probe.sent('INVITE').length", Value::Null).await? == 0);
    tabs.phone.browser.run("await probe.phone().calls[0].hangup()", Value::Null).await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// The connection of the tab that has the phone is cut: all of them say so, and when it is back, that they are ready.
pub async fn cut_off(rig: &Rig) -> Result<()> {
    let relay = Relay::start(SERVER, |way, text| vec![(way, text)]).await?;
    let tabs = Tabs::open_at(rig, Kind::Chromium, 3, &relay.url()).await?;
    tabs.each("(probe.phone().open(), true)").await?;
    relay.cut(true);
    tabs.each("probe.phone().registration === 'offline'").await?;
    tabs.each("probe.words().includes('No connection to the phone server')").await?;
    relay.cut(false);
    let start = Instant::now();
    tabs.each("probe.phone().registration === 'registered' && probe.words().includes('Ready for calls')").await?;
    println!("  all are registered {:.1?} after the server was back", start.elapsed());
    ensure!(tabs.leader().await? == 0 && contacts(rig).await? == 1, "another one has signed in");
    rig.asterisk.ring("100").await?;
    tabs.each("probe.phone().calls[0]?.state === 'incoming'").await?;
    tabs.phone.browser.run("await probe.phone().calls[0].reject()", Value::Null).await?;
    tabs.each("probe.phone().calls.length === 0").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}
