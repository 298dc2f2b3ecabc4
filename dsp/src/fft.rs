//! Fourier transform of real signals for the few sizes that 20 ms have at the rates of voice.
//!
//! A mixed-radix Stockham transform (radices 2, 3, 4, 5, 7, 8) of half the size, then the usual split into the spectrum of a
//! real signal (Press et al., *Numerical Recipes*, §12.3). Real and imaginary parts lie in separate slices, so that every
//! loop vectorises; in wasm it takes a tenth of the code of a general library.

use crate::simd::kernels;

/// A spectrum with its parts apart: bins 0 (DC) to `n / 2` (Nyquist).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spectrum {
    pub re: Vec<f32>,
    pub im: Vec<f32>,
}

impl Spectrum {
    /// Zero in every bin.
    pub fn new(bins: usize) -> Self {
        Self { re: vec![0.0; bins], im: vec![0.0; bins] }
    }

    /// Writes `|X|²` of each bin.
    pub fn power_into(&self, power: &mut [f32]) {
        powers(&self.re, &self.im, power);
    }

    /// Takes the values of another of as many bins.
    pub fn copy_from(&mut self, other: &Self) {
        self.re.copy_from_slice(&other.re);
        self.im.copy_from_slice(&other.im);
    }

    pub fn clear(&mut self) {
        self.re.fill(0.0);
        self.im.fill(0.0);
    }
}

kernels! {
    fn powers(re: &[f32], im: &[f32], power: &mut [f32]) {
        for ((power, re), im) in power.iter_mut().zip(re).zip(im) {
            *power = re * re + im * im;
        }
    }
}

/// One pass over the data: `count` butterflies of one radix, each over `stride` neighbours.
#[derive(Clone, Debug)]
struct Pass {
    radix: usize,
    count: usize,
    stride: usize,
    /// Where the pass's factors begin in the table: `radix - 1` rows of one for each butterfly.
    factors: usize,
}

/// Transform of `n` real samples, forward and back; holds its tables and scratch memory.
#[derive(Clone, Debug)]
pub(crate) struct RealFft {
    n: usize,
    passes: Vec<Pass>,
    /// Factors of the passes, real and imaginary parts.
    factors: Spectrum,
    /// `exp(-2πik/n)` for the split, `k` from 0 to `n / 2`.
    split: Spectrum,
    a: Spectrum,
    b: Spectrum,
}

impl RealFft {
    /// A transform of `n` samples; `None` unless `n` is even and `n / 2` is a product of 2, 3, 5 and 7.
    pub fn new(n: usize) -> Option<Self> {
        if n < 2 || !n.is_multiple_of(2) {
            return None;
        }
        let half = n / 2;
        let unit = |k: usize, n: usize| {
            let angle = -std::f64::consts::TAU * (k % n) as f64 / n as f64;
            (angle.cos() as f32, angle.sin() as f32)
        };
        let (mut passes, mut factors) = (Vec::new(), Spectrum::default());
        let (mut rest, mut stride) = (half, 1);
        while rest > 1 {
            // The longer the stride is from the second pass on, the more of it is done side by side.
            let radix = [8, 5, 4, 2, 3, 7].into_iter().find(|radix| rest.is_multiple_of(*radix))?;
            let count = rest / radix;
            passes.push(Pass { radix, count, stride, factors: factors.re.len() });
            for k in 1..radix {
                for p in 0..count {
                    let (re, im) = unit(p * k, rest);
                    factors.re.push(re);
                    factors.im.push(im);
                }
            }
            (rest, stride) = (count, stride * radix);
        }
        let (re, im) = (0..=half).map(|k| unit(k, n)).unzip();
        let scratch = Spectrum::new(half);
        Some(Self { n, passes, factors, split: Spectrum { re, im }, a: scratch.clone(), b: scratch })
    }

    /// How many bins a spectrum has.
    pub fn bins(&self) -> usize {
        self.n / 2 + 1
    }

    /// `X[k] = Σ x[t]·exp(−2πikt/n)`. `time` has `n` samples; only as many bins are written as `spectrum` has.
    pub fn forward(&mut self, time: &[f32], spectrum: &mut Spectrum) {
        debug_assert_eq!(time.len(), self.n);
        for ((re, im), pair) in self.a.re.iter_mut().zip(&mut self.a.im).zip(time.chunks_exact(2)) {
            (*re, *im) = (pair[0], pair[1]);
        }
        self.run();
        let bins = spectrum.re.len().min(self.bins());
        split_forward(
            &self.a.re,
            &self.a.im,
            &self.split.re,
            &self.split.im,
            &mut spectrum.re[..bins],
            &mut spectrum.im[..bins],
        );
    }

