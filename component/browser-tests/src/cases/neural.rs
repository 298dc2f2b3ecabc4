//! The neural engine in the browser: noise goes and the voice stays, and who takes its place when it cannot be had.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use soft_phone_benches::audio::{self, RATE, rms};

use super::voice::{dial_echo, hang_up};
use crate::browser::Kind;
use crate::phone::Phone;
use crate::rig::Rig;

/// Who suppresses the noise, as the phone says.
const SUPPRESSOR: &str = "probe.phone().diagnostics().voice[0].noiseSuppression";
/// Samples of 20 ms, in which levels are looked at.
const STEP: usize = RATE as usize / 50;
/// What the voice alone has in a pause, and while it is loud, dBFS.
const PAUSE_DBFS: f32 = -60.0;
const LOUD_DBFS: f32 = -30.0;
/// Steps on each side that must be of a pause, too: what a jitter buffer moves, and what the Opus of before still rings.
const AROUND: usize = 6;
/// The longest silence that a change of the engine may cause, ms.
const GAP_MS: usize = 200;

/// What came back, by what the voice alone did at that time.
struct Heard {
    pause_dbfs: f32,
    loud_dbfs: f32,
    /// The longest time in which the voice was loud and next to nothing of it came back, ms.
    gap_ms: usize,
    found: f32,
}

fn dbfs(samples: &[f32]) -> f32 {
    20.0 * rms(samples).max(1e-6).log10()
}

impl Heard {
    fn of(clean: &[f32], heard: &[f32]) -> Result<Heard> {
        let likeness = audio::compare(clean, heard)?;
        let late = usize::try_from((likeness.delay_ms * RATE as f32 / 1_000.0).round() as i64).unwrap_or_default();
        let heard = heard.get(late..).context("nothing was heard after the delay")?;
        let levels = |samples: &[f32]| samples.chunks_exact(STEP).map(dbfs).collect::<Vec<f32>>();
        let (said, heard) = (levels(clean), levels(heard));
        let around = |at: usize| at.saturating_sub(AROUND)..(at + AROUND + 1).min(said.len().min(heard.len()));
        let (mut pauses, mut loud, mut gap, mut longest) = (Vec::new(), Vec::new(), 0, 0);
        for at in 0..said.len().min(heard.len()) {
            if around(at).all(|near| said[near] < PAUSE_DBFS) {
                pauses.push(heard[at]);
            }
            let missing = said[at] > LOUD_DBFS && around(at).all(|near| heard[near] < said[at] - 25.0);
            gap = if missing { gap + 1 } else { 0 };
            longest = longest.max(gap);
            if said[at] > LOUD_DBFS {
                loud.push(heard[at]);
            }
        }
        ensure!(pauses.len() >= 5 && loud.len() >= 50, "{} pauses, {} loud steps", pauses.len(), loud.len());
        let mean = |levels: &[f32]| levels.iter().sum::<f32>() / levels.len() as f32;
        Ok(Heard { pause_dbfs: mean(&pauses), loud_dbfs: mean(&loud), gap_ms: longest * 20, found: likeness.found })
    }
}

/// Asks for that suppression and records the voice alone and what comes back of it with noise.
async fn record(rig: &Rig, phone: &Phone, suppression: &str, seconds: f32) -> Result<Heard> {
    let body = format!(
        "const recording = probe.record([probe.clean, probe.call().remoteStream], {seconds});
         await probe.until(() => probe.recorded > 0.5, 5000);
         {suppression};
         return recording"
    );
    let recordings = phone.browser.recordings(&body).await?;
    let [clean, heard] = &recordings[..] else { anyhow::bail!("two recordings") };
    let told = Heard::of(clean, heard);
    if told.is_err() {
        audio::write(&rig.lane.join("logs/said.wav"), clean)?;
        audio::write(&rig.lane.join("logs/heard.wav"), heard)?;
    }
    told
}

