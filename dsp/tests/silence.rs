//! Long silence, on one side and on both, and what a frame of it costs.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/signals.rs"]
mod signals;

use std::time::{Duration, Instant};

use signals::{noise, voice};
use soft_phone_dsp::{AudioProcessor, Config};

/// Both ends speak for three seconds, so that every state holds something. The far end ends 60 ms earlier: its echo, which
/// comes 50 ms later, is over when this is.
fn after_a_talk(rate: u32) -> (AudioProcessor, Vec<f32>, Vec<f32>) {
    let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
    let (mut near, mut far) = (voice(rate, 3.0, -25.0), noise(rate, 3.0, -25.0, 8));
    far.iter_mut().rev().take(rate as usize * 6 / 100).for_each(|far| *far = 0.0);
    near.iter_mut().skip(rate as usize / 20).zip(&far).for_each(|(near, far)| *near += 0.5 * far);
    let frame = processor.frame_len();
    let mut out = vec![0.0; frame];
    for (near, far) in near.chunks_exact(frame).zip(far.chunks_exact(frame)) {
        processor.process_render(far).unwrap();
        processor.process_capture(near, &mut out).unwrap();
    }
    (processor, near, far)
}

#[test]
fn an_hour_of_silence_comes_out_as_silence_and_speech_after_it_as_speech() {
    let rate = 8_000;
    let (mut processor, near, _) = after_a_talk(rate);
    let frame = processor.frame_len();
    let (silence, mut out) = (vec![0.0; frame], vec![0.0; frame]);
    for second in 0..3_600 {
        for _ in 0..100 {
            processor.process_render(&silence).unwrap();
            processor.process_capture(&silence, &mut out).unwrap();
        }
        let peak = out.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(second < 1 || peak < 1e-5, "{peak} after {second} s");
    }
    assert!(processor.stats().input_dbfs <= -99.0);
    speaks(&mut processor, &near, &silence);
}

#[test]
fn ten_minutes_with_the_far_end_silent_lose_nothing_of_the_near_end() {
    let rate = 8_000;
    let (mut processor, near, _) = after_a_talk(rate);
    let frame = processor.frame_len();
    let (silence, mut out) = (vec![0.0; frame], vec![0.0; frame]);
    let room = noise(rate, 10.0, -60.0, 2);
    for (k, near) in room.chunks_exact(frame).cycle().take(60_000).enumerate() {
        processor.process_render(&silence).unwrap();
        processor.process_capture(near, &mut out).unwrap();
        // The end of the talk comes out with the first frame.
        assert!(k == 0 || out.iter().all(|sample| sample.abs() < 0.02), "frame {k}");
    }
    speaks(&mut processor, &near, &silence);
}

/// A voice comes through within two seconds.
fn speaks(processor: &mut AudioProcessor, near: &[f32], silence: &[f32]) {
    let mut out = vec![0.0; silence.len()];
    let mut loudest = 0.0_f32;
    for near in near.chunks_exact(silence.len()) {
        processor.process_render(silence).unwrap();
        processor.process_capture(near, &mut out).unwrap();
        loudest = loudest.max(signals::power(&out));
    }
    assert!(signals::db(loudest) > -35.0, "{} dB", signals::db(loudest));
}

/// Denormals cost ten times as much. What silence costs is less than half of what speech does, so that no machine is so
/// busy as to make this fail: of each the least of many turns counts.
#[test]
fn silence_is_not_slower_than_speech() {
    for rate in [16_000, 48_000] {
        let (mut talking, near, far) = after_a_talk(rate);
        let frame = talking.frame_len();
        let (mut quiet, silence) = (talking.clone(), vec![0.0; frame]);
        let mut far_quiet = talking.clone();
        let mut out = vec![0.0; frame];
        let mut time = |processor: &mut AudioProcessor, near: &[f32], far: &[f32]| {
            let start = Instant::now();
            processor.process_render(far).unwrap();
            processor.process_capture(near, &mut out).unwrap();
            start.elapsed()
        };
        // Twenty frames a turn; the states take about 20 s to decay.
        let mut least = [Duration::MAX; 3];
        let mut turn = [Duration::ZERO; 3];
        let frames = near.chunks_exact(frame).zip(far.chunks_exact(frame)).cycle();
        for (count, (near, far)) in frames.take(3_000).enumerate() {
            turn[0] += time(&mut talking, near, far);
            turn[1] += time(&mut quiet, &silence, &silence);
            turn[2] += time(&mut far_quiet, near, &silence);
            if count % 20 == 19 {
                for (least, turn) in least.iter_mut().zip(&mut turn) {
                    *least = (*least).min(std::mem::take(turn));
                }
            }
        }
        assert!(least[1] < least[0] && least[2] < least[0], "{rate} Hz: {least:?}");
    }
}