    /// The inverse of [`Self::forward`], scaled by `1/n`. Bins that `spectrum` lacks count as zero.
    pub fn inverse(&mut self, spectrum: &Spectrum, time: &mut [f32]) {
        debug_assert_eq!(time.len(), self.n);
        let (half, bins) = (self.n / 2, spectrum.re.len().min(self.bins()));
        // The bins that are missing go through `b`, which is as long as the half of them that is used.
        self.b.re[..bins.min(half)].copy_from_slice(&spectrum.re[..bins.min(half)]);
        self.b.im[..bins.min(half)].copy_from_slice(&spectrum.im[..bins.min(half)]);
        if bins < half {
            self.b.re[bins..].fill(0.0);
            self.b.im[bins..].fill(0.0);
        }
        let nyquist = if bins > half { spectrum.re[half] } else { 0.0 };
        let scale = 1.0 / self.n as f32;
        split_inverse(
            &self.b.re,
            &self.b.im,
            &self.split.re,
            &self.split.im,
            nyquist,
            scale,
            &mut self.a.re,
            &mut self.a.im,
        );
        self.run();
        for ((re, im), pair) in self.a.re.iter().zip(&self.a.im).zip(time.chunks_exact_mut(2)) {
            (pair[0], pair[1]) = (*re, -*im);
        }
    }

    /// The complex transform of `a`, into `a`.
    fn run(&mut self) {
        for pass in &self.passes {
            let factors = pass.factors..pass.factors + pass.count * (pass.radix - 1);
            let (re, im) = (&self.factors.re[factors.clone()], &self.factors.im[factors]);
            if pass.stride == 1 {
                first_butterflies(pass.radix, re, im, &mut self.a.re, &mut self.a.im, &mut self.b.re, &mut self.b.im);
            } else {
                butterflies(pass.radix, pass.stride, re, im, &self.a.re, &self.a.im, &mut self.b.re, &mut self.b.im);
                std::mem::swap(&mut self.a, &mut self.b);
            }
        }
    }
}

kernels! {
    /// The first pass, from `a` by way of `b` back into `a`.
    fn first_butterflies(radix: usize, fr: &[f32], fi: &[f32], ar: &mut [f32], ai: &mut [f32], br: &mut [f32], bi: &mut [f32]) {
        match radix {
            2 => first_pass(fr, fi, ar, ai, br, bi, butterfly2),
            3 => first_pass(fr, fi, ar, ai, br, bi, butterfly3),
            4 => first_pass(fr, fi, ar, ai, br, bi, butterfly4),
            5 => first_pass(fr, fi, ar, ai, br, bi, butterfly5),
            8 => first_pass(fr, fi, ar, ai, br, bi, butterfly8),
            _ => first_pass(fr, fi, ar, ai, br, bi, butterfly7),
        }
    }

    fn butterflies(
        radix: usize, stride: usize, fr: &[f32], fi: &[f32],
        xr: &[f32], xi: &[f32], yr: &mut [f32], yi: &mut [f32],
    ) {
        match radix {
            2 => pass(stride, fr, fi, xr, xi, yr, yi, butterfly2),
            3 => pass(stride, fr, fi, xr, xi, yr, yi, butterfly3),
            4 => pass(stride, fr, fi, xr, xi, yr, yi, butterfly4),
            5 => pass(stride, fr, fi, xr, xi, yr, yi, butterfly5),
            8 => pass(stride, fr, fi, xr, xi, yr, yi, butterfly8),
            _ => pass(stride, fr, fi, xr, xi, yr, yi, butterfly7),
        }
    }

    fn split_forward(zr: &[f32], zi: &[f32], wr: &[f32], wi: &[f32], re: &mut [f32], im: &mut [f32]) {
        let half = zr.len();
        let bins = re.len();
        let inner = bins.min(half);
        re[0] = zr[0] + zi[0];
        im[0] = 0.0;
        let (head_r, head_i) = (&zr[1..inner], &zi[1..inner]);
        let (tail_r, tail_i) = (&zr[half + 1 - inner..], &zi[half + 1 - inner..]);
        let (wr, wi) = (&wr[1..inner], &wi[1..inner]);
        let (re_in, im_in) = (&mut re[1..inner], &mut im[1..inner]);
        let count = inner - 1;
        for k in 0..count {
            let (ar, ai) = (head_r[k], head_i[k]);
            let (br, bi) = (tail_r[count - 1 - k], -tail_i[count - 1 - k]);
            let (sr, si, dr, di) = (ar + br, ai + bi, ar - br, ai - bi);
            // X = (a + b)/2 − i·w·(a − b)/2
            re_in[k] = 0.5 * (sr + (wr[k] * di + wi[k] * dr));
            im_in[k] = 0.5 * (si - (wr[k] * dr - wi[k] * di));
        }
        if bins > half {
            re[half] = zr[0] - zi[0];
            im[half] = 0.0;
        }
    }
}

