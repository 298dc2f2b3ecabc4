//! Blocks of any size around the processor: what comes out is what frames would have given, later by what is reported.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "support/signals.rs"]
mod signals;

use signals::Noise;
use soft_phone_dsp::{AudioProcessor, Config, Error, FrameAdapter, HighPass, SAMPLE_RATES};

/// Cheap, and with a state, so that a frame out of order would show.
fn config() -> Config {
    Config { high_pass: Some(HighPass::default()), ..Config::OFF }
}

/// What the processor itself makes of the signal.
fn framed(rate: u32, signal: &[f32]) -> Vec<f32> {
    let mut processor = AudioProcessor::new(rate, config()).unwrap();
    let mut out = vec![0.0; signal.len()];
    let frame = processor.frame_len();
    for (near, out) in signal.chunks_exact(frame).zip(out.chunks_exact_mut(frame)) {
        processor.process_capture(near, out).unwrap();
    }
    out
}

fn signal(length: usize) -> Vec<f32> {
    let mut noise = Noise(11);
    (0..length).map(|_| 0.5 * noise.next()).collect()
}

#[test]
fn blocks_of_one_size_have_the_least_delay_there_is() {
    for rate in SAMPLE_RATES {
        let frame = rate as usize / 100;
        for (block, delay) in
            [(128, frame - gcd(128, frame)), (frame, 0), (3 * frame, 0), (1, frame - 1), (997, frame - 1)]
        {
            let signal = signal(frame * 40);
            let expected = framed(rate, &signal);
            let mut adapter = FrameAdapter::new(AudioProcessor::new(rate, config()).unwrap(), block);
            assert_eq!(adapter.latency(), delay, "{block} at {rate}");
            let mut out = vec![1.0; signal.len()];
            for (near, out) in signal.chunks(block).zip(out.chunks_mut(block)) {
                adapter.process(near, near, out).unwrap();
            }
            let whole = signal.len() / block * block;
            assert!(out[..delay].iter().all(|sample| *sample == 0.0));
            assert_eq!(out[delay..whole], expected[..whole - delay], "{block} at {rate}");
            assert_eq!(adapter.latency(), delay);
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[test]
fn blocks_of_changing_size_are_bit_exact_too() {
    let mut random = Noise(5);
    for rate in SAMPLE_RATES {
        for block in [0, 128] {
            let frame = rate as usize / 100;
            let signal = signal(frame * 60);
            let expected = framed(rate, &signal);
            let mut adapter = FrameAdapter::new(AudioProcessor::new(rate, config()).unwrap(), block);
            let (mut out, mut done, mut latencies) = (Vec::new(), 0, Vec::new());
            while done < signal.len() {
                let most = if random.next() > 0.0 { 40.0 } else { 1_500.0 };
                let length = ((random.next().abs() * most) as usize).min(signal.len() - done);
                let mut piece = vec![1.0; length];
                let near = &signal[done..done + length];
                adapter.process(near, near, &mut piece).unwrap();
                out.extend(piece);
                done += length;
                latencies.push((out.len(), adapter.latency()));
            }
            let last = adapter.latency();
            assert!(last < frame, "{last} at {rate}");
            assert!(latencies.windows(2).all(|pair| pair[0].1 <= pair[1].1));
            // From where the delay has settled on, all is exact.
            let settled = latencies.iter().find(|(_, latency)| *latency == last).unwrap().0.max(last);
            assert!(settled < signal.len());
            assert_eq!(out[settled..], expected[settled - last..signal.len() - last]);
            if block == 0 {
                assert_eq!(last, frame - 1);
            }
        }
    }
}

#[test]
fn blocks_that_do_not_fit_together_are_refused() {
    let mut adapter = FrameAdapter::new(AudioProcessor::new(16_000, config()).unwrap(), 128);
    let refused = adapter.process(&[0.0; 127], &[0.0; 128], &mut [0.0; 128]);
    assert_eq!(refused, Err(Error::BlockLength { far: 127, near: 128, out: 128 }));
    assert!(adapter.process(&[], &[], &mut []).is_ok());
}
