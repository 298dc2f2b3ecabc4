//! How long the echo takes: coherence of the microphone with the far end at each lag.
//!
//! For each lag in frames the cross-spectrum of far end and microphone is averaged over about a second; its squared
//! coherence, summed over the bins of speech, stands out at the lag where the echo begins. (Carter, "Coherence and time
//! delay estimation", Proc. IEEE 75, 1987.)

use super::history::FarHistory;
use crate::fft::{RealFft, Spectrum};
use crate::simd::kernels;
use crate::stft::FAINT;

/// The bins that are compared: 300 to 3,900 Hz.
const LOW: usize = 6;
const HIGH: usize = 78;
const WIDTH: usize = HIGH - LOW;

/// Most frames that the averages stand for.
const MEMORY: f32 = 25.0;

/// Fewest frames that a decision is based on.
const SURE: f32 = 10.0;

/// For how many frames an echo's lag stays the best: any echo's, and one that is strongly coherent, in itself and beside
/// all other lags.
const STEADY: usize = 90;
const STEADY_STRONG: usize = 30;
const STRONG: f32 = 0.35;
const STANDING_OUT: f32 = 6.0;
/// Frames of far end after which an echo that was not proved is not there; and for which one that was is.
const TRIAL: usize = 180;
const VALID: usize = 1_500;

/// Finds the lag of the echo and follows it.
#[derive(Clone, Debug)]
pub(crate) struct DelayEstimator {
    fft: RealFft,
    /// The microphone's `[frame before; frame]`.
    time: Vec<f32>,
    near: Spectrum,
    lags: usize,
    cross: Spectrum,
    near_power: Vec<f32>,
    /// Averaged power of the far end, one row for each lag, as a ring.
    far_power: Vec<f32>,
    head: usize,
    score: Vec<f32>,
    /// The lag that was best lately, and for how many frames.
    candidate: (usize, usize),
    lag: Option<usize>,
    /// The lag that was best in the last frame, and for how many frames the best has stayed there.
    steady: (usize, usize),
    /// Frames of far end since an echo was last proved; `None`: it never was.
    proved: Option<usize>,
    /// Frames of far end that were looked at.
    looked: usize,
    /// Frames that the averages stand for.
    seen: f32,
}

impl DelayEstimator {
    /// For lags of 0 to `lags - 1` frames; `None` when the frame cannot be transformed.
    pub fn new(frame: usize, lags: usize) -> Option<Self> {
        Some(Self {
            fft: RealFft::new(2 * frame)?,
            time: vec![0.0; 2 * frame],
            near: Spectrum::new(HIGH),
            lags,
            cross: Spectrum::new(WIDTH * lags),
            near_power: vec![0.0; WIDTH],
            far_power: vec![0.0; WIDTH * lags],
            head: 0,
            score: vec![0.0; lags],
            candidate: (0, 0),
            lag: None,
            steady: (0, 0),
            proved: None,
            looked: 0,
            seen: 0.0,
        })
    }

    /// Takes the row that has just been put into `far`.
    pub fn hear(&mut self, far: &FarHistory) {
        let before = self.head;
        self.head = (self.head + self.lags - 1) % self.lags;
        for k in 0..WIDTH {
            let power = self.far_power[before * WIDTH + k];
            let fresh = far.power(0)[LOW + k] - power;
            self.far_power[self.head * WIDTH + k] = power + fresh / (self.seen + 1.0).min(MEMORY) + FAINT;
        }
    }

    /// Takes the microphone's frame. Gives the lag in frames when it becomes known or changes.
    pub fn update(&mut self, far: &FarHistory, near: &[f32]) -> Option<usize> {
        let half = near.len();
        self.time.copy_within(half.., 0);
        self.time[half..].copy_from_slice(near);
        if far.is_silent(0, self.lags) {
            return None;
        }
        self.fft.forward(&self.time, &mut self.near);
        let (dr, di) = (&self.near.re[LOW..], &self.near.im[LOW..]);
        self.seen = (self.seen + 1.0).min(MEMORY);
        let fresh = 1.0 / self.seen;
        average(dr, di, fresh, &mut self.near_power);
        for lag in 0..self.lags {
            let row = lag * WIDTH..(lag + 1) * WIDTH;
            let (xr, xi) = far.spectrum(lag);
            let ring = (self.head + lag) % self.lags;
            self.score[lag] = correlate(
                &xr[LOW..HIGH],
                &xi[LOW..HIGH],
                dr,
                di,
                fresh,
                &self.far_power[ring * WIDTH..(ring + 1) * WIDTH],
                &self.near_power,
                &mut self.cross.re[row.clone()],
                &mut self.cross.im[row],
            ) / WIDTH as f32;
        }
        self.decide()
    }