kernels! {
    /// The inverse of a conjugate is the conjugate of a forward transform: so conj(z) goes in, z = (a + b) + i·w*·(a − b).
    fn split_inverse(
        xr: &[f32], xi: &[f32], wr: &[f32], wi: &[f32], nyquist: f32, scale: f32, zr: &mut [f32], zi: &mut [f32],
    ) {
        let half = zr.len();
        zr[0] = (xr[0] + nyquist) * scale;
        zi[0] = (nyquist - xr[0]) * scale;
        let count = half - 1;
        let (ar, ai, br, bi) = (&xr[1..half], &xi[1..half], &xr[1..half], &xi[1..half]);
        let (wr, wi, zr, zi) = (&wr[1..half], &wi[1..half], &mut zr[1..half], &mut zi[1..half]);
        for k in 0..count {
            let (br, bi) = (br[count - 1 - k], -bi[count - 1 - k]);
            let (dr, di) = (ar[k] - br, ai[k] - bi);
            zr[k] = ((ar[k] + br) + (wi[k] * dr - wr[k] * di)) * scale;
            zi[k] = -((ai[k] + bi) + (wr[k] * dr + wi[k] * di)) * scale;
        }
    }
}

/// `R` neighbouring parts of a signal, `span` values each.
#[inline(always)]
fn parts<'a, const R: usize>(re: &'a [f32], im: &'a [f32], span: usize) -> [(&'a [f32], &'a [f32]); R] {
    std::array::from_fn(|j| (&re[j * span..(j + 1) * span], &im[j * span..(j + 1) * span]))
}

/// The rows of a pass's factors by the output that they belong to; the first output has none.
#[inline(always)]
fn factor_rows<'a, const R: usize>(re: &'a [f32], im: &'a [f32], count: usize) -> [(&'a [f32], &'a [f32]); R] {
    std::array::from_fn(|k| {
        let row = k.max(1) - 1;
        (&re[row * count..(row + 1) * count], &im[row * count..(row + 1) * count])
    })
}

/// The pass of stride one, from `a` into `a`: into `b` in the order in which neighbours are done side by side, then put in
/// order.
#[inline(always)]
fn first_pass<const R: usize>(
    fr: &[f32],
    fi: &[f32],
    ar: &mut [f32],
    ai: &mut [f32],
    br: &mut [f32],
    bi: &mut [f32],
    butterfly: impl Fn(&mut [f32; R], &mut [f32; R]),
) {
    let m = ar.len() / R;
    {
        let inputs = parts::<R>(ar, ai, m);
        let factors = factor_rows::<R>(fr, fi, m);
        let mut rows = br.chunks_exact_mut(m);
        let outputs_r: [&mut [f32]; R] = std::array::from_fn(|_| &mut rows.next().unwrap_or_default()[..m]);
        let mut rows = bi.chunks_exact_mut(m);
        let outputs_i: [&mut [f32]; R] = std::array::from_fn(|_| &mut rows.next().unwrap_or_default()[..m]);
        for p in 0..m {
            let mut re: [f32; R] = std::array::from_fn(|j| inputs[j].0[p]);
            let mut im: [f32; R] = std::array::from_fn(|j| inputs[j].1[p]);
            butterfly(&mut re, &mut im);
            (outputs_r[0][p], outputs_i[0][p]) = (re[0], im[0]);
            for k in 1..R {
                let (fr, fi) = (factors[k].0[p], factors[k].1[p]);
                outputs_r[k][p] = re[k] * fr - im[k] * fi;
                outputs_i[k][p] = re[k] * fi + im[k] * fr;
            }
        }
    }
    for (to, from) in [(ar, br), (ai, bi)] {
        let rows: [&[f32]; R] = std::array::from_fn(|k| &from[k * m..(k + 1) * m]);
        for (p, to) in to.as_chunks_mut::<R>().0.iter_mut().enumerate().take(m) {
            for k in 0..R {
                to[k] = rows[k][p];
            }
        }
    }
}

