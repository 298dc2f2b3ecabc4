//! The network itself: 8-bit weights, one dense layer, two gated recurrent units, one dense layer of their outputs. Beside
//! that each band's gains take what the network sees of that band and its neighbours, which the units are too narrow to
//! carry through.
//!
//! A file of weights holds, little-endian: `SPNN`, version (u16 = 2), inputs, width, outputs (u16 each), a checksum (u32,
//! FNV-1a of all that follows), then the matrices in the order in which they are used. A matrix of R rows and C columns
//! is R scales (f32), R biases (f32) and R × C weights (i8); what stands for a weight is scale × weight. Last come the
//! weights (f32) of what a band's own features add to its gains: for each of the two gains and each group of features those
//! of the band below, of the band, and of the band above.

use std::sync::Arc;

use crate::simd::kernels;

use super::features::{BANDS, GROUPS, INPUTS};
use super::product::{LANES, WIDEST, product};

const MAGIC: &[u8; 4] = b"SPNN";
const VERSION: u16 = 2;
const HEADER: usize = 16;
const OUTPUTS: usize = 2 * BANDS + 1;
/// A band, and those below and above it.
const NEAR: usize = 3;
/// Weights of what their features add to the two gains of a band.
const LOCAL: usize = 2 * GROUPS * NEAR * BANDS;
/// Largest magnitude of an input, and of a hidden value: the ranges of their 16 bits.
const INPUT_RANGE: f32 = 4.0;
const HIDDEN_RANGE: f32 = 1.0;

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
    /// Its layers do not fit the features and bands of this engine.
    Shape {
        /// Inputs, width and outputs of the file.
        found: [u16; 3],
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
            Self::Shape { found: [inputs, width, outputs] } => {
                write!(
                    f,
                    "network of {inputs} inputs, width {width}, {outputs} outputs; {INPUTS} and {OUTPUTS} are needed"
                )
            }
            Self::Length { expected, actual } => write!(f, "network of {actual} bytes, {expected} expected"),
            Self::Corrupt => write!(f, "network with damaged weights"),
        }
    }
}

impl std::error::Error for NetworkError {}

/// A matrix of 8-bit weights, a scale and a bias for each row.
#[derive(Clone, Debug)]
struct Matrix {
    columns: usize,
    scale: Vec<f32>,
    bias: Vec<f32>,
    weights: Vec<i8>,
}

impl Matrix {
    fn bytes(rows: usize, columns: usize) -> usize {
        rows * (8 + columns)
    }

    /// Takes a matrix from the front of `bytes`, for 16-bit inputs of `range`.
    fn take(bytes: &mut &[u8], rows: usize, columns: usize, range: f32) -> Option<Self> {
        let mut floats = |unit: f32| {
            let (front, rest) = bytes.split_at_checked(4 * rows)?;
            *bytes = rest;
            let values = front.chunks_exact(4).map(|b| unit * f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Some(values.collect::<Vec<_>>()).filter(|values| values.iter().all(|value| value.is_finite()))
        };
        let (scale, bias) = (floats(range / f32::from(i16::MAX))?, floats(1.0)?);
        let (weights, rest) = bytes.split_at_checked(rows * columns)?;
        *bytes = rest;
        Some(Self { columns, scale, bias, weights: weights.iter().map(|weight| *weight as i8).collect() })
    }

    /// `out = weights × input + bias`; `sums` has room for a number of each row.
    fn apply(&self, input: &[i16], sums: &mut [i32], out: &mut [f32]) {
        let sums = &mut sums[..out.len()];
        product(&self.weights, self.columns, input, sums);
        weigh(sums, &self.scale, &self.bias, out);
    }
}

/// Gated recurrent unit; rows in the order reset, update, new.
#[derive(Clone, Debug)]
struct Unit {
    given: Matrix,
    recurrent: Matrix,
}

/// The weights of a network, read and checked.
#[derive(Clone, Debug)]
pub struct Network {
    width: usize,
    input: Matrix,
    units: [Unit; 2],
    output: Matrix,
    /// [`LOCAL`] weights, in the order of the file.
    local: Vec<f32>,
}

impl Network {
    /// Reads a file of weights.
    ///
    /// # Errors
    /// [`NetworkError`] with what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NetworkError> {
        let (header, mut rest) = bytes.split_at_checked(HEADER).ok_or(NetworkError::Format)?;
        if &header[..4] != MAGIC {
            return Err(NetworkError::Format);
        }
        let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        if short(4) != VERSION {
            return Err(NetworkError::Version { found: short(4) });
        }
        let found = [short(6), short(8), short(10)];
        let [inputs, width, outputs] = found.map(usize::from);
        if (inputs, outputs) != (INPUTS, OUTPUTS) || width == 0 || 2 * width > WIDEST || !width.is_multiple_of(LANES) {
            return Err(NetworkError::Shape { found });
        }
        let unit = 2 * Matrix::bytes(3 * width, width);
        let expected = HEADER + Matrix::bytes(width, inputs) + 2 * unit + Matrix::bytes(outputs, 2 * width) + 4 * LOCAL;
        if bytes.len() != expected {
            return Err(NetworkError::Length { expected, actual: bytes.len() });
        }
        let checksum = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
        if checksum != fnv(rest) {
            return Err(NetworkError::Corrupt);
        }
        let mut matrix =
            |rows, columns, range| Matrix::take(&mut rest, rows, columns, range).ok_or(NetworkError::Corrupt);
        let input = matrix(width, inputs, INPUT_RANGE)?;
        let mut unit = || {
            let given = matrix(3 * width, width, HIDDEN_RANGE)?;
            Ok(Unit { given, recurrent: matrix(3 * width, width, HIDDEN_RANGE)? })
        };
        let units = [unit()?, unit()?];
        let output = matrix(outputs, 2 * width, HIDDEN_RANGE)?;
        let local: Vec<f32> = rest.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        if !local.iter().all(|weight| weight.is_finite()) {
            return Err(NetworkError::Corrupt);
        }
        Ok(Self { width, input, units, output, local })
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
        let of = |matrix: &Matrix| matrix.weights.len() + matrix.bias.len();
        let units: usize = self.units.iter().map(|unit| of(&unit.given) + of(&unit.recurrent)).sum();
        of(&self.input) + units + of(&self.output) + self.local.len()
    }
}

