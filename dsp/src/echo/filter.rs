//! The linear echo canceller: a partitioned-block Kalman filter in the frequency domain.
//!
//! Overlap-save with blocks of one frame; each partition and bin holds a coefficient and the variance of its error, so
//! that the step size is what the Kalman gain makes of the far end's power, the expected misalignment and the near end:
//! double talk needs no detector. After Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo
//! control in hands-free telephones", Signal Processing 86 (2006), and Kuech, Mabande and Enzner, "State-space
//! architecture of the partitioned-block-based acoustic echo controller", ICASSP 2014.

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
    /// Variance of their error.
    variance: Vec<f32>,
    /// Power of what is not echo (near end, noise), smoothed.
    near: Vec<f32>,
    /// How far the filter is expected to be off, as power at its output.
    misalignment: Vec<f32>,
    echo: Spectrum,
    error: Spectrum,
    time: Vec<f32>,
    /// The partition that is next to be held to one frame of time.
    next: usize,
}

/// Partitions that are held to their frame of time in each update.
const CONSTRAINED: usize = 2;
/// How much of the path changes from frame to frame in a room where nothing seems to happen.
pub(super) const CALM: f32 = 0.002;
/// How fast the prior variance falls from partition to partition: a room that loses 60 dB in 0.6 s.
const DECAY: f32 = 0.8;
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
            near: vec![0.0; bins],
            misalignment: vec![0.0; bins],
            echo: Spectrum::new(bins),
            error: Spectrum::new(bins),
            time: vec![0.0; 2 * frame],
            next: 0,
        })
    }

    /// Forgets the path. `gain` is about the power of the echo over the far end's; `known`: the echo begins in the first
    /// partitions, else anywhere.
    pub fn restart(&mut self, gain: f32, known: bool) {
        self.re.fill(0.0);
        self.im.fill(0.0);
        self.near.fill(0.0);
        for (p, row) in self.variance.chunks_exact_mut(self.bins).enumerate() {
            let decay = if known { DECAY.powi((p as i32 - ONSET).max(0)) } else { 1.0 };
            row.fill(gain * decay);
        }
    }

    /// As new.
    pub fn reset(&mut self) {
        self.restart(1.0, false);
        self.misalignment.fill(0.0);
        self.next = 0;
    }

    /// Writes the echo that is expected in this frame. The far end is heard `lag` frames ago first.
    pub fn predict(&mut self, far: &FarHistory, lag: usize, echo: &mut [f32]) {
        self.echo.clear();
        for (p, (wr, wi)) in self.re.chunks_exact(self.bins).zip(self.im.chunks_exact(self.bins)).enumerate() {
            let (xr, xi) = far.spectrum(lag + p);
            accumulate(xr, xi, wr, wi, &mut self.echo.re, &mut self.echo.im);
        }
        self.fft.inverse(&self.echo, &mut self.time);
        echo.copy_from_slice(&self.time[self.frame..]);
    }

    /// Learns from what was left over of the microphone's frame. `change` is how much of the path is expected to have
    /// changed since the last frame, as a share of its power.
    pub fn update(&mut self, far: &FarHistory, lag: usize, error: &[f32], change: f32) {
        self.time[..self.frame].fill(0.0);
        self.time[self.frame..].copy_from_slice(error);
        self.fft.forward(&self.time, &mut self.error);
        self.misalignment.fill(0.0);
        for (p, variance) in self.variance.chunks_exact(self.bins).enumerate() {
            weigh(far.power(lag + p), variance, &mut self.misalignment);
        }
        // From here the error's spectrum is divided by the power that is expected of it.
        let inverse = &mut self.echo.re;
        normalise(&self.misalignment, &mut self.near, &mut self.error.re, &mut self.error.im, inverse);
        let rows = self.variance.chunks_exact_mut(self.bins);
        let rows = rows.zip(self.re.chunks_exact_mut(self.bins)).zip(self.im.chunks_exact_mut(self.bins));
        for (p, ((variance, wr), wi)) in rows.enumerate() {
            let (xr, xi) = far.spectrum(lag + p);
            let power = far.power(lag + p);
            learn(xr, xi, power, &self.error.re, &self.error.im, inverse, change, variance, wr, wi);
        }
        for _ in 0..CONSTRAINED {
            self.constrain();
        }
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

    /// Follows the power of what is not expected, and divides the error by the sum of both.
    fn normalise(misalignment: &[f32], near: &mut [f32], er: &mut [f32], ei: &mut [f32], inverse: &mut [f32]) {
        let n = inverse.len();
        let (misalignment, near, er, ei) = (&misalignment[..n], &mut near[..n], &mut er[..n], &mut ei[..n]);
        for k in 0..n {
            near[k] += 0.5 * (er[k] * er[k] + ei[k] * ei[k] - near[k]);
            near[k] = near[k].max(FAINT);
            inverse[k] = 1.0 / (misalignment[k] + near[k]);
            er[k] *= inverse[k];
            ei[k] *= inverse[k];
        }
    }

    /// One row of the Kalman update, and of the random walk that follows it.
    fn learn(
        xr: &[f32], xi: &[f32], power: &[f32], er: &[f32], ei: &[f32], inverse: &[f32], change: f32,
        variance: &mut [f32], wr: &mut [f32], wi: &mut [f32],
    ) {
        let n = variance.len();
        let (xr, xi, power, er, ei) = (&xr[..n], &xi[..n], &power[..n], &er[..n], &ei[..n]);
        let (inverse, wr, wi) = (&inverse[..n], &mut wr[..n], &mut wi[..n]);
        for k in 0..n {
            let v = variance[k];
            wr[k] += v * (xr[k] * er[k] + xi[k] * ei[k]);
            wi[k] += v * (xr[k] * ei[k] - xi[k] * er[k]);
            // Half of the window is the frame before, of which the error says nothing: half is learnt.
            let kept = 1.0 - 0.5 * v * power[k] * inverse[k];
            variance[k] = (1.0 - CALM) * kept * v + change * (wr[k] * wr[k] + wi[k] * wi[k]) + FAINT;
        }
    }
}
