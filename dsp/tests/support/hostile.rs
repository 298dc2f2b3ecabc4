//! A processor under random configurations, calls and frames, one seed a case: what must hold whatever happens.

#![allow(dead_code, reason = "each user takes some of it")]

use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, Error, FrameAdapter, GainControl, HighPass, NoiseEngine, NoiseLevel,
    NoiseSuppression, SAMPLE_RATES,
};

use super::signals::Noise;

/// A number from 0 to `count - 1`.
pub fn pick(random: &mut Noise, count: usize) -> usize {
    (random.next().abs() * count as f32) as usize % count
}

/// A frame of one of the kinds that break filters.
pub fn nasty(random: &mut Noise, length: usize) -> Vec<f32> {
    let kind = pick(random, 10);
    let level = [1e-30, 1e-6, 0.1, 1.0, 1e10][pick(random, 5)];
    (0..length)
        .map(|n| match kind {
            0 => 0.0,
            1 => f32::NAN,
            2 => f32::INFINITY,
            3 => f32::MAX * random.next(),
            4 if n / 40 % 2 == 0 => 1.0,
            4 => -1.0,
            5 => f32::MIN_POSITIVE * random.next(),
            6 if n == 0 => 1.0,
            6 => 0.0,
            7 if random.next() > 0.9 => f32::NEG_INFINITY,
            8 => 1.0,
            _ => level * random.next(),
        })
        .collect()
}

/// Any stages, with settings that are within their ranges; `neural`: that engine too.
pub fn any_config(random: &mut Noise, neural: bool) -> Config {
    let toss = |random: &mut Noise| random.next() > 0.0;
    let level = [NoiseLevel::Low, NoiseLevel::Moderate, NoiseLevel::High][pick(random, 3)];
    let engine = if neural && toss(random) { NoiseEngine::Neural } else { NoiseEngine::Spectral };
    let echo = EchoCancellation { tail_ms: [50, 250, 500][pick(random, 3)], suppress: toss(random) };
    let gain = GainControl { target_dbfs: -40.0 + 30.0 * random.next().abs(), max_gain_db: 50.0 * random.next().abs() };
    Config {
        high_pass: toss(random).then(|| HighPass { cutoff_hz: 20.0 + 280.0 * random.next().abs() }),
        echo: toss(random).then_some(echo),
        noise: toss(random).then_some(NoiseSuppression { level, engine }),
        gain: toss(random).then_some(gain),
    }
}

/// A configuration with one value that is out of range.
fn bad_config(random: &mut Noise) -> Config {
    let value = [f32::NAN, f32::INFINITY, -1e30, 1e30, -0.1][pick(random, 5)];
    let (gain, high_pass) = (GainControl::default(), HighPass { cutoff_hz: value });
    match pick(random, 4) {
        0 => Config { high_pass: Some(high_pass), ..Config::OFF },
        1 => Config { gain: Some(GainControl { target_dbfs: value, ..gain }), ..Config::OFF },
        2 => Config { gain: Some(GainControl { max_gain_db: value, ..gain }), ..Config::default() },
        _ => Config { echo: Some(EchoCancellation { tail_ms: 49, suppress: true }), ..Config::OFF },
    }
}

fn bounded(samples: &[f32]) -> Result<(), String> {
    match samples.iter().find(|sample| !sample.is_finite() || sample.abs() > 1.0) {
        Some(sample) => Err(format!("{sample} came out")),
        None => Ok(()),
    }
}

fn sound(processor: &AudioProcessor) -> Result<(), String> {
    let stats = processor.stats();
    let levels = [stats.input_dbfs, stats.output_dbfs];
    let shares = [stats.speech_probability, stats.double_talk];
    let sound = levels.iter().all(|level| (-100.0..=0.0).contains(level))
        && shares.iter().all(|share| (0.0..=1.0).contains(share))
        && (-40.0..=60.0).contains(&stats.gain_db)
        && (0.0..=60.0).contains(&stats.erle_db)
        && stats.linear_erle_db.is_finite()
        && (-1_000.0..=1_000.0).contains(&stats.drift_ppm)
        && (-110.0..=0.0).contains(&stats.noise_dbfs)
        && stats.delay_ms.is_none_or(|delay| (0.0..=520.0).contains(&delay))
        && stats.latency_samples == processor.latency();
    if sound { Ok(()) } else { Err(format!("{stats:?}")) }
}

