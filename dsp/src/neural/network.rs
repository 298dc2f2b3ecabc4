//! The network itself: GTCRN (Rong et al., "GTCRN: A speech enhancement model requiring ultralow computational resources",
//! ICASSP 2024) with two more inputs and two more answers.
//!
//! Per frame it has 129 bands of five numbers. Two layers halve the bands twice, three blocks see what was before, two pairs
//! of recurrent units go over the 33 bands that are left, in both directions, and over the time of each; then the same back,
//! each layer with what its counterpart had. 24 thousand weights.
#![expect(clippy::needless_range_loop, reason = "iterators are not inlined so deep")]

use std::sync::Arc;

use super::layers::{Along, add_normal, apart, convolve, dense, fused, gate, rectified, sigmoid, tanh};
use super::weights::{ANSWERS, BANDS, Block, C, G, GATES, HALF, INPUTS, Network, Pair, ROWS, Recurrent};

/// Frames between those that each of the three blocks sees, on the way in; on the way out backwards.
const STEPS: [usize; 3] = [1, 2, 5];

/// Rows with one of zeros (or two) before and behind, which convolutions reach.
type Padded<const N: usize, const W: usize> = Box<[[f32; W]; N]>;

fn zeros<const N: usize, const W: usize>() -> Padded<N, W> {
    Box::new([[0.0; W]; N])
}

/// What a block remembers: its widened rows of the frames before, the next to be written, and its unit's state.
#[derive(Clone, Debug)]
struct Memory {
    frames: Vec<[[f32; C]; ROWS + 2]>,
    next: usize,
    hidden: [f32; C],
}

impl Memory {
    /// For a block that sees frames `step` and twice `step` ago.
    fn new(step: usize) -> Self {
        Self { frames: vec![[[0.0; C]; ROWS + 2]; 2 * step + 1], next: 0, hidden: [0.0; C] }
    }

    fn reset(&mut self) {
        self.frames.as_flattened_mut().fill([0.0; C]);
        self.hidden = [0.0; C];
    }
}

/// A network and what it remembers.
#[derive(Clone, Debug)]
pub(super) struct State {
    network: Arc<Network>,
    memories: [Memory; 6],
    /// Of each pair, the states over time of each band.
    hidden: [[[f32; C]; ROWS]; 2],
    half: Padded<{ HALF + 4 }, C>,
    rows: Padded<{ ROWS + 2 }, C>,
    /// What the layers on the way in had.
    inward: [[[f32; C]; ROWS]; 4],
    layer: [[f32; C]; ROWS],
    wide: [[f32; C]; HALF],
    narrow: [[f32; G]; ROWS],
    given: [[[f32; GATES]; ROWS]; 2],
    recurrent: [[[f32; GATES]; ROWS]; 2],
    answers: Box<[[f32; ANSWERS]; BANDS]>,
    voice: f32,
}

/// A frame as the network sees it: three rows of zeros, the bands, three rows of zeros.
pub(super) type Seen = [[f32; INPUTS]; BANDS + 6];

impl State {
    pub fn new(network: Arc<Network>) -> Self {
        let step = |block: usize| if block < 3 { STEPS[block] } else { STEPS[5 - block] };
        Self {
            network,
            memories: std::array::from_fn(|block| Memory::new(step(block))),
            hidden: [[[0.0; C]; ROWS]; 2],
            half: zeros(),
            rows: zeros(),
            inward: [[[0.0; C]; ROWS]; 4],
            layer: [[0.0; C]; ROWS],
            wide: [[0.0; C]; HALF],
            narrow: [[0.0; G]; ROWS],
            given: [[[0.0; GATES]; ROWS]; 2],
            recurrent: [[[0.0; GATES]; ROWS]; 2],
            answers: zeros(),
            voice: 0.0,
        }
    }

    pub fn reset(&mut self) {
        self.memories.iter_mut().for_each(Memory::reset);
        self.hidden = [[[0.0; C]; ROWS]; 2];
        self.voice = 0.0;
    }

