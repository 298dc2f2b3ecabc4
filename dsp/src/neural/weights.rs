//! The network's weights, and the file that holds them.
//!
//! It holds, little-endian: `SPNN`, version (u16 = 3), 0 (u16), a checksum (u32, FNV-1a of all that follows), then the weights
//! (f32) in the order in which [`Network::from_bytes`] takes them; `dsp/training/export.py` writes it.

const MAGIC: &[u8; 4] = b"SPNN";
const VERSION: u16 = 3;
const HEADER: usize = 12;
/// Bands at the network's ends, after its first layer, and in its middle.
pub(super) const BANDS: usize = 129;
pub(super) const HALF: usize = 65;
pub(super) const ROWS: usize = 33;
/// What the network sees of a band.
pub(super) const INPUTS: usize = 5;
/// Channels of a row, of each of their two groups, and what three gates of a group take.
pub(super) const C: usize = 16;
pub(super) const G: usize = 8;
pub(super) const GATES: usize = 3 * G;
/// What the last layer has room for: two numbers whose length is the gain for speech, the gain against echo, and nothing.
pub(super) const ANSWERS: usize = 4;

/// Why a file is not a network that this version can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// It does not begin like one.
    Format,
    /// It has another version.
    Version {
        /// The file's.
        found: u16,
    },
    /// It is cut off or has more than it should.
    Length {
        /// Bytes that it should have.
        expected: usize,
        /// Bytes that it has.
        actual: usize,
    },
    /// Its checksum is wrong, or it holds a number that is not finite.
    Corrupt,
}

impl std::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Format => write!(f, "not a network's file"),
            Self::Version { found } => write!(f, "network of version {found}, {VERSION} is known"),
            Self::Length { expected, actual } => write!(f, "network of {actual} bytes, {expected} expected"),
            Self::Corrupt => write!(f, "network with damaged weights"),
        }
    }
}

impl std::error::Error for NetworkError {}

/// Takes weights in their order.
struct Reader<'a> {
    bytes: &'a [u8],
    taken: usize,
    finite: bool,
}

impl Reader<'_> {
    /// The next weight; 0 behind the end, which shows in `taken`.
    fn one(&mut self) -> f32 {
        let four = self.bytes.get(4 * self.taken..).and_then(|rest| rest.first_chunk());
        let value = four.map_or(0.0, |four| f32::from_le_bytes(*four));
        self.taken += 1;
        self.finite &= value.is_finite();
        value
    }

    fn row<const N: usize>(&mut self) -> [f32; N] {
        std::array::from_fn(|_| self.one())
    }

    fn rows<const N: usize>(&mut self, count: usize) -> Vec<[f32; N]> {
        (0..count).map(|_| self.row()).collect()
    }

    fn matrix<const N: usize, const M: usize>(&mut self) -> [[f32; N]; M] {
        std::array::from_fn(|_| self.row())
    }

    fn taps<const N: usize, const M: usize>(&mut self, count: usize) -> Vec<[[f32; N]; M]> {
        (0..count).map(|_| self.matrix()).collect()
    }
}

/// The first layer: seven bands wide, every second band.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) weights: Vec<[[f32; C]; INPUTS]>,
    pub(super) bias: [f32; C],
    pub(super) slope: f32,
    /// What the seven bands count too much at either end, beyond which there is nothing, not even a neighbour of something.
    pub(super) ends: [[[f32; C]; INPUTS]; 2],
}

impl First {
    /// Three bands that each band shows together, and five such over which the layer goes, are seven bands.
    fn take(reader: &mut Reader) -> Self {
        let threes: Vec<[[f32; C]; 3 * INPUTS]> = reader.taps(5);
        let mut weights = vec![[[0.0; C]; INPUTS]; 7];
        for (from, three) in threes.iter().enumerate() {
            for (k, row) in three.iter().enumerate() {
                let sums = &mut weights[from + k % 3][k / 3];
                sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
            }
        }
        let end = |from: usize, which: usize| std::array::from_fn(|input| threes[from][3 * input + which]);
        Self { weights, bias: reader.row(), slope: reader.one(), ends: [end(1, 2), end(3, 0)] }
    }
}

/// A layer in two groups, five bands wide: half as many bands, or twice as many.
#[derive(Clone, Debug)]
pub(super) struct Grouped {
    pub(super) weights: [Vec<[[f32; G]; G]>; 2],
    pub(super) bias: [[f32; G]; 2],
    pub(super) slope: f32,
}

impl Grouped {
    fn take(reader: &mut Reader) -> Self {
        Self { weights: [reader.taps(5), reader.taps(5)], bias: reader.matrix(), slope: reader.one() }
    }
}

