//! Who buffers and conceals what is received: our own jitter buffer and decoders, or the browser's; and what becomes of a call
//! when ours cannot go on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use soft_phone_benches::audio::{self, RATE, longest_gap_beside, rms};
use soft_phone_benches::receive::{Codec, Sent, trace};
use soft_phone_benches::voice::down;

use super::reload;
use crate::browser::{Browser, Kind, Voice};
use crate::path::{Fate, Fates, Path};
use crate::phone::{Phone, account};
use crate::rig::Rig;

/// What the phone says of it.
const RECEIVED: &str = "probe.phone().diagnostics().voice[0].received";
/// The longest silence that a change may cause, ms.
const GAP_MS: f32 = 200.0;
/// Below this there is no sound, dBFS: `hum` is above −35 at its softest.
const SILENCE_DBFS: f32 = -55.0;
/// The most of real time that it may take to receive, decoder included, on a machine that has other work.
const MOST_LOAD: f64 = 0.1;
/// Why the phone gives ours up on a machine that does not keep up.
const TOO_SLOW: &str = "audio falls behind the clock";
/// How often a call is made before the machine is too slow for the case.
const CALLS: usize = 4;

/// Waits until `who` buffers what is received.
async fn buffered_by(phone: &Phone, who: &str) -> Result<()> {
    let Err(error) = phone.until(&format!("{RECEIVED}.jitterBuffer === '{who}'")).await else { return Ok(()) };
    let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
    Err(error.context(received.to_string()))
}

async fn dial_echo(rig: &Rig, kind: Kind, attributes: Value) -> Result<Phone> {
    let phone = Phone::open(rig, kind, Voice::A, attributes).await?;
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await?;
    Ok(phone)
}

