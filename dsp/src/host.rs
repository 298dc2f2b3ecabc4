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
    /// Who suppresses noise: 1 the network, 0 the statistics of the spectrum; NaN when nobody does.
    Neural,
}

impl Figure {
    /// Length of the block.
    pub const COUNT: usize = Figure::Neural as usize + 1;
}

/// Codecs by the numbers that a host names them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu = 0,
    /// G.711 A-law.
    Pcma = 1,
    /// G.722.
    G722 = 2,
    /// 16-bit samples.
    L16 = 3,
    /// Opus, in a module that has it.
    Opus = 4,
    /// Comfort noise, RFC 3389.
    ComfortNoise = 5,
    /// Redundancy, RFC 2198; the codecs in it are named by payload types of their own.
    Red = 6,
}

impl Codec {
    const ALL: [Codec; 7] =
        [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16, Codec::Opus, Codec::ComfortNoise, Codec::Red];

    /// The codec of a number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| *codec as u32 == number)
    }
}

/// Places of the jitter buffer's statistics in the block that `receiver_statistics` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ReceiveFigure {
    /// 1 once the first packet is played.
    Playing = 0,
    /// Of what is played now, ms.
    Delay = 1,
    /// Delay that is aimed at, ms.
    Target = 2,
    /// Share that was concealed in the last two seconds, 0 to 1.
    Concealed = 3,
    /// The same since the beginning.
    ConcealedOfAll = 4,
    /// Share that was stretched, 0 to 1.
    Stretched = 5,
    /// Packets that were taken.
    Received = 6,
    /// Packets that never came.
    Lost = 7,
    /// Packets that came too late.
    Late = 8,
    /// Packets that were refused.
    Errors = 9,
    /// Missing packets that were played from a copy.
    Recovered = 10,
    /// What packets waited in the last two seconds, ms.
    Waited = 11,
}

impl ReceiveFigure {
    /// How many there are.
    pub const COUNT: usize = 12;
}
