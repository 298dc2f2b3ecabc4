//! What is played where nothing came: the voice goes on with its pitch, then fades into noise of the line.
//!
//! The last samples are split into a filter (linear prediction) and what drives it. The last pitch period of that is
//! repeated, with more and more noise among it, and drives the filter from where the samples ended, so that there is no
//! step. After [`HELD_MS`] the voice fades; what remains is noise with spectrum and level of the quietest stretch of the
//! last seconds.

use super::lpc::{HIGHEST, Memory, Predictor};
use super::pitch::{LONGEST_MS, PitchFinder};
use crate::codec::{ComfortNoise, DecodeError};
use crate::simd::energy;

/// How long the voice keeps its level, ms.
const HELD_MS: f32 = 20.0;
/// Behind that it loses 20 dB in so many ms.
const FADE_MS: f32 = 30.0;
/// Samples that are made in one piece.
const PIECE: usize = 96;
/// Below this nothing of it is heard, −80 dB.
const FADED: f32 = 1e-4;
/// How long samples are that the filter is taken from, ms.
const ANALYSED_MS: usize = 24;
/// The level of the background may rise by 1 dB in so many frames of 10 ms.
const RISE_FRAMES: f32 = 50.0;

/// Goes on with a signal.
#[derive(Clone, Debug)]
pub(crate) struct Concealer {
    rate: u32,
    window: Vec<f32>,
    windowed: Vec<f32>,
    filter: Predictor,
    memory: Memory,
    /// What drives the filter: the last pitch periods.
    excitation: Vec<f32>,
    lag: usize,
    /// Root mean square of the excitation.
    drive: f32,
    voicing: f32,
    /// Samples since the signal ended; `None` while it goes on by itself.
    at: Option<usize>,
    /// Of the voice, and what each sample behind [`HELD_MS`] takes of it.
    gain: f32,
    fade: f32,
    /// The noise that the sender describes for its pause, and whether it is in one.
    comfort: ComfortNoise,
    pause: bool,
    background: Predictor,
    background_memory: Memory,
    /// Mean power of the background, and root mean square of what drives its filter.
    background_power: f32,
    background_drive: f32,
    seed: u32,
}

impl Concealer {
    pub fn new(rate: u32) -> Self {
        let length = rate as usize / 1_000 * ANALYSED_MS;
        // Rises over most of the samples and falls in the last eighth: the latest count most.
        let rise = length * 7 / 8;
        let window = (0..length)
            .map(|n| {
                let position =
                    if n < rise { n as f32 / rise as f32 } else { (length - n) as f32 / (length - rise) as f32 };
                (std::f32::consts::FRAC_PI_2 * position).sin()
            })
            .collect();
        Self {
            rate,
            window,
            windowed: vec![0.0; length],
            filter: Predictor::new(rate),
            memory: [0.0; HIGHEST],
            excitation: vec![0.0; (LONGEST_MS * rate as f32 / 1_000.0) as usize + 1],
            lag: 1,
            drive: 0.0,
            voicing: 0.0,
            at: None,
            gain: 1.0,
            fade: 10.0_f32.powf(-1_000.0 / (FADE_MS * rate as f32)),
            comfort: ComfortNoise::new(),
            pause: false,
            background: Predictor::new(rate),
            background_memory: [0.0; HIGHEST],
            background_power: 1.0,
            background_drive: 0.0,
            seed: 1,
        }
    }

    /// Whether something is being concealed.
    pub fn is_active(&self) -> bool {
        self.at.is_some()
    }

    /// The pitch period that is being repeated, samples.
    pub fn lag(&self) -> usize {
        self.lag
    }

    /// Mean power of the background.
    pub fn background_power(&self) -> f32 {
        self.background_power
    }

    /// The signal goes on by itself.
    pub fn end(&mut self) {
        self.at = None;
        self.pause = false;
    }

    /// The sender fell silent and describes its noise (RFC 3389): the voice fades into that, at once. To be called behind
    /// [`Self::begin`].
    ///
    /// # Errors
    /// Those of [`ComfortNoise::update`]; then it is concealed as before.
    pub fn pause(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        self.comfort.update(payload)?;
        self.pause = true;
        Ok(())
    }

    /// Learns the background from what is played: `past` ends with a frame of 10 ms.
    pub fn observe(&mut self, past: &[f32]) {
        let length = self.windowed.len();
        let Some(frame) = past.len().checked_sub(length).map(|from| &past[from..]) else { return };
        let power = energy(frame) / length as f32;
        let risen = self.background_power * 10.0_f32.powf(0.1 / RISE_FRAMES) + 1e-12;
        if power > risen {
            self.background_power = risen;
            return;
        }
        self.background_power = power.max(1e-12);
        window(frame, &self.window, &mut self.windowed);
        self.background.analyse(&self.windowed, self.rate);
        self.background_drive = self.drive_of(&self.background, frame);
    }

