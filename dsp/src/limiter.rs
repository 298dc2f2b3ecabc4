//! Look-ahead limiter: the last stage, and the reason why gain control never clips.

use crate::simd::peak;

/// Highest magnitude that leaves the limiter, −0.18 dBFS. The rest is room for the codec's own overshoot.
pub const CEILING: f32 = 0.98;

/// Time constant of the return to unity after a peak, seconds: shorter would distort low voices, longer would be heard
/// as a hole after a click.
const RELEASE: f32 = 0.05;

/// The gain is taken as back at unity within this much (0.0009 dB).
const UNITY: f32 = 1.0 - 1e-4;

/// Brick-wall limiter with 1 ms of look-ahead.
///
/// Each sample asks for the gain `r = min(1, ceiling/|x|)`. Four steps turn this into a smooth gain that is never above
/// what any sample asked for: the minimum over the look-ahead, an exponential release below it, the mean over the
/// look-ahead, and the delay of the signal by the look-ahead. Every term of the mean that meets a sample has that
/// sample's `r` in its minimum, so the mean is at or below it. While nothing is above the ceiling it only delays.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// Ring of the last `look_ahead` samples.
    delayed: Vec<f32>,
    /// Ring of the last `look_ahead + 1` released minima, the terms of the mean.
    gains: Vec<f32>,
    sum: f64,
    minimum: SlidingMinimum,
    release: f32,
    gain: f32,
    /// Samples since the released minimum was last below unity; beyond the mean's length there is nothing to compute.
    quiet: usize,
    position: usize,
    gain_position: usize,
}

impl Limiter {
    /// A limiter at rest for `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let look_ahead = rate as usize / 1_000;
        Self {
            delayed: vec![0.0; look_ahead],
            gains: vec![1.0; look_ahead + 1],
            sum: (look_ahead + 1) as f64,
            minimum: SlidingMinimum::new(look_ahead + 1),
            release: 1.0 - (-1.0 / (RELEASE * rate as f32)).exp(),
            gain: 1.0,
            quiet: look_ahead + 1,
            position: 0,
            gain_position: 0,
        }
    }

    /// Delay in samples: 1 ms, rounded down.
    pub fn latency(&self) -> usize {
        self.delayed.len()
    }

    /// Limits `frame` (any length, finite samples) in place; what comes out is delayed by [`Self::latency`] and within
    /// ±[`CEILING`].
    pub fn process(&mut self, frame: &mut [f32]) {
        if peak(frame) <= CEILING && self.quiet >= self.gains.len() {
            self.delay(frame);
        } else {
            for sample in frame {
                *sample = self.limit(*sample);
            }
        }
    }

    /// Back to rest, with silence in the delay.
    pub fn reset(&mut self) {
        self.delayed.fill(0.0);
        self.rest();
    }

    fn rest(&mut self) {
        self.gains.fill(1.0);
        self.sum = self.gains.len() as f64;
        self.minimum.reset();
        self.gain = 1.0;
        self.quiet = self.gains.len();
        self.gain_position = 0;
    }

    fn delay(&mut self, frame: &mut [f32]) {
        let mut rest = frame;
        while !rest.is_empty() {
            let ring = &mut self.delayed[self.position..];
            let count = ring.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.swap_with_slice(&mut ring[..count]);
            self.position = (self.position + count) % self.delayed.len();
            rest = later;
        }
    }

    fn limit(&mut self, sample: f32) -> f32 {
        let asked = self.minimum.push(if sample.abs() > CEILING { CEILING / sample.abs() } else { 1.0 });
        self.gain = asked.min(self.gain + self.release * (1.0 - self.gain));
        if asked == 1.0 && self.gain > UNITY {
            self.gain = 1.0;
        }
        self.sum += f64::from(self.gain) - f64::from(self.gains[self.gain_position]);
        self.gains[self.gain_position] = self.gain;
        self.gain_position = (self.gain_position + 1) % self.gains.len();
        self.quiet = if self.gain < 1.0 { 0 } else { self.quiet + 1 };
        let gain = (self.sum / self.gains.len() as f64) as f32;
        if self.quiet >= self.gains.len() {
            // All terms are unity again; what rounding left in the sum goes with it.
            self.rest();
        }
        let delayed = std::mem::replace(&mut self.delayed[self.position], sample);
        self.position = (self.position + 1) % self.delayed.len();
        // The product is within the ceiling but for its last bit.
        (delayed * gain).clamp(-CEILING, CEILING)
    }
}

