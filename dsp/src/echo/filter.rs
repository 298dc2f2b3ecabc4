//! The linear echo canceller: a partitioned-block Kalman filter in the frequency domain.
//!
//! Overlap-save with blocks of one frame; each partition and bin holds a coefficient and the variance of its error, so
//! that the step size is what the Kalman gain makes of the far end's power, the expected misalignment and the near end:
//! double talk needs no detector. After Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo
//! control in hands-free telephones", Signal Processing 86 (2006), and Kuech, Mabande and Enzner, "State-space
//! architecture of the partitioned-block-based acoustic echo controller", ICASSP 2014.
//!
//! Each frame is learnt from twice: when it comes, and once more [`AGAIN`] frames later, beside the frame that is new then.
//! A filter of variances alone leaves the better part of what a frame of speech says of the path, for it knows nothing of
//! how its errors hang together.

use super::history::FarHistory;
use crate::fft::{RealFft, Spectrum};
use crate::simd::kernels;
use crate::stft::FAINT;

/// The filter's state for one echo path.
#[derive(Clone, Debug)]
pub(crate) struct KalmanFilter {
    fft: RealFft,
    /// The same for the filter's bins alone.
    narrow: RealFft,
    frame: usize,
    bins: usize,
    partitions: usize,
    /// Coefficients, one row of bins for each partition.
    re: Vec<f32>,
    im: Vec<f32>,
    /// Variance of their error, and for each partition what it was when nothing was known.
    variance: Vec<f32>,
    prior: Vec<f32>,
    /// Power of what is not echo (near end, noise), smoothed.
    near: Vec<f32>,
    /// How far the filter is expected to be off, as power at its output.
    misalignment: Vec<f32>,
    echo: Spectrum,
    /// Spectrum of the echo that is expected in the frame before and in this.
    expected: Spectrum,
    time: Vec<f32>,
    /// Power of the error with [`REACH`] bins more at both ends.
    power: Vec<f32>,
    now: Innovation,
    again: Innovation,
    /// The last frames, a ring of [`AGAIN`]: the one at `turn` is the oldest. So many of them belong to the far end's rows
    /// that stand before its newest.
    past: Vec<Heard>,
    turn: usize,
    known: usize,
    /// The partition that is next to be held to one frame of time.
    next: usize,
}

/// What a frame says of the path.
#[derive(Clone, Debug)]
struct Innovation {
    /// The error's spectrum, divided by the power that is expected of it.
    error: Spectrum,
    /// One over that power.
    inverse: Vec<f32>,
}

/// How much of the expected echo there is in a frame, and how much of it in the frame's error: each bin weighed against what is
/// not echo.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Likeness {
    /// Power of the expected echo, below 1 in each bin.
    pub echo: f32,
    /// What the error has in common with it.
    pub common: f32,
}

/// A frame of the past: the echo that was expected, the error that was left, and the power of what was not echo.
#[derive(Clone, Debug)]
struct Heard {
    expected: Spectrum,
    error: Spectrum,
    near: Vec<f32>,
}

/// Partitions that are held to their frame of time in each update.
const CONSTRAINED: usize = 2;
/// Frames after which a frame is learnt from once more: about as long as a sound of speech, so that the two differ.
pub(super) const AGAIN: usize = 10;
/// By how much the near end is thought louder then, for the filter has heard it already.
const AGAIN_NEAR: f32 = 3.0;
/// Bins to either side over which the near end's power is averaged: of one bin alone the error's own chance would decide
/// how much is learnt from it.
const REACH: usize = 5;
/// How much of what is known is forgotten with a frame, at most, and what share of that which the frame tells: where the
/// far end is silent nothing is.
const FORGET: f32 = 0.02;
const FORGET_SHARE: f32 = 0.5;
/// How much of the coefficients is given up with a frame in which all of them seem to be wrong: those that noise has made must
/// not count as a path that changes, and so be learnt from noise again.
const UNLEARN: f32 = 0.2;
/// How much of the path changes from frame to frame in a room where nothing seems to happen.
pub(super) const CALM: f32 = 1e-4;
/// The largest variance: no microphone hears the loudspeaker louder.
const LARGEST: f32 = 4.0;
/// How fast the prior variance falls from partition to partition: a room that loses 60 dB in 0.6 s.
const DECAY: f32 = 0.8;
/// The prior variance of all partitions alike, before anything is known of the path.
const UNKNOWN: f32 = 0.5;
/// The partition at which the echo is expected to begin.
const ONSET: i32 = 1;

