//! Our own jitter buffer in Chromium beside Chromium's, on the same packets of the same calls, over bad networks; and a long
//! call over one.
//!
//! Not among the tests, as it takes long: `cargo xtask impaired` asks for it, and scores what is written here.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use soft_phone_benches::audio::{self, likenesses};
use soft_phone_benches::receive::trace;

use super::receive;
use crate::browser::{Kind, Voice, pages};
use crate::path::{Fate, Fates, Path};
use crate::phone::{Phone, account, in_call};
use crate::relay::Way;
use crate::rig::Rig;

/// The variable that asks for these cases, and says where recordings go.
pub const FOLDER: &str = "SOFT_PHONE_IMPAIRED";
/// The variable that says how many minutes the long call has.
pub const MINUTES: &str = "SOFT_PHONE_IMPAIRED_MINUTES";
/// Networks of the comparison, by the names of `soft_phone_benches::receive::TRACES`.
const NETWORKS: [&str; 6] = ["clean", "loss 5 %", "bursts of 100 ms", "jitter 60 ms", "Wi-Fi", "LTE"];
/// Seconds of each recording; the first one of sound is not compared.
const SECONDS: f32 = 25.0;
/// Packets of a trace, 20 ms each: as many as a call of the comparison may have.
const PACKETS: usize = 6_000;
/// Windows of the long call, and how alike they are to be.
const WINDOW: Duration = Duration::from_secs(1);
const ALIKE: f32 = 0.6;
/// Share of the windows without a loss that must be.
const INTELLIGIBLE: f32 = 0.95;
/// A packet that is lost on the path less than this before a window of what was said begins, or behind its end, may be heard
/// in it: the page's clock tells no finer, and a packet is sent and passed on by Asterisk behind what is in it.
const BEFORE: Duration = Duration::from_millis(30);
const BEHIND: Duration = Duration::from_millis(150);
/// How much a page's process may grow between the first minutes and the last.
const GROWTH: f64 = 1.15;

/// What the phone says of its jitter buffer.
const RECEIVED: &str = "probe.phone().diagnostics().voice[0].received";
/// Chromium's own buffer of the same packets: its counters so far.
const NATIVE: &str =
    "const stats = [...(await probe.receiver().getStats()).values()].find(it => it.type === 'inbound-rtp');
    return ['jitterBufferDelay', 'jitterBufferEmittedCount', 'concealedSamples', 'silentConcealedSamples',
        'totalSamplesReceived', 'packetsReceived'].map(name => stats[name])";

async fn phone(rig: &Rig, path: Option<&Path>, voice: Voice, user: &str, codec: &str) -> Result<Phone> {
    let attributes = json!({ "lang": "en", "jitter-buffer": "rust", "codecs": codec });
    let phone = Phone::open(rig, Kind::Chromium, voice, attributes).await?;
    let mut account = account(user, &format!("pw-{user}"));
    if let Some(path) = path {
        account["server"] = json!([path.url()]);
    }
    phone.sign_in(&account).await?;
    phone.registered().await?;
    Ok(phone)
}

async fn plays_own(phone: &Phone) -> Result<()> {
    phone.until(&format!("{RECEIVED}.jitterBuffer === 'rust' || {RECEIVED}.reason")).await?;
    let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
    ensure!(received["jitterBuffer"] == json!("rust"), "{received}");
    Ok(())
}

async fn native(phone: &Phone) -> Result<[f64; 6]> {
    let counters = phone.browser.run(NATIVE, Value::Null).await?;
    let list: Vec<f64> = counters.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    list.try_into().ok().with_context(|| format!("counters of Chromium's jitter buffer: {counters}"))
}

