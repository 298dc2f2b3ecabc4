//! From any rate to 16 kHz, good enough for a detector: a windowed sinc in polyphase form.

use crate::simd::dot;
use crate::stft::frame_len;

const TARGET: u32 = 16_000;
/// Zero crossings of the sinc on each side.
const CROSSINGS: f32 = 8.0;
/// Share of the band that is kept.
const BAND: f32 = 0.92;

/// Rational resampler; its delay of 0.5 ms (1 ms at 8 kHz) is of no matter to a detector.
#[derive(Clone, Debug)]
pub(crate) struct Resampler {
    taps: usize,
    phases: usize,
    /// How far the next output is, in `1/phases` of an input sample.
    step: usize,
    position: usize,
    /// `taps` coefficients for each phase.
    table: Vec<f32>,
    /// The last `taps` samples of the frames before, then the frame.
    history: Vec<f32>,
}

impl Resampler {
    pub fn new(rate: u32) -> Self {
        let divisor = gcd(rate, TARGET);
        let (phases, step) = ((TARGET / divisor) as usize, (rate / divisor) as usize);
        let scale = (rate as f32 / TARGET as f32).max(1.0);
        let reach = (CROSSINGS * scale).ceil();
        let taps = 2 * reach as usize;
        let mut table = Vec::with_capacity(taps * phases);
        for phase in 0..phases {
            let row = table.len();
            for tap in 0..taps {
                let time = tap as f32 + 1.0 - reach - phase as f32 / phases as f32;
                let turn = std::f32::consts::PI * time / scale * BAND;
                let sinc = if turn.abs() < 1e-6 { 1.0 } else { turn.sin() / turn };
                table.push(sinc * (0.5 + 0.5 * (std::f32::consts::PI * time / reach).cos()));
            }
            let sum: f32 = table[row..].iter().sum();
            table[row..].iter_mut().for_each(|coefficient| *coefficient /= sum);
        }
        Self { taps, phases, step, position: 0, table, history: vec![0.0; taps + frame_len(rate)] }
    }

    /// Takes a frame of 10 ms and hands on its samples at 16 kHz.
    pub fn process(&mut self, frame: &[f32], mut sample: impl FnMut(f32)) {
        if self.step == self.phases {
            frame.iter().for_each(|x| sample(*x));
            return;
        }
        self.history.copy_within(frame.len().., 0);
        self.history[self.taps..].copy_from_slice(frame);
        while self.position < frame.len() * self.phases {
            let (start, phase) = (self.position / self.phases + 1, self.position % self.phases);
            let row = &self.table[phase * self.taps..][..self.taps];
            sample(dot(row, &self.history[start..start + self.taps]));
            self.position += self.step;
        }
        self.position -= frame.len() * self.phases;
    }

    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.position = 0;
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amplitude of a sine of `frequency` Hz after resampling, and samples that came of one second.
    fn measure(rate: u32, frequency: f32) -> (f32, usize) {
        let mut resampler = Resampler::new(rate);
        let input: Vec<f32> =
            (0..rate).map(|n| (std::f32::consts::TAU * frequency * n as f32 / rate as f32).sin()).collect();
        let mut output = Vec::new();
        for frame in input.chunks(rate as usize / 100) {
            resampler.process(frame, |sample| output.push(sample));
        }
        let settled = &output[1_600..];
        ((2.0 * settled.iter().map(|x| x * x).sum::<f32>() / settled.len() as f32).sqrt(), output.len())
    }

    #[test]
    fn voice_passes_and_what_would_alias_does_not() {
        for rate in crate::config::SAMPLE_RATES {
            for frequency in [200.0, 1_000.0, 3_000.0] {
                let (amplitude, count) = measure(rate, frequency);
                assert!((amplitude - 1.0).abs() < 0.04, "{rate}: {amplitude} at {frequency}");
                assert_eq!(count, 16_000, "{rate}");
            }
            if rate > 16_000 {
                let (amplitude, _) = measure(rate, 10_000.0);
                assert!(amplitude < 0.05, "{rate}: {amplitude}");
            }
        }
    }
}
