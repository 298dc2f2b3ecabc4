//! High-pass: takes away rumble, handling noise and an offset, below what a telephone voice holds.

use crate::simd::kernels;

/// Samples that are filtered at a time.
const BLOCK: usize = 8;
/// States below this become zero once a frame. Within 10 ms a state of this size cannot decay to a denormal.
const SILENCE: f64 = 1e-20;

/// Second-order Butterworth high-pass, a biquad in transposed direct form II.
///
/// Coefficients by the bilinear transform with a pre-warped cutoff and Q = 1/√2: flat above the cutoff, −3 dB at it,
/// −12 dB per octave below. State and arithmetic are 64-bit: poles this near to 1 would add audible rounding noise of
/// their own in 32 bits.
#[derive(Clone, Debug)]
pub struct HighPass {
    numerator: f64,
    denominator: [f64; 2],
    state: [f64; 2],
    /// What each of [`BLOCK`] samples and the two states before them add to the block's output, and to the states behind.
    output: [[f64; BLOCK]; BLOCK + 2],
    after: [[f64; 2]; BLOCK + 2],
}

impl HighPass {
    /// A filter at rest for `rate` Hz with its −3 dB point at `cutoff` Hz, which is held within 10 Hz … rate/4.
    pub fn new(rate: u32, cutoff: f32) -> Self {
        let rate = f64::from(rate);
        let cutoff = f64::from(cutoff).clamp(10.0, rate / 4.0);
        let warped = (std::f64::consts::PI * cutoff / rate).tan();
        let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * warped + warped * warped);
        let mut filter = Self {
            numerator: norm,
            denominator: [
                2.0 * (warped * warped - 1.0) * norm,
                (1.0 - std::f64::consts::SQRT_2 * warped + warped * warped) * norm,
            ],
            state: [0.0; 2],
            output: [[0.0; BLOCK]; BLOCK + 2],
            after: [[0.0; 2]; BLOCK + 2],
        };
        for source in 0..BLOCK + 2 {
            filter.state = [source == BLOCK, source == BLOCK + 1].map(f64::from);
            filter.output[source] = std::array::from_fn(|n| filter.step(f64::from(source == n)));
            filter.after[source] = filter.state;
        }
        filter.reset();
        filter
    }

    /// Filters `frame` in place, without delay. Samples must be finite.
    pub fn process(&mut self, frame: &mut [f32]) {
        let (whole, rest) = frame.split_at_mut(frame.len() / BLOCK * BLOCK);
        self.state = filter_blocks(whole, &self.output, &self.after, self.state);
        for sample in rest {
            *sample = self.step(f64::from(*sample)) as f32;
        }
        self.state = self.state.map(|state| if state.abs() < SILENCE { 0.0 } else { state });
    }

    fn step(&mut self, sample: f64) -> f64 {
        // The numerator is norm · (1 − 2 z⁻¹ + z⁻²).
        let scaled = self.numerator * sample;
        let output = scaled + self.state[0];
        self.state =
            [self.state[1] - 2.0 * scaled - self.denominator[0] * output, scaled - self.denominator[1] * output];
        output
    }

    /// Back to rest.
    pub fn reset(&mut self) {
        self.state = [0.0; 2];
    }
}

kernels! {
    /// As many steps at once as a block has: one by one each waits for the one before.
    fn filter_blocks(
        frame: &mut [f32],
        output: &[[f64; BLOCK]; BLOCK + 2],
        after: &[[f64; 2]; BLOCK + 2],
        state: [f64; 2],
    ) -> [f64; 2] {
        let [mut first, mut second] = state;
        for block in frame.chunks_exact_mut(BLOCK) {
            let mut sums = [0.0_f64; BLOCK];
            let (mut one, mut two) = (0.0, 0.0);
            for source in 0..BLOCK {
                let sample = f64::from(block[source]);
                for n in 0..BLOCK {
                    sums[n] += output[source][n] * sample;
                }
                one += after[source][0] * sample;
                two += after[source][1] * sample;
            }
            for n in 0..BLOCK {
                block[n] = (sums[n] + (output[BLOCK][n] * first + output[BLOCK + 1][n] * second)) as f32;
            }
            (first, second) = (
                one + (after[BLOCK][0] * first + after[BLOCK + 1][0] * second),
                two + (after[BLOCK][1] * first + after[BLOCK + 1][1] * second),
            );
        }
        [first, second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain in dB of a sine of `frequency` Hz after two seconds.
    fn gain_db(rate: u32, frequency: f32) -> f32 {
        let mut filter = HighPass::new(rate, 80.0);
        let mut signal: Vec<f32> = (0..rate * 2)
            .map(|n| (std::f64::consts::TAU * f64::from(frequency) * f64::from(n) / f64::from(rate)).sin() as f32)
            .collect();
        for frame in signal.chunks_mut(rate as usize / 100) {
            filter.process(frame);
        }
        let tail = &signal[rate as usize..];
        let power = tail.iter().map(|sample| f64::from(sample * sample)).sum::<f64>() / tail.len() as f64;
        (10.0 * (2.0 * power).log10()) as f32
    }

    #[test]
    fn response_is_butterworth_at_every_rate() {
        for rate in [8_000, 16_000, 32_000, 44_100, 48_000] {
            for frequency in [20.0_f32, 40.0, 80.0, 160.0, 1_000.0, 3_000.0] {
                let ratio = 80.0 / frequency;
                let expected = -10.0 * (1.0 + ratio.powi(4)).log10();
                let measured = gain_db(rate, frequency);
                assert!((measured - expected).abs() < 0.15, "{measured} for {expected} at {frequency} of {rate}");
            }
        }
    }

    #[test]
    fn offset_goes_and_silence_becomes_exact() {
        let mut filter = HighPass::new(48_000, 80.0);
        for _ in 0..100 {
            filter.process(&mut [0.5; 480]);
        }
        let mut frame = [0.5; 480];
        filter.process(&mut frame);
        assert!(frame.iter().all(|sample| sample.abs() < 1e-6));
        for _ in 0..100 {
            let mut silence = [0.0_f32; 480];
            filter.process(&mut silence);
            assert!(filter.state.iter().all(|state| *state == 0.0 || state.abs() > 1e-24));
        }
        assert_eq!(filter.state, [0.0; 2]);
    }

    #[test]
    fn reset_forgets() {
        let mut used = HighPass::new(16_000, 80.0);
        used.process(&mut [0.7; 160]);
        used.reset();
        let mut fresh = HighPass::new(16_000, 80.0);
        let (mut a, mut b) = ([0.3; 160], [0.3; 160]);
        used.process(&mut a);
        fresh.process(&mut b);
        assert_eq!(a, b);
    }
}
