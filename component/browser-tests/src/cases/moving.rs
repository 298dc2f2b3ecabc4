//! The network goes and comes back, or another one comes: registration and call come back by themselves, and the window
//! says meanwhile how they stand.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::asterisk_is_idle;
use crate::asterisk::SERVER;
use crate::browser::{self, Kind, Setting, Voice};
use crate::namespace::{cut, cut_media, roam};
use crate::phone::{Phone, account};
use crate::relay::Relay;
use crate::rig::Rig;
use crate::turn;

/// How long the network is away, seconds, and the variable that says another number.
const OUTAGE: u64 = 8;
const OUTAGE_VARIABLE: &str = "SOFT_PHONE_OUTAGE";
/// How long media and registration may take when the network is there again.
const BACK: Duration = Duration::from_secs(3);
/// Asterisk's port for WebSockets.
const PORT: u16 = 8088;

fn outage() -> Duration {
    let asked = std::env::var(OUTAGE_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(OUTAGE))
}

/// A phone at Asterisk by way of `server`, in a call with the echo; `more` fields of the account.
async fn in_call(rig: &Rig, kind: Kind, set: Setting, server: &str, more: Value) -> Result<Phone> {
    let phone = Phone::open_with(rig, kind, Voice::A, set, json!({ "lang": "en" })).await?;
    let mut account = account("100", "pw-100");
    account["server"] = json!([server]);
    if let (Some(account), Value::Object(more)) = (account.as_object_mut(), more) {
        account.extend(more);
    }
    phone.sign_in(&account).await?;
    phone.registered().await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until("probe.connected()").await?;
    Ok(phone)
}

/// Between the phone and Asterisk, changing nothing.
async fn relay() -> Result<Relay> {
    Relay::start(SERVER, |way, text| vec![(way, text)]).await
}

/// Waits until the phone is registered again, and tells how long that took since `start`.
async fn registered_again(phone: &Phone, start: Instant, limit: Duration) -> Result<Duration> {
    phone.browser.until("probe.phone().registration === 'registered'", 2 * limit).await?;
    let took = start.elapsed();
    ensure!(took <= limit, "registered after {took:.1?}");
    Ok(took)
}

/// Waits until more packets come than `before`, and tells how long that took since `start`.
async fn heard_again(phone: &Phone, before: &Value, start: Instant) -> Result<Duration> {
    let more = format!("probe.packets().then(now => now.some((count, nth) => count > ({before}[nth] ?? 0)))");
    phone.browser.until(&more, 10 * BACK).await?;
    let took = start.elapsed();
    ensure!(took <= BACK, "media after {took:.1?}");
    Ok(took)
}

/// Lets `restore` bring back what was away: media and registration come back in time, which is told as so long `after` it.
async fn comes_back(phone: &Phone, after: &str, restore: impl FnOnce()) -> Result<()> {
    let before = phone.browser.run("return probe.packets()", Value::Null).await?;
    restore();
    let start = Instant::now();
    let (heard, registered) = tokio::join!(heard_again(phone, &before, start), registered_again(phone, start, BACK));
    println!("  media {:.1?}, registered {:.1?} after {after}", heard?, registered?);
    Ok(())
}

/// That the call still stands and is heard, and that the BYE arrives.
async fn goes_on_and_ends(rig: &Rig, phone: &Phone) -> Result<()> {
    phone.call_is("active").await?;
    phone.says("In a call").await?;
    // Not on a tape of media that are about to be replaced.
    phone.until("probe.flows()").await?;
    phone.record(7.0).await?.is_echo(rig)?;
    phone.press("hangup").await?;
    let ended = phone.ended().await?;
    ensure!(ended == "local-hangup", "{ended}");
    asterisk_is_idle(rig, Duration::from_secs(5)).await
}

/// The user name fragments of all offers that have left.
const FRAGMENTS: &str = "return [...new Set(probe.sent('INVITE').map(it => it.text.match(/a=ice-ufrag:(\\S+)/)?.[1]).filter(Boolean))].length";

/// Only the way to the server is cut: the call goes on all the while, with the media that it had, and ends as it should.
async fn cut_off(rig: &Rig, kind: Kind) -> Result<()> {
    let relay = relay().await?;
    let phone = in_call(rig, kind, Setting::default(), &relay.url(), Value::Null).await?;
    relay.cut(true);
    phone.says("No connection to the phone server. You can go on speaking.").await?;
    phone.record(outage().as_secs_f32()).await?.is_echo(rig)?;
    relay.cut(false);
    // Firefox delays each try to a server that could not be reached, by half as long again as the one before: by a third of
    // the time that the server was away, in the end.
    let limit = if kind == Kind::Firefox { BACK + outage() / 3 } else { BACK };
    let took = registered_again(&phone, Instant::now(), limit).await?;
    println!("  registered {took:.1?} after the server was back");
    let answered = "probe.wire.some(it => it.socket > 0 && !it.out && /^SIP\\/2.0 200 /.test(it.text) && /^CSeq: *[0-9]+ INVITE/im.test(it.text))";
    phone.until(answered).await.context("the far end does not know where we are")?;
    let fragments = phone.browser.run(FRAGMENTS, Value::Null).await?;
    ensure!(fragments == json!(1), "{fragments} generations of ICE: media that go on are left alone");
    goes_on_and_ends(rig, &phone).await
}