/// One pass of the Stockham transform: `y[q + s(Rp + k)] = w^{pk} · Σ_j x[q + s(p + m j)]·ω_R^{jk}`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "split spectra are two slices each")]
fn pass<const R: usize>(
    stride: usize,
    fr: &[f32],
    fi: &[f32],
    xr: &[f32],
    xi: &[f32],
    yr: &mut [f32],
    yi: &mut [f32],
    butterfly: impl Fn(&mut [f32; R], &mut [f32; R]),
) {
    let (s, span) = (stride, xr.len() / R);
    let m = span / s;
    let inputs = parts::<R>(xr, xi, span);
    let factors = factor_rows::<R>(fr, fi, m);
    for (p, (yr, yi)) in yr.chunks_exact_mut(R * s).zip(yi.chunks_exact_mut(R * s)).take(m).enumerate() {
        let inputs: [(&[f32], &[f32]); R] =
            std::array::from_fn(|j| (&inputs[j].0[p * s..(p + 1) * s], &inputs[j].1[p * s..(p + 1) * s]));
        let mut outputs_r = yr.chunks_exact_mut(s);
        let outputs_r: [&mut [f32]; R] = std::array::from_fn(|_| &mut outputs_r.next().unwrap_or_default()[..s]);
        let mut outputs_i = yi.chunks_exact_mut(s);
        let outputs_i: [&mut [f32]; R] = std::array::from_fn(|_| &mut outputs_i.next().unwrap_or_default()[..s]);
        let factors: [(f32, f32); R] = std::array::from_fn(|k| (factors[k].0[p], factors[k].1[p]));
        for q in 0..s {
            let mut re: [f32; R] = std::array::from_fn(|j| inputs[j].0[q]);
            let mut im: [f32; R] = std::array::from_fn(|j| inputs[j].1[q]);
            butterfly(&mut re, &mut im);
            (outputs_r[0][q], outputs_i[0][q]) = (re[0], im[0]);
            for k in 1..R {
                outputs_r[k][q] = re[k] * factors[k].0 - im[k] * factors[k].1;
                outputs_i[k][q] = re[k] * factors[k].1 + im[k] * factors[k].0;
            }
        }
    }
}

#[inline(always)]
fn butterfly2(re: &mut [f32; 2], im: &mut [f32; 2]) {
    *re = [re[0] + re[1], re[0] - re[1]];
    *im = [im[0] + im[1], im[0] - im[1]];
}

#[inline(always)]
fn butterfly4(re: &mut [f32; 4], im: &mut [f32; 4]) {
    let (ar, ai, br, bi) = (re[0] + re[2], im[0] + im[2], re[0] - re[2], im[0] - im[2]);
    let (cr, ci, dr, di) = (re[1] + re[3], im[1] + im[3], re[1] - re[3], im[1] - im[3]);
    *re = [ar + cr, br + di, ar - cr, br - di];
    *im = [ai + ci, bi - dr, ai - ci, bi + dr];
}

#[inline(always)]
fn butterfly8(re: &mut [f32; 8], im: &mut [f32; 8]) {
    let (mut er, mut ei) = ([re[0], re[2], re[4], re[6]], [im[0], im[2], im[4], im[6]]);
    let (mut or, mut oi) = ([re[1], re[3], re[5], re[7]], [im[1], im[3], im[5], im[7]]);
    butterfly4(&mut er, &mut ei);
    butterfly4(&mut or, &mut oi);
    let half = std::f32::consts::FRAC_1_SQRT_2;
    (or[1], oi[1]) = (half * (or[1] + oi[1]), half * (oi[1] - or[1]));
    (or[2], oi[2]) = (oi[2], -or[2]);
    (or[3], oi[3]) = (half * (oi[3] - or[3]), -half * (or[3] + oi[3]));
    for k in 0..4 {
        (re[k], im[k]) = (er[k] + or[k], ei[k] + oi[k]);
        (re[k + 4], im[k + 4]) = (er[k] - or[k], ei[k] - oi[k]);
    }
}