/// Minimum of the last `length` values: a queue that holds only values which can still become the minimum, rising from
/// its front. Amortised constant time.
#[derive(Clone, Debug)]
struct SlidingMinimum {
    /// Ring of (value, number of its sample).
    queue: Vec<(f32, usize)>,
    front: usize,
    count: usize,
    time: usize,
}

impl SlidingMinimum {
    fn new(length: usize) -> Self {
        Self { queue: vec![(1.0, 0); length], front: 0, count: 0, time: 0 }
    }

    fn push(&mut self, value: f32) -> f32 {
        let length = self.queue.len();
        if self.count > 0 && self.time - self.queue[self.front].1 >= length {
            self.front = (self.front + 1) % length;
            self.count -= 1;
        }
        while self.count > 0 && self.queue[(self.front + self.count - 1) % length].0 >= value {
            self.count -= 1;
        }
        self.queue[(self.front + self.count) % length] = (value, self.time);
        self.count += 1;
        self.time += 1;
        self.queue[self.front].0
    }

    fn reset(&mut self) {
        (self.front, self.count, self.time) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 5] = [8_000, 16_000, 32_000, 44_100, 48_000];

    fn random(state: &mut u32) -> f32 {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        *state as f32 / u32::MAX as f32 * 2.0 - 1.0
    }

    #[test]
    fn nothing_ever_passes_the_ceiling() {
        let mut seed = 1;
        for rate in RATES {
            for scale in [0.9, 1.5, 8.0, 1e4, 1e30] {
                let mut limiter = Limiter::new(rate);
                for round in 0..200 {
                    // Random noise, bursts in silence, and full-scale square waves, in blocks of changing length.
                    let length = 1 + (random(&mut seed).abs() * 700.0) as usize;
                    let mut block: Vec<f32> = (0..length)
                        .map(|n| match round % 3 {
                            0 => random(&mut seed) * scale,
                            1 if random(&mut seed) > 0.98 => random(&mut seed) * scale,
                            1 => 0.0,
                            _ => scale * if n / 20 % 2 == 0 { 1.0 } else { -1.0 },
                        })
                        .collect();
                    limiter.process(&mut block);
                    assert!(block.iter().all(|sample| sample.abs() <= CEILING), "{rate} {scale}");
                }
            }
        }
    }

    #[test]
    fn without_the_last_clamp_it_would_overshoot_by_rounding_alone() {
        let mut limiter = Limiter::new(48_000);
        let mut seed = 7;
        let input: Vec<f32> = (0..48_000).map(|_| random(&mut seed) * 6.0).collect();
        let mut worst = 0.0_f64;
        for (n, sample) in input.iter().enumerate() {
            limiter.limit(*sample);
            if n >= limiter.latency() {
                worst =
                    worst.max(f64::from(input[n - limiter.latency()].abs()) * limiter.sum / limiter.gains.len() as f64);
            }
        }
        assert!(worst < f64::from(CEILING) * (1.0 + 1e-6), "{worst}");
        assert!(worst > 0.95, "{worst}");
    }

    #[test]
    fn quiet_signals_are_delayed_bit_exactly() {
        let mut seed = 3;
        for rate in RATES {
            let mut limiter = Limiter::new(rate);
            let input: Vec<f32> = (0..rate as usize).map(|_| random(&mut seed) * CEILING).collect();
            let mut output = input.clone();
            for block in output.chunks_mut(rate as usize / 100) {
                limiter.process(block);
            }
            assert_eq!(limiter.latency(), rate as usize / 1_000);
            assert_eq!(output[limiter.latency()..], input[..input.len() - limiter.latency()]);
        }
    }

    #[test]
    fn gain_returns_to_unity_after_a_peak() {
        let mut limiter = Limiter::new(16_000);
        let mut block = vec![0.1; 16_000];
        block[100] = 4.0;
        limiter.process(&mut block);
        assert!(block[116] > 0.9 && block[300] < 0.06, "{} {}", block[116], block[300]);
        assert_eq!(block[15_999], 0.1);
        // …and is as at rest, so that the cheap path is taken again.
        assert_eq!(limiter.quiet, limiter.gains.len());
    }
}
