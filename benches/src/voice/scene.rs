//! What engines are timed with: speech on both ends with echo, an exactly silent far end, silence on both sides.

use std::path::Path;

use super::{Error, down, read};

/// Both voices at one rate.
#[derive(Clone, Debug)]
pub struct Speech {
    /// Hz.
    pub rate: u32,
    near: Vec<f32>,
    far: Vec<f32>,
}

impl Speech {
    /// Reads two files of speech and brings them to `rate` Hz.
    ///
    /// # Errors
    /// When one cannot be read, is empty, or has a rate that is no multiple of `rate`.
    pub fn load(near: &Path, far: &Path, rate: u32) -> Result<Self, Error> {
        let load = |path: &Path| -> Result<Vec<f32>, Error> {
            let (signal, fast) = read(path)?;
            let factor = fast / rate;
            if factor * rate != fast {
                return Err(format!("{}: {fast} Hz is no multiple of {rate} Hz", path.display()).into());
            }
            if signal.len() < fast as usize {
                return Err(format!("{}: less than a second of speech", path.display()).into());
            }
            Ok(if factor == 1 { signal } else { down(&signal, factor as usize) })
        };
        Ok(Self { rate, near: load(near)?, far: load(far)? })
    }
}

/// Who speaks while the clock runs. Before it both ends have spoken, with echo, for some seconds: what has never
/// heard anything has nothing that could decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Both ends, the far end's echo in the microphone.
    Speech,
    /// The near end; the far end is exactly 0, as of a muted peer.
    FarSilent,
    /// Nobody: both are exactly 0.
    Silent,
}

/// All scenes, by name.
pub const SCENES: [(&str, Scene); 3] =
    [("speech", Scene::Speech), ("far end silent", Scene::FarSilent), ("silence", Scene::Silent)];

/// Speech before the clock runs, seconds.
const LEAD: usize = 4;
/// What is timed of speech, seconds.
const SPEECH: usize = 5;
/// What is timed of silence, seconds: long enough for recursive states to decay to the smallest numbers there are, on
/// which arithmetic is slow.
const SILENCE: usize = 20;

/// The room's answer: delay and reverberation time in seconds, level of the echo.
const DELAY: f32 = 0.04;
const REVERBERATION: f32 = 0.25;
const ECHO: f32 = 0.3;

/// Frames of both ends, one after the other.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Samples in a frame.
    pub len: usize,
    /// Frames before the clock runs.
    pub lead: usize,
    /// Far end and microphone, of one length, a multiple of `len`.
    pub far: Vec<f32>,
    /// As `far`.
    pub near: Vec<f32>,
}

impl Scene {
    /// The scene's signals.
    pub fn frames(self, speech: &Speech) -> Frames {
        let rate = speech.rate as usize;
        let timed = if self == Self::Speech { SPEECH } else { SILENCE };
        let all = (LEAD + timed) * rate;
        let mut far: Vec<f32> = speech.far.iter().copied().cycle().take(all).collect();
        let mut near: Vec<f32> = speech.near.iter().copied().cycle().take(all).collect();
        let silence = LEAD * rate;
        if self != Self::Speech {
            far[silence..].fill(0.0);
        }
        if self == Self::Silent {
            near[silence..].fill(0.0);
        }
        let lead = if self == Self::Silent { silence } else { all };
        let answer = answer(rate);
        for (n, near) in near[..lead].iter_mut().enumerate() {
            let heard = |&(delay, gain): &(usize, f32)| if delay <= n { far[n - delay] * gain } else { 0.0 };
            *near = (0.7 * *near + answer.iter().map(heard).sum::<f32>()).clamp(-1.0, 1.0);
        }
        Frames { len: rate / 100, lead: LEAD * 100, far, near }
    }
}

impl Frames {
    /// Pairs of a far end's and a microphone's frame.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.far.chunks_exact(self.len).zip(self.near.chunks_exact(self.len))
    }
}

/// Reflections (delay in samples, gain) that decay by 60 dB in the reverberation time: 200 of them, drawn by a
/// generator with a fixed seed.
fn answer(rate: usize) -> Vec<(usize, f32)> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let reflection = |index: usize| {
        let time = REVERBERATION * index as f32 / 200.0;
        let gain = ECHO * 10.0_f32.powf(-3.0 * time / REVERBERATION);
        let sign = if random() < 0.5 { -1.0 } else { 1.0 };
        let jitter = random() * REVERBERATION / 200.0;
        let scale = if index == 0 { 1.0 } else { 0.25 };
        (((DELAY + time + jitter) * rate as f32) as usize, sign * gain * scale)
    };
    (0..200).map(reflection).collect()
}