/// A block: half of the channels go through it, weighed by what they were over time, and are mixed with the other half.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) widen: Vec<[[f32; C]; G]>,
    pub(super) widen_bias: [f32; C],
    pub(super) widen_slope: f32,
    pub(super) depth: [[[f32; C]; 3]; 3],
    pub(super) depth_bias: [f32; C],
    pub(super) depth_slope: f32,
    pub(super) narrow: Vec<[[f32; G]; C]>,
    pub(super) narrow_bias: [f32; G],
    pub(super) given: [[f32; 3 * C]; G],
    pub(super) recurrent: [[f32; 3 * C]; C],
    pub(super) given_bias: [f32; 3 * C],
    pub(super) recurrent_bias: [f32; 3 * C],
    pub(super) weigh: [[f32; G]; C],
    pub(super) weigh_bias: [f32; G],
}

impl Block {
    fn take(reader: &mut Reader) -> Self {
        Self {
            widen: reader.taps(3),
            widen_bias: reader.row(),
            widen_slope: reader.one(),
            depth: std::array::from_fn(|_| reader.matrix()),
            depth_bias: reader.row(),
            depth_slope: reader.one(),
            narrow: reader.taps(1),
            narrow_bias: reader.row(),
            given: reader.matrix(),
            recurrent: reader.matrix(),
            given_bias: reader.row(),
            recurrent_bias: reader.row(),
            weigh: reader.matrix(),
            weigh_bias: reader.row(),
        }
    }
}

/// What both kinds of recurrent units have: the gates of two groups, and the layer behind.
#[derive(Clone, Debug)]
pub(super) struct Recurrent {
    pub(super) given: [Vec<[[f32; GATES]; G]>; 2],
    pub(super) given_bias: [[f32; GATES]; 2],
    pub(super) behind: Vec<[[f32; C]; C]>,
    pub(super) behind_bias: [f32; C],
    pub(super) norm: Vec<[f32; C]>,
    pub(super) norm_bias: Vec<[f32; C]>,
}

impl Recurrent {
    fn take(reader: &mut Reader) -> Self {
        Self {
            given: [reader.taps(1), reader.taps(1)],
            given_bias: reader.matrix(),
            behind: reader.taps(1),
            behind_bias: reader.row(),
            norm: reader.rows(ROWS),
            norm_bias: reader.rows(ROWS),
        }
    }
}

/// A pair of recurrent units: over the bands, upwards and downwards, four numbers each; and over time.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) across: Recurrent,
    /// For each gate what the four numbers of a unit give each of them.
    pub(super) across_recurrent: [[[f32; C]; 4]; 3],
    pub(super) across_bias: [[f32; C]; 3],
    pub(super) along: Recurrent,
    pub(super) along_recurrent: [Vec<[[f32; GATES]; G]>; 2],
    pub(super) along_bias: [[f32; GATES]; 2],
}

impl Pair {
    fn take(reader: &mut Reader) -> Self {
        Self {
            across: Recurrent::take(reader),
            across_recurrent: std::array::from_fn(|_| reader.matrix()),
            across_bias: reader.matrix(),
            along: Recurrent::take(reader),
            along_recurrent: [reader.taps(1), reader.taps(1)],
            along_bias: reader.matrix(),
        }
    }
}

/// The weights of a network, read and checked.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) first: First,
    pub(super) second: Grouped,
    /// On the way in, and on the way out.
    pub(super) blocks: [Block; 6],
    pub(super) pairs: [Pair; 2],
    pub(super) third: Grouped,
    pub(super) last: Vec<[[f32; ANSWERS]; C]>,
    pub(super) last_bias: [f32; ANSWERS],
    pub(super) voice: Vec<[f32; C]>,
    pub(super) voice_bias: f32,
    parameters: usize,
}

impl Network {
    /// Reads a file of weights.
    ///
    /// # Errors
    /// [`NetworkError`] with what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NetworkError> {
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(NetworkError::Format)?;
        if &header[..4] != MAGIC {
            return Err(NetworkError::Format);
        }
        let found = u16::from_le_bytes([header[4], header[5]]);
        if found != VERSION {
            return Err(NetworkError::Version { found });
        }
        let mut reader = Reader { bytes: rest, taken: 0, finite: true };
        let network = Self {
            first: First::take(&mut reader),
            second: Grouped::take(&mut reader),
            blocks: std::array::from_fn(|_| Block::take(&mut reader)),
            pairs: std::array::from_fn(|_| Pair::take(&mut reader)),
            third: Grouped::take(&mut reader),
            last: reader.taps(5),
            last_bias: reader.row(),
            voice: reader.rows(ROWS),
            voice_bias: reader.one(),
            parameters: reader.taken,
        };
        let expected = HEADER + 4 * reader.taken;
        if bytes.len() != expected {
            return Err(NetworkError::Length { expected, actual: bytes.len() });
        }
        let checksum = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if checksum != fnv(rest) || !reader.finite {
            return Err(NetworkError::Corrupt);
        }
        Ok(network)
    }

    /// The one that comes with this crate.
    ///
    /// # Errors
    /// [`NetworkError`] when the crate was built with a file that does not fit it.
    #[cfg(feature = "network")]
    pub fn built_in() -> Result<Self, NetworkError> {
        Self::from_bytes(include_bytes!("../../models/suppressor.bin"))
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.parameters
    }
}

/// FNV-1a, 32 bits.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
