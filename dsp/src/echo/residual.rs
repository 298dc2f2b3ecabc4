//! What the linear filter leaves of the echo, as power per bin.
//!
//! Two parts: what the filter itself expects to be wrong by (its misalignment), and a share of the estimated echo that
//! stands for all that no linear filter follows: distortion of the loudspeaker, the room behind the filter's tail, clocks
//! that drift. The share is the regression of the error's power on the estimate's in each band: what the near end adds has
//! nothing to do with the estimate and moves it by chance only (Valin, "On adjusting the learning rate in frequency domain
//! echo cancellation with double-talk", IEEE TASLP 15, 2007, there for one band).

/// Edges of the bands, in bins of 50 Hz.
const EDGES: [usize; 21] = [0, 2, 4, 6, 8, 10, 12, 15, 18, 22, 26, 31, 37, 44, 52, 62, 74, 88, 106, 130, 161];
const BANDS: usize = EDGES.len() - 1;
/// How fast an echo that the filter does not reach dies away, power per frame.
const REVERB: f32 = 0.6;
/// Weight of a frame in the regression when nothing but echo is heard.
const LEARN: f32 = 0.03;
const FAINT: f32 = 1e-12;

/// Follows the share of the estimate that is left.
#[derive(Clone, Debug)]
pub(crate) struct ResidualEcho {
    /// The estimate's power with its tail.
    echo: Vec<f32>,
    error_mean: [f32; BANDS],
    echo_mean: [f32; BANDS],
    covariance: [f32; BANDS],
    variance: [f32; BANDS],
    share: [f32; BANDS],
}

impl ResidualEcho {
    /// For `bins` bins, 161 at most.
    pub fn new(bins: usize) -> Self {
        Self {
            echo: vec![0.0; bins],
            error_mean: [0.0; BANDS],
            echo_mean: [0.0; BANDS],
            covariance: [0.0; BANDS],
            variance: [0.0; BANDS],
            share: [0.5; BANDS],
        }
    }

    /// Writes the power of the residual echo from the powers of the error, of the estimated echo, and of what the filter
    /// expects to be wrong by.
    pub fn estimate(&mut self, error: &[f32], echo: &[f32], misalignment: &[f32], residual: &mut [f32]) {
        for (tail, echo) in self.echo.iter_mut().zip(echo) {
            *tail = (REVERB * *tail).max(*echo) + FAINT;
        }
        let bins = self.echo.len();
        let total = |power: &[f32]| power[..bins].iter().sum::<f32>() + FAINT;
        let learn = LEARN * (total(&self.echo) / total(error)).min(1.0);
        for band in 0..BANDS {
            let range = EDGES[band].min(bins)..EDGES[band + 1].min(bins);
            if range.is_empty() {
                break;
            }
            let (e, y): (f32, f32) = (error[range.clone()].iter().sum(), self.echo[range.clone()].iter().sum());
            let (de, dy) = (e - self.error_mean[band], y - self.echo_mean[band]);
            self.error_mean[band] += LEARN * de;
            self.echo_mean[band] += LEARN * dy;
            self.covariance[band] += learn * (de * dy - self.covariance[band]);
            self.variance[band] += learn * (dy * dy - self.variance[band]);
            if self.variance[band] > FAINT * FAINT {
                self.share[band] = (self.covariance[band] / self.variance[band]).clamp(0.002, 1.0);
            }
            for k in range {
                residual[k] = self.share[band] * self.echo[k] + misalignment[k];
            }
        }
    }

    /// The filter begins anew, and so does what is known of it.
    pub fn reset(&mut self) {
        let bins = self.echo.len();
        *self = Self::new(bins);
    }
}
