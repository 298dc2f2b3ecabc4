//! Whatever comes in, what goes out is finite and within full scale, and the next call still works.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/signals.rs"]
mod signals;

use signals::{Noise, active_dbfs, voice};
use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, Error, GainControl, HighPass, NoiseLevel, NoiseSuppression, SAMPLE_RATES,
};

fn bounded(samples: &[f32]) -> bool {
    samples.iter().all(|sample| sample.is_finite() && sample.abs() <= 1.0)
}

/// A frame of one of the kinds that break filters.
fn nasty(random: &mut Noise, frame: usize) -> Vec<f32> {
    let pick = |random: &mut Noise, count: usize| (random.next().abs() * count as f32) as usize % count;
    let kind = pick(random, 10);
    let level = [1e-30, 1e-6, 0.1, 1.0, 1e10][pick(random, 5)];
    (0..frame)
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

fn any_config(random: &mut Noise) -> Config {
    let mut toss = || random.next() > 0.0;
    Config {
        high_pass: toss().then(HighPass::default),
        echo: toss().then(|| EchoCancellation { suppress: true, ..EchoCancellation::default() }),
        noise: toss().then(|| NoiseSuppression {
            level: if toss() { NoiseLevel::High } else { NoiseLevel::Low },
            ..NoiseSuppression::default()
        }),
        gain: toss().then(GainControl::default),
    }
}

#[test]
fn random_frames_configurations_and_calls_do_no_harm() {
    for seed in 1..=10 {
        let mut random = Noise(seed);
        let rate = SAMPLE_RATES[seed as usize % SAMPLE_RATES.len()];
        let mut processor = AudioProcessor::new(rate, any_config(&mut random)).unwrap();
        let frame = processor.frame_len();
        let mut out = vec![0.0; frame];
        for _ in 0..60 {
            match (random.next().abs() * 40.0) as u32 {
                0 => processor.reset(),
                1 => processor.set_config(any_config(&mut random)).unwrap(),
                2 => {
                    let wrong = (random.next().abs() * 2_000.0) as usize;
                    if wrong != frame {
                        let error = Err(Error::FrameLength { expected: frame, actual: wrong });
                        assert_eq!(processor.process_capture(&vec![0.5; wrong], &mut out), error);
                        assert_eq!(processor.process_render(&vec![0.5; wrong]), error);
                    }
                }
                3 => processor.process_render_stereo(&nasty(&mut random, frame), &nasty(&mut random, frame)).unwrap(),
                _ => processor.process_render(&nasty(&mut random, frame)).unwrap(),
            }
            processor.process_capture(&nasty(&mut random, frame), &mut out).unwrap();
            assert!(bounded(&out), "seed {seed}");
            let stats = processor.stats();
            let figures = [stats.erle_db, stats.speech_probability, stats.gain_db, stats.noise_dbfs, stats.output_dbfs];
            assert!(figures.iter().all(|figure| figure.is_finite()), "seed {seed}: {stats:?}");
        }
    }
}

#[test]
fn a_voice_is_heard_again_after_the_worst() {
    let rate = 16_000;
    let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
    let mut out = vec![0.0; 160];
    let mut random = Noise(77);
    for _ in 0..200 {
        processor.process_render(&nasty(&mut random, 160)).unwrap();
        processor.process_capture(&nasty(&mut random, 160), &mut out).unwrap();
    }
    let mut heard = Vec::new();
    for near in voice(rate, 10.0, -30.0).chunks_exact(160) {
        processor.process_render(&[0.0; 160]).unwrap();
        processor.process_capture(near, &mut out).unwrap();
        heard.extend_from_slice(&out);
    }
    let level = active_dbfs(rate, &heard[6 * 16_000..]);
    assert!((-33.0..-20.0).contains(&level), "{level}");
}

#[test]
fn silence_and_of_square_waves_end_where_they_began() {
    for rate in [8_000, 48_000] {
        let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
        let frame = processor.frame_len();
        let mut out = vec![0.0; frame];
        for round in 0..1_000 {
            let near: Vec<f32> = match round / 250 % 2 {
                0 => vec![0.0; frame],
                _ => (0..frame).map(|n| if n / 30 % 2 == 0 { 1.0 } else { -1.0 }).collect(),
            };
            processor.process_render(&near).unwrap();
            processor.process_capture(&near, &mut out).unwrap();
            assert!(bounded(&out));
        }
        for _ in 0..200 {
            processor.process_render(&vec![0.0; frame]).unwrap();
            processor.process_capture(&vec![0.0; frame], &mut out).unwrap();
        }
        assert!(out.iter().all(|sample| sample.abs() < 1e-4));
    }
}
