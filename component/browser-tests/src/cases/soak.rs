//! Calls by the thousand on bad days: the application's server fails, hangs and signs the user out, and the browser is
//! killed again and again. Whatever call has rung must be one complete card in the end.
//!
//! Not among the tests, as it takes long: `cargo xtask soak` asks for it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::crm::{WATCH_THE_DISK, attributes, open, other};
use crate::browser::{self, Kind};
use crate::crm::{Card, Crm, Mood};
use crate::rig::Rig;

/// The variable that asks for these cases, and says how many calls each makes.
pub const CALLS: &str = "SOFT_PHONE_SOAK_CALLS";
/// Changes of calls before a browser is killed, at least and at most.
const CHANGES: (u64, u64) = (3, 60);
/// One browser of so many ends in good order: the page is left in the middle of whatever it does.
const LEFT: u64 = 4;
/// No page needs longer for so few changes, whatever the server does.
const PAGE: Duration = Duration::from_secs(60);
/// What is left in the outbox is sent in this time by a page that stays open.
const PATIENCE: Duration = Duration::from_secs(120);

/// Calls without end, of all kinds, out and in, one after the other; the server is told of each change of each call, past
/// the outbox.
const CALL_FOR_EVER: &str = "
    const phone = probe.phone();
    const told = ({ id, state }) => navigator.sendBeacon('/crm/change', JSON.stringify({ id, state, kept: probe.kept.has(id) }));
    phone.addEventListener('soft-phone-incoming', event => told(event.detail.call));
    phone.addEventListener('soft-phone-call-change', event => told(event.detail.call));
    const other = document.createElement('soft-phone');
    other.mode = 'headless';
    other.account = args.other;
    document.body.append(other);
    await probe.until(() => other.registration === 'registered', 10000);
    let seed = args.seed;
    const dice = sides => (seed = (seed * 48271) % 2147483647) % sides;
    const either = (call, states) => probe.until(() => states.includes(call.state), 15000);
    const one = async () => {
      const kind = dice(6);
      if (kind < 4) {
        const call = await phone.call(['600', '602', '603', '699'][kind]);
        if (kind === 0) {
          await either(call, ['active', 'ended']);
          if (dice(2)) { await call.hold(); await call.resume(); }
          await call.hangup();
        } else if (kind === 2) {
          await either(call, ['ringing', 'ended']);
          await call.hangup();
        }
        return either(call, ['ended']);
      }
      const theirs = await other.call(args.number);
      await probe.until(() => phone.calls.length > 0 || theirs.state === 'ended', 15000);
      const [call] = phone.calls;
      if (!call) return;
      if (kind === 4) {
        await call.answer();
        await either(theirs, ['active', 'ended']);
        await theirs.hangup();
      } else if (dice(2)) {
        await call.reject();
      } else {
        await theirs.hangup();
      }
      await either(call, ['ended']);
      await either(theirs, ['ended']);
    };
    (async () => { for (;;) await one(); })().catch(error => probe.errors.push(`soak: ${error.message}`))";

/// What the browser has of these calls.
const KEPT: &str = "
    const opened = indexedDB.open('soft-phone');
    await new Promise(done => { opened.onsuccess = done; });
    const all = async store => {
      const asked = opened.result.transaction(store).objectStore(store).getAll();
      await new Promise(done => { asked.onsuccess = done; });
      return asked.result.filter(it => args.includes(it.event?.call.id ?? it.id));
    };
    return { calls: await all('calls'), outbox: await all('outbox'), dead: await all('dead') }";

/// Random numbers that a run repeats (SplitMix64, Steele, Lea and Flood, OOPSLA 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// What becomes of a request: more than half go well.
    fn mood(&mut self) -> Mood {
        match self.below(40) {
            0..=3 => Mood::Fails(500),
            4..=5 => Mood::Fails(503),
            6 => Mood::Fails(429),
            7..=9 => Mood::Breaks,
            10..=12 => Mood::BreaksAtOnce,
            13 => Mood::Hangs,
            14 => Mood::LogsOut,
            15 => Mood::Page,
            _ => Mood::Well,
        }
    }
}

