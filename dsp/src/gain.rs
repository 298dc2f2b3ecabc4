//! Gain control: brings speech to one level, and leaves what is not speech where it was.
//!
//! Three questions are asked of each frame. How loud does the talker speak? [`SpeechLevel`] measures the active level of
//! ITU-T P.56, fast where the talker changes and slow where not. How much gain follows? As much as is missing to the target,
//! less when speech hardly stands above the noise, and more than before only on evidence of speech. How much of it may
//! this frame have? All of it as far as the frame stands above the noise: pauses keep the level that they had.

mod level;

use crate::config;
use crate::limiter::Limiter;
use crate::simd::{energy, kernels};
use crate::vad::VoiceActivity;
use level::{Activity, NoiseFloor, SpeechLevel};

/// Frames of speech, in the last seconds, that must be heard before the gain rises; a frame without takes a quarter back.
const EVIDENCE: f32 = 30.0;
const EVIDENCE_MOST: f32 = 60.0;
const EVIDENCE_LOST: f32 = 0.25;
/// How fast the gain rises and falls, dB per frame.
const RISE: f32 = 0.8;
const FALL: f32 = 2.0;
/// Largest attenuation, dB.
const ATTENUATION: f32 = 30.0;
/// Speech that stands above the noise by less than this, dB, is not raised; each dB more allows three of gain.
const CONTRAST: f32 = 8.0;
const CONTRAST_SLOPE: f32 = 3.0;
/// A frame this far above the noise, dB, begins to get gain, and has all of it `OPEN_WIDTH` higher.
const OPEN: f32 = 9.0;
const OPEN_WIDTH: f32 = 12.0;
/// How far below the talker's level a frame must be, dB, before it can be a pause at all.
const PAUSE: f32 = 14.0;
/// Noise that would be below this, dBFS, after the gain is not heard: then pauses may have the gain too.
const INAUDIBLE: f32 = -70.0;
const INAUDIBLE_WIDTH: f32 = 10.0;
/// How fast the gain leaves at the end of speech, share per frame.
const CLOSE: f32 = 0.9;

/// The whole stage: voice activity, level control, limiter.
#[derive(Clone, Debug)]
pub(crate) struct AutomaticGain {
    voice: VoiceActivity,
    control: GainControl,
    limiter: Limiter,
    /// Mean square of the frame that was listened to.
    heard: f32,
    voice_probability: f32,
    speech: f32,
}

impl AutomaticGain {
    pub fn new(rate: u32, config: &config::GainControl) -> Self {
        Self {
            voice: VoiceActivity::new(rate),
            control: GainControl::new(config),
            limiter: Limiter::new(rate),
            heard: 0.0,
            voice_probability: 0.0,
            speech: 0.0,
        }
    }

    /// Takes another target and another largest gain; what is known of the talker stays.
    pub fn set_config(&mut self, config: &config::GainControl) {
        self.control.set_config(config);
    }

    /// Samples by which the output is later.
    pub fn latency(&self) -> usize {
        self.limiter.latency()
    }

    /// Listens to `frame` before its noise is suppressed: what is left of noise can sound like a voice. Whether it is one
    /// need not be found out where somebody else knows and tells [`process`](Self::process).
    pub fn listen(&mut self, frame: &[f32], is_told: bool) {
        self.heard = mean_square(frame);
        if !is_told {
            self.voice_probability = self.voice.process(frame);
        }
    }

    /// Levels `frame` in place. `near_end` is the probability that what is heard comes from the near end and not from the
    /// loudspeaker: residual echo is no talker. `told` is that of a voice of the near end, where somebody else knows it.
    pub fn process(&mut self, frame: &mut [f32], told: Option<f32>, near_end: f32) {
        self.control.surroundings.update(self.heard, told.unwrap_or(self.voice_probability));
        self.speech = told.unwrap_or(self.voice_probability * near_end);
        self.control.process(frame, self.speech);
        self.limiter.process(frame);
    }

    /// Probability of near-end speech in the last frame, 0 to 1.
    pub fn speech_probability(&self) -> f32 {
        self.speech
    }

    /// The gain that speech has now, dB.
    pub fn gain_db(&self) -> f32 {
        self.control.gain_db
    }