/// One call to Asterisk's echo, whose way back is bad: what ours and Chromium's buffer make of the same packets.
async fn compare(rig: &Rig, codec: &str, network: &str, seed: u64, folder: PathBuf) -> Result<()> {
    let trace = trace(network, seed, PACKETS).context("no such network")?;
    let bad: Fate = Arc::new(move |packet| {
        let arrival = (*trace.get(packet)?)?;
        Some(Duration::from_secs_f64(((arrival - 20.0 * packet as f64) / 1_000.0).max(0.0)))
    });
    let good: Fate = Arc::new(|_| Some(Duration::ZERO));
    let path = Path::open(Fates { to_phone: bad, to_server: good }).await?;
    let phone = phone(rig, Some(&path), Voice::Talk, "100", codec).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    plays_own(&phone).await?;
    // The first second of the sound finds the network out.
    phone.until("probe.fired('quality').length > 1").await?;
    receive::comes_as(&phone, codec).await?;
    let before = native(&phone).await?;
    let events = phone.browser.run("return probe.fired('quality').length", Value::Null).await?;
    let streams =
        ["probe.call().localStream", "probe.call().remoteStream", "new MediaStream([probe.receiver().track])"];
    let recordings = phone.browser.record(&streams, SECONDS).await?;
    let after = native(&phone).await?;
    let events = phone.browser.run("return probe.fired('quality').slice(args)", events).await?;
    let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
    ensure!(received["jitterBuffer"] == json!("rust"), "ours was given up: {received}");
    ensure!(path.carried() as f64 > after[5], "packets went past the path: {} and {after:?}", path.carried());
    phone.press("hangup").await?;
    phone.ended().await?;

    let mean = |name: &str| {
        let values: Vec<f64> =
            events.as_array().into_iter().flatten().filter_map(|event| event[name].as_f64()).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let by = |at: usize| after[at] - before[at];
    let told = json!({
        "ours@1": { "delay": mean("playoutDelayMs"), "concealed": mean("concealedPercent") / 100.0 },
        "neteq@1": { "delay": 1_000.0 * by(0) / by(1), "concealed": (by(2) - by(3)) / by(4) },
    });
    fs::create_dir_all(&folder)?;
    for (name, samples) in ["reference", "ours@1", "neteq@1"].into_iter().zip(&recordings) {
        audio::write(&folder.join(format!("{name}.wav")), samples)?;
    }
    fs::write(folder.join("told.json"), told.to_string())?;
    println!("  {codec}, {network}: {told}");
    rig.close_browsers().await;
    Ok(())
}

/// Opus and PCMU over each of the networks.
pub async fn networks(rig: &Rig) -> Result<()> {
    let out = PathBuf::from(std::env::var_os(FOLDER).context(FOLDER)?);
    for codec in ["opus", "PCMU"] {
        for (seed, network) in (1..).zip(NETWORKS) {
            let folder = out.join(codec.to_lowercase()).join(format!("{network} 0"));
            compare(rig, codec, network, seed, folder).await.with_context(|| format!("{codec}, {network}"))?;
        }
    }
    Ok(())
}

/// 50 ms and up to 20 ms more or less, 5 % lost: `number` to a number that looks random (SplitMix64).
fn far_away(number: usize, salt: u64) -> Option<Duration> {
    let mut mixed = (number as u64).wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let delay = Duration::from_micros(30_000 + (mixed >> 32) % 40_000);
    (mixed % 100 >= 5).then_some(delay)
}

/// What one side said and the other heard in a piece of the call.
#[derive(Default)]
struct Heard {
    windows: usize,
    alike: usize,
    /// Of windows without a loss.
    whole: usize,
    whole_alike: usize,
}

impl Heard {
    fn add(&mut self, said: &[f32], heard: &[f32], began: SystemTime, losses: &[SystemTime]) -> Result<()> {
        for (at, likeness) in likenesses(said, heard, WINDOW)? {
            let (from, to) = (began + at - BEFORE, began + at + WINDOW + BEHIND);
            let whole = !losses.iter().any(|loss| (from..to).contains(loss));
            self.windows += 1;
            self.alike += usize::from(likeness >= ALIKE);
            self.whole += usize::from(whole);
            self.whole_alike += usize::from(whole && likeness >= ALIKE);
        }
        Ok(())
    }

    fn share(&self) -> f32 {
        self.whole_alike as f32 / self.whole.max(1) as f32
    }
}

/// When the last recording of a page began.
async fn began(phone: &Phone) -> Result<SystemTime> {
    let from = phone.browser.run("return probe.recordedFrom", Value::Null).await?;
    Ok(SystemTime::UNIX_EPOCH
        + Duration::from_secs_f64(from.as_f64().context("the beginning of a recording")? / 1_000.0))
}

/// Resident memory of Chromium's pages together, MiB (`VmRSS` of proc(5)).
fn memory() -> Result<f64> {
    let mut sum = 0.0;
    for page in pages()? {
        let status = fs::read_to_string(format!("/proc/{page}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        sum += line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or_default() / 1_024.0;
    }
    Ok(sum)
}

/// Two browsers in a call through Asterisk, one of them far away; both play by our buffer. With it how many minutes it is to have.
async fn far_call(rig: &Rig) -> Result<(Path, Phone, Phone, usize)> {
    let minutes = std::env::var(MINUTES).context(MINUTES)?.parse().context(MINUTES)?;
    let (there, back): (Fate, Fate) =
        (Arc::new(|packet| far_away(packet, 1)), Arc::new(|packet| far_away(packet, 1 << 40)));
    let path = Path::open(Fates { to_phone: there, to_server: back }).await?;
    let alice = phone(rig, Some(&path), Voice::A, "100", "opus").await?;
    let bob = phone(rig, None, Voice::B, "101", "opus").await?;
    alice.dial("101").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    plays_own(&alice).await?;
    plays_own(&bob).await?;
    Ok((path, alice, bob, minutes))
}

/// That ours was played to the end, which comes now.
async fn end(alice: &Phone, bob: &Phone) -> Result<()> {
    for phone in [alice, bob] {
        let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
        ensure!(received["jitterBuffer"] == json!("rust"), "ours was given up: {received}");
        println!("  {received}");
    }
    alice.press("hangup").await?;
    bob.ended().await.map(drop)
}

/// A long call: both are understood.
pub async fn long_call(rig: &Rig) -> Result<()> {
    const PIECE: f32 = 20.0;
    let (path, alice, bob, minutes) = far_call(rig).await?;
    let (mut to_alice, mut to_bob) = (Heard::default(), Heard::default());
    for piece in 1..=minutes * 60 / PIECE as usize {
        let (one, other) = tokio::try_join!(alice.record(PIECE), bob.record(PIECE))?;
        to_alice.add(&other.said, &one.heard, began(&bob).await?, &path.losses(Way::ToPhone))?;
        to_bob.add(&one.said, &other.heard, began(&alice).await?, &path.losses(Way::ToServer))?;
        if piece % 6 == 0 {
            eprintln!("  {} min", piece / 3);
        }
    }
    end(&alice, &bob).await?;
    for (who, heard) in [("far away", &to_alice), ("near", &to_bob)] {
        println!(
            "  heard {who}: {} windows of {:?} with sound, {:.1} % alike; {} without a loss, {:.1} % alike",
            heard.windows,
            WINDOW,
            100.0 * heard.alike as f32 / heard.windows.max(1) as f32,
            heard.whole,
            100.0 * heard.share()
        );
    }
    ensure!(to_alice.whole > 0 && to_bob.whole > 0, "no window without a loss");
    ensure!(to_alice.share() >= INTELLIGIBLE && to_bob.share() >= INTELLIGIBLE);
    Ok(())
}

/// A long call that nobody records, as the browser keeps what the driver was given: nothing grows.
pub async fn memory_of_a_long_call(rig: &Rig) -> Result<()> {
    /// 20 s of them, and those that are lost.
    const PACKETS: usize = 1_000;
    let (_path, alice, bob, minutes) = far_call(rig).await?;
    let mut sizes = Vec::new();
    for piece in 1..=minutes * 3 {
        let there = format!("{RECEIVED}.received >= {}", piece * PACKETS);
        alice.browser.until(&there, Duration::from_secs(60)).await?;
        for phone in [&alice, &bob] {
            phone.browser.run("gc()", Value::Null).await?;
        }
        sizes.push(memory()?);
    }
    end(&alice, &bob).await?;
    let third = sizes.len() / 3;
    let mean = |sizes: &[f64]| sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
    let (early, late) = (mean(&sizes[..third]), mean(&sizes[sizes.len() - third..]));
    println!("  memory of both pages: {early:.0} MiB in the first third, {late:.0} in the last");
    ensure!(late <= early * GROWTH, "the pages grow");
    Ok(())
}
