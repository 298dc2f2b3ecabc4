//! Echo cancellation: alignment, linear filter, suppression of what is left.

mod filter;
mod history;

use std::collections::VecDeque;

use crate::config::EchoCancellation;
use filter::KalmanFilter;
use history::FarHistory;

/// Highest frequency that the linear filter works at: 8 kHz, in bins of 50 Hz.
const LINEAR_BINS: usize = 161;

/// Most frames of the far end that wait for the microphone's; more are dropped, oldest first.
const WAITING: usize = 8;

/// Removes the far end from the microphone's signal, one frame of 10 ms at a time.
#[derive(Clone, Debug)]
pub(crate) struct EchoCanceller {
    frame: usize,
    /// Far-end frames that the microphone's have not caught up with.
    waiting: VecDeque<Vec<f32>>,
    /// Frames that can be used again.
    spare: Vec<Vec<f32>>,
    far: FarHistory,
    filter: KalmanFilter,
    partitions: usize,
    lag: usize,
    echo: Vec<f32>,
}

impl EchoCanceller {
    /// For frames of `frame` samples; `None` when they cannot be transformed.
    pub fn new(frame: usize, config: &EchoCancellation) -> Option<Self> {
        let bins = (frame + 1).min(LINEAR_BINS);
        let partitions = usize::from(config.tail_ms).div_ceil(10) + 1;
        Some(Self {
            frame,
            waiting: VecDeque::with_capacity(WAITING + 1),
            spare: (0..=WAITING).map(|_| vec![0.0; frame]).collect(),
            far: FarHistory::new(frame, bins, partitions + 52)?,
            filter: KalmanFilter::new(frame, bins, partitions, 0.999)?,
            partitions,
            lag: 0,
            echo: vec![0.0; frame],
        })
    }

    /// Takes a frame that goes to the loudspeaker.
    pub fn render(&mut self, far: &[f32]) {
        if self.waiting.len() >= WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.spare.push(oldest);
        }
        if let Some(mut frame) = self.spare.pop() {
            frame.copy_from_slice(far);
            self.waiting.push_back(frame);
        }
    }

    /// Writes what is left of the microphone's frame without the echo that the filter expects.
    pub fn capture(&mut self, near: &[f32], error: &mut [f32]) {
        match self.waiting.pop_front() {
            Some(frame) => {
                self.far.push(&frame);
                self.spare.push(frame);
            }
            None => {
                self.echo.fill(0.0);
                self.far.push(&self.echo);
            }
        }
        if self.far.is_silent(self.lag, self.partitions) {
            self.echo.fill(0.0);
            error.copy_from_slice(near);
            return;
        }
        self.filter.predict(&self.far, self.lag, &mut self.echo);
        for ((error, near), echo) in error.iter_mut().zip(near).zip(&self.echo) {
            *error = near - echo;
        }
        self.filter.update(&self.far, self.lag, error);
    }

    /// The echo that was taken out of the last frame.
    pub fn echo(&self) -> &[f32] {
        &self.echo
    }

    pub fn reset(&mut self) {
        while let Some(frame) = self.waiting.pop_front() {
            self.spare.push(frame);
        }
        self.far.reset();
        self.filter.reset();
        self.lag = 0;
        self.echo.fill(0.0);
    }
}