/// One case of `steps` calls; says what went wrong.
pub fn case(seed: u64, steps: usize, neural: bool) -> Result<(), String> {
    let mut random = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let rate = SAMPLE_RATES[pick(&mut random, SAMPLE_RATES.len())];
    let told = |error: Error| error.to_string();
    let processor = AudioProcessor::new(rate, any_config(&mut random, neural)).map_err(told)?;
    if random.next() > 0.0 {
        frames(processor, &mut random, steps, neural)
    } else {
        blocks(processor, &mut random, steps)
    }
}

/// Frame by frame, with switches, resets and calls that must be refused between them.
fn frames(mut processor: AudioProcessor, random: &mut Noise, steps: usize, neural: bool) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let frame = processor.frame_len();
    let mut out = vec![0.0; frame];
    for _ in 0..steps {
        match pick(random, 40) {
            0 => processor.reset(),
            1 => processor.set_config(any_config(random, neural)).map_err(told)?,
            2 => {
                let before = processor.config().clone();
                if processor.set_config(bad_config(random)).is_ok() || processor.config() != &before {
                    return Err("a bad configuration was taken".into());
                }
            }
            3 => {
                let wrong = pick(random, 2_000);
                let (near, expected) = (vec![0.5; wrong], Err(Error::FrameLength { expected: frame, actual: wrong }));
                if wrong != frame
                    && (processor.process_capture(&near, &mut out) != expected
                        || processor.process_render(&near) != expected)
                {
                    return Err(format!("a frame of {wrong} samples was taken"));
                }
            }
            4 => processor.process_render_stereo(&nasty(random, frame), &nasty(random, frame)).map_err(told)?,
            // The loudspeaker's side stops for a moment, or hurries.
            5 => {}
            6 => {
                for _ in 0..12 {
                    processor.process_render(&nasty(random, frame)).map_err(told)?;
                }
            }
            _ => processor.process_render(&nasty(random, frame)).map_err(told)?,
        }
        processor.process_capture(&nasty(random, frame), &mut out).map_err(told)?;
        bounded(&out)?;
        sound(&processor)?;
    }
    // Silence ends as silence, whatever was before.
    for _ in 0..200 {
        processor.process_render(&vec![0.0; frame]).map_err(told)?;
        processor.process_capture(&vec![0.0; frame], &mut out).map_err(told)?;
    }
    match out.iter().find(|sample| sample.abs() > 1e-3) {
        Some(sample) => Err(format!("{sample} after two seconds of silence")),
        None => Ok(()),
    }
}

/// In blocks of any size.
fn blocks(processor: AudioProcessor, random: &mut Noise, steps: usize) -> Result<(), String> {
    let frame = processor.frame_len();
    let mut adapter = FrameAdapter::new(processor, [0, 1, 128, frame, 1_024][pick(random, 5)]);
    for _ in 0..steps {
        let length = if random.next() > 0.0 { 128 } else { pick(random, 1_500) };
        let mut out = vec![f32::NAN; length];
        let (far, near) = (nasty(random, length), nasty(random, length));
        adapter.process(&far, &near, &mut out).map_err(|error| error.to_string())?;
        bounded(&out)?;
        sound(adapter.processor())?;
        if adapter.latency() >= frame + adapter.processor().latency() {
            return Err(format!("{} samples of delay", adapter.latency()));
        }
        if adapter.process(&far, &near, &mut [0.0; 1_501]).is_ok() {
            return Err("blocks of different lengths were taken".into());
        }
        if pick(random, 60) == 0 {
            adapter.restart(pick(random, 600));
        }
    }
    Ok(())
}
