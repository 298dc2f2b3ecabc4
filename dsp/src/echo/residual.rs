//! What the linear filter leaves of the echo, as power per bin.
//!
//! What the filter itself expects to be wrong by (its misalignment), and what no linear filter follows: distortion of the
//! loudspeaker, the room behind the filter's tail, clocks that drift. The latter is a share of the estimated echo or of the
//! far end, whichever is more; each share is the regression of the error's power on the other's in each band: what the near
//! end adds has nothing to do with them and moves it by chance only (Valin, "On adjusting the learning rate in frequency
//! domain echo cancellation with double-talk", IEEE TASLP 15, 2007, there for one band).

use crate::stft::FAINT;

/// Edges of the bands, in bins of 50 Hz.
const EDGES: [usize; 21] = [0, 2, 4, 6, 8, 10, 12, 15, 18, 22, 26, 31, 37, 44, 52, 62, 74, 88, 106, 130, 161];
const BANDS: usize = EDGES.len() - 1;
/// How fast an echo that the filter does not reach dies away, power per frame.
const REVERB: f32 = 0.6;
/// How much more the filter is wrong than it expects: it learns from each frame twice and takes what it learns for new.
const OVERCONFIDENT: f32 = 2.0;
/// Weight of a frame in the regression when nothing but echo is heard.
const LEARN: f32 = 0.03;

/// One regression for each band: how much of `regressor` is found in the error.
#[derive(Clone, Debug)]
struct Regression {
    /// The regressor's power with its tail, per bin.
    tail: Vec<f32>,
    mean: [f32; BANDS],
    covariance: [f32; BANDS],
    variance: [f32; BANDS],
    share: [f32; BANDS],
    start: f32,
}

impl Regression {
    fn new(bins: usize, start: f32) -> Self {
        Self {
            tail: vec![0.0; bins],
            mean: [0.0; BANDS],
            covariance: [0.0; BANDS],
            variance: [0.0; BANDS],
            share: [start; BANDS],
            start,
        }
    }

    /// Takes the regressor's power and how far each band's error is from its mean; raises `residual` to what follows.
    /// The less of the whole `error` it can explain, the less is learnt.
    fn update(&mut self, power: &[f32], deviations: &[f32; BANDS], error: Option<f32>, residual: &mut [f32]) {
        let bins = self.tail.len();
        let mut total = 0.0;
        for (tail, power) in self.tail.iter_mut().zip(power) {
            *tail = (REVERB * *tail).max(*power) + FAINT;
            total += *tail;
        }
        let learn = LEARN * error.map_or(1.0, |error| (total / error).min(1.0));
        for band in 0..BANDS {
            let range = EDGES[band].min(bins)..EDGES[band + 1].min(bins);
            if range.is_empty() {
                break;
            }
            let power: f32 = self.tail[range.clone()].iter().sum();
            let deviation = power - self.mean[band];
            self.mean[band] += LEARN * deviation;
            self.covariance[band] += learn * (deviations[band] * deviation - self.covariance[band]);
            self.variance[band] += learn * (deviation * deviation - self.variance[band]);
            if self.variance[band] > FAINT * FAINT {
                self.share[band] = (self.covariance[band] / self.variance[band]).clamp(0.0, 4.0);
            }
            for k in range {
                residual[k] = residual[k].max(self.share[band] * self.tail[k]);
            }
        }
    }

    fn reset(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        *self = Self { tail, ..Self::new(0, self.start) };
        self.tail.fill(0.0);
    }
}

/// Follows the shares of the estimate and of the far end that are left.
#[derive(Clone, Debug)]
pub(crate) struct ResidualEcho {
    error_mean: [f32; BANDS],
    linear: Regression,
    far: Regression,
}

impl ResidualEcho {
    /// For `bins` bins, 161 at most.
    pub fn new(bins: usize) -> Self {
        Self { error_mean: [0.0; BANDS], linear: Regression::new(bins, 0.5), far: Regression::new(bins, 0.0) }
    }

    /// Writes the power of the residual echo, from the powers of the error, of the estimated echo, of the far end that
    /// belongs to it, and of what the filter expects to be wrong by.
    pub fn estimate(&mut self, error: &[f32], echo: &[f32], far: &[f32], misalignment: &[f32], residual: &mut [f32]) {
        let bins = residual.len();
        let mut deviations = [0.0; BANDS];
        for band in 0..BANDS {
            let range = EDGES[band].min(bins)..EDGES[band + 1].min(bins);
            deviations[band] = error[range].iter().sum::<f32>() - self.error_mean[band];
            self.error_mean[band] += LEARN * deviations[band];
        }
        let total = error[..bins].iter().sum::<f32>() + FAINT;
        residual.fill(0.0);
        self.linear.update(echo, &deviations, Some(total), residual);
        self.far.update(far, &deviations, None, residual);
        for (residual, misalignment) in residual.iter_mut().zip(misalignment) {
            *residual += OVERCONFIDENT * misalignment;
        }
    }

    /// The filter begins anew, and so does what is known of it.
    pub fn reset(&mut self) {
        self.error_mean = [0.0; BANDS];
        self.linear.reset();
        self.far.reset();
    }
}
