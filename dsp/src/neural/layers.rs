//! What a network of narrow layers is made of. Rows follow the frequency, a row's numbers are its channels: 8 or 16 of them,
//! which is what vectors hold.
//!
//! Everything here is inlined into one function for each kind of vector (`State::run`), hence the parameter `FUSED`: whether
//! the processor multiplies and adds in one instruction. Loops are plain, for iterators are not inlined so deep.

/// Vectors of sums that a convolution does at once; as many rows where one vector holds a row.
const SUMS: usize = 12;

/// `a × b + c`.
#[inline(always)]
pub(super) fn fused<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Hyperbolic tangent by its continued fraction to the seventh order, within 1e-4 (2e-5 for |x| < 4).
#[inline(always)]
pub(super) fn tanh<const FUSED: bool>(x: f32) -> f32 {
    // From here on the fraction would be above 1.
    let x = x.clamp(-4.97, 4.97);
    let q = x * x;
    let above = x * fused::<FUSED>(q, fused::<FUSED>(q, q + 378.0, 17_325.0), 135_135.0);
    let below = fused::<FUSED>(q, fused::<FUSED>(q, fused::<FUSED>(q, 28.0, 3_150.0), 62_370.0), 135_135.0);
    above / below
}

#[inline(always)]
pub(super) fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    fused::<FUSED>(0.5, tanh::<FUSED>(0.5 * x), 0.5)
}

/// `x` where it is positive, `slope × x` elsewhere.
#[inline(always)]
pub(super) fn rectified(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}

/// A convolution along the frequency: `out[r] = bias + Σ_t Σ_c input[stride × r + t][first + c] × weights[t][c]`, into the
/// channels of `out` from `at` on, every `every`-th row.
#[derive(Clone, Copy)]
pub(super) struct Along {
    pub first: usize,
    pub stride: usize,
    pub at: usize,
    pub every: usize,
}

impl Along {
    /// Row by row, all channels.
    pub const PLAIN: Self = Self { first: 0, stride: 1, at: 0, every: 1 };
}

/// The convolution that `along` tells, for [`SUMS`] rows at least; each sum goes through `then`.
#[inline(always)]
pub(super) fn convolve<const FUSED: bool, const C: usize, const O: usize, const IN: usize, const OUT: usize>(
    along: Along,
    input: &[[f32; IN]],
    weights: &[[[f32; O]; C]],
    bias: &[f32; O],
    out: &mut [[f32; OUT]],
    then: impl Fn(f32) -> f32,
) {
    // As many rows at once as there are registers for their sums, beside those for weights and numbers.
    let strip = SUMS / O.div_ceil(if FUSED { 8 } else { 4 });
    let count = out.len().div_ceil(along.every);
    let mut row = 0;
    while row < count {
        // The last rows are done with those before them, twice where they do not go into the strip.
        let begin = row.min(count - strip);
        let mut sums = [*bias; SUMS];
        for tap in 0..weights.len() {
            let mut rows = [&input[0]; SUMS];
            for r in 0..strip {
                rows[r] = &input[(begin + r) * along.stride + tap];
            }
            let weights = &weights[tap];
            for k in 0..C {
                let weights = &weights[k];
                for r in 0..strip {
                    let x = rows[r][along.first + k];
                    for o in 0..O {
                        sums[r][o] = fused::<FUSED>(x, weights[o], sums[r][o]);
                    }
                }
            }
        }
        for r in 0..strip {
            let out = &mut out[(begin + r) * along.every];
            for o in 0..O {
                out[along.at + o] = then(sums[r][o]);
            }
        }
        row = begin + strip;
    }
}

/// One row: `out = bias + Σ_c input[c] × weights[c]`.
#[inline(always)]
pub(super) fn dense<const FUSED: bool, const C: usize, const O: usize>(
    input: &[f32; C],
    weights: &[[f32; O]; C],
    bias: &[f32; O],
) -> [f32; O] {
    let mut out = *bias;
    for c in 0..C {
        for o in 0..O {
            out[o] = fused::<FUSED>(input[c], weights[c][o], out[o]);
        }
    }
    out
}

/// The equations of a gated recurrent unit (Cho et al. 2014, with the reset gate behind the recurrent product).
#[inline(always)]
pub(super) fn gate<const FUSED: bool, const W: usize>(
    given: [&[f32; W]; 3],
    recurrent: [&[f32; W]; 3],
    hidden: &mut [f32; W],
) {
    for k in 0..W {
        let reset = sigmoid::<FUSED>(given[0][k] + recurrent[0][k]);
        let update = sigmoid::<FUSED>(given[1][k] + recurrent[1][k]);
        let new = tanh::<FUSED>(fused::<FUSED>(reset, recurrent[2][k], given[2][k]));
        hidden[k] = fused::<FUSED>(update, hidden[k] - new, new);
    }
}

