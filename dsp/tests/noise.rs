//! Noise suppression over signals that are made here: how much noise goes, how soon, and that speech stays.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/signals.rs"]
mod signals;

use signals::{active_dbfs, db, noise, power, voice};
use soft_phone_dsp::{AudioProcessor, Config, NoiseEngine, NoiseLevel, NoiseSuppression, SAMPLE_RATES};

fn only_noise(level: NoiseLevel) -> Config {
    Config { noise: Some(NoiseSuppression { level, engine: NoiseEngine::Spectral }), ..Config::OFF }
}

/// What comes out, without the delay.
fn run(rate: u32, level: NoiseLevel, signal: &[f32]) -> Vec<f32> {
    let mut processor = AudioProcessor::new(rate, only_noise(level)).unwrap();
    let frame = processor.frame_len();
    let mut out = vec![0.0; signal.len() / frame * frame];
    for (near, out) in signal.chunks_exact(frame).zip(out.chunks_exact_mut(frame)) {
        processor.process_capture(near, out).unwrap();
    }
    out.drain(..processor.latency());
    out
}

#[test]
fn steady_noise_falls_by_as_much_as_the_level_says() {
    for rate in SAMPLE_RATES {
        for (level, expected) in [(NoiseLevel::Low, 6.0), (NoiseLevel::Moderate, 12.0), (NoiseLevel::High, 20.0)] {
            let signal = noise(rate, 4.0, -40.0, 3);
            let out = run(rate, level, &signal);
            let half = out.len() / 2;
            let fallen = db(power(&signal[half..]) / power(&out[half..]));
            assert!((fallen - expected).abs() < 2.5, "{fallen} dB at {rate} Hz, {level:?}");
        }
    }
}

#[test]
fn it_takes_a_moment_at_the_start_and_a_second_at_a_step() {
    let rate = 16_000;
    let mut signal = noise(rate, 3.0, -55.0, 3);
    signal.extend(noise(rate, 4.0, -40.0, 4));
    let out = run(rate, NoiseLevel::High, &signal);
    let fallen = |from: f32, to: f32| {
        let range = (from * 16_000.0) as usize..(to * 16_000.0) as usize;
        db(power(&signal[range.clone()]) / power(&out[range]))
    };
    assert!(fallen(0.15, 0.5) > 12.0, "{}", fallen(0.15, 0.5));
    assert!(fallen(5.0, 6.5) > 15.0, "{}", fallen(5.0, 6.5));
}

#[test]
fn speech_without_noise_passes_as_it_is() {
    for rate in SAMPLE_RATES {
        // A microphone is open for a moment before anybody speaks.
        let mut signal = noise(rate, 0.2, -80.0, 2);
        let start = signal.len();
        signal.extend(voice(rate, 5.0, -25.0));
        let out = run(rate, NoiseLevel::High, &signal);
        let change = active_dbfs(rate, &out) - active_dbfs(rate, &signal[..out.len()]);
        assert!(change.abs() < 0.75, "{change} dB at {rate} Hz");
        // The first syllable too.
        let first = start..start + rate as usize / 4;
        let change = db(power(&out[first.clone()]) / power(&signal[first]));
        assert!(change.abs() < 1.0, "{change} dB at {rate} Hz");
    }
}

#[test]
fn pauses_fall_and_speech_stays() {
    let rate = 16_000;
    let speech = voice(rate, 8.0, -25.0);
    let signal: Vec<f32> = speech.iter().zip(noise(rate, 8.0, -45.0, 6)).map(|(a, b)| a + b).collect();
    let out = run(rate, NoiseLevel::High, &signal);
    let (mut before, mut after) = (0.0, 0.0);
    for syllable in (10..30).filter(|syllable| syllable % 5 == 4) {
        // 250 ms each, but for 50 ms at either end.
        let range = syllable * 4_000 + 800..(syllable + 1) * 4_000 - 800;
        before += power(&signal[range.clone()]);
        after += power(&out[range]);
    }
    assert!(db(before / after) > 12.0, "{} dB", db(before / after));
    let change = active_dbfs(rate, &out) - active_dbfs(rate, &signal[..out.len()]);
    assert!(change.abs() < 0.3, "{change} dB");
}
