//! What a host that speaks to the engine in numbers says and reads: stages as bits, figures by their place.
//!
//! The worklet's C interface and the page agree by this file. Numbers are only ever added.

/// Which stages run: any of these, added.
pub mod stages {
    /// The high-pass.
    pub const HIGH_PASS: u32 = 1;
    /// Echo cancellation.
    pub const ECHO: u32 = 1 << 1;
    /// Noise suppression, at a low level unless told.
    pub const NOISE: u32 = 1 << 2;
    /// Gain control.
    pub const GAIN: u32 = 1 << 3;
    /// With [`NOISE`]: the moderate level.
    pub const NOISE_MODERATE: u32 = 1 << 4;
    /// With [`NOISE`]: the high level.
    pub const NOISE_HIGH: u32 = 1 << 5;
    /// With [`NOISE`]: the neural engine, once its weights are there; the spectral one until then.
    pub const NEURAL: u32 = 1 << 6;
    /// All that there is.
    pub const ALL: u32 = (1 << 7) - 1;
}

/// The place of each figure in the block of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Figure {
    /// Level of the microphone, dBFS (RMS over about 100 ms), −100 to 0.
    Level,
    /// Delay that the stages and the cutting into frames add, ms.
    Latency,
    /// How much of the echo is taken away, dB.
    Erle,
    /// Delay of the loudspeaker's sound in the microphone, ms; NaN while it is not known.
    Delay,
    /// Clock drift between loudspeaker and microphone, parts per million.
    Drift,
    /// How sure it is that both sides speak, 0 to 1.
    DoubleTalk,
    /// How sure it is that somebody speaks into the microphone, 0 to 1.
    Speech,
    /// Level of the input, dBFS.
    Input,
    /// Level of the output, dBFS.
    Output,
    /// The gain that is being applied, dB.
    Gain,
    /// Level of the noise, dBFS.
    Noise,
}

impl Figure {
    /// Length of the block.
    pub const COUNT: usize = Figure::Noise as usize + 1;
}