/// FNV-1a, 32 bits.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A network and what it remembers.
#[derive(Clone, Debug)]
pub(super) struct State {
    network: Arc<Network>,
    hidden: [Vec<f32>; 2],
    /// Both hidden states, as the next layers take them.
    short: Vec<i16>,
    short_input: Vec<i16>,
    layer: Vec<f32>,
    short_layer: Vec<i16>,
    given: Vec<f32>,
    recurrent: Vec<f32>,
    sums: Vec<i32>,
}

impl State {
    pub fn new(network: Arc<Network>) -> Self {
        let width = network.width;
        Self {
            hidden: [vec![0.0; width], vec![0.0; width]],
            short: vec![0; 2 * width],
            short_input: vec![0; network.input.columns],
            layer: vec![0.0; width],
            short_layer: vec![0; width],
            given: vec![0.0; 3 * width],
            recurrent: vec![0.0; 3 * width],
            sums: vec![0; OUTPUTS.max(3 * width)],
            network,
        }
    }

    /// Numbers that [`run`](Self::run) writes.
    pub fn outputs(&self) -> usize {
        self.network.output.scale.len()
    }

    /// One frame: features within ±[`INPUT_RANGE`] in, numbers from 0 to 1 out.
    pub fn run(&mut self, input: &[f32], output: &mut [f32]) {
        let width = self.network.width;
        shorten(input, INPUT_RANGE, &mut self.short_input);
        self.network.input.apply(&self.short_input, &mut self.sums, &mut self.layer);
        tanh(&mut self.layer);
        shorten(&self.layer, HIDDEN_RANGE, &mut self.short_layer);
        for (k, (unit, hidden)) in self.network.units.iter().zip(&mut self.hidden).enumerate() {
            let (before, own) = self.short.split_at_mut(k * width);
            let from = if k == 0 { &self.short_layer } else { &before[(k - 1) * width..] };
            let own = &mut own[..width];
            unit.given.apply(from, &mut self.sums, &mut self.given);
            unit.recurrent.apply(own, &mut self.sums, &mut self.recurrent);
            gate(&self.given, &self.recurrent, hidden);
            shorten(hidden, HIDDEN_RANGE, own);
        }
        self.network.output.apply(&self.short, &mut self.sums, output);
        add_local(&self.network.local, input, output);
        sigmoid(output);
    }

    pub fn reset(&mut self) {
        self.hidden.iter_mut().for_each(|hidden| hidden.fill(0.0));
        self.short.fill(0);
    }
}

