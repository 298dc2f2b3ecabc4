//! High-pass: takes away rumble, handling noise and an offset, below what a telephone voice holds.

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
}

impl HighPass {
    /// A filter at rest for `rate` Hz with its −3 dB point at `cutoff` Hz, which is held within 10 Hz … rate/4.
    pub fn new(rate: u32, cutoff: f32) -> Self {
        let rate = f64::from(rate);
        let cutoff = f64::from(cutoff).clamp(10.0, rate / 4.0);
        let warped = (std::f64::consts::PI * cutoff / rate).tan();
        let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * warped + warped * warped);
        Self {
            numerator: norm,
            denominator: [
                2.0 * (warped * warped - 1.0) * norm,
                (1.0 - std::f64::consts::SQRT_2 * warped + warped * warped) * norm,
            ],
            state: [0.0; 2],
        }
    }

    /// Filters `frame` in place, without delay. Samples must be finite.
    pub fn process(&mut self, frame: &mut [f32]) {
        let [mut first, mut second] = self.state;
        let [a1, a2] = self.denominator;
        for sample in frame {
            // The numerator is norm · (1 − 2 z⁻¹ + z⁻²).
            let scaled = self.numerator * f64::from(*sample);
            let output = scaled + first;
            first = second - 2.0 * scaled - a1 * output;
            second = scaled - a2 * output;
            *sample = output as f32;
        }
        self.state = [first, second].map(|state| if state.abs() < SILENCE { 0.0 } else { state });
    }

    /// Back to rest.
    pub fn reset(&mut self) {
        self.state = [0.0; 2];
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
