//! Voice activity: how likely the near end speaks, from the waveform alone.
//!
//! The `earshot` crate's network (40 kB of weights) tells voice from typewriters, bars and traffic, where a ratio to the
//! tracked noise tells only that something moves: on the noises of our development set, at −35 and −45 dBFS, the latter
//! took 2 of 5 frames for speech, the network 1 of 100. It wants 16 ms at 16 kHz and one level, which is made here.

mod resampler;

use std::fmt;

use earshot::Detector;

use resampler::Resampler;

/// Samples at 16 kHz that the network takes at a time.
const BLOCK: usize = 256;
/// The peak that the network is given, and how far the level is changed for it at most.
const PEAK: f32 = 0.1;
const GAIN: std::ops::RangeInclusive<f32> = 0.1..=10.0;
/// Decay of the peak that is followed, per block: 11 dB a second, so that a quiet talker after a loud one is heard soon.
const DECAY: f32 = 0.98;
/// Blocks with a peak below this (−80 dBFS) hold no speech, and are not worth the network's work.
const SILENCE: f32 = 1e-4;

/// Voice activity detector for frames at any rate.
pub(crate) struct VoiceActivity {
    rate: u32,
    resampler: Resampler,
    block: [f32; BLOCK],
    filled: usize,
    peak: f32,
    probability: f32,
    detector: Box<Detector>,
}

impl VoiceActivity {
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            resampler: Resampler::new(rate),
            block: [0.0; BLOCK],
            filled: 0,
            peak: 0.0,
            probability: 0.0,
            detector: Detector::default_boxed(),
        }
    }

    /// Takes a frame (finite samples) and gives the probability of speech, 0 to 1, in the last whole 16 ms.
    pub fn process(&mut self, frame: &[f32]) -> f32 {
        let Self { resampler, block, filled, peak, probability, detector, .. } = self;
        resampler.process(frame, |sample| {
            block[*filled] = sample;
            *filled += 1;
            if *filled == BLOCK {
                *filled = 0;
                *probability = judge(block, peak, detector);
            }
        });
        self.probability
    }

    pub fn reset(&mut self) {
        self.resampler.reset();
        self.detector.reset();
        (self.filled, self.peak, self.probability) = (0, 0.0, 0.0);
    }
}

fn judge(block: &mut [f32; BLOCK], followed: &mut f32, detector: &mut Detector) -> f32 {
    let peak = block.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    *followed = peak.max(DECAY * *followed);
    if peak < SILENCE {
        *followed = followed.max(SILENCE);
        return 0.0;
    }
    let gain = (PEAK / *followed).clamp(*GAIN.start(), *GAIN.end());
    for sample in block.iter_mut() {
        *sample = (*sample * gain).clamp(-1.0, 1.0);
    }
    detector.predict_f32(block).clamp(0.0, 1.0)
}

/// The network's memory, half a second at most, is not copied: a clone begins to listen.
impl Clone for VoiceActivity {
    fn clone(&self) -> Self {
        Self::new(self.rate)
    }
}

impl fmt::Debug for VoiceActivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceActivity").field("peak", &self.peak).field("probability", &self.probability).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Glottal pulses of 120 Hz that glide, through three wandering formants, in syllables of 250 ms: enough of a voice.
    fn voice(rate: u32, seconds: u32) -> Vec<f32> {
        let (mut phase, mut states) = (0.0_f32, [[0.0_f32; 2]; 3]);
        let mut samples: Vec<f32> = (0..rate * seconds)
            .map(|n| {
                let t = n as f32 / rate as f32;
                let pitch = 120.0 + 20.0 * (2.1 * t).sin();
                phase += pitch / rate as f32;
                let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
                phase = phase.fract();
                let mut sum = 0.0;
                for (k, state) in states.iter_mut().enumerate() {
                    let formant = [600.0, 1_300.0, 2_500.0][k] * (1.0 + 0.2 * (t * [9.0, 7.0, 5.0][k]).sin());
                    let radius = (-std::f32::consts::PI * 90.0 / rate as f32).exp();
                    let turn = 2.0 * radius * (std::f32::consts::TAU * formant / rate as f32).cos();
                    let y = pulse + turn * state[0] - radius * radius * state[1];
                    *state = [y, state[0]];
                    sum += y / (k + 1) as f32;
                }
                sum * (0.5 - 0.5 * (std::f32::consts::TAU * 4.0 * t).cos())
            })
            .collect();
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        samples.iter_mut().for_each(|sample| *sample *= 0.3 / peak);
        samples
    }

    fn noise(rate: u32, seconds: u32) -> Vec<f32> {
        let mut state = 1_u32;
        (0..rate * seconds)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                0.03 * (state as f32 / u32::MAX as f32 - 0.5)
            })
            .collect()
    }

    /// Share of frames whose probability is above 3/4.
    fn share(rate: u32, signal: &[f32]) -> f32 {
        let mut vad = VoiceActivity::new(rate);
        let frames = signal.chunks_exact(rate as usize / 100);
        let (count, total) =
            frames.fold((0, 0), |(count, total), frame| (count + usize::from(vad.process(frame) > 0.75), total + 1));
        count as f32 / total as f32
    }

    #[test]
    fn voice_is_told_from_noise_at_every_rate_and_level() {
        for rate in crate::config::SAMPLE_RATES {
            let (voice, noise) = (voice(rate, 2), noise(rate, 2));
            for gain in [0.05, 1.0] {
                let scaled: Vec<f32> = voice.iter().map(|sample| sample * gain).collect();
                let (speech, hiss) = (share(rate, &scaled), share(rate, &noise));
                assert!(speech > 0.5 && hiss < 0.05, "{rate} Hz, {gain}: {speech} {hiss}");
            }
        }
    }

    #[test]
    fn silence_is_not_speech() {
        let mut vad = VoiceActivity::new(48_000);
        for _ in 0..200 {
            assert_eq!(vad.process(&[0.0; 480]), 0.0);
        }
    }
}