/// Knocks and hiss are sent with the voice; the network takes them away, its weights fetched when it is asked for.
pub async fn suppresses(rig: &Rig) -> Result<()> {
    let attributes = json!({
        "lang": "en", "processing": "rust", "noise-suppression": "low", "no-auto-gain": "", "no-echo-cancellation": "",
        "jitter-buffer": "browser"
    });
    let phone = dial_echo(rig, Kind::Chromium, "noisy", attributes).await?;
    phone.until(&format!("{SUPPRESSOR} === 'spectral'")).await?;
    let fetched =
        "return performance.getEntriesByType('resource').filter(it => it.name.endsWith('suppressor.bin')).length";
    ensure!(phone.browser.run(fetched, Value::Null).await? == json!(0), "the weights were loaded though nobody asked");
    let low = record(rig, &phone, "", 6.0).await?;
    let switch =
        format!("probe.phone().noiseSuppression = 'neural'; await probe.until(() => {SUPPRESSOR} === 'neural', 5000)");
    let change = record(rig, &phone, &switch, 6.0).await?;
    let neural = record(rig, &phone, "", 6.0).await?;
    for (what, heard) in [("low", &low), ("switched", &change), ("neural", &neural)] {
        println!(
            "Chromium, {what}: pauses at {:.1} dBFS, loud voice at {:.1} dBFS, {:.0} % found, longest gap {} ms",
            heard.pause_dbfs,
            heard.loud_dbfs,
            heard.found * 100.0,
            heard.gap_ms
        );
        ensure!(heard.found >= 0.8 && heard.gap_ms <= GAP_MS, "{what}: the voice was lost");
    }
    ensure!(neural.pause_dbfs < low.pause_dbfs - 10.0, "noise was not suppressed");
    ensure!((neural.loud_dbfs - low.loud_dbfs).abs() < 3.0, "the voice was not kept");
    phone.until("probe.fired('quality').at(-1)?.noiseSuppression === 'neural'").await?;
    hang_up(&phone).await
}

/// Its weights are not there, or damaged: the spectral engine goes on. A machine that does not keep up is rid of the network
/// first and of our engine then.
pub async fn falls_back(rig: &Rig) -> Result<()> {
    let attributes = json!({ "lang": "en", "processing": "auto", "noise-suppression": "high" });
    let phone = dial_echo(rig, Kind::Chromium, "noisy", attributes).await?;
    phone.until(&format!("{SUPPRESSOR} === 'spectral'")).await?;
    for (answer, reason) in
        [("{ status: 404, body: 'gone' }", "404"), ("{ status: 200, body: 'no network' }", "damaged")]
    {
        let ask = format!(
            "probe.answers['/soft-phone/suppressor.bin'] = {answer};
             probe.phone().noiseSuppression = 'high';
             probe.phone().noiseSuppression = 'neural'"
        );
        phone.browser.run(&ask, Value::Null).await?;
        phone.until(&format!("probe.phone().diagnostics().voice[0].reason?.includes('{reason}')")).await?;
        let engine = phone.browser.run(&format!("return {SUPPRESSOR}"), Value::Null).await?;
        ensure!(engine == json!("spectral"), "{reason}: {engine}");
    }
    let again = "delete probe.answers['/soft-phone/suppressor.bin'];
        probe.phone().noiseSuppression = 'high';
        probe.phone().noiseSuppression = 'neural'";
    phone.browser.run(again, Value::Null).await?;
    phone.until(&format!("{SUPPRESSOR} === 'neural'")).await?;
    let overload = format!(
        "const seen = [];
         await probe.overload();
         await probe.until(() => {{
           const now = {SUPPRESSOR};
           if (now !== seen.at(-1)) seen.push(now);
           return now === 'browser';
         }}, 15000);
         return seen"
    );
    let seen = phone.browser.run(&overload, Value::Null).await?;
    println!("Chromium, overloaded: {seen}");
    ensure!(seen == json!(["neural", "spectral", "browser"]), "{seen}");
    hang_up(&phone).await
}