impl KalmanFilter {
    /// A filter of `partitions` frames; `None` when the frame cannot be transformed.
    pub fn new(frame: usize, bins: usize, partitions: usize) -> Option<Self> {
        Some(Self {
            fft: RealFft::new(2 * frame)?,
            narrow: RealFft::new(2 * (bins - 1))?,
            frame,
            bins,
            partitions,
            re: vec![0.0; bins * partitions],
            im: vec![0.0; bins * partitions],
            variance: vec![0.0; bins * partitions],
            prior: vec![0.0; partitions],
            near: vec![0.0; bins],
            misalignment: vec![0.0; bins],
            echo: Spectrum::new(bins),
            expected: Spectrum::new(bins),
            time: vec![0.0; 2 * frame],
            power: vec![0.0; bins + 2 * REACH],
            now: Innovation::new(bins),
            again: Innovation::new(bins),
            past: vec![Heard::new(bins); AGAIN],
            turn: 0,
            known: 0,
            next: 0,
        })
    }

    /// Forgets the path. `gain` is about the power of the echo over the far end's; `known`: the echo begins in the first
    /// partitions, else anywhere.
    pub fn restart(&mut self, gain: f32, known: bool) {
        self.re.fill(0.0);
        self.im.fill(0.0);
        self.near.fill(0.0);
        self.doubt(gain, known);
    }

    /// All coefficients are as uncertain as at the beginning, whatever they are.
    fn doubt(&mut self, gain: f32, known: bool) {
        for (p, row) in self.variance.chunks_exact_mut(self.bins).enumerate() {
            let decay = if known { DECAY.powi((p as i32 - ONSET).max(0)) } else { 1.0 };
            self.prior[p] = gain * decay;
            row.fill(self.prior[p]);
        }
    }

    /// The echo begins `later` partitions further on than was thought: what was learnt goes along, but is as uncertain as if
    /// it was not. `gain` as for [`Self::restart`].
    pub fn begin_later(&mut self, later: usize, gain: f32) {
        for _ in 0..later.min(self.partitions) {
            self.advance();
        }
        self.doubt(gain, true);
    }

    /// As new.
    pub fn reset(&mut self) {
        self.restart(UNKNOWN, false);
        self.misalignment.fill(0.0);
        self.next = 0;
        self.known = 0;
    }

    /// Writes the echo that is expected in this frame. The far end is heard `lag` frames ago first.
    pub fn predict(&mut self, far: &FarHistory, lag: usize, echo: &mut [f32]) {
        self.expect(far, lag);
        self.fft.inverse(&self.echo, &mut self.time);
        self.expected.copy_from(&self.echo);
        echo.copy_from_slice(&self.time[self.frame..]);
    }

    /// Takes what was left over of the microphone's frame, and says how much of the echo that was expected is in it.
    pub fn compare(&mut self, far: &FarHistory, lag: usize, error: &[f32]) -> Likeness {
        self.learn_again(far, lag + AGAIN);
        self.time[self.frame..].copy_from_slice(error);
        self.transform_error();
        self.spread_error();
        follow(&self.echo.re, &mut self.near);
        self.remember();
        liken(&self.expected, &self.now.error, &self.near)
    }