    /// Probability of speech in the last frame, 0 to 1.
    pub fn voice(&self) -> f32 {
        self.voice
    }

    /// One frame: writes for each band the gain that leaves speech alone, and the one that leaves all but the echo.
    pub fn run(&mut self, seen: &Seen, speech: &mut [f32; BANDS], both: &mut [f32; BANDS]) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            fn wide(state: &mut State, seen: &Seen, speech: &mut [f32; BANDS], both: &mut [f32; BANDS]) {
                state.frame::<true>(seen, speech, both);
            }
            if crate::simd::has_avx2() {
                // SAFETY: the processor has the features, as was just asked.
                return unsafe { wide(self, seen, speech, both) };
            }
        }
        self.frame::<false>(seen, speech, both);
    }

    #[inline(always)]
    fn frame<const FUSED: bool>(&mut self, seen: &Seen, speech: &mut [f32; BANDS], both: &mut [f32; BANDS]) {
        let network = Arc::clone(&self.network);
        self.inwards::<FUSED>(&network, seen);
        for (pair, network) in network.pairs.iter().enumerate() {
            self.across::<FUSED>(network);
            self.along::<FUSED>(network, pair);
        }
        let mut voice = [0.0; C];
        for r in 0..ROWS {
            for c in 0..C {
                voice[c] = fused::<FUSED>(self.rows[r + 1][c], network.voice[r][c], voice[c]);
            }
        }
        self.voice = sigmoid::<FUSED>(network.voice_bias + voice.iter().sum::<f32>());
        self.outwards::<FUSED>(&network);
        // Number by number, so that vectors hold bands.
        let mut parts = [[0.0; BANDS]; 2];
        for band in 0..BANDS {
            let answers = &self.answers[band];
            (parts[0][band], parts[1][band], both[band]) = (answers[0], answers[1], answers[2]);
        }
        for band in 0..BANDS {
            let (a, b) = (tanh::<FUSED>(parts[0][band]), tanh::<FUSED>(parts[1][band]));
            speech[band] = (a * a + b * b).sqrt().min(1.0);
            both[band] = sigmoid::<FUSED>(both[band]);
        }
    }

    #[inline(always)]
    fn inwards<const FUSED: bool>(&mut self, network: &Network, seen: &Seen) {
        let first = &network.first;
        let half = &mut self.half[2..HALF + 2];
        let every_second = Along { stride: 2, ..Along::PLAIN };
        convolve::<FUSED, INPUTS, C, INPUTS, C>(every_second, seen, &first.weights, &first.bias, half, |x| x);
        for (row, seen, ends) in [(0, &seen[3], &first.ends[0]), (HALF - 1, &seen[BANDS + 2], &first.ends[1])] {
            for (x, weights) in seen.iter().zip(ends) {
                half[row].iter_mut().zip(weights).for_each(|(sum, weight)| *sum -= x * weight);
            }
        }
        for row in half {
            for c in 0..C {
                row[c] = rectified(row[c], first.slope);
            }
        }
        let rows = &mut self.rows[1..=ROWS];
        for (group, (weights, bias)) in network.second.weights.iter().zip(&network.second.bias).enumerate() {
            let along = Along { first: G * group, at: G * group, ..every_second };
            let slope = network.second.slope;
            convolve::<FUSED, G, G, C, C>(along, &self.half[..], weights, bias, rows, |x| rectified(x, slope));
        }
        self.inward[0].copy_from_slice(rows);
        for block in 0..3 {
            self.block::<FUSED>(&network.blocks[block], block);
            self.inward[block + 1].copy_from_slice(&self.rows[1..=ROWS]);
        }
    }

    #[inline(always)]
    fn outwards<const FUSED: bool>(&mut self, network: &Network) {
        for block in 3..6 {
            add(&self.inward[6 - block], &mut self.rows[1..=ROWS]);
            self.block::<FUSED>(&network.blocks[block], block);
        }
        add(&self.inward[0], &mut self.rows[1..=ROWS]);
        // Bands between two others have two taps, the others three. What the first layer had is still in the half.
        let half = &mut self.wide;
        for (group, (weights, bias)) in network.third.weights.iter().zip(&network.third.bias).enumerate() {
            let along = Along { first: G * group, at: G * group, every: 2, stride: 1 };
            let slope = network.third.slope;
            convolve::<FUSED, G, G, C, C>(along, &self.rows[..], &weights[..3], bias, &mut half[..], |x| {
                rectified(x, slope)
            });
            let between = &mut half[1..HALF - 1];
            convolve::<FUSED, G, G, C, C>(along, &self.rows[1..], &weights[3..], bias, between, |x| {
                rectified(x, slope)
            });
        }
        add(&half[..], &mut self.half[2..HALF + 2]);
        let along = Along { every: 2, ..Along::PLAIN };
        let (weights, bias) = (&network.last, &network.last_bias);
        convolve::<FUSED, C, ANSWERS, C, ANSWERS>(
            along,
            &self.half[1..],
            &weights[..3],
            bias,
            &mut self.answers[..],
            |x| x,
        );
        let between = &mut self.answers[1..BANDS - 1];
        convolve::<FUSED, C, ANSWERS, C, ANSWERS>(along, &self.half[2..], &weights[3..], bias, between, |x| x);
    }

    /// Takes the rows through a block.
    #[inline(always)]
    fn block<const FUSED: bool>(&mut self, network: &Block, block: usize) {
        let memory = &mut self.memories[block];
        let now = memory.next;
        let widened = &mut memory.frames[now][1..=ROWS];
        let slope = network.widen_slope;
        convolve::<FUSED, G, C, C, C>(
            Along::PLAIN,
            &self.rows[..],
            &network.widen,
            &network.widen_bias,
            widened,
            |x| rectified(x, slope),
        );
        let (count, step) = (memory.frames.len(), memory.frames.len() / 2);
        let ago = |k: usize| &memory.frames[(now + 1 + k * step) % count][..];
        let frames = [ago(0), ago(1), ago(2)];
        apart::<FUSED, C, ROWS>(frames, &network.depth, &network.depth_bias, network.depth_slope, &mut self.layer);
        memory.next = (now + 1) % count;
        let (narrow, bias) = (&network.narrow, &network.narrow_bias);
        convolve::<FUSED, C, G, C, G>(Along::PLAIN, &self.layer, narrow, bias, &mut self.narrow, |x| x);
        let mut power = [0.0; G];
        for r in 0..ROWS {
            for c in 0..G {
                power[c] += self.narrow[r][c] * self.narrow[r][c] * (1.0 / ROWS as f32);
            }
        }
        let given = dense::<FUSED, G, { 3 * C }>(&power, &network.given, &network.given_bias);
        let recurrent = dense::<FUSED, C, { 3 * C }>(&memory.hidden, &network.recurrent, &network.recurrent_bias);
        gate::<FUSED, C>(thirds(&given), thirds(&recurrent), &mut memory.hidden);
        let mut weights = dense::<FUSED, C, G>(&memory.hidden, &network.weigh, &network.weigh_bias);
        for c in 0..G {
            weights[c] = sigmoid::<FUSED>(weights[c]);
        }
        for r in 0..ROWS {
            let mut mixed = [0.0; C];
            for c in 0..G {
                mixed[2 * c] = self.narrow[r][c] * weights[c];
                mixed[2 * c + 1] = self.rows[r + 1][G + c];
            }
            self.rows[r + 1] = mixed;
        }
    }

    /// What the rows give to the gates of each group.
    #[inline(always)]
    fn give<const FUSED: bool>(&mut self, network: &Recurrent) {
        for (group, given) in self.given.iter_mut().enumerate() {
            let along = Along { first: G * group, ..Along::PLAIN };
            let rows = &self.rows[1..=ROWS];
            convolve::<FUSED, G, GATES, C, GATES>(
                along,
                rows,
                &network.given[group],
                &network.given_bias[group],
                given,
                |x| x,
            );
        }
    }

    /// The layer behind the units, and its sum with what went into them.
    #[inline(always)]
    fn behind<const FUSED: bool>(&mut self, network: &Recurrent, hidden: &[[f32; C]; ROWS]) {
        convolve::<FUSED, C, C, C, C>(
            Along::PLAIN,
            hidden,
            &network.behind,
            &network.behind_bias,
            &mut self.layer,
            |x| x,
        );
        add_normal::<FUSED, C, ROWS>(&self.layer, &network.norm, &network.norm_bias, &mut self.rows[1..=ROWS]);
    }

    /// Over the bands: of each group four numbers go upwards and four downwards.
    #[inline(always)]
    fn across<const FUSED: bool>(&mut self, network: &Pair) {
        self.give::<FUSED>(&network.across);
        let mut hidden = [0.0; C];
        let mut all = [[0.0; C]; ROWS];
        for step in 0..ROWS {
            let back = ROWS - 1 - step;
            let mut given = [[0.0; C]; 3];
            let mut recurrent = network.across_bias;
            for gate in 0..3 {
                for lane in 0..4 {
                    given[gate][lane] = self.given[0][step][G * gate + lane];
                    given[gate][4 + lane] = self.given[0][back][G * gate + 4 + lane];
                    given[gate][G + lane] = self.given[1][step][G * gate + lane];
                    given[gate][G + 4 + lane] = self.given[1][back][G * gate + 4 + lane];
                }
            }
            for k in 0..4 {
                // The k-th number of each unit, for the four of the same unit.
                let mut numbers = [0.0; C];
                for lane in 0..C {
                    numbers[lane] = hidden[lane / 4 * 4 + k];
                }
                for gate in 0..3 {
                    for lane in 0..C {
                        let weight = network.across_recurrent[gate][k][lane];
                        recurrent[gate][lane] = fused::<FUSED>(numbers[lane], weight, recurrent[gate][lane]);
                    }
                }
            }
            gate::<FUSED, C>(
                [&given[0], &given[1], &given[2]],
                [&recurrent[0], &recurrent[1], &recurrent[2]],
                &mut hidden,
            );
            for lane in 0..4 {
                all[step][lane] = hidden[lane];
                all[back][4 + lane] = hidden[4 + lane];
                all[step][G + lane] = hidden[G + lane];
                all[back][G + 4 + lane] = hidden[G + 4 + lane];
            }
        }
        self.behind::<FUSED>(&network.across, &all);
    }

    /// Over the time of each band.
    #[inline(always)]
    fn along<const FUSED: bool>(&mut self, network: &Pair, pair: usize) {
        self.give::<FUSED>(&network.along);
        let mut hidden = self.hidden[pair];
        for (group, recurrent) in self.recurrent.iter_mut().enumerate() {
            let along = Along { first: G * group, ..Along::PLAIN };
            let (weights, bias) = (&network.along_recurrent[group], &network.along_bias[group]);
            convolve::<FUSED, G, GATES, C, GATES>(along, &hidden, weights, bias, recurrent, |x| x);
        }
        for row in 0..ROWS {
            for group in 0..2 {
                let mut half = [0.0; G];
                half.copy_from_slice(&hidden[row][G * group..G * group + G]);
                gate::<FUSED, G>(thirds(&self.given[group][row]), thirds(&self.recurrent[group][row]), &mut half);
                hidden[row][G * group..G * group + G].copy_from_slice(&half);
            }
        }
        self.hidden[pair] = hidden;
        self.behind::<FUSED>(&network.along, &hidden);
    }
}

/// The numbers of the three gates.
#[inline(always)]
fn thirds<const N: usize, const W: usize>(gates: &[f32; N]) -> [&[f32; W]; 3] {
    const { assert!(N == 3 * W) };
    let (parts, _) = gates.as_chunks::<W>();
    [&parts[0], &parts[1], &parts[2]]
}

#[inline(always)]
fn add<const W: usize>(more: &[[f32; W]], rows: &mut [[f32; W]]) {
    for r in 0..rows.len() {
        for c in 0..W {
            rows[r][c] += more[r][c];
        }
    }
}
