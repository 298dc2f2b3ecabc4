//! Gain control over voices that are made here: which level comes out, how soon, and what is left alone.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/signals.rs"]
mod signals;

use signals::{active_dbfs, db, noise, power, voice};
use soft_phone_dsp::{AudioProcessor, Config, GainControl, NoiseSuppression, SAMPLE_RATES};

fn only_gain() -> Config {
    Config { gain: Some(GainControl::default()), ..Config::OFF }
}

fn run(rate: u32, config: Config, signal: &[f32]) -> Vec<f32> {
    let mut processor = AudioProcessor::new(rate, config).unwrap();
    let mut out = vec![0.0; signal.len()];
    let frame = processor.frame_len();
    for (near, out) in signal.chunks_exact(frame).zip(out.chunks_exact_mut(frame)) {
        processor.process_capture(near, out).unwrap();
    }
    assert!(out.iter().all(|sample| sample.abs() <= 0.98));
    out
}

fn tail(rate: u32, signal: &[f32], seconds: f32) -> &[f32] {
    &signal[signal.len() - (rate as f32 * seconds) as usize..]
}

#[test]
fn every_level_comes_out_as_the_target() {
    for (rate, dbfs) in [(8_000, -30.0), (16_000, -50.0), (32_000, -40.0), (44_100, -10.0), (48_000, -20.0)] {
        let out = run(rate, only_gain(), &voice(rate, 8.0, dbfs));
        let level = active_dbfs(rate, tail(rate, &out, 4.0));
        assert!((level + 23.0).abs() < 2.0, "{dbfs} dBFS at {rate} Hz came out at {level}");
    }
}

#[test]
fn the_target_can_be_chosen_and_changed() {
    for target_dbfs in [-30.0, -18.0] {
        let gain = GainControl { target_dbfs, ..GainControl::default() };
        let out = run(16_000, Config { gain: Some(gain), ..Config::OFF }, &voice(16_000, 8.0, -35.0));
        let level = active_dbfs(16_000, tail(16_000, &out, 4.0));
        assert!((level - target_dbfs).abs() < 2.0, "{level} for {target_dbfs}");
    }
    let gain = GainControl { max_gain_db: 6.0, ..GainControl::default() };
    let out = run(16_000, Config { gain: Some(gain), ..Config::OFF }, &voice(16_000, 8.0, -45.0));
    let level = active_dbfs(16_000, tail(16_000, &out, 4.0));
    assert!((level + 39.0).abs() < 0.5, "{level}");
}

#[test]
fn a_louder_and_a_quieter_talker_are_level_within_three_seconds() {
    let rate = 16_000;
    for (first, second) in [(-40.0, -15.0), (-18.0, -42.0)] {
        let mut signal = voice(rate, 5.0, first);
        signal.extend(voice(rate, 5.0, second));
        let out = run(rate, only_gain(), &signal);
        let level = active_dbfs(rate, tail(rate, &out, 2.0));
        assert!((level + 23.0).abs() < 3.0, "{first} to {second}: {level}");
    }
}

#[test]
fn steady_speech_is_not_pumped() {
    let rate = 16_000;
    let signal = voice(rate, 12.0, -35.0);
    let out = run(rate, only_gain(), &signal);
    let second = rate as usize;
    let gains: Vec<f32> = (5..12)
        .map(|k| db(power(&out[k * second..(k + 1) * second])) - db(power(&signal[k * second..(k + 1) * second])))
        .collect();
    let (low, high) = gains.iter().fold((f32::MAX, f32::MIN), |(low, high), gain| (low.min(*gain), high.max(*gain)));
    assert!(high - low < 2.5, "{gains:?}");
}

#[test]
fn noise_alone_is_left_alone() {
    for rate in SAMPLE_RATES {
        let signal = noise(rate, 6.0, -45.0, 5);
        let out = run(rate, only_gain(), &signal);
        let gain = db(power(tail(rate, &out, 3.0)) / power(tail(rate, &signal, 3.0)));
        assert!(gain.abs() < 1.0, "{gain} dB at {rate} Hz");
    }
}

#[test]
fn pauses_keep_their_level() {
    let rate = 16_000;
    let speech = voice(rate, 10.0, -40.0);
    let signal: Vec<f32> = speech.iter().zip(noise(rate, 10.0, -60.0, 9)).map(|(a, b)| a + b).collect();
    let out = run(rate, only_gain(), &signal);
    // The pauses of the second half, but for 30 ms at either end.
    let (mut before, mut after) = (0.0, 0.0);
    for start in (5 * 4..10 * 4).filter(|syllable| syllable % 5 == 4) {
        let range = start * 4_000 + 480..(start + 1) * 4_000 - 480;
        before += power(&signal[range.clone()]);
        after += power(&out[range]);
    }
    let lifted = db(after / before);
    assert!(lifted.abs() < 3.0, "{lifted} dB");
    let level = active_dbfs(rate, tail(rate, &out, 4.0));
    assert!((level + 23.0).abs() < 2.0, "{level}");
}

#[test]
fn what_hardly_stands_above_the_noise_is_not_raised_once_the_noise_is_gone() {
    let rate = 16_000;
    let signal: Vec<f32> =
        voice(rate, 10.0, -44.0).iter().zip(noise(rate, 10.0, -60.0, 9)).map(|(a, b)| a + b).collect();
    let config = Config { noise: Some(NoiseSuppression::default()), ..only_gain() };
    let latency = AudioProcessor::new(rate, config.clone()).unwrap().latency();
    let out = run(rate, config, &signal);
    // Frames of 10 ms in the second half that are less than 7 dB above the noise.
    let (mut before, mut after) = (0.0, 0.0);
    for (signal, out) in signal.chunks(160).zip(out[latency..].chunks_exact(160)).skip(500) {
        if db(power(signal)) < -53.0 {
            before += power(signal);
            after += power(out);
        }
    }
    assert!(db(after / before) < 3.0, "{} dB", db(after / before));
    let level = active_dbfs(rate, tail(rate, &out, 4.0));
    assert!((level + 23.0).abs() < 2.0, "{level}");
}
