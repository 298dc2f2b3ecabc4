//! Active level of speech: the mean power of the frames in which somebody speaks (ITU-T P.56, method B), on the fly.

use super::decibels;

/// Probability of speech that is taken for certain, and for how many frames it then is.
const CERTAIN: f32 = 0.75;
const CERTAIN_FRAMES: u32 = 30;
/// Probability below which a frame is noise.
const NOISE: f32 = 0.3;
/// Noise is never taken to be less, −120 dBFS.
const FAINTEST_NOISE: f32 = 1e-12;
/// Weight of a frame in the power whose least is looked for, and the parts of two seconds in which it is, frames each.
const SMOOTH: f32 = 0.5;
const PARTS: usize = 4;
const PART: u32 = 50;
/// Speech stands this far, as a power ratio, above the noise (8 dB) and above −68 dBFS.
const ABOVE_NOISE: f32 = 6.3;
const FAINTEST: f32 = 1.6e-7;
/// Frames without speech that still belong to it: the hangover of P.56, 200 ms.
const HANGOVER: u32 = 20;
/// Frames of active speech over which the level of now is taken: after a rise, and after a fall. Speech of less than the
/// latter says nothing sure about a talker.
const RISE_WINDOW: usize = 30;
const FALL_WINDOW: usize = 60;
/// How far the level of now must be from the long one, dB, to be another talker's: within the short window, up and down.
const RISEN_AT_ONCE: f32 = 6.0;
const RISEN: f32 = 3.0;
const FALLEN: f32 = 5.0;
/// Frames of active speech that the long level remembers: 3 s.
const MEMORY: f32 = 300.0;
/// What P.56 finds above our mean, dB: it leaves the faintest parts of speech out.
const P56: f32 = 0.7;
/// Frames of active speech before anything is said.
const FIRST: f32 = 10.0;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Speech,
    Hangover,
    Pause,
}

/// Mean power of what is not speech.
///
/// A detector that takes a hum or a crowd for a voice must not keep it from being learnt: a single voice falls silent
/// between syllables, so the least power of the last two seconds is noise whatever the detector says (after Martin, "Noise
/// power spectral density estimation based on optimal smoothing and minimum statistics", IEEE TSAP 9, 2001).
#[derive(Clone, Debug)]
pub(super) struct NoiseFloor {
    power: f32,
    /// Power over about 20 ms.
    smooth: f32,
    /// The least of it in each of the last parts of the two seconds, as a ring, and in the one that runs.
    least: [f32; PARTS],
    lowest: f32,
    part: usize,
    frames: u32,
}

impl NoiseFloor {
    pub fn new() -> Self {
        Self { power: 1e-6, smooth: 0.0, least: [0.0; PARTS], lowest: f32::MAX, part: 0, frames: 0 }
    }

    /// Takes a frame's mean square and its probability of speech.
    pub fn update(&mut self, power: f32, speech: f32) {
        if speech < NOISE {
            self.power += 0.05 * (power - self.power);
        }
        // Nothing heard can be below the noise, speech or not.
        if power < self.power {
            self.power += 0.1 * (power - self.power);
        }
        self.power = self.power.max(self.least(power)).max(FAINTEST_NOISE);
    }

    /// The least power of the last two seconds; 0 before there are any.
    fn least(&mut self, power: f32) -> f32 {
        self.smooth = (self.smooth + SMOOTH * (power - self.smooth)).max(FAINTEST_NOISE);
        self.lowest = self.lowest.min(self.smooth);
        self.frames += 1;
        if self.frames == PART {
            self.least[self.part] = self.lowest;
            self.part = (self.part + 1) % PARTS;
            (self.lowest, self.frames) = (f32::MAX, 0);
        }
        self.least.iter().fold(self.lowest, |least, of| least.min(*of))
    }

    pub fn dbfs(&self) -> f32 {
        decibels(self.power)
    }
}

/// Measures the level of the talker of now, and of the noise.
///
/// The long level is a running mean over active frames, each weighted alike until there are three seconds of them. When
/// the last 0.3 s (or 0.6 s) of speech differ too much, the mean begins anew with them: a step is followed within the
/// second, and between steps the level is as steady as a mean over seconds.
#[derive(Clone, Debug)]
pub(super) struct SpeechLevel {
    /// Ring of the last active frames' powers.
    recent: [f32; FALL_WINDOW],
    position: usize,
    filled: usize,
    mean: f32,
    weight: f32,
    noise: NoiseFloor,
    certain: u32,
    hangover: u32,
}

