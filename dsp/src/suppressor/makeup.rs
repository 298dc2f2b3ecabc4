//! Gives speech the level back that noise suppression takes.
//!
//! Where speech and noise share a bin, a gain that takes the noise takes some of the speech. How much went is known from
//! frames in which speech is far above the noise: their power less that of the noise, against what the gains left. One slow
//! gain for all bins puts it back, which changes neither the sound of the speech nor how far it stands above the noise.

use crate::simd::kernels;

/// A frame tells of speech from this ratio of power to noise on: 7 dB.
const ABOVE_NOISE: f32 = 5.0;
/// Weight of the frames before, of those that tell: 1 s.
const MEMORY: f32 = 0.99;
/// Largest gain, as an amplitude: 1 dB. More seems to be lost where noise that changes is taken for speech.
const MOST: f32 = 1.122;

/// Powers of speech in and out, over about a second of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Makeup {
    speech: f32,
    left: f32,
}

impl Makeup {
    /// Takes the powers of a frame's bins and of their noise, and the amplitude gains that they got; as many of each.
    pub fn update(&mut self, power: &[f32], noise: &[f32], gains: &[f32]) {
        let [power, noise, left] = sums(power, noise, gains);
        if power > ABOVE_NOISE * noise {
            self.speech = MEMORY * self.speech + power - noise;
            self.left = MEMORY * self.left + left;
        }
    }

    /// The amplitude gain that makes up for the loss: 1 to 1.12, 1 before anybody spoke.
    pub fn gain(&self) -> f32 {
        if self.left > 0.0 { (self.speech / self.left).sqrt().clamp(1.0, MOST) } else { 1.0 }
    }
}

kernels! {
    /// Sums of the powers, of the noise and of what the gains leave, without up to seven of the last bins, which hold no speech.
    fn sums(power: &[f32], noise: &[f32], gains: &[f32]) -> [f32; 3] {
        let mut sums = [[0.0_f32; 8]; 3];
        let chunks = power.chunks_exact(8).zip(noise.chunks_exact(8)).zip(gains.chunks_exact(8));
        for ((power, noise), gains) in chunks {
            for k in 0..8 {
                sums[0][k] += power[k];
                sums[1][k] += noise[k];
                sums[2][k] += power[k] * gains[k] * gains[k];
            }
        }
        sums.map(|sums| sums.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gain after 20 frames of one power in each bin, with noise of 1 in each.
    fn gain(power: f32, taken: f32) -> f32 {
        let mut makeup = Makeup::default();
        (0..20).for_each(|_| makeup.update(&[power; 161], &[1.0; 161], &[taken; 161]));
        makeup.gain()
    }

    #[test]
    fn what_speech_has_lost_comes_back() {
        assert!((gain(1e4, 0.95) * 0.95 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn noise_and_silence_get_nothing() {
        assert_eq!(gain(2.0, 0.1), 1.0);
        assert_eq!(gain(0.0, 1.0), 1.0);
    }

    #[test]
    fn the_gain_is_between_0_and_1_db() {
        assert_eq!(gain(1e4, 1.1), 1.0);
        assert_eq!(gain(1e4, 0.1), MOST);
    }
}
