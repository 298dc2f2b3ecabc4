//! Who processes the microphone's sound: our engine in the worklet, the browser, nobody; and what becomes of a call when
//! the engine cannot go on.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use soft_phone_benches::audio::{self, RATE, longest_gap, rms};
use soft_phone_dsp::host::stages;

use crate::browser::{Kind, Voice};
use crate::phone::{Phone, Sound, account, in_call};
use crate::rig::Rig;

/// Which engine the phone says is in use.
const ENGINE: &str = "probe.phone().diagnostics().engine";
/// The microphone's track.
const TRACK: &str = "probe.call().localStream?.getAudioTracks()[0]";
/// The longest silence that a change of the engine may cause, ms.
const GAP_MS: f32 = 200.0;
/// By how much our engine lowers the echo of a room, and the share of time in which it need not: a room that skips some
/// milliseconds is another path, and Chromium's skips now and then where a core is short.
const ERLE_DB: f32 = 20.0;
const STRAY: f32 = 0.03;
/// Below this there is no sound, dBFS: `hum` is above −35 at its softest.
const SILENCE_DBFS: f32 = -55.0;

/// Processes as `processing` says and waits until `engine` is in use.
async fn process(phone: &Phone, processing: &str, engine: &str) -> Result<()> {
    phone.browser.run("probe.phone().processing = args", json!(processing)).await?;
    let is = format!("{ENGINE} === '{engine}'");
    let Err(error) = phone.until(&is).await else { return Ok(()) };
    let voice = phone.browser.run("return probe.phone().diagnostics().voice", Value::Null).await?;
    Err(error.context(format!("processing={processing}: {voice}")))
}

/// What Asterisk's 600 sends back of a call's microphone, by one clock.
pub(super) async fn dial_echo(rig: &Rig, kind: Kind, source: &str, attributes: Value) -> Result<Phone> {
    let phone = Phone::open(rig, kind, Voice::A, attributes).await?;
    phone.browser.run("probe.source = args", json!(source)).await?;
    phone.sign_in(&account("100", "pw-100")).await?;
    phone.registered().await?;
    phone.dial("600").await?;
    phone.call_is("active").await?;
    Ok(phone)
}

/// That nothing was negotiated anew: one INVITE, no UPDATE.
async fn one_offer(phone: &Phone) -> Result<()> {
    let offers = "return probe.sent('INVITE').length + probe.sent('UPDATE').length";
    let offers = phone.browser.run(offers, Value::Null).await?;
    ensure!(offers == json!(1), "{offers} offers were made");
    Ok(())
}

pub(super) async fn hang_up(phone: &Phone) -> Result<()> {
    phone.press("hangup").await?;
    phone.ended().await.map(drop)
}

/// The voice passes whoever processes it, changed over in one call.
async fn engines_of(rig: &Rig, kind: Kind) -> Result<()> {
    let phone = dial_echo(rig, kind, "asked", json!({ "lang": "en" })).await?;
    let mut browsers = false;
    for (processing, engine) in [("off", "browser"), ("rust", "rust"), ("browser", "browser"), ("auto", "rust")] {
        phone.until(&format!("{TRACK} && (probe.before = {TRACK})")).await?;
        process(&phone, processing, engine).await?;
        // Opened anew where the browser is to process it now, or no more: the old track is silent from then on.
        if std::mem::replace(&mut browsers, processing == "browser") != browsers {
            phone.until(&format!("{TRACK} !== probe.before")).await?;
        }
        // Firefox does not tell.
        if kind == Kind::Chromium {
            phone.until(&format!("{TRACK}.getSettings().echoCancellation === {browsers}")).await?;
        }
        let likeness = phone.record(7.0).await?.is_echo(rig).with_context(|| format!("processing={processing}"))?;
        println!(
            "{kind:?}, Asterisk's echo, processing={processing}: correlation {:.2}, {:.0} % found, one-way delay {:.0} ms, {:.0} dBFS",
            likeness.correlation,
            likeness.found * 100.0,
            likeness.delay_ms / 2.0,
            likeness.level_dbfs
        );
        let voice = phone.browser.run("return probe.phone().diagnostics().voice[0]", Value::Null).await?;
        let latency = voice["latencyMs"].as_f64().unwrap_or(-1.0);
        ensure!(voice["levelDbfs"].is_number() && (latency > 0.0) == (engine == "rust"), "{processing}: {voice}");
        phone.until(&format!("probe.fired('quality').at(-1)?.engine === '{engine}'")).await?;
    }
    one_offer(&phone).await?;
    hang_up(&phone).await
}