    pub fn reset(&mut self) {
        self.voice.reset();
        self.control.reset();
        self.limiter.reset();
        (self.voice_probability, self.speech) = (0.0, 0.0);
    }
}

/// Level control for frames of 10 ms.
#[derive(Clone, Debug)]
struct GainControl {
    target: f32,
    most: f32,
    level: SpeechLevel,
    /// The noise before it is suppressed.
    surroundings: NoiseFloor,
    evidence: f32,
    gain_db: f32,
    open: f32,
    /// Factor that the last sample had.
    factor: f32,
}

impl GainControl {
    pub fn new(config: &config::GainControl) -> Self {
        Self {
            target: config.target_dbfs,
            most: config.max_gain_db,
            level: SpeechLevel::new(),
            surroundings: NoiseFloor::new(),
            evidence: 0.0,
            gain_db: 0.0,
            open: 0.0,
            factor: 1.0,
        }
    }

    /// Takes another target and another largest gain; what is known of the talker stays.
    pub fn set_config(&mut self, config: &config::GainControl) {
        (self.target, self.most) = (config.target_dbfs, config.max_gain_db);
    }

    /// Levels `frame` in place, without delay; `speech` is the probability of near-end speech in it, 0 to 1. What comes
    /// out may exceed full scale.
    pub fn process(&mut self, frame: &mut [f32], speech: f32) {
        let power = mean_square(frame);
        let active = self.level.update(power, speech);
        self.evidence = match active {
            Activity::Speech => (self.evidence + 1.0).min(EVIDENCE_MOST),
            _ => (self.evidence - EVIDENCE_LOST).max(0.0),
        };
        if let (Some(level), true) = (self.level.speech_dbfs(), active != Activity::Pause) {
            let step = self.wanted(level) - self.gain_db;
            self.gain_db += step.clamp(-FALL, RISE);
        }
        self.apply(frame, decibels(power));
    }

    pub fn reset(&mut self) {
        self.level = SpeechLevel::new();
        self.surroundings = NoiseFloor::new();
        (self.evidence, self.gain_db, self.open, self.factor) = (0.0, 0.0, 0.0, 1.0);
    }

    fn wanted(&self, level: f32) -> f32 {
        let missing = (self.target - level).clamp(-ATTENUATION, self.most);
        let contrast = level - self.surroundings.dbfs();
        let allowed = (CONTRAST_SLOPE * (contrast - CONTRAST)).max(0.0);
        let known = if self.evidence < EVIDENCE { self.gain_db } else { f32::INFINITY };
        missing.min(allowed).min(known)
    }

    fn apply(&mut self, frame: &mut [f32], dbfs: f32) {
        // The noise before it is suppressed: what is left of it lies so low that every breath would stand above it.
        let noise = self.surroundings.dbfs();
        let level = self.level.speech_dbfs().unwrap_or(0.0);
        let start = (noise + OPEN).max(level - PAUSE);
        let above = ((dbfs - start) / OPEN_WIDTH).clamp(0.0, 1.0);
        let inaudible = ((INAUDIBLE + INAUDIBLE_WIDTH - noise - self.gain_db) / INAUDIBLE_WIDTH).clamp(0.0, 1.0);
        let open = above.max(inaudible);
        self.open = if open > self.open { open } else { self.open + CLOSE * (open - self.open) };
        // A gain below unity is for the loud talker's pauses too.
        let gain = if self.gain_db > 0.0 { self.open * self.gain_db } else { self.gain_db };
        let factor = 10_f32.powf(gain / 20.0);
        let slope = (factor - self.factor) / frame.len() as f32;
        ramp(self.factor, slope, frame);
        self.factor = factor;
    }
}

kernels! {
    /// Multiplies by a factor that changes by `slope` with each sample.
    fn ramp(factor: f32, slope: f32, frame: &mut [f32]) {
        for (n, sample) in frame.iter_mut().enumerate() {
            *sample *= factor + slope * (n + 1) as f32;
        }
    }
}

fn mean_square(frame: &[f32]) -> f32 {
    energy(frame) / frame.len() as f32
}

/// Of a mean square, in dB; nothing is below −100.
fn decibels(power: f32) -> f32 {
    10.0 * (power + 1e-10).log10()
}
