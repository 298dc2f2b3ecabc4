//! Whatever comes in, what goes out is finite and within full scale, and the next call still works.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/payloads.rs"]
mod payloads;
#[path = "support/signals.rs"]
mod signals;
#[path = "support/streams.rs"]
mod streams;

use hostile::nasty;
use signals::{Noise, active_dbfs, voice};
use soft_phone_dsp::{AudioProcessor, Config};

fn bounded(samples: &[f32]) -> bool {
    samples.iter().all(|sample| sample.is_finite() && sample.abs() <= 1.0)
}

/// As many as a test has time for; `examples/fuzz.rs` runs any number.
#[test]
fn random_frames_configurations_and_calls_do_no_harm() {
    for seed in 1..=40 {
        if let Err(error) = hostile::case(seed, 60, cfg!(feature = "network")) {
            panic!("case {seed}: {error}");
        }
    }
}

#[test]
fn random_payloads_do_no_harm() {
    for seed in 1..=200 {
        if let Err(error) = payloads::case(seed, 100) {
            panic!("case {seed}: {error}");
        }
    }
}

#[test]
fn random_streams_do_no_harm() {
    for seed in 1..=150 {
        if let Err(error) = streams::case(seed, 100) {
            panic!("case {seed}: {error}");
        }
    }
}

#[test]
fn the_same_case_is_the_same_twice() {
    let frame = |seed| nasty(&mut Noise(seed), 480).iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
    assert_eq!(frame(9), frame(9));
    assert_ne!(frame(9), frame(10));
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
    // Gain control still minds the noise; the network has found back to the voice within 6 dB.
    assert!((-36.0..-20.0).contains(&level), "{level}");
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
