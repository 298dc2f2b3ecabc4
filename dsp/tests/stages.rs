//! Stages that come and go in mid-call.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/signals.rs"]
mod signals;

use signals::{Noise, noise, voice};
use soft_phone_dsp::{AudioProcessor, Config, EchoCancellation, NoiseLevel, NoiseSuppression, SAMPLE_RATES};

/// What comes out for an echo of `far` under a voice.
fn run(processor: &mut AudioProcessor, near: &[f32], far: &[f32]) -> Vec<f32> {
    let frame = processor.frame_len();
    let mut out = vec![0.0; near.len() / frame * frame];
    for ((near, far), out) in near.chunks_exact(frame).zip(far.chunks_exact(frame)).zip(out.chunks_exact_mut(frame)) {
        processor.process_render(far).unwrap();
        processor.process_capture(near, out).unwrap();
    }
    out
}

/// A voice with an echo of the far end, and the far end.
fn scene(rate: u32, seconds: f32) -> (Vec<f32>, Vec<f32>) {
    let far = noise(rate, seconds, -20.0, 4);
    let delay = rate as usize / 25;
    let mut near = voice(rate, seconds, -30.0);
    near.iter_mut().skip(delay).zip(&far).for_each(|(near, far)| *near += 0.3 * far);
    (near, far)
}

#[test]
fn a_stage_that_is_switched_on_is_as_a_new_one() {
    for rate in SAMPLE_RATES {
        let (near, far) = scene(rate, 1.5);
        let expected = run(&mut AudioProcessor::new(rate, Config::default()).unwrap(), &near, &far);
        // The voice detector hears in blocks of its own and goes on from where it was cut: it begins anew with the rest.
        let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
        run(&mut processor, &near, &far);
        processor.set_config(Config::OFF).unwrap();
        assert_eq!(processor.latency(), 0);
        let frame = processor.frame_len();
        let untouched = &near[..frame * 10];
        assert_eq!(run(&mut processor, untouched, &far), untouched);
        processor.set_config(Config::default()).unwrap();
        let out = run(&mut processor, &near, &far);
        assert!(out == expected, "{rate} Hz");
        processor.reset();
        assert!(run(&mut processor, &near, &far) == expected, "{rate} Hz, after a reset");
    }
}

#[test]
fn what_stays_on_keeps_what_it_has_learnt() {
    let rate = 16_000;
    let (near, far) = scene(rate, 3.0);
    let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
    run(&mut processor, &near, &far);
    let before = processor.stats();
    let low = NoiseSuppression { level: NoiseLevel::Low, ..NoiseSuppression::default() };
    processor.set_config(Config { gain: None, noise: Some(low), ..Config::default() }).unwrap();
    let after = processor.stats();
    assert!(before.delay_ms.is_some() && before.linear_erle_db > 3.0, "{before:?}");
    assert_eq!((after.delay_ms, after.linear_erle_db), (before.delay_ms, before.linear_erle_db));
    assert_eq!(after.noise_dbfs, before.noise_dbfs);
}

#[test]
fn echo_that_is_not_to_be_suppressed_is_only_filtered() {
    // Without suppression there are no spectra, and no delay of theirs.
    let echo = EchoCancellation { suppress: false, ..EchoCancellation::default() };
    let processor = AudioProcessor::new(48_000, Config { echo: Some(echo), ..Config::OFF }).unwrap();
    assert_eq!(processor.latency(), 0);
}

#[test]
fn another_tail_is_another_canceller_and_a_bad_one_changes_nothing() {
    let tail =
        |tail_ms| Config { echo: Some(EchoCancellation { tail_ms, ..EchoCancellation::default() }), ..Config::OFF };
    let mut processor = AudioProcessor::new(16_000, tail(250)).unwrap();
    assert!(processor.set_config(tail(10)).is_err());
    assert_eq!(processor.config(), &tail(250));
    let (near, far) = scene(16_000, 1.0);
    run(&mut processor, &near, &far);
    processor.set_config(tail(100)).unwrap();
    processor.reset();
    let out = run(&mut processor, &near, &far);
    assert!(out == run(&mut AudioProcessor::new(16_000, tail(100)).unwrap(), &near, &far));
}

#[test]
fn random_switches_leave_no_trace_behind_a_reset() {
    let mut random = Noise(3);
    let (near, far) = scene(16_000, 0.5);
    let mut processor = AudioProcessor::new(16_000, Config::default()).unwrap();
    for _ in 0..40 {
        let mut toss = |config: Config| if random.next() > 0.0 { config } else { Config::OFF };
        let config = Config {
            high_pass: toss(Config::default()).high_pass,
            echo: toss(Config::default()).echo,
            noise: toss(Config::default()).noise,
            gain: toss(Config::default()).gain,
        };
        processor.set_config(config.clone()).unwrap();
        run(&mut processor, &near, &far);
        processor.reset();
        let out = run(&mut processor, &near, &far);
        assert!(out == run(&mut AudioProcessor::new(16_000, config.clone()).unwrap(), &near, &far), "{config:?}");
    }
}