    /// Learns from the frame that was compared, and from one of before. `moving` is how much of the path is expected to change
    /// from frame to frame, as a share of its power; `wrong`, how much of what is known of it seems to be wrong.
    pub fn update(&mut self, far: &FarHistory, lag: usize, moving: f32, wrong: f32) {
        let change = moving.max(wrong);
        let keep = 1.0 - UNLEARN * wrong;
        self.weigh_variance(far, lag);
        let Innovation { error, inverse } = &mut self.now;
        normalise(&self.misalignment, &self.near, &mut error.re, &mut error.im, inverse);

        let rows = self.variance.chunks_exact_mut(self.bins).zip(&self.prior);
        let rows = rows.zip(self.re.chunks_exact_mut(self.bins)).zip(self.im.chunks_exact_mut(self.bins));
        for (p, (((variance, prior), wr), wi)) in rows.enumerate() {
            let (now, again) = (self.now.row(far, lag + p), self.again.row(far, lag + AGAIN + p));
            learn(&now, &again, [change, keep, *prior], variance, wr, wi);
        }
        for _ in 0..CONSTRAINED {
            self.constrain();
        }
    }

    /// What the oldest frame that is kept says now, `lag` being its own; nothing when there is none.
    fn learn_again(&mut self, far: &FarHistory, lag: usize) {
        if self.known < AGAIN {
            self.again.error.clear();
            self.again.inverse.fill(0.0);
            return;
        }
        self.expect(far, lag);
        let heard = &self.past[self.turn];
        // Its error now is what it was then, and what has become of the echo that was expected.
        subtract(&heard.expected, &mut self.echo);
        let time = &mut self.time[..2 * (self.bins - 1)];
        self.narrow.inverse(&self.echo, time);
        time[..self.bins - 1].fill(0.0);
        self.narrow.forward(time, &mut self.now.error);
        add(&heard.error, &mut self.now.error);
        self.spread_error();
        std::mem::swap(&mut self.now.error, &mut self.again.error);
        let near = &mut self.past[self.turn].near;
        distrust(&self.echo.re, near);
        self.weigh_variance(far, lag);
        let Innovation { error, inverse } = &mut self.again;
        normalise(&self.misalignment, &self.past[self.turn].near, &mut error.re, &mut error.im, inverse);
    }

    /// Leaves the spectrum of the echo that is expected `lag` frames behind the far end, and in the frame before, in `echo`.
    fn expect(&mut self, far: &FarHistory, lag: usize) {
        self.echo.clear();
        for (p, (wr, wi)) in self.re.chunks_exact(self.bins).zip(self.im.chunks_exact(self.bins)).enumerate() {
            let (xr, xi) = far.spectrum(lag + p);
            accumulate(xr, xi, wr, wi, &mut self.echo.re, &mut self.echo.im);
        }
    }

    /// The spectrum of the error that is in the second half of `time`.
    fn transform_error(&mut self) {
        self.time[..self.frame].fill(0.0);
        self.fft.forward(&self.time, &mut self.now.error);
    }

    /// Leaves the error's power, averaged over the bins around each, in the real part of `echo`.
    fn spread_error(&mut self) {
        let bins = self.bins;
        self.now.error.power_into(&mut self.power[REACH..REACH + bins]);
        for k in 1..=REACH.min(bins - 1) {
            self.power[REACH - k] = self.power[REACH + k];
            self.power[REACH + bins - 1 + k] = self.power[REACH + bins - 1 - k];
        }
        spread(&self.power, &mut self.echo.re);
    }

    /// The power by which the filter is expected to be off at its output.
    fn weigh_variance(&mut self, far: &FarHistory, lag: usize) {
        self.misalignment.fill(0.0);
        for (p, variance) in self.variance.chunks_exact(self.bins).enumerate() {
            weigh(far.power(lag + p), variance, &mut self.misalignment);
        }
    }

    /// Keeps the frame that was compared in the oldest's place.
    fn remember(&mut self) {
        let heard = &mut self.past[self.turn];
        heard.expected.copy_from(&self.expected);
        heard.error.copy_from(&self.now.error);
        heard.near.copy_from_slice(&self.near);
        self.turn = (self.turn + 1) % AGAIN;
        self.known = (self.known + 1).min(AGAIN);
    }

    /// The frames that are kept do not belong to the far end's rows any more.
    pub fn forget_frames(&mut self) {
        self.known = 0;
    }