    /// The lag in frames, once it is known.
    pub fn lag(&self) -> Option<usize> {
        self.lag
    }

    /// Whether the microphone hears the far end: until there was time to find out, or for a while after it did.
    ///
    /// Two voices that speak at once are coherent at some lag at any time, by chance and for half a second at most; an echo
    /// is at one lag, and stays there.
    pub fn suspects_echo(&self) -> bool {
        self.proved.map_or(self.looked < TRIAL, |frames| frames < VALID)
    }

    fn prove(&mut self, best: usize, top: f32, floor: f32) {
        self.looked = self.looked.saturating_add(1);
        let stays = self.steady.0.abs_diff(best) <= 1;
        self.steady = (best, if stays && top > 0.0 { self.steady.1 + 1 } else { 0 });
        let strong = top > STRONG && top > STANDING_OUT * floor;
        if self.steady.1 >= if strong { STEADY_STRONG } else { STEADY } {
            self.proved = Some(0);
        } else if let Some(frames) = &mut self.proved {
            *frames = frames.saturating_add(1);
        }
    }

    fn decide(&mut self) -> Option<usize> {
        let mut best = 0;
        for lag in 1..self.lags {
            if self.score[lag] > self.score[best] {
                best = lag;
            }
        }
        let floor = self.score.iter().sum::<f32>() / self.lags as f32;
        let top = self.score[best];
        self.prove(best, top, floor);
        let clear = self.seen >= SURE && top > 0.08 && top > 2.0 * floor;
        let held = self.lag.map_or(0.0, |lag| self.score[lag].max(self.score[(lag + 1).min(self.lags - 1)]));
        let sure = self.lag.is_none() || (top > 0.15 && top > 3.0 * floor && top > 1.5 * held);
        if !clear || !sure {
            self.candidate.1 = 0;
            return None;
        }
        if self.candidate.0.abs_diff(best) <= 1 {
            self.candidate = (best, self.candidate.1 + 1);
        } else {
            self.candidate = (best, 1);
        }
        let patience = if self.lag.is_none() { 5 } else { 12 };
        if self.candidate.1 < patience || self.lag == Some(best) {
            return None;
        }
        self.lag = Some(best);
        self.candidate.1 = 0;
        self.lag
    }

    /// Power of the microphone over that of the far end `lag` frames ago, lately.
    pub fn gain(&self, lag: usize) -> f32 {
        let row = (self.head + lag) % self.lags * WIDTH;
        let far: f32 = self.far_power[row..row + WIDTH].iter().sum();
        let near: f32 = self.near_power.iter().sum();
        near / (far + FAINT)
    }

    pub fn reset(&mut self) {
        self.time.fill(0.0);
        self.cross.clear();
        self.near_power.fill(0.0);
        self.far_power.fill(0.0);
        self.lag = None;
        self.candidate = (0, 0);
        self.steady = (0, 0);
        self.proved = None;
        self.looked = 0;
        self.seen = 0.0;
    }
}

kernels! {
    fn average(re: &[f32], im: &[f32], fresh: f32, power: &mut [f32]) {
        for ((power, re), im) in power.iter_mut().zip(re).zip(im) {
            *power += fresh * (re * re + im * im - *power) + FAINT;
        }
    }

    /// Adds to one lag's cross-spectrum and gives the sum of its squared coherence.
    fn correlate(
        xr: &[f32], xi: &[f32], dr: &[f32], di: &[f32], fresh: f32, far: &[f32], near: &[f32], cr: &mut [f32], ci: &mut [f32],
    ) -> f32 {
        let n = cr.len();
        let (xr, xi, dr, di) = (&xr[..n], &xi[..n], &dr[..n], &di[..n]);
        let (far, near, ci) = (&far[..n], &near[..n], &mut ci[..n]);
        let mut sums = [0.0_f32; 8];
        for chunk in (0..n).step_by(8) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let k = chunk + lane;
                cr[k] += fresh * (xr[k] * dr[k] + xi[k] * di[k] - cr[k]);
                ci[k] += fresh * (xr[k] * di[k] - xi[k] * dr[k] - ci[k]);
                *sum += (cr[k] * cr[k] + ci[k] * ci[k]) / (far[k] * near[k]);
            }
        }
        sums.iter().sum()
    }
}