/// Each channel by its own weights, over three rows of three frames: `out[r][c] = bias + Σ_f Σ_t frames[f][r + t][c] ×
/// weights[f][t][c]`, rectified.
#[inline(always)]
pub(super) fn apart<const FUSED: bool, const C: usize, const R: usize>(
    frames: [&[[f32; C]]; 3],
    weights: &[[[f32; C]; 3]; 3],
    bias: &[f32; C],
    slope: f32,
    out: &mut [[f32; C]; R],
) {
    // Three rows at once share what is read of the weights.
    const { assert!(R.is_multiple_of(3)) };
    let mut begin = 0;
    while begin < R {
        let mut sums = [*bias; 3];
        for f in 0..3 {
            let rows = &frames[f][begin..begin + 5];
            for t in 0..3 {
                for r in 0..3 {
                    for c in 0..C {
                        sums[r][c] = fused::<FUSED>(rows[r + t][c], weights[f][t][c], sums[r][c]);
                    }
                }
            }
        }
        for r in 0..3 {
            for c in 0..C {
                out[begin + r][c] = rectified(sums[r][c], slope);
            }
        }
        begin += 3;
    }
}

/// Adds to `rows` what the layer has made of them, brought to mean 0 and variance 1 over all of it, and weighed.
#[inline(always)]
pub(super) fn add_normal<const FUSED: bool, const C: usize, const R: usize>(
    layer: &[[f32; C]; R],
    weights: &[[f32; C]],
    biases: &[[f32; C]],
    rows: &mut [[f32; C]],
) {
    // Rows in threes, so that sums need not wait for each other.
    const { assert!(R.is_multiple_of(3)) };
    let (mut sums, mut squares) = ([[0.0; C]; 3], [[0.0; C]; 3]);
    for rows in layer.chunks_exact(3) {
        for r in 0..3 {
            for c in 0..C {
                sums[r][c] += rows[r][c];
                squares[r][c] = fused::<FUSED>(rows[r][c], rows[r][c], squares[r][c]);
            }
        }
    }
    let count = (R * C) as f32;
    let mean = sums.as_flattened().iter().sum::<f32>() / count;
    let variance = (squares.as_flattened().iter().sum::<f32>() / count - mean * mean).max(0.0);
    let scale = 1.0 / (variance + 1e-8).sqrt();
    for r in 0..rows.len() {
        for c in 0..C {
            rows[r][c] += fused::<FUSED>((layer[r][c] - mean) * scale, weights[r][c], biases[r][c]);
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
            let most = if x.abs() < 4.0 { 2e-5 } else { 1e-4 };
            assert!((tanh::<false>(x) - wanted).abs() < most, "{x}: {}", tanh::<false>(x));
            assert!((tanh::<true>(x) - wanted).abs() < most, "{x}: {}", tanh::<true>(x));
            assert!((0.0..=1.0).contains(&sigmoid::<false>(x)));
        }
    }

    #[test]
    fn a_convolution_is_that_of_the_definition() {
        // Sums of one, two and three vectors where these hold eight numbers; of one, three and six where they hold four.
        convolves::<3, 5>();
        convolves::<12, 14>();
        convolves::<24, 26>();
    }

    /// With so many outputs, and one number more on either side.
    fn convolves<const O: usize, const OUT: usize>() {
        let value = |k: usize| ((k * 7_919 % 1_000) as f32 - 500.0) / 500.0;
        let mut k = 0;
        let mut next = || {
            k += 1;
            value(k)
        };
        let input: [[f32; 6]; 36] = std::array::from_fn(|_| std::array::from_fn(|_| next()));
        let weights: [[[f32; O]; 4]; 3] =
            std::array::from_fn(|_| std::array::from_fn(|_| std::array::from_fn(|_| next())));
        let bias: [f32; O] = std::array::from_fn(|_| next());
        // Rows that go into the strips and such that do not; the last row that is written is the last there is.
        for (stride, every, rows) in [(1, 1, 13), (2, 1, 12), (2, 2, 25), (1, 2, 24), (2, 1, 17)] {
            let along = Along { first: 2, stride, at: 1, every };
            let (mut out, mut wide) = ([[9.0_f32; OUT]; 36], [[9.0_f32; OUT]; 36]);
            convolve::<false, 4, O, 6, OUT>(along, &input, &weights, &bias, &mut out[..rows], |x| x);
            convolve::<true, 4, O, 6, OUT>(along, &input, &weights, &bias, &mut wide[..rows], |x| x);
            for (row, out) in out.iter().enumerate().chain(wide.iter().enumerate()) {
                for (o, out) in out.iter().enumerate() {
                    let written = row < rows && row % every == 0 && (1..=O).contains(&o);
                    let sum = |o: usize| -> f32 {
                        let of = |tap: usize, c: usize| input[row / every * stride + tap][2 + c] * weights[tap][c][o];
                        bias[o]
                            + (0..3)
                                .flat_map(|tap| (0..4).map(move |c| (tap, c)))
                                .map(|(tap, c)| of(tap, c))
                                .sum::<f32>()
                    };
                    let wanted = if written { sum(o - 1) } else { 9.0 };
                    assert!((out - wanted).abs() < 1e-5, "row {row} of {rows}, {o}: {out}, {wanted}");
                }
            }
        }
    }
}
