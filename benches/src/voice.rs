//! The voice engines that are measured against each other, behind one interface: 10 ms frames of mono audio, full scale
//! ±1.0, the far end's frame before the microphone's.

mod ours;
#[cfg(feature = "peers")]
mod peers;
mod resample;
mod scene;
mod timing;
mod wav;

pub use resample::{down, up};
pub use scene::{SCENES, Scene, Speech};
pub use timing::{Figures, Load, measure};
pub use wav::{read, write};

/// What can go wrong here: a file, an engine that refuses a rate, a name that nobody has.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// All engines, in the order of the tables. [`create`] knows them; those behind the first with the feature `peers`.
pub const ENGINES: [&str; 5] = ["ours", "webrtc", "sonora", "speex", NOISE_ONLY];

/// Who does without an echo canceller and gain control, and runs at one rate only.
const NOISE_ONLY: &str = "rnnoise";
/// That rate, Hz.
const NOISE_ONLY_RATE: u32 = 48_000;

/// How strong WebRTC's and Sonora's noise suppression is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseLevel {
    /// About 12 dB: what both do unless told.
    #[default]
    Moderate,
    /// About 18 dB.
    High,
}

/// The stages that are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    /// Echo cancellation with suppression of the residual echo.
    pub echo: bool,
    /// Noise suppression.
    pub noise: bool,
    /// Automatic gain control with its limiter.
    pub gain: bool,
    /// For engines that have levels.
    pub level: NoiseLevel,
}

impl Stages {
    /// Everything.
    pub const CHAIN: Self = Self { echo: true, noise: true, gain: true, level: NoiseLevel::Moderate };
    /// The echo canceller alone.
    pub const ECHO: Self = Self { noise: false, gain: false, ..Self::CHAIN };
    /// Noise suppression alone.
    pub const NOISE: Self = Self { echo: false, gain: false, ..Self::CHAIN };
    /// Gain control alone.
    pub const GAIN: Self = Self { echo: false, noise: false, ..Self::CHAIN };
}

/// The combinations that are timed, by name.
pub const STAGES: [(&str, Stages); 4] =
    [("chain", Stages::CHAIN), ("echo", Stages::ECHO), ("noise", Stages::NOISE), ("gain", Stages::GAIN)];

/// One engine at one rate.
pub trait Engine {
    /// A frame that goes to the loudspeaker.
    ///
    /// # Errors
    /// What the engine says.
    fn render(&mut self, far: &[f32]) -> Result<(), Error>;

    /// A frame of the microphone, replaced by what is sent.
    ///
    /// # Errors
    /// What the engine says.
    fn capture(&mut self, near: &mut [f32]) -> Result<(), Error>;

    /// Replaces a frame after the far end's, as a call does.
    ///
    /// # Errors
    /// What the engine says.
    fn frame(&mut self, far: &[f32], near: &mut [f32]) -> Result<(), Error> {
        self.render(far)?;
        self.capture(near)
    }
}

/// Whether `engine` was built in and has all of `stages` at `rate` Hz.
pub fn can(engine: &str, rate: u32, stages: Stages) -> bool {
    match engine {
        "ours" => true,
        NOISE_ONLY => cfg!(feature = "peers") && rate == NOISE_ONLY_RATE && !stages.echo && !stages.gain,
        other => cfg!(feature = "peers") && ENGINES.contains(&other),
    }
}

/// The engine of [`ENGINES`] with this name, at rest.
///
/// # Errors
/// When nobody has this name, or the engine does not run at this rate.
pub fn create(engine: &str, rate: u32, stages: Stages) -> Result<Box<dyn Engine>, Error> {
    if !can(engine, rate, stages) {
        let engines = ENGINES.join(", ");
        return Err(format!("{engine} was not built in or does not do this; there are {engines}").into());
    }
    match engine {
        "ours" => Ok(Box::new(ours::Ours::new(rate, stages)?)),
        #[cfg(feature = "peers")]
        peer => peers::create(peer, rate, stages),
        #[cfg(not(feature = "peers"))]
        peer => Err(format!("{peer} needs the feature `peers`").into()),
    }
}

/// Runs an engine over whole signals of one rate; the far end's may be shorter or empty, silence follows it.
///
/// RNNoise gets signals of 16 kHz at its own 48 kHz.
///
/// # Errors
/// As [`create`] and the engine's own.
pub fn process(engine: &str, rate: u32, stages: Stages, far: &[f32], near: &[f32]) -> Result<Vec<f32>, Error> {
    if engine == NOISE_ONLY && rate != NOISE_ONLY_RATE {
        let factor = NOISE_ONLY_RATE / rate;
        if factor * rate != NOISE_ONLY_RATE {
            return Err(format!("rnnoise: 48 kHz is no multiple of {rate} Hz").into());
        }
        let fast = process(engine, NOISE_ONLY_RATE, stages, &[], &up(near, factor as usize))?;
        let mut slow = down(&fast, factor as usize);
        slow.resize(near.len(), 0.0);
        return Ok(slow);
    }
    let frame = (rate / 100) as usize;
    let mut engine = create(engine, rate, stages)?;
    let (mut input, mut played) = (vec![0.0; frame], vec![0.0; frame]);
    let mut output = Vec::with_capacity(near.len() + frame);
    for (index, chunk) in near.chunks(frame).enumerate() {
        fill(&mut input, chunk);
        fill(&mut played, far.chunks(frame).nth(index).unwrap_or_default());
        engine.frame(&played, &mut input)?;
        output.extend_from_slice(&input[..chunk.len()]);
    }
    Ok(output)
}

/// A frame from the rest of a signal, silence behind its end.
fn fill(frame: &mut [f32], chunk: &[f32]) {
    frame[..chunk.len()].copy_from_slice(chunk);
    frame[chunk.len()..].fill(0.0);
}