/// Chromium.
pub async fn server_cut_off(rig: &Rig) -> Result<()> {
    cut_off(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn server_cut_off_firefox(rig: &Rig) -> Result<()> {
    cut_off(rig, Kind::Firefox).await
}

/// The far end hangs up while the server is away: its BYE cannot reach us, the answer to our offer does.
pub async fn far_end_hangs_up_meanwhile(rig: &Rig) -> Result<()> {
    let relay = relay().await?;
    let phone = in_call(rig, Kind::Chromium, Setting::default(), &relay.url(), Value::Null).await?;
    relay.cut(true);
    phone.says("No connection to the phone server").await?;
    rig.asterisk.console("channel request hangup all").await?;
    asterisk_is_idle(rig, Duration::from_secs(5)).await?;
    phone.call_is("active").await?;
    relay.cut(false);
    let ended = phone.ended().await?;
    ensure!(ended == "network", "{ended}");
    phone.says("The connection was lost").await?;
    phone.registered().await
}

/// Everything is gone for a while, media and server: the call waits, says so, and is heard again.
async fn away(rig: &Rig, more: Value) -> Result<Phone> {
    let phone = in_call(rig, Kind::Chromium, Setting::default(), SERVER, more).await?;
    let cut = cut(PORT)?;
    let end = Instant::now() + outage();
    // Nobody has told the browser: it takes a while to believe it.
    phone.browser.until("probe.words().includes('The network is away. The call waits')", 3 * outage()).await?;
    println!("  said so {:.1?} after the cut", outage() - (end - Instant::now()));
    sleep_until(end).await;
    phone.call_is("active").await?;
    comes_back(&phone, "the network was back", || drop(cut)).await?;
    Ok(phone)
}

/// On the way that there was.
pub async fn network_away(rig: &Rig) -> Result<()> {
    let phone = away(rig, Value::Null).await?;
    goes_on_and_ends(rig, &phone).await
}

/// Through TURN only.
pub async fn turn(rig: &Rig) -> Result<()> {
    let _server = turn::start(rig).await?;
    let phone = away(rig, turn::only()).await?;
    let kinds = "return [...new Set(probe.sent('INVITE').flatMap(it => it.text.match(/ typ [a-z]+/g) ?? []))]";
    let kinds = phone.browser.run(kinds, Value::Null).await?;
    ensure!(kinds == json!([" typ relay"]), "{kinds}");
    goes_on_and_ends(rig, &phone).await
}

/// Where Asterisk's media are, by its last answer.
const MEDIA_PORT: &str =
    "return Number(probe.wire.findLast(it => !it.out && /^m=audio /m.test(it.text)).text.match(/^m=audio (\\d+)/m)[1])";

/// The server is another one when it is back, whose media are elsewhere: nothing that goes where they were arrives.
async fn elsewhere(rig: &Rig, kind: Kind) -> Result<()> {
    let relay = relay().await?;
    let phone = in_call(rig, kind, Setting::default(), &relay.url(), Value::Null).await?;
    let port = serde_json::from_value(phone.browser.run(MEDIA_PORT, Value::Null).await?)?;
    relay.cut(true);
    phone.says("No connection to the phone server").await?;
    let _gone = cut_media(port)?;
    comes_back(&phone, "the server was back", || relay.cut(false)).await?;
    goes_on_and_ends(rig, &phone).await
}

/// Chromium.
pub async fn address(rig: &Rig) -> Result<()> {
    elsewhere(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn address_firefox(rig: &Rig) -> Result<()> {
    elsewhere(rig, Kind::Firefox).await
}

/// From one network to another, as from radio to cable: the connection breaks, and media find no way from where they went. In
/// Firefox: on a machine that has only a loopback interface Chromium knows 127.0.0.1 and no other address.
pub async fn roaming_firefox(rig: &Rig) -> Result<()> {
    let relay = relay().await?;
    let phone = in_call(rig, Kind::Firefox, Setting::default(), &relay.url(), Value::Null).await?;
    relay.cut(true);
    let _elsewhere = roam()?;
    phone.until("probe.phone().registration !== 'registered'").await?;
    comes_back(&phone, "there was a network", || relay.cut(false)).await?;
    goes_on_and_ends(rig, &phone).await
}

/// The machine sleeps in a call, and its connection dies meanwhile without a word: it is found out at once, and the call
/// goes on.
pub async fn sleep(rig: &Rig) -> Result<()> {
    let relay = relay().await?;
    let profile = "sleeper";
    let set = Setting { profile: Some(profile), ..Setting::default() };
    let phone = in_call(rig, Kind::Chromium, set, &relay.url(), Value::Null).await?;
    let asleep = browser::stop(rig, profile)?;
    let end = Instant::now() + outage();
    relay.silence();
    sleep_until(end).await;
    drop(asleep);
    let start = Instant::now();
    phone.until("probe.sockets.length === 2").await?;
    let took = registered_again(&phone, start, BACK).await?;
    println!("  registered {took:.1?} after it woke");
    goes_on_and_ends(rig, &phone).await
}

/// The server starts anew while nothing goes on: calls come in again.
pub async fn server_restarts_idle(rig: &Rig) -> Result<()> {
    let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
    rig.asterisk.crash().await?;
    phone.until("probe.sockets.length > 1").await?;
    phone.registered().await?;
    rig.asterisk.ring("100").await?;
    phone.press("answer").await?;
    goes_on_and_ends(rig, &phone).await
}
