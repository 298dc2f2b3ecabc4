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

/// The filter's state for one echo path.
#[derive(Clone, Debug)]
pub(crate) struct KalmanFilter {
    fft: RealFft,
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
    /// How fast the path is expected to change.
    forget: f32,
}

/// Variance of a coefficient of which nothing is known, relative to its square scale.
const UNKNOWN: f32 = 1.0;

impl KalmanFilter {
    /// A filter of `partitions` frames; `None` when the frame cannot be transformed.
    pub fn new(frame: usize, bins: usize, partitions: usize, forget: f32) -> Option<Self> {
        Some(Self {
            fft: RealFft::new(2 * frame)?,
            frame,
            bins,
            partitions,
            re: vec![0.0; bins * partitions],
            im: vec![0.0; bins * partitions],
            variance: vec![UNKNOWN; bins * partitions],
            near: vec![0.0; bins],
            misalignment: vec![0.0; bins],
            echo: Spectrum::new(bins),
            error: Spectrum::new(bins),
            time: vec![0.0; 2 * frame],
            next: 0,
            forget,
        })
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

    /// Learns from what was left over of the microphone's frame.
    pub fn update(&mut self, far: &FarHistory, lag: usize, error: &[f32]) {
        self.time[..self.frame].fill(0.0);
        self.time[self.frame..].copy_from_slice(error);
        self.fft.forward(&self.time, &mut self.error);
        self.misalignment.fill(0.0);
        for (p, variance) in self.variance.chunks_exact(self.bins).enumerate() {
            weigh(far.power(lag + p), variance, &mut self.misalignment);
        }
        observe(&self.error.re, &self.error.im, &self.misalignment, &mut self.near);
        // From here the error's spectrum is divided by the expected power of the whole.
        normalise(&self.misalignment, &self.near, &mut self.error.re, &mut self.error.im, &mut self.echo.re);
        let rows = self.variance.chunks_exact_mut(self.bins);
        let rows = rows.zip(self.re.chunks_exact_mut(self.bins)).zip(self.im.chunks_exact_mut(self.bins));
        for (p, ((variance, wr), wi)) in rows.enumerate() {
            let (xr, xi) = far.spectrum(lag + p);
            learn(
                xr,
                xi,
                far.power(lag + p),
                &self.error.re,
                &self.error.im,
                &self.echo.re,
                self.forget,
                variance,
                wr,
                wi,
            );
        }
        for _ in 0..2 {
            self.constrain();
        }
    }

    /// Holds one partition to the frame of time that it stands for (the gradient constraint), each in its turn.
    fn constrain(&mut self) {
        let row = self.next * self.bins..(self.next + 1) * self.bins;
        self.next = (self.next + 1) % self.partitions;
        self.echo.re.copy_from_slice(&self.re[row.clone()]);
        self.echo.im.copy_from_slice(&self.im[row.clone()]);
        self.fft.inverse(&self.echo, &mut self.time);
        self.time[self.frame..].fill(0.0);
        self.fft.forward(&self.time, &mut self.echo);
        self.re[row.clone()].copy_from_slice(&self.echo.re);
        self.im[row].copy_from_slice(&self.echo.im);
    }

    /// Power at the output that the filter expects to be wrong by, per bin.
    pub fn misalignment(&self) -> &[f32] {
        &self.misalignment
    }

    pub fn reset(&mut self) {
        self.re.fill(0.0);
        self.im.fill(0.0);
        self.variance.fill(UNKNOWN);
        self.near.fill(0.0);
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
            *sum += 0.5 * power * variance;
        }
    }

    fn observe(er: &[f32], ei: &[f32], misalignment: &[f32], near: &mut [f32]) {
        let n = near.len();
        let (er, ei, misalignment) = (&er[..n], &ei[..n], &misalignment[..n]);
        for k in 0..n {
            let power = er[k] * er[k] + ei[k] * ei[k];
            near[k] += 0.5 * (power - near[k]);
            let _ = misalignment[k];
        }
    }

    fn normalise(misalignment: &[f32], near: &[f32], er: &mut [f32], ei: &mut [f32], inverse: &mut [f32]) {
        let n = inverse.len();
        let (misalignment, near, er, ei) = (&misalignment[..n], &near[..n], &mut er[..n], &mut ei[..n]);
        for k in 0..n {
            inverse[k] = 1.0 / (misalignment[k] + near[k] + 1e-9);
            er[k] *= inverse[k];
            ei[k] *= inverse[k];
        }
    }

    fn learn(
        xr: &[f32], xi: &[f32], power: &[f32], er: &[f32], ei: &[f32], inverse: &[f32], forget: f32,
        variance: &mut [f32], wr: &mut [f32], wi: &mut [f32],
    ) {
        let n = variance.len();
        let (xr, xi, power, er, ei) = (&xr[..n], &xi[..n], &power[..n], &er[..n], &ei[..n]);
        let (inverse, wr, wi) = (&inverse[..n], &mut wr[..n], &mut wi[..n]);
        let keep = forget * forget;
        for k in 0..n {
            let v = variance[k];
            let (r, i) = (xr[k] * er[k] + xi[k] * ei[k], xr[k] * ei[k] - xi[k] * er[k]);
            wr[k] += v * r;
            wi[k] += v * i;
            let shrink = 1.0 - 0.5 * v * power[k] * inverse[k];
            variance[k] = keep * shrink.max(0.0) * v + (1.0 - keep) * (wr[k] * wr[k] + wi[k] * wi[k]) + 1e-12;
        }
    }
}