    /// The response in the frequency domain: one row of bins for each partition, real and imaginary parts.
    pub fn response(&self) -> (&[f32], &[f32]) {
        (&self.re, &self.im)
    }

    /// Samples in a partition.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// The far end's rows have moved: each partition stands for one frame less of delay. The first is lost.
    pub fn advance(&mut self) {
        let bins = self.bins;
        for rows in [&mut self.re, &mut self.im, &mut self.variance] {
            rows.copy_within(bins.., 0);
        }
        let last = (self.partitions - 1) * bins;
        self.re[last..].fill(0.0);
        self.im[last..].fill(0.0);
    }

    /// The far end is silent: nothing is expected, and nothing of it can be wrong.
    pub fn rest(&mut self) {
        self.misalignment.fill(0.0);
        self.forget_frames();
    }

    /// Holds one partition to the frame of time that it stands for (the gradient constraint), each in its turn.
    fn constrain(&mut self) {
        let row = self.next * self.bins..(self.next + 1) * self.bins;
        self.next = (self.next + 1) % self.partitions;
        self.echo.re.copy_from_slice(&self.re[row.clone()]);
        self.echo.im.copy_from_slice(&self.im[row.clone()]);
        // At a rate that just holds the filter's bins, a frame of time is as long and the transform is shorter.
        let time = &mut self.time[..2 * (self.bins - 1)];
        self.narrow.inverse(&self.echo, time);
        time[self.bins - 1..].fill(0.0);
        self.narrow.forward(time, &mut self.echo);
        self.re[row.clone()].copy_from_slice(&self.echo.re);
        self.im[row].copy_from_slice(&self.echo.im);
    }

    /// Power at the output that the filter expects to be wrong by, per bin.
    pub fn misalignment(&self) -> &[f32] {
        &self.misalignment
    }
}