    /// Root mean square of what drives a filter to these samples.
    fn drive_of(&self, filter: &Predictor, samples: &[f32]) -> f32 {
        let order = filter.order();
        let mut residual = [0.0; 256];
        let count = samples.len().saturating_sub(order).min(residual.len());
        filter.residual(&samples[samples.len() - count - order..], &mut residual[..count]);
        (energy(&residual[..count]) / count.max(1) as f32).sqrt()
    }

    /// The signal ended with the last sample of `past` (80 ms).
    pub fn begin(&mut self, past: &[f32], finder: &mut PitchFinder) {
        let length = self.windowed.len();
        if past.len() < length {
            return;
        }
        let period = finder.pitch(past);
        self.lag = period.lag.clamp(1, self.excitation.len());
        self.voicing = ((period.correlation - 0.3) / 0.5).clamp(0.0, 1.0);
        window(&past[past.len() - length..], &self.window, &mut self.windowed);
        self.go_on(past);
        self.background_memory = [0.0; HIGHEST];
    }

    /// The filter of what is in the window, driven by the last pitch period of `past` from where that ended.
    fn go_on(&mut self, past: &[f32]) {
        self.filter.analyse(&self.windowed, self.rate);
        let order = self.filter.order();
        self.filter.residual(&past[past.len() - self.lag - order..], &mut self.excitation[..self.lag]);
        self.drive = (energy(&self.excitation[..self.lag]) / self.lag as f32).sqrt();
        self.memory.copy_from_slice(&past[past.len() - HIGHEST..]);
        self.at = Some(0);
        self.gain = 1.0;
    }

    /// As [`Self::begin`], into the past: `samples` are what follows a gap, the first of them last, and `other` has the voice
    /// from before it. False when they are too few.
    pub fn begin_back(&mut self, samples: &[f32], other: &Self) -> bool {
        let (length, order) = (self.windowed.len(), self.filter.order());
        if samples.len() < (other.lag + order).max(length / 2).max(HIGHEST) {
            return false;
        }
        (self.lag, self.voicing) = (other.lag, other.voicing);
        let missing = length.saturating_sub(samples.len());
        let there = &samples[samples.len() - (length - missing)..];
        self.windowed[..missing].fill(0.0);
        window(there, &self.window[missing..], &mut self.windowed[missing..]);
        self.go_on(samples);
        true
    }

    /// The next samples.
    pub fn generate(&mut self, out: &mut [f32]) {
        for piece in out.chunks_mut(PIECE) {
            self.generate_piece(piece);
        }
    }

    fn generate_piece(&mut self, out: &mut [f32]) {
        let at = self.at.unwrap_or(0);
        let held = if self.pause { 0 } else { (HELD_MS * self.rate as f32 / 1_000.0) as usize };
        let mut voice = [0.0; PIECE];
        let voice = &mut voice[..out.len()];
        // Nothing is heard of it any more, long before its samples are too many to count.
        if self.gain > FADED {
            let ms = at as f32 * 1_000.0 / self.rate as f32;
            let noisy = 1.0 - self.voicing * (1.0 - ms / 200.0).max(0.3);
            let (voiced, noisy) = ((1.0 - noisy * noisy).max(0.0).sqrt(), noisy * self.drive);
            for (n, voice) in voice.iter_mut().enumerate() {
                *voice = voiced * self.excitation[(at + n) % self.lag] + noisy * self.random();
            }
            self.filter.synthesise(voice, &mut self.memory);
            self.at = Some(at + out.len());
        }
        if self.pause {
            self.comfort.generate(out);
        } else if at + out.len() > held {
            for out in out.iter_mut() {
                *out = self.random() * self.background_drive;
            }
            self.background.synthesise(out, &mut self.background_memory);
        }
        for (n, (out, voice)) in out.iter_mut().zip(voice).enumerate() {
            if at + n < held {
                *out = *voice;
                continue;
            }
            self.gain *= self.fade;
            *out = self.gain * *voice + (1.0 - self.gain * self.gain).max(0.0).sqrt() * *out;
        }
        if self.gain < FADED {
            self.gain = 0.0;
        }
    }

    /// White noise of unit power.
    fn random(&mut self) -> f32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        (self.seed as f32 / u32::MAX as f32 - 0.5) * 3.464
    }

    pub fn reset(&mut self) {
        self.end();
        self.comfort.reset();
        self.background_power = 1.0;
        self.background_drive = 0.0;
        self.memory = [0.0; HIGHEST];
        self.background_memory = [0.0; HIGHEST];
    }
}

fn window(samples: &[f32], window: &[f32], out: &mut [f32]) {
    for ((out, sample), window) in out.iter_mut().zip(samples).zip(window) {
        *out = sample * window;
    }
}