async fn soak(rig: &Rig, kind: Kind, profile: &'static str) -> Result<()> {
    let count: usize = std::env::var(CALLS).context(CALLS)?.parse().context(CALLS)?;
    let crm = Crm::start(rig).await?;
    let other = other(rig)?;
    let number = &rig.user("alice")?.number;
    let mut dice = Dice(1);
    let (mut killed, mut left) = (0, 0);
    while crm.rung().len() < count {
        let phone = open(rig, &crm, kind, Some(profile), attributes()).await?;
        crm.moods(std::iter::repeat_with(|| dice.mood()).take(500));
        let seed = 1 + dice.below(1_000_000);
        let arguments = json!({ "other": other, "number": number, "seed": seed });
        phone.browser.run(WATCH_THE_DISK, Value::Null).await?;
        phone.browser.run(CALL_FOR_EVER, arguments).await?;
        let changes = crm.changes() + CHANGES.0 + dice.below(CHANGES.1 - CHANGES.0);
        crm.until_changes(PAGE, changes).await?;
        let faults = phone.browser.run("return probe.errors", Value::Null).await?;
        ensure!(faults == json!([]), "{faults}");
        if dice.below(LEFT) == 0 {
            phone.browser.leave().await?;
            left += 1;
        } else {
            browser::kill(rig, profile)?;
            killed += 1;
        }
        eprintln!("  {} calls have rung, {killed} browsers were killed, {left} pages left", crm.rung().len());
        // Of a killed browser there is nothing to close.
        let _gone = phone.browser.client().clone().close().await;
    }
    crm.moods([]);
    let last = open(rig, &crm, kind, Some(profile), attributes()).await?;
    let rung = crm.rung();
    let complete = crm.until(PATIENCE, |cards| {
        cards.values().all(|card| card.call["disposition"].is_string()) && rung.iter().all(|id| cards.contains_key(id))
    });
    if complete.await.is_err() {
        let (cards, early) = (crm.cards(), crm.early());
        let lost: Vec<&String> = rung.iter().filter(|id| !cards.contains_key(*id)).collect();
        let open: Vec<&Card> = cards.values().filter(|card| !card.call["disposition"].is_string()).collect();
        let kept = last.browser.run(KEPT, json!(lost)).await?;
        let early: Vec<_> = lost.iter().filter(|id| early.contains(id.as_str())).collect();
        bail!(
            "of {} calls that rang {} have no card: {lost:?}; told before they were on the disk: {early:?}; there now: \
             {kept:#}; without an end: {open:#?}",
            rung.len(),
            lost.len()
        );
    }
    let cards = crm.cards();
    let mut known = BTreeMap::new();
    for (id, card) in &cards {
        // A call that was cut off before there was anything to send has no Call-ID.
        let Some(call) = card.call["sipCallId"].as_str().filter(|call| !call.is_empty()) else { continue };
        let before = known.insert(call, id);
        ensure!(
            before.is_none(),
            "the cards {before:?} and {id} are one call: {:#?}",
            [&cards[before.unwrap_or(id)], card]
        );
    }
    let (requests, duplicates, beacons) = crm.counts();
    println!(
        "  {} calls rang, 0 lost; {} cards, 0 doubled; {killed} browsers killed, {left} pages left; {requests} requests, \
         {duplicates} events came twice, {beacons} beacons",
        rung.len(),
        cards.len()
    );
    Ok(())
}

/// Chromium.
pub async fn chromium(rig: &Rig) -> Result<()> {
    soak(rig, Kind::Chromium, "profile-soak-chromium").await
}

/// Firefox.
pub async fn firefox(rig: &Rig) -> Result<()> {
    soak(rig, Kind::Firefox, "profile-soak-firefox").await
}