kernels! {
    fn accumulate(xr: &[f32], xi: &[f32], wr: &[f32], wi: &[f32], yr: &mut [f32], yi: &mut [f32]) {
        let n = yr.len();
        let (xr, xi, wr, wi, yi) = (&xr[..n], &xi[..n], &wr[..n], &wi[..n], &mut yi[..n]);
        for k in 0..n {
            yr[k] += xr[k] * wr[k] - xi[k] * wi[k];
            yi[k] += xr[k] * wi[k] + xi[k] * wr[k];
        }
    }

    fn weigh(power: &[f32], variance: &[f32], sum: &mut [f32]) {
        for ((sum, power), variance) in sum.iter_mut().zip(power).zip(variance) {
            *sum += power * variance;
        }
    }

    /// Averages over the bins around each by a triangle; `power` has [`REACH`] more at both ends.
    fn spread(power: &[f32], mean: &mut [f32]) {
        let n = mean.len();
        mean.fill(0.0);
        for j in 0..=2 * REACH {
            let weight = (REACH + 1 - j.abs_diff(REACH)) as f32 / ((REACH + 1) * (REACH + 1)) as f32;
            let power = &power[j..j + n];
            for k in 0..n {
                mean[k] += weight * power[k];
            }
        }
    }

    fn add(more: &Spectrum, sum: &mut Spectrum) {
        let n = more.re.len();
        let (re, im, more_re, more_im) = (&mut sum.re[..n], &mut sum.im[..n], &more.re[..n], &more.im[..n]);
        for k in 0..n {
            re[k] += more_re[k];
            im[k] += more_im[k];
        }
    }

    /// Leaves `from` less what is in `difference` there.
    fn subtract(from: &Spectrum, difference: &mut Spectrum) {
        let n = from.re.len();
        let (re, im, from_re, from_im) = (&mut difference.re[..n], &mut difference.im[..n], &from.re[..n], &from.im[..n]);
        for k in 0..n {
            re[k] = from_re[k] - re[k];
            im[k] = from_im[k] - im[k];
        }
    }

    /// Half of the expected echo's power is that of the frame before. No bin counts more than 1, however well the filter did
    /// in it: else that would be remembered for long when it does no more.
    fn liken(expected: &Spectrum, error: &Spectrum, near: &[f32]) -> Likeness {
        let (yr, er) = (expected.re.as_chunks::<8>().0, error.re.as_chunks::<8>().0);
        let (yi, ei) = (expected.im.as_chunks::<8>().0, error.im.as_chunks::<8>().0);
        let (mut echo, mut common) = ([0.0; 8], [0.0; 8]);
        for ((((yr, yi), er), ei), near) in yr.iter().zip(yi).zip(er).zip(ei).zip(near.as_chunks::<8>().0) {
            for k in 0..8 {
                let power = 0.5 * (yr[k] * yr[k] + yi[k] * yi[k]);
                let weight = 1.0 / (near[k] + power);
                echo[k] += power * weight;
                common[k] += (yr[k] * er[k] + yi[k] * ei[k]) * weight;
            }
        }
        Likeness { echo: echo.iter().sum(), common: common.iter().sum() }
    }

    /// Follows the power of what is not echo.
    fn follow(error: &[f32], near: &mut [f32]) {
        for (near, error) in near.iter_mut().zip(error) {
            *near += 0.5 * (error - *near);
            *near = near.max(FAINT);
        }
    }

    /// The power of what was not echo, when a frame is learnt from once more.
    fn distrust(error: &[f32], near: &mut [f32]) {
        for (near, error) in near.iter_mut().zip(error) {
            *near = (AGAIN_NEAR * *near).max(0.5 * error);
        }
    }

    /// Divides the error by the power that is expected of it: of what is not echo, and of the misalignment.
    fn normalise(misalignment: &[f32], near: &[f32], er: &mut [f32], ei: &mut [f32], inverse: &mut [f32]) {
        let n = inverse.len();
        let (misalignment, near, er, ei) = (&misalignment[..n], &near[..n], &mut er[..n], &mut ei[..n]);
        for k in 0..n {
            inverse[k] = 1.0 / (misalignment[k] + near[k]);
            er[k] *= inverse[k];
            ei[k] *= inverse[k];
        }
    }

    /// One row of the Kalman update from two frames, and of the random walk that follows it. `how`: which share of the
    /// coefficients' power changes, which share of them is kept, and what their variance was when nothing was known.
    fn learn(now: &Row<'_>, again: &Row<'_>, how: [f32; 3], variance: &mut [f32], wr: &mut [f32], wi: &mut [f32]) {
        let n = variance.len();
        let [change, keep, prior] = how;
        let (wr, wi) = (&mut wr[..n], &mut wi[..n]);
        let (xr, xi, power) = (&now.xr[..n], &now.xi[..n], &now.power[..n]);
        let (er, ei, inverse) = (&now.er[..n], &now.ei[..n], &now.inverse[..n]);
        let (old_xr, old_xi, old_power) = (&again.xr[..n], &again.xi[..n], &again.power[..n]);
        let (old_er, old_ei, old_inverse) = (&again.er[..n], &again.ei[..n], &again.inverse[..n]);
        for k in 0..n {
            let v = variance[k];
            wr[k] += v * (xr[k] * er[k] + xi[k] * ei[k] + old_xr[k] * old_er[k] + old_xi[k] * old_ei[k]);
            wi[k] += v * (xr[k] * ei[k] - xi[k] * er[k] + old_xr[k] * old_ei[k] - old_xi[k] * old_er[k]);
            // Half of the window is the frame before, of which the error says nothing: half is learnt.
            let learnt = 0.5 * v * power[k] * inverse[k];
            let learnt_again = 0.5 * v * old_power[k] * old_inverse[k];
            let forgotten = if FORGET_SHARE * learnt < FORGET { FORGET_SHARE * learnt } else { FORGET };
            let new = ((1.0 - learnt) * (1.0 - learnt_again) + forgotten) * v;
            let most = if v > prior { v } else { prior };
            let new = if new < most { new } else { most };
            let new = new + change * (wr[k] * wr[k] + wi[k] * wi[k]) + FAINT;
            variance[k] = if new < LARGEST { new } else { LARGEST };
            wr[k] *= keep;
            wi[k] *= keep;
        }
    }
}

