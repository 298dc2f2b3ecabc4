//! How far two clocks run apart: the filter's response moves, and by how much is seen in its phase.
//!
//! A delay that grows by τ turns the response at bin k by −2πkτ/N. Between a response and the one of a second ago the turn
//! is compared over eight bins at a time, which neither needs unwrapping nor the onset of the response.

use super::filter::KalmanFilter;

/// Frames between two looks at the response.
const INTERVAL: usize = 100;
/// Partitions that are compared: the direct sound and the first reflections.
const PARTITIONS: usize = 8;
/// Distance of the bins that are compared.
const DISTANCE: usize = 8;
/// The lowest bin: 400 Hz.
const LOW: usize = 8;
/// How well bins must agree on the delay, 0 to 1, for it to be believed.
const AGREEMENT: f32 = 0.75;

/// Looks at a filter's response once a second.
#[derive(Clone, Debug)]
pub(crate) struct DriftEstimator {
    re: Vec<f32>,
    im: Vec<f32>,
    turn: Vec<(f32, f32)>,
    /// Frames since the response was kept; `None`: none is.
    age: Option<usize>,
}

impl DriftEstimator {
    /// For filters of `bins` bins.
    pub fn new(bins: usize) -> Self {
        Self {
            re: vec![0.0; bins * PARTITIONS],
            im: vec![0.0; bins * PARTITIONS],
            turn: vec![(0.0, 0.0); bins],
            age: None,
        }
    }

    /// The path was lost: what is kept means nothing any more.
    pub fn forget(&mut self) {
        self.age = None;
    }

    /// Takes a frame in which the filter has learnt; `true` of `fits`: it fits well. Gives how much later the echo has
    /// become since the last look, in samples per sample, once in [`INTERVAL`] frames.
    pub fn update(&mut self, filter: &KalmanFilter, fits: bool) -> Option<f64> {
        let Some(age) = &mut self.age else {
            if fits {
                self.keep(filter);
            }
            return None;
        };
        *age += 1;
        if *age < INTERVAL || !fits {
            if *age > 3 * INTERVAL {
                self.age = None;
            }
            return None;
        }
        let samples = (*age * filter.frame()) as f64;
        let delay = self.delay(filter);
        self.keep(filter);
        delay.map(|delay| delay / samples)
    }

    fn keep(&mut self, filter: &KalmanFilter) {
        let (re, im) = filter.response();
        let length = self.re.len().min(re.len());
        self.re[..length].copy_from_slice(&re[..length]);
        self.im[..length].copy_from_slice(&im[..length]);
        self.age = Some(0);
    }

    /// Samples by which the response has moved since it was kept; `None` when its bins do not agree.
    fn delay(&mut self, filter: &KalmanFilter) -> Option<f64> {
        let (re, im) = filter.response();
        let bins = self.turn.len();
        self.turn.fill((0.0, 0.0));
        for (row, kept) in re
            .chunks_exact(bins)
            .zip(im.chunks_exact(bins))
            .zip(self.re.chunks_exact(bins).zip(self.im.chunks_exact(bins)))
        {
            for (k, turn) in self.turn.iter_mut().enumerate() {
                turn.0 += row.0[k] * kept.0[k] + row.1[k] * kept.1[k];
                turn.1 += row.1[k] * kept.0[k] - row.0[k] * kept.1[k];
            }
        }
        let (mut sum, mut weight) = ((0.0, 0.0), 0.0);
        for k in LOW + DISTANCE..bins {
            let (a, b) = (self.turn[k], self.turn[k - DISTANCE]);
            sum.0 += a.0 * b.0 + a.1 * b.1;
            sum.1 += a.1 * b.0 - a.0 * b.1;
            weight += (a.0.hypot(a.1)) * (b.0.hypot(b.1));
        }
        if weight <= 0.0 || sum.0.hypot(sum.1) < AGREEMENT * weight {
            return None;
        }
        let size = 2.0 * filter.frame() as f64;
        Some(-f64::from(sum.1.atan2(sum.0)) * size / (std::f64::consts::TAU * DISTANCE as f64))
    }
}