async fn hang_up(phone: &Phone) -> Result<()> {
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// Who buffers unless the page says so.
pub async fn by_default(rig: &Rig) -> Result<()> {
    for (kind, who) in [(Kind::Chromium, "rust"), (Kind::Firefox, "browser")] {
        let phone = dial_echo(rig, kind, json!({ "lang": "en" })).await?;
        phone.dial("600").await?;
        phone.call_is("active").await?;
        buffered_by(&phone, who).await.with_context(|| format!("{kind:?}"))?;
        phone.until("probe.fired('quality').length").await?;
        let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
        ensure!(received["reason"].is_null() || received["reason"] == json!(TOO_SLOW), "{kind:?}: {received}");
        hang_up(&phone).await?;
    }
    Ok(())
}

/// A Chromium without `RTCRtpScriptTransform`: frames are seen in the way of before, and what is sent goes on.
pub async fn older(rig: &Rig) -> Result<()> {
    let phone = dial_echo(rig, Kind::Chromium, json!({ "lang": "en", "jitter-buffer": "rust" })).await?;
    phone.browser.run("delete window.RTCRtpScriptTransform", Value::Null).await?;
    played(rig, Kind::Chromium, &phone, "opus").await
}

/// The voice of each codec that Asterisk and the browser agree on.
async fn codecs_of(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = dial_echo(rig, kind, json!({ "lang": "en", "jitter-buffer": "rust" })).await?;
    for codec in ["opus", "G722", "PCMU"] {
        played(rig, kind, &phone, codec).await.with_context(|| codec.to_owned())?;
    }
    Ok(())
}

/// Calls with this codec until one is played by ours to its end.
pub(super) async fn played(rig: &Rig, kind: Kind, phone: &Phone, codec: &str) -> Result<()> {
    let mut calls = 1;
    while !codec_of(rig, kind, phone, codec).await? {
        ensure!(calls < CALLS, "{TOO_SLOW} in each of {calls} calls");
        calls += 1;
    }
    Ok(())
}

/// One call with this codec, played by ours from the beginning of the recording to its end; false where the phone gave ours up
/// because this machine was too slow for it just then, as it should: such a call tells nothing of the codec.
async fn codec_of(rig: &Rig, kind: Kind, phone: &Phone, codec: &str) -> Result<bool> {
    phone.browser.run("probe.events.length = 0; probe.phone().codecs = args", json!(codec)).await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until(&format!("{RECEIVED}.jitterBuffer === 'rust' || {RECEIVED}.reason")).await?;
    comes_as(phone, codec).await?;
    let sound = phone.record(7.0).await?;
    phone.until(&format!("probe.fired('quality').at(-1)?.jitterBuffer === 'rust' || {RECEIVED}.reason")).await?;
    // What a look tells is in steps of a millisecond: right in the mean where the card's period does not beat with them, as
    // Chromium's may: between 0 and 3 % of real time there. `cost` measures it.
    let mean = format!(
        "const loads = [];
         const from = performance.now();
         await probe.until(() => loads.push({RECEIVED}.load) && performance.now() > from + 5000, 8000);
         return loads.reduce((sum, load) => sum + load, 0) / loads.length"
    );
    let load = phone.browser.run(&mean, Value::Null).await?.as_f64().unwrap_or(f64::NAN);
    let quality = phone.browser.run("return probe.fired('quality').at(-1)", Value::Null).await?;
    let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
    if received["reason"] == json!(TOO_SLOW) {
        println!("{kind:?}, {codec}: {TOO_SLOW}, another call is made");
        hang_up(phone).await?;
        return Ok(false);
    }
    ensure!(received["jitterBuffer"] == json!("rust"), "{received}");
    let likeness = sound.is_echo(rig)?;
    println!(
        "{kind:?}, {codec} by our own jitter buffer: {:.2} % of real time; correlation {:.2}, {:.0} % found, one-way delay {:.0} ms, {:.0} dBFS; {received}",
        load * 100.0,
        likeness.correlation,
        likeness.found * 100.0,
        likeness.delay_ms / 2.0,
        likeness.level_dbfs
    );
    ensure!(received["errors"] == json!(0) && received["received"].as_f64() > Some(200.0), "{received}");
    let (delay, mos) = (quality["playoutDelayMs"].as_f64(), quality["mos"].as_f64());
    ensure!(delay > Some(0.0) && delay < Some(200.0) && mos > Some(3.5), "{quality}");
    ensure!(quality["concealedPercent"].is_number(), "{quality}");
    ensure!(load < MOST_LOAD, "{:.1} % of real time", load * 100.0);
    hang_up(phone).await?;
    Ok(true)
}

/// That what is received is of this codec, by the browser's own statistics.
pub(super) async fn comes_as(phone: &Phone, codec: &str) -> Result<()> {
    const CODEC: &str = "const stats = await probe.receiver().getStats();
        return stats.get([...stats.values()].find(it => it.type === 'inbound-rtp')?.codecId)?.mimeType";
    phone.until(&format!("(async () => {{ {CODEC} }})()")).await?;
    let comes = phone.browser.run(CODEC, Value::Null).await?;
    ensure!(
        comes.as_str().is_some_and(|comes| comes.eq_ignore_ascii_case(&format!("audio/{codec}"))),
        "{codec}: {comes}"
    );
    Ok(())
}

/// Chromium.
pub async fn codecs(rig: &Rig) -> Result<()> {
    codecs_of(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn codecs_firefox(rig: &Rig) -> Result<()> {
    codecs_of(rig, Kind::Firefox).await
}

/// The opinion of ITU-T G.107 of a codec with this packet-loss robustness factor, at this delay, ms, and loss, percent.
fn opinion(robustness: f64, delay_ms: f64, loss_percent: f64) -> f64 {
    let late = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let r = 93.2 - late - 95.0 * loss_percent / (loss_percent + robustness);
    1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)
}

/// A fifth of what comes is lost: what the phone thinks of it is what it thinks of G.722, which bears that worse than the codec
/// that it takes for any that it does not know.
async fn opinion_in(rig: &Rig, kind: Kind) -> Result<()> {
    /// Percent; of which some are lost for good when the event is told.
    const LOST: f64 = 20.0;
    /// As `component/src/media/quality.rs` has it of G.722, and of G.711.
    const ROBUSTNESS: [f64; 2] = [20.3, 25.1];
    let whole: Fate = Arc::new(|_| Some(Duration::ZERO));
    let holes: Fate = Arc::new(|packet| (packet % 5 != 4).then_some(Duration::ZERO));
    let path = Path::open(Fates { to_phone: holes, to_server: whole }).await?;
    let attributes = json!({ "lang": "en", "jitter-buffer": "browser", "codecs": "G722" });
    let phone = Phone::open(rig, kind, Voice::A, attributes).await?;
    let mut account = account("100", "pw-100");
    account["server"] = json!([path.url()]);
    phone.sign_in(&account).await?;
    phone.registered().await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    comes_as(&phone, "G722").await?;
    phone.until(&format!("probe.fired('quality').at(-1)?.lossPercent > {}", LOST - 5.0)).await?;
    let quality = phone.browser.run("return probe.fired('quality').at(-1)", Value::Null).await?;
    let number = |name: &str| quality[name].as_f64().with_context(|| format!("{name} in {quality}"));
    let delay = number("playoutDelayMs")? + number("rttMs")? / 2.0;
    let [g722, other] =
        ROBUSTNESS.map(|robustness| opinion(robustness, delay, number("lossPercent").unwrap_or_default()));
    println!("{kind:?}, G.722: {quality}; {g722:.2}, and {other:.2} of a codec without a name");
    // It is told in tenths.
    ensure!((number("mos")? - g722).abs() < 0.07 && other - g722 > 0.14, "{quality}: {g722:.2}, {other:.2}");
    hang_up(&phone).await
}

/// Chromium.
pub async fn opinion_of_codec(rig: &Rig) -> Result<()> {
    opinion_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn opinion_of_codec_firefox(rig: &Rig) -> Result<()> {
    opinion_in(rig, Kind::Firefox).await
}

/// The page is loaded anew in a call: ours plays in the next one, too.
async fn after_reload_in(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = Phone { browser: Browser::open(rig, kind, Voice::A).await? };
    let attributes = json!({ "lang": "en", "jitter-buffer": "rust" });
    phone.browser.load_at(reload::address_with(rig, &account("100", "pw-100"), &attributes, "")).await?;
    phone.registered().await?;
    let mut calls = 1;
    while !plays_after_reload(rig, &phone).await? {
        ensure!(calls < CALLS, "{TOO_SLOW} in each of {calls} calls");
        calls += 1;
    }
    Ok(())
}

/// One call over two pages; false as in [`codec_of`].
async fn plays_after_reload(rig: &Rig, phone: &Phone) -> Result<bool> {
    phone.dial("600").await?;
    phone.call_is("active").await?;
    phone.until(&format!("{RECEIVED}.jitterBuffer === 'rust' || {RECEIVED}.reason")).await?;
    reload::reload(phone).await?;
    let decided = format!(
        "probe.phone().diagnostics().voice.length && ({RECEIVED}.jitterBuffer === 'rust' || {RECEIVED}.reason)"
    );
    phone.until(&decided).await.context("the next page does not try")?;
    let sound = phone.record(7.0).await?;
    let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
    let too_slow = received["reason"] == json!(TOO_SLOW);
    if !too_slow {
        ensure!(received["jitterBuffer"] == json!("rust"), "{received}");
        sound.is_echo(rig).with_context(|| received.to_string())?;
    }
    phone.browser.run("probe.phone().open()", Value::Null).await?;
    hang_up(phone).await?;
    Ok(!too_slow)
}

/// Chromium.
pub async fn after_reload(rig: &Rig) -> Result<()> {
    after_reload_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn after_reload_firefox(rig: &Rig) -> Result<()> {
    after_reload_in(rig, Kind::Firefox).await
}

/// Hears what the phone's loudspeaker is given while `what` happens and until `who` buffers; checks the gaps in it that the
/// browser's own stream does not have: on a machine without time the sound may not come at all.
async fn step(rig: &Rig, kind: Kind, phone: &Phone, what: &str, who: &str) -> Result<()> {
    const SECONDS: f32 = 5.0;
    let body = format!(
        "const audio = probe.phone().shadowRoot.querySelector('audio');
         const hearing = probe.hear(audio, {SECONDS}, new MediaStream([probe.receiver().track]));
         const from = performance.now();
         await probe.until(() => performance.now() > from + 1500, 5000);
         {what};
         await probe.until(() => {RECEIVED}.jitterBuffer === '{who}', 10000);
         return hearing"
    );
    let recordings = phone.browser.recordings(&body).await.with_context(|| what.to_owned())?;
    let [heard, browser] = &recordings[..] else { bail!("two recordings") };
    let gap = longest_gap_beside(heard, browser, SILENCE_DBFS);
    let restarts = phone.browser.run("return probe.restarts", Value::Null).await?;
    let slowest = restarts.as_array().into_iter().flatten().filter_map(Value::as_f64).fold(0.0, f64::max);
    let reason = phone.browser.run(&format!("return {RECEIVED}.reason"), Value::Null).await?;
    println!("{kind:?}, {what}: longest gap {gap:.0} ms, the element plays on after {slowest:.0} ms, {reason}");
    let loud = heard.len() as f32 / RATE as f32 > SECONDS - 0.5 && rms(heard) > 0.003;
    if gap > GAP_MS || !loud {
        audio::write(&rig.lane.join("logs/heard.wav"), heard)?;
    }
    ensure!(loud, "{what}: {} s of sound at {:.4}", heard.len() as f32 / RATE as f32, rms(heard));
    ensure!(gap <= GAP_MS && slowest <= f64::from(GAP_MS), "{what}: a gap of {gap:.0} ms, {restarts}");
    ensure!(!restarts.as_array().is_none_or(Vec::is_empty), "{what}: nothing changed");
    Ok(())
}

/// Down and up by the attribute, down because the worklet throws or does not keep up, in one call each; a sound without a
/// pause is heard all along. The browser processes the microphone: what is sent is to come back whole, whatever happens to
/// our worklets.
async fn steps_of(rig: &Rig, kind: Kind) -> Result<()> {
    let attributes = json!({ "lang": "en", "jitter-buffer": "rust", "processing": "browser" });
    let phone = dial_echo(rig, kind, attributes.clone()).await?;
    phone.browser.run("probe.source = 'hum'", Value::Null).await?;
    for last in ["await probe.sabotage()", "await probe.overload()"] {
        phone.browser.run("probe.phone().jitterBuffer = 'rust'", Value::Null).await?;
        phone.dial("600").await?;
        phone.call_is("active").await?;
        buffered_by(&phone, "rust").await?;
        step(rig, kind, &phone, "probe.phone().jitterBuffer = 'browser'", "browser").await?;
        step(rig, kind, &phone, "probe.phone().jitterBuffer = 'rust'", "rust").await?;
        step(rig, kind, &phone, last, "browser").await?;
        let reason = phone.browser.run(&format!("return {RECEIVED}.reason"), Value::Null).await?;
        ensure!(reason.is_string(), "{last}: {reason}");
        hang_up(&phone).await?;
        // What was done to the worklet is done to the page.
        phone.browser.load(rig, "phone.html").await?;
        phone.make(attributes.clone()).await?;
        phone.sign_in(&account("100", "pw-100")).await?;
        phone.browser.run("probe.source = 'hum'", Value::Null).await?;
        phone.registered().await?;
    }
    Ok(())
}

/// Chromium.
pub async fn steps(rig: &Rig) -> Result<()> {
    steps_of(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn steps_firefox(rig: &Rig) -> Result<()> {
    steps_of(rig, Kind::Firefox).await
}

/// The files are not there, the worklet is refused, or the browser lets no frames be seen: the call goes on with the browser's.
pub async fn without(rig: &Rig) -> Result<()> {
    let blind = "const Real = RTCRtpScriptTransform;
        const policy = trustedTypes.createPolicy('test', { createScriptURL: url => url });
        const address = policy.createScriptURL('/test/blind.js');
        window.RTCRtpScriptTransform = function () { return new Real(new Worker(address)); }";
    let missing = "for (const name of ['receive', 'receive-opus'])
        probe.answers[`/soft-phone/${name}.wasm`] = { status: 404, body: 'gone', type: 'text/plain' }";
    let unseen = "delete window.RTCRtpScriptTransform; delete RTCRtpReceiver.prototype.createEncodedStreams";
    // The connection is made for streams, and who would connect them is not there.
    let unconnected = "delete window.RTCRtpScriptTransform;
        window.Worker = function () { throw new Error('made by the test') }";
    for without in [missing, blind, "probe.noWorklet = true", unseen, unconnected] {
        let phone = dial_echo(rig, Kind::Chromium, json!({ "lang": "en", "jitter-buffer": "rust" })).await?;
        phone.browser.run(without, Value::Null).await?;
        phone.dial("600").await?;
        phone.call_is("active").await?;
        phone.until(&format!("{RECEIVED}.reason")).await?;
        let received = phone.browser.run(&format!("return {RECEIVED}"), Value::Null).await?;
        ensure!(received["jitterBuffer"] == json!("browser"), "{without}: {received}");
        phone.record(7.0).await?.is_echo(rig).with_context(|| without.to_owned())?;
        hang_up(&phone).await?;
        rig.close_browsers().await;
    }
    Ok(())
}

/// The codecs whose cost is looked at: the module that has it, its number (`soft_phone_dsp::host::Codec`), what both are to take
/// of real time at the most. Of 10 ms the jitter buffer is to take 25 µs, and µ-law's decoder is nothing beside it; twice that
/// is for machines that are slower. The whole worklet with Opus may take a fiftieth.
const COSTS: [(Codec, &str, u8, &str, f64); 2] =
    [(Codec::Pcmu, "receive", 0, "playing", 0.005), (Codec::Opus, "receive-opus", 4, "whole", 0.02)];

/// Renders the packets as they arrive, none at all, and nothing without the worklet, three times and more; the least shares of real time.
const COST: &str = "
    const { seconds, packets, arrivals } = args;
    const module = await WebAssembly.compile(await (await fetch(`/soft-phone/${args.module}.wasm`)).arrayBuffer());
    const all = packets.map((packet, nth) => ({ ...packet, at: arrivals[nth], payload: Uint8Array.from(packet.payload) }));
    const coming = all.filter(packet => packet.at !== null).sort((one, other) => one.at - other.at);
    let figures, heard;
    const render = async packets => {
      const context = new OfflineAudioContext(1, seconds * 48000, 48000);
      if (packets) {
        await context.audioWorklet.addModule('/test/feed.js');
        await context.audioWorklet.addModule('/soft-phone/receiver.js');
        const node = new AudioWorkletNode(context, 'soft-phone-receiver', {
          numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1, channelCountMode: 'explicit',
          processorOptions: { module, leastDelay: 0, packets },
        });
        node.port.onmessage = ({ data }) => { if (packets.length) figures = data.statistics; };
        node.connect(context.destination);
      }
      const before = performance.now();
      heard = (await context.startRendering()).getChannelData(0);
      return (performance.now() - before) / (seconds * 1000);
    };
    // Other work of the machine only adds to it.
    let [nothing, idle, fed] = [Infinity, Infinity, Infinity];
    const shares = () => ({ whole: fed - nothing, playing: fed - idle });
    for (let i = 0; i < 3 || (i < 20 && !(shares()[args.which] <= args.most)); i++) {
      nothing = Math.min(nothing, await render(null));
      idle = Math.min(idle, await render([]));
      fed = Math.min(fed, await render(coming));
    }
    // What the worklet tells last comes behind what it has rendered.
    await probe.until(() => figures[6] > 0.9 * coming.length, 5000);
    const level = Math.sqrt(heard.reduce((sum, sample) => sum + sample * sample, 0) / heard.length);
    return { ...shares(), level, errors: figures[9], concealed: figures[4], stretched: figures[5] };";

/// What it takes of the browser's time to receive: the worklet at all, and what it does with packets.
async fn cost_in(rig: &Rig, kind: Kind) -> Result<()> {
    const SECONDS: usize = 60;
    let speech = audio::read(&rig.folder.join("speech-a.wav"))?;
    let speech: Vec<f32> = speech.into_iter().cycle().take(SECONDS * RATE as usize).collect();
    let phone = Phone::open(rig, kind, Voice::A, json!({ "lang": "en", "no-register": "" })).await?;
    for (codec, module, number, which, most) in COSTS {
        let speech = down(&speech, (RATE / codec.rate()) as usize);
        let sent = Sent::all(codec, &speech).map_err(|error| anyhow!("{error}"))?;
        let packets: Vec<Value> = sent
            .iter()
            .map(|packet| {
                json!({
                    "ssrc": 1, "codec": number, "payloadType": packet.payload_type, "sequence": packet.sequence,
                    "timestamp": packet.timestamp, "payload": packet.payload
                })
            })
            .collect();
        // Where it conceals and where it stretches, too.
        for network in ["clean", "loss 10 %", "jitter 60 ms"] {
            let arrivals = trace(network, 1, sent.len()).context("no such network")?;
            let about = json!({
                "seconds": SECONDS, "module": module, "packets": packets, "arrivals": arrivals, "which": which, "most": most
            });
            let told = phone.browser.run(COST, about).await?;
            let number = |name: &str| told[name].as_f64().with_context(|| format!("{name} in {told}"));
            println!(
                "{kind:?}'s worklet at 48 kHz, {codec:?}, {network}: {:.2} % of real time; what it does with packets {:.1} µs per 10 ms; {:.1} % concealed, {:.1} % stretched",
                number("whole")? * 100.0,
                number("playing")? * 10_000.0,
                number("concealed")? * 100.0,
                number("stretched")? * 100.0
            );
            ensure!(number("errors")? == 0.0 && number("level")? > 0.01 && number("concealed")? < 0.15, "{told}");
            ensure!(number(which)? <= most, "{codec:?}, {network}: {told}");
        }
    }
    Ok(())
}

/// Chromium.
pub async fn cost(rig: &Rig) -> Result<()> {
    cost_in(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn cost_firefox(rig: &Rig) -> Result<()> {
    cost_in(rig, Kind::Firefox).await
}