impl SpeechLevel {
    pub fn new() -> Self {
        Self {
            recent: [0.0; FALL_WINDOW],
            position: 0,
            filled: 0,
            mean: 0.0,
            weight: 0.0,
            noise: NoiseFloor::new(),
            certain: 0,
            hangover: 0,
        }
    }

    /// Takes a frame's mean square and its probability of speech.
    pub fn update(&mut self, power: f32, speech: f32) -> Activity {
        self.noise.update(power, speech);
        self.certain = if speech > CERTAIN { CERTAIN_FRAMES } else { self.certain.saturating_sub(1) };
        let speaks = self.certain > 0 && power > ABOVE_NOISE * self.noise.power && power > FAINTEST;
        self.hangover = if speaks { HANGOVER } else { self.hangover.saturating_sub(1) };
        if self.hangover == 0 {
            return Activity::Pause;
        }
        self.count(power);
        if speaks {
            self.follow();
            Activity::Speech
        } else {
            Activity::Hangover
        }
    }

    /// Active level of the talker, dBFS; `None` before anybody spoke.
    pub fn speech_dbfs(&self) -> Option<f32> {
        (self.weight >= FIRST).then(|| decibels(self.mean) + P56)
    }

    fn count(&mut self, power: f32) {
        self.recent[self.position] = power;
        self.position = (self.position + 1) % FALL_WINDOW;
        self.filled = (self.filled + 1).min(FALL_WINDOW);
        self.weight = (self.weight + 1.0).min(MEMORY);
        self.mean += (power - self.mean) / self.weight;
    }

    /// Begins the mean anew where the last frames contradict it.
    fn follow(&mut self) {
        let mean = decibels(self.mean);
        if self.filled >= RISE_WINDOW {
            let now = self.mean_of_last(RISE_WINDOW);
            if decibels(now) > mean + RISEN_AT_ONCE {
                (self.mean, self.weight) = (now, RISE_WINDOW as f32);
                return;
            }
        }
        if self.filled == FALL_WINDOW {
            let now = self.mean_of_last(FALL_WINDOW);
            if !(mean - FALLEN..=mean + RISEN).contains(&decibels(now)) {
                (self.mean, self.weight) = (now, FALL_WINDOW as f32);
            }
        }
    }

    fn mean_of_last(&self, frames: usize) -> f32 {
        let last = (1..=frames).map(|back| self.recent[(self.position + FALL_WINDOW - back) % FALL_WINDOW]);
        last.sum::<f32>() / frames as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The floor after three seconds of frames that a detector is sure of, each with the power that its number has.
    fn floor(power: impl Fn(u32) -> f32) -> f32 {
        let mut floor = NoiseFloor::new();
        (0..300).for_each(|frame| floor.update(power(frame), 0.9));
        floor.dbfs()
    }

    #[test]
    fn what_never_falls_silent_is_noise_whatever_the_detector_says() {
        assert!((floor(|_| 1e-4) + 40.0).abs() < 0.5);
        // A crowd: it swells and ebbs by 6 dB.
        let crowd = floor(|frame| if frame / 15 % 2 == 0 { 1e-4 } else { 2.5e-5 });
        assert!((-47.0..-43.0).contains(&crowd), "{crowd}");
    }

    #[test]
    fn a_voice_is_none_as_it_falls_silent_between_syllables() {
        let voice = floor(|frame| if frame % 20 < 14 { 1e-3 } else { 1e-7 });
        assert!(voice < -45.0, "{voice}");
        let quieter_than_thought = floor(|_| 1e-9);
        assert!((quieter_than_thought + 90.0).abs() < 1.0, "{quieter_than_thought}");
    }

    #[test]
    fn silence_leaves_no_denormals() {
        let mut floor = NoiseFloor::new();
        floor.update(1e-3, 0.9);
        for _ in 0..10_000 {
            floor.update(0.0, 0.0);
            assert!(floor.power.is_normal() && floor.smooth.is_normal());
        }
    }
}