/// Chromium.
pub async fn engines(rig: &Rig) -> Result<()> {
    engines_of(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn engines_firefox(rig: &Rig) -> Result<()> {
    engines_of(rig, Kind::Firefox).await
}

/// What Bob has for the first 4 s of our engine at Alice's, and for the next 6; and what the engine says of itself. A machine
/// that does not get through its audio meanwhile takes the engine away, as it should, and gets it back twice: here it is
/// the echo that is looked at.
async fn with_our_engine(alice: &Phone, bob: &Phone) -> Result<(Sound, Sound, Value)> {
    for _ in 0..3 {
        process(alice, "rust", "rust").await?;
        let (first, after) = (bob.record(4.0).await?, bob.record(6.0).await?);
        let voice = alice.browser.run("return probe.phone().diagnostics().voice[0]", Value::Null).await?;
        if voice["engine"] == "rust" {
            return Ok((first, after, voice));
        }
        println!("not with our engine to the end: {}", voice["reason"]);
        process(alice, "browser", "browser").await?;
    }
    anyhow::bail!("our engine was never in use for 10 s")
}

/// Alice sits in a room where the loudspeaker is heard, and says nothing. Bob must not hear himself.
async fn echo_of(rig: &Rig, kind: Kind) -> Result<()> {
    let attributes = json!({ "lang": "en", "no-auto-gain": "" });
    let alice = Phone::open(rig, kind, Voice::A, attributes).await?;
    alice.browser.run("probe.source = 'room'", Value::Null).await?;
    alice.sign_in(&account("100", "pw-100")).await?;
    let bob = Phone::open(rig, Kind::Chromium, Voice::B, json!({ "lang": "en" })).await?;
    bob.sign_in(&account("101", "pw-101")).await?;
    alice.registered().await?;
    bob.registered().await?;
    alice.dial("101").await?;
    bob.press("answer").await?;
    in_call(&alice, &bob).await?;
    alice.until("probe.call().remoteStream && probe.call().localStream").await?;
    alice.browser.run("probe.play(probe.call().remoteStream)", Value::Null).await?;
    let level = |samples: &[f32]| 20.0 * rms(samples).max(1e-6).log10();
    let before = bob.record(6.0).await?;
    let echo = audio::compare(&before.said, &before.heard)?;
    ensure!(echo.found > 0.4 && echo.level_dbfs > -45.0, "the room does not return what is said: {echo:?}");
    let audible = level(&before.heard) - ERLE_DB;
    let heard_before = audio::time_above(&before.heard, audible);
    ensure!(heard_before > 0.5, "the echo is heard {heard_before:.2} of the time");
    let (first, after, voice) = with_our_engine(&alice, &bob).await?;
    let heard = audio::time_above(&after.heard, audible);
    println!(
        "{kind:?} in a room: echo at {:.0} dBFS, with our engine {:.0} in the first 4 s, then {:.0}; above {audible:.0} for {heard:.3} of the time, {heard_before:.2} before; {voice}",
        level(&before.heard),
        level(&first.heard),
        level(&after.heard)
    );
    if let Ok(own) = audio::compare(&after.said, &after.heard) {
        ensure!(own.found <= 0.2, "Bob hears himself: {own:?}");
    }
    ensure!(heard <= STRAY, "the echo is heard {heard:.3} of the time");
    hang_up(&alice).await
}

/// Chromium.
pub async fn echo(rig: &Rig) -> Result<()> {
    echo_of(rig, Kind::Chromium).await
}

/// Firefox.
pub async fn echo_firefox(rig: &Rig) -> Result<()> {
    echo_of(rig, Kind::Firefox).await
}

/// Something happens to the engine while a sound without a pause is sent: the browser's processing takes over, and what
/// the far end hears has no gap that is too long.
async fn falls_back(rig: &Rig, kind: Kind, what: &str, seconds: f32) -> Result<()> {
    let attributes = json!({
        "lang": "en", "processing": "auto", "no-noise-suppression": "", "no-auto-gain": "", "no-echo-cancellation": ""
    });
    let phone = dial_echo(rig, kind, "hum", attributes).await?;
    phone.until(&format!("{ENGINE} === 'rust'")).await?;
    phone.until("probe.call().remoteStream").await?;
    let gap = gap_while(rig, &phone, what, &format!("{ENGINE} === 'browser'"), seconds).await?;
    let voice = phone.browser.run("return probe.phone().diagnostics().voice[0]", Value::Null).await?;
    println!("{kind:?}, {what}: longest gap {gap:.0} ms, {}", voice["reason"]);
    ensure!(voice["reason"].is_string(), "{voice}");
    one_offer(&phone).await?;
    hang_up(&phone).await
}

/// Records what comes back while `what` happens and until `done`; the longest gap in it, in ms.
async fn gap_while(rig: &Rig, phone: &Phone, what: &str, done: &str, seconds: f32) -> Result<f32> {
    let body = format!(
        "const recording = probe.record([probe.call().remoteStream], {seconds});
         const from = performance.now();
         await probe.until(() => performance.now() > from + 1500, 5000);
         {what};
         await probe.until(() => {done}, 10000);
         return recording"
    );
    let heard = phone.browser.recordings(&body).await?.pop().context("one recording")?;
    // The recorder begins with what the echo had before: a second of it is enough to see that there is sound.
    let gap = longest_gap(&heard, SILENCE_DBFS);
    let loud = heard.len() as f32 / RATE as f32 > seconds - 0.5 && rms(&heard) > 0.003;
    if gap > GAP_MS || !loud {
        audio::write(&rig.lane.join("logs/heard.wav"), &heard)?;
    }
    ensure!(loud, "{what}: {} s of sound at {:.4}", heard.len() as f32 / RATE as f32, rms(&heard));
    ensure!(gap <= GAP_MS, "{what}: a gap of {gap:.0} ms");
    Ok(gap)
}

/// The audio thread does not get through its work.
pub async fn overload(rig: &Rig) -> Result<()> {
    falls_back(rig, Kind::Chromium, "await probe.overload()", 8.0).await
}

/// The same in Firefox.
pub async fn overload_firefox(rig: &Rig) -> Result<()> {
    falls_back(rig, Kind::Firefox, "await probe.overload()", 8.0).await
}

/// The worklet throws: it is silent from then on.
pub async fn worklet_breaks(rig: &Rig) -> Result<()> {
    falls_back(rig, Kind::Chromium, "await probe.sabotage()", 5.0).await
}

/// The same in Firefox.
pub async fn worklet_breaks_firefox(rig: &Rig) -> Result<()> {
    falls_back(rig, Kind::Firefox, "await probe.sabotage()", 5.0).await
}

/// The engine's files are not there, or the worklet is refused: the call goes on with the browser's processing.
pub async fn no_engine(rig: &Rig) -> Result<()> {
    let missing = "for (const name of ['engine', 'engine-scalar'])
        probe.answers[`/soft-phone/${name}.wasm`] = { status: 404, body: 'gone', type: 'text/plain' }";
    let broken = "for (const name of ['engine', 'engine-scalar'])
        probe.answers[`/soft-phone/${name}.wasm`] = { status: 200, body: 'no wasm', type: 'application/wasm' }";
    for without in [missing, broken, "probe.noWorklet = true"] {
        let phone = Phone::open(rig, Kind::Chromium, Voice::A, json!({ "lang": "en", "processing": "rust" })).await?;
        phone.browser.run(&format!("probe.source = 'asked'; {without}"), Value::Null).await?;
        phone.sign_in(&account("100", "pw-100")).await?;
        phone.registered().await?;
        phone.dial("600").await?;
        phone.call_is("active").await?;
        phone.until("probe.phone().diagnostics().voice[0].reason").await?;
        let settings = "probe.call().localStream.getAudioTracks()[0].getSettings()";
        phone.until(&format!("{settings}.echoCancellation === true")).await?;
        let engine = phone.browser.run(&format!("return {ENGINE}"), Value::Null).await?;
        ensure!(engine == json!("browser"), "{engine}");
        phone.record(7.0).await?.is_echo(rig).with_context(|| without.to_owned())?;
        hang_up(&phone).await?;
        rig.close_browsers().await;
    }
    Ok(())
}

/// Another microphone in mid-call, of the same and of another sample rate: it goes through the engine without a gap.
pub async fn devices(rig: &Rig) -> Result<()> {
    let attributes = json!({ "lang": "en", "processing": null, "no-noise-suppression": "", "no-auto-gain": "", "no-echo-cancellation": "" });
    let phone = dial_echo(rig, Kind::Chromium, "hum", attributes).await?;
    phone.until(&format!("{ENGINE} === 'rust'")).await?;
    phone.until("probe.call().remoteStream").await?;
    for (device, rate) in [(-1, RATE), (-2, 16_000), (-1, 44_100)] {
        let change = format!(
            "probe.rate = {rate}; probe.before = probe.call().localStream; probe.phone().devices = {{ microphone: probe.phone().devices.microphones.at({device}).id }}"
        );
        let done =
            "probe.call().localStream !== probe.before && probe.before.getAudioTracks()[0].readyState === 'ended'";
        let gap = gap_while(rig, &phone, &change, done, 4.0).await?;
        println!("Chromium, a microphone of {rate} Hz in mid-call: longest gap {gap:.0} ms");
        let engine = phone.browser.run(&format!("return {ENGINE}"), Value::Null).await?;
        ensure!(engine == json!("rust"), "{rate} Hz: {engine}");
    }
    one_offer(&phone).await?;
    hang_up(&phone).await
}

/// Chromium has sixteen unprocessed microphones for a page: each call gives its own back.
pub async fn forty_calls(rig: &Rig) -> Result<()> {
    for processing in ["off", "rust"] {
        let phone = Phone::at_asterisk(rig, Kind::Chromium, Voice::A, "100").await?;
        phone.browser.run("probe.phone().processing = args", json!(processing)).await?;
        for number in 1..=40 {
            phone.browser.run("probe.events.length = 0", Value::Null).await?;
            phone.dial("600").await?;
            phone.call_is("active").await.with_context(|| format!("call {number}, processing={processing}"))?;
            hang_up(&phone).await?;
        }
        let last = "return [probe.microphone.length, probe.fired('error').length]";
        let last = phone.browser.run(last, Value::Null).await?;
        ensure!(last[0].as_u64() >= Some(40) && last[1] == json!(0), "{last}");
        rig.close_browsers().await;
    }
    Ok(())
}

/// What the engine takes of Chromium's time, without and with the network, over speech and over exact silence.
pub async fn cost(rig: &Rig) -> Result<()> {
    let phone = Phone::open(rig, Kind::Chromium, Voice::A, json!({ "lang": "en", "no-register": "" })).await?;
    let body = "
        const SECONDS = 20;
        const compile = async name => WebAssembly.compile(await (await fetch(`/soft-phone/${name}.wasm`)).arrayBuffer());
        const speech = async name => (await fetch(`/test/${name}`)).arrayBuffer();
        const weights = await (await fetch('/soft-phone/suppressor.bin')).arrayBuffer();
        const render = async (module, stages, files, network) => {
          const context = new OfflineAudioContext(1, SECONDS * 48000, 48000);
          await context.audioWorklet.addModule('/soft-phone/processor.js');
          const source = async (name, to, input) => {
            const buffer = name ? await context.decodeAudioData(await speech(name)) : new AudioBuffer({ length: 48000, sampleRate: 48000 });
            const node = new AudioBufferSourceNode(context, { buffer, loop: true });
            if (to) node.connect(to, 0, input); else node.connect(context.destination);
            node.start();
          };
          const node = module && new AudioWorkletNode(context, 'soft-phone-processor', {
            numberOfInputs: 2, outputChannelCount: [1], channelCount: 1, channelCountMode: 'explicit', processorOptions: { module, stages },
          });
          node?.connect(context.destination);
          // Weights that are sent before the first quantum may come behind the last. What is sent after them is no network:
          // when that is refused, they have been taken.
          if (network) context.suspend(0.01).then(async () => {
            node.port.postMessage({ network: weights });
            await new Promise(taken => {
              node.port.onmessage = ({ data }) => data.lacks && taken();
              node.port.postMessage({ network: new ArrayBuffer(1) });
            });
            context.resume();
          });
          for (const input of [0, 1]) await source(files[input], node, input);
          const before = performance.now();
          await context.startRendering();
          return (performance.now() - before) / (SECONDS * 1000);
        };
        const least = async (...about) => {
          const shares = [];
          for (let i = 0; i < 3; i++) shares.push(await render(...about));
          return Math.min(...shares);
        };
        const told = {};
        for (const [named, name, stages, network] of args) {
          const module = await compile(name);
          for (const [what, files] of [['speech', ['speech-a.wav', 'speech-b.wav']], ['silent far end', ['speech-a.wav', null]], ['silence', [null, null]]]) {
            told[`${named}, ${what}`] = await least(module, stages, files, network) - await least(null, 0, files);
          }
        }
        return told";
    let all = stages::HIGH_PASS | stages::ECHO | stages::NOISE | stages::NOISE_MODERATE | stages::GAIN;
    let engines = [
        ("engine", "engine", all, false),
        ("engine with the network", "engine", all | stages::NEURAL, true),
        ("engine-scalar", "engine-scalar", all, false),
    ];
    let told = phone.browser.run(body, json!(engines)).await?;
    let share = |what: &str| told[what].as_f64().with_context(|| what.to_owned());
    for what in told.as_object().context("figures")?.keys() {
        println!(
            "Chromium's worklet at 48 kHz, {what}: {:.2} % of real time, {:.0} µs per 10 ms",
            share(what)? * 100.0,
            share(what)? * 10_000.0
        );
    }
    let (without, with) = (share("engine, speech")?, share("engine with the network, speech")?);
    ensure!(with > without * 1.1, "the network did not run: {with}, without it {without}");
    for (engine, ..) in engines {
        let speech = share(&format!("{engine}, speech"))?;
        for quiet in ["silence", "silent far end"] {
            let quiet = share(&format!("{engine}, {quiet}"))?;
            // A tenth and 0.2 % for the clock's and the machine's own noise.
            ensure!(quiet <= speech * 1.1 + 0.002, "{engine}: {quiet} over silence, {speech} over speech");
        }
    }
    Ok(())
}