/// Hyperbolic tangent by its continued fraction to the seventh order, within 1e-4 (2e-5 for |x| < 4).
#[inline(always)]
fn tanh_of(x: f32) -> f32 {
    let x = x.clamp(-4.97, 4.97);
    let q = x * x;
    let above = x * (135_135.0 + q * (17_325.0 + q * (378.0 + q)));
    let below = 135_135.0 + q * (62_370.0 + q * (3_150.0 + q * 28.0));
    (above / below).clamp(-1.0, 1.0)
}

#[inline(always)]
fn sigmoid_of(x: f32) -> f32 {
    0.5 + 0.5 * tanh_of(0.5 * x)
}

kernels! {
    /// `out = bias + scale × sum`.
    fn weigh(sums: &[i32], scale: &[f32], bias: &[f32], out: &mut [f32]) {
        for ((out, sum), (scale, bias)) in out.iter_mut().zip(sums).zip(scale.iter().zip(bias)) {
            *out = bias + scale * *sum as f32;
        }
    }

    /// To 16 bits, of which `range` is the largest.
    fn shorten(from: &[f32], range: f32, to: &mut [i16]) {
        let unit = f32::from(i16::MAX) / range;
        for (to, from) in to.iter_mut().zip(from) {
            *to = (from.clamp(-range, range) * unit) as i16;
        }
    }

    /// Adds to the gains of each band what its own features say, and those of the bands beside it.
    fn add_local(weights: &[f32], input: &[f32], output: &mut [f32]) {
        let mut features = [0.0; BANDS + 2];
        for (gain, weights) in output.chunks_exact_mut(BANDS).zip(weights.chunks_exact(GROUPS * NEAR * BANDS)) {
            for (group, weights) in input.chunks_exact(BANDS).zip(weights.chunks_exact(NEAR * BANDS)) {
                features[1..=BANDS].copy_from_slice(group);
                (features[0], features[BANDS + 1]) = (group[0], group[BANDS - 1]);
                for (from, weights) in weights.chunks_exact(BANDS).enumerate() {
                    for ((gain, weight), feature) in gain.iter_mut().zip(weights).zip(&features[from..]) {
                        *gain += weight * feature;
                    }
                }
            }
        }
    }

    fn tanh(x: &mut [f32]) {
        for x in x {
            *x = tanh_of(*x);
        }
    }

    fn sigmoid(x: &mut [f32]) {
        for x in x {
            *x = sigmoid_of(*x);
        }
    }

    /// The unit's equations (Cho et al. 2014, with the reset gate behind the recurrent product).
    fn gate(given: &[f32], recurrent: &[f32], hidden: &mut [f32]) {
        let width = hidden.len();
        let (given_r, given) = given.split_at(width);
        let (given_z, given_n) = given.split_at(width);
        let (recurrent_r, recurrent) = recurrent.split_at(width);
        let (recurrent_z, recurrent_n) = recurrent.split_at(width);
        for (k, hidden) in hidden.iter_mut().enumerate() {
            let reset = sigmoid_of(given_r[k] + recurrent_r[k]);
            let update = sigmoid_of(given_z[k] + recurrent_z[k]);
            let new = tanh_of(given_n[k] + reset * recurrent_n[k]);
            *hidden = new + update * (*hidden - new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_and_sigmoid_are_close_and_stay_in_range() {
        for k in -4_000..=4_000 {
            let x = k as f32 * 0.005;
            let wanted = x.tanh();
            assert!((tanh_of(x) - wanted).abs() < if x.abs() < 4.0 { 2e-5 } else { 1e-4 }, "{x}: {}", tanh_of(x));
            assert!((0.0..=1.0).contains(&sigmoid_of(x)));
        }
    }

    #[test]
    fn a_band_hears_itself_and_the_bands_beside_it() {
        // The second gain of a band takes the fourth group of features; beyond the last band that one stands for the next.
        for (band, near, from) in [(10, 0, 9), (10, 1, 10), (10, 2, 11), (0, 0, 0), (BANDS - 1, 2, BANDS - 1)] {
            let mut weights = vec![0.0; LOCAL];
            weights[((GROUPS + 3) * NEAR + near) * BANDS + band] = 0.5;
            let mut input = vec![0.0; INPUTS];
            input[3 * BANDS + from] = 3.0;
            let mut output = vec![1.0; OUTPUTS];
            add_local(&weights, &input, &mut output);
            let mut wanted = vec![1.0; OUTPUTS];
            wanted[BANDS + band] = 2.5;
            assert_eq!(output, wanted, "band {band}, {near}");
        }
    }
}