#[inline(always)]
fn butterfly3(re: &mut [f32; 3], im: &mut [f32; 3]) {
    odd(re, im, &[(-0.5, 0.866_025_4)]);
}

#[inline(always)]
fn butterfly5(re: &mut [f32; 5], im: &mut [f32; 5]) {
    odd(re, im, &[(0.309_017, 0.951_056_5), (-0.809_017, 0.587_785_3)]);
}

#[inline(always)]
fn butterfly7(re: &mut [f32; 7], im: &mut [f32; 7]) {
    odd(re, im, &[(0.623_489_8, 0.781_831_5), (-0.222_520_93, 0.974_927_9), (-0.900_968_9, 0.433_883_74)]);
}

/// A butterfly of odd radix from the sums and differences of the inputs that mirror each other; `roots` holds
/// `(cos, sin)` of `2πj/R` for the first half of the circle.
#[inline(always)]
fn odd<const R: usize, const H: usize>(re: &mut [f32; R], im: &mut [f32; R], roots: &[(f32, f32); H]) {
    let (x, y) = (*re, *im);
    for j in 1..=H {
        re[0] += x[j] + x[R - j];
        im[0] += y[j] + y[R - j];
    }
    for k in 1..=H {
        let (mut er, mut ei, mut or, mut oi) = (x[0], y[0], 0.0, 0.0);
        for j in 1..=H {
            let turn = (j * k) % R;
            let (cos, sin) = if turn <= H { roots[turn - 1] } else { (roots[R - turn - 1].0, -roots[R - turn - 1].1) };
            er += cos * (x[j] + x[R - j]);
            ei += cos * (y[j] + y[R - j]);
            or += sin * (x[j] - x[R - j]);
            oi += sin * (y[j] - y[R - j]);
        }
        // exp(−iθ): the odd part is multiplied by −i.
        (re[k], im[k]) = (er + oi, ei - or);
        (re[R - k], im[R - k]) = (er - oi, ei + or);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 10] = [2, 6, 14, 16, 128, 160, 320, 640, 882, 960];

    fn noise(n: usize) -> Vec<f32> {
        (0..n as u32)
            .map(|k| (k.wrapping_mul(2_654_435_761).wrapping_add(k * k) >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect()
    }

    #[test]
    fn equals_the_definition() {
        for n in SIZES {
            let time = noise(n);
            let mut fft = RealFft::new(n).unwrap();
            let mut spectrum = Spectrum::new(fft.bins());
            fft.forward(&time, &mut spectrum);
            for k in 0..fft.bins() {
                let (mut re, mut im) = (0.0_f64, 0.0_f64);
                for (t, x) in time.iter().enumerate() {
                    let angle = -std::f64::consts::TAU * ((k * t) % n) as f64 / n as f64;
                    re += f64::from(*x) * angle.cos();
                    im += f64::from(*x) * angle.sin();
                }
                let error = (f64::from(spectrum.re[k]) - re).hypot(f64::from(spectrum.im[k]) - im);
                assert!(error < 2e-5 * n as f64, "n {n} bin {k}: {error}");
            }
        }
    }

    #[test]
    fn goes_there_and_back() {
        for n in SIZES {
            let time = noise(n);
            let mut fft = RealFft::new(n).unwrap();
            let mut spectrum = Spectrum::new(fft.bins());
            let mut back = vec![0.0; n];
            fft.forward(&time, &mut spectrum);
            fft.inverse(&spectrum, &mut back);
            for (a, b) in time.iter().zip(&back) {
                assert!((a - b).abs() < 1e-5, "{n}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_shorter_spectrum_is_the_low_part() {
        let time = noise(960);
        let mut fft = RealFft::new(960).unwrap();
        let (mut whole, mut low) = (Spectrum::new(481), Spectrum::new(161));
        fft.forward(&time, &mut whole);
        fft.forward(&time, &mut low);
        assert_eq!(whole.re[..161], low.re);
        assert_eq!(whole.im[..161], low.im);
        let mut back = vec![0.0; 960];
        fft.inverse(&low, &mut back);
        fft.forward(&back.clone(), &mut whole);
        assert!((whole.re[160] - low.re[160]).abs() < 1e-3 && whole.re[200].abs() < 1e-3);
    }

    #[test]
    fn other_sizes_are_refused() {
        assert!(RealFft::new(0).is_none());
        assert!(RealFft::new(161).is_none());
        assert!(RealFft::new(22).is_none());
    }
}
