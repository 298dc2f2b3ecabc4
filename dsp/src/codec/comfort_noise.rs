//! Comfort noise (CN, RFC 3389): what stands for a pause of a sender that falls silent. A level, and the reflection
//! coefficients of an all-pole model, made sound by a lattice filter over white noise.

use super::DecodeError;

/// Coefficients that are used. More are cut off, as RFC 3389 §3 lets a receiver.
const MOST_COEFFICIENTS: usize = 12;
/// Nearer to ±1 the filter rings on one tone for seconds; 255, which is none of RFC 3389's values, would make it unstable.
const MOST_REFLECTION: f32 = 0.99;

/// How fast level and spectrum follow a new payload: the time constant of the way there, in samples at any rate.
const SMOOTHING: f32 = 1.0 / 256.0;
/// Less than this is nothing, long before denormals.
const TINY: f32 = 1e-15;

/// Noise by the last payload. Each stream has one.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    wanted: Model,
    now: Model,
    /// Backward errors of the lattice, nearest to the output first.
    lattice: [f32; MOST_COEFFICIENTS],
    random: u32,
    begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Model {
    /// RMS of the noise.
    level: f32,
    reflection: [f32; MOST_COEFFICIENTS],
}

impl Default for ComfortNoise {
    fn default() -> ComfortNoise {
        ComfortNoise::new()
    }
}

impl ComfortNoise {
    /// Silent until there is a payload.
    #[must_use]
    pub fn new() -> ComfortNoise {
        let silent = Model { level: 0.0, reflection: [0.0; MOST_COEFFICIENTS] };
        ComfortNoise {
            wanted: silent,
            now: silent,
            lattice: [0.0; MOST_COEFFICIENTS],
            random: 0x2545_F491,
            begun: false,
        }
    }

    /// Goes over to the noise that a payload describes.
    ///
    /// # Errors
    /// The payload is empty; the bit that RFC 3389 §3.1 keeps at zero is set. Then the noise stays as it was.
    pub fn update(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let (level, coefficients) = payload.split_first().ok_or(DecodeError::Empty)?;
        if *level > 127 {
            return Err(DecodeError::Malformed);
        }
        // −dBov: 0 is the power of a square wave at full scale.
        let level = 10.0_f32.powf(f32::from(*level) / -20.0);
        let mut model = Model { level, reflection: [0.0; MOST_COEFFICIENTS] };
        for (reflection, quantised) in model.reflection.iter_mut().zip(coefficients) {
            // RFC 3389 §3.2.
            let exact = (f32::from(*quantised) - 127.0) * 258.0 / 32_768.0;
            *reflection = exact.clamp(-MOST_REFLECTION, MOST_REFLECTION);
        }
        self.wanted = model;
        if !self.begun {
            self.now = model;
            self.begun = true;
        }
        Ok(())
    }

    /// Fills `out` with noise, at the stream's rate.
    pub fn generate(&mut self, out: &mut [f32]) {
        for sample in out {
            self.approach();
            // Per sample, for the coefficients are on their way: what the filter adds to the power of white noise.
            let gain: f32 = self.now.reflection.iter().map(|k| 1.0 - k * k).product();
            let excitation = self.now.level * gain.sqrt() * self.white();
            *sample = self.filter(excitation).clamp(-1.0, 1.0);
        }
    }

    /// Forgets the payload: silent again.
    pub fn reset(&mut self) {
        *self = ComfortNoise::new();
    }

    fn approach(&mut self) {
        if self.now == self.wanted {
            return;
        }
        let step = |now: &mut f32, wanted: f32| {
            *now += (wanted - *now) * SMOOTHING;
            if (wanted - *now).abs() < 1e-6 {
                *now = wanted;
            }
        };
        step(&mut self.now.level, self.wanted.level);
        for (now, wanted) in self.now.reflection.iter_mut().zip(self.wanted.reflection) {
            step(now, wanted);
        }
    }

    /// The all-pole lattice of the reflection coefficients: stable while all are within ±1.
    fn filter(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        for index in (0..MOST_COEFFICIENTS).rev() {
            let (k, backward) = (self.now.reflection[index], self.lattice[index]);
            forward -= k * backward;
            if let Some(next) = self.lattice.get_mut(index + 1) {
                let value = backward + k * forward;
                *next = if value.abs() < TINY { 0.0 } else { value };
            }
        }
        self.lattice[0] = if forward.abs() < TINY { 0.0 } else { forward };
        forward
    }

    /// White, RMS 1: the sum of three numbers of a linear congruential generator, nearly a normal distribution.
    fn white(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..3 {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.random >> 8) as f32 / 8_388_608.0 - 1.0;
        }
        // Each has a variance of 1/3.
        sum
    }
}