impl Heard {
    fn new(bins: usize) -> Self {
        Self { expected: Spectrum::new(bins), error: Spectrum::new(bins), near: vec![0.0; bins] }
    }
}

/// What a partition learns from: a row of the far end, and an innovation.
struct Row<'a> {
    xr: &'a [f32],
    xi: &'a [f32],
    power: &'a [f32],
    er: &'a [f32],
    ei: &'a [f32],
    inverse: &'a [f32],
}

impl Innovation {
    fn new(bins: usize) -> Self {
        Self { error: Spectrum::new(bins), inverse: vec![0.0; bins] }
    }

    fn row<'a>(&'a self, far: &'a FarHistory, lag: usize) -> Row<'a> {
        let (xr, xi) = far.spectrum(lag);
        Row { xr, xi, power: far.power(lag), er: &self.error.re, ei: &self.error.im, inverse: &self.inverse }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;

    /// White noise, so loud at most.
    fn noise(seed: &mut u32, loud: f32) -> Vec<f32> {
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            loud * ((*seed >> 8) as f32 / 8_388_608.0 - 1.0)
        };
        (0..FRAME).map(|_| next()).collect()
    }

    /// Far end and microphone have nothing in common, and the path is said to have changed each time.
    fn learn_garbage(filter: &mut KalmanFilter, far: &mut FarHistory, frames: usize) {
        let mut seed = 1;
        for _ in 0..frames {
            far.push(&noise(&mut seed, 0.01));
            let microphone = noise(&mut seed, 1.0);
            let mut echo = vec![0.0; FRAME];
            filter.predict(far, 0, &mut echo);
            let error: Vec<f32> = microphone.iter().zip(&echo).map(|(heard, echo)| heard - echo).collect();
            filter.compare(far, 0, &error);
            filter.update(far, 0, 1.0, 0.0);
        }
    }

    fn filter() -> (KalmanFilter, FarHistory) {
        let (bins, partitions) = (FRAME + 1, 4);
        let mut filter = KalmanFilter::new(FRAME, bins, partitions).unwrap();
        filter.reset();
        (filter, FarHistory::new(FRAME, bins, partitions + AGAIN).unwrap())
    }

    #[test]
    fn no_variance_grows_beyond_the_largest() {
        let (mut filter, mut far) = filter();
        learn_garbage(&mut filter, &mut far, 500);
        assert!(filter.variance.iter().all(|variance| *variance <= LARGEST));
        assert!(filter.re.iter().chain(&filter.im).all(|coefficient| coefficient.is_finite()));
    }

    #[test]
    fn what_seems_wrong_is_given_up() {
        let (mut filter, mut far) = filter();
        learn_garbage(&mut filter, &mut far, 50);
        let power = |filter: &KalmanFilter| filter.re.iter().chain(&filter.im).map(|x| x * x).sum::<f32>();
        let before = power(&filter);
        // A frame that tells nothing.
        let mut echo = vec![0.0; FRAME];
        far.push(&[0.0; FRAME]);
        far.push(&[0.0; FRAME]);
        filter.rest();
        filter.predict(&far, 0, &mut echo);
        filter.compare(&far, 0, &[0.0; FRAME]);
        filter.update(&far, 0, 0.0, 1.0);
        let kept = power(&filter) / before;
        assert!(kept < 1.01 * (1.0 - UNLEARN).powi(2), "{kept}");
    }

    #[test]
    fn nothing_from_before_a_silence_is_learnt_once_more() {
        let (mut filter, mut far) = filter();
        learn_garbage(&mut filter, &mut far, AGAIN + 1);
        assert!(filter.again.inverse.iter().all(|inverse| *inverse > 0.0), "learnt once more before it");
        filter.rest();
        learn_garbage(&mut filter, &mut far, AGAIN);
        assert!(filter.again.inverse.iter().all(|inverse| *inverse == 0.0), "nor behind it");
        learn_garbage(&mut filter, &mut far, 1);
        assert!(filter.again.inverse.iter().all(|inverse| *inverse > 0.0), "and then again");
    }
}
