//! Echo cancellation: alignment, linear filter, suppression of what is left.

mod clock;
mod delay;
mod drift;
mod filter;
mod history;
pub(crate) mod residual;

use std::collections::VecDeque;

use crate::config::EchoCancellation;
use clock::FarClock;
use delay::DelayEstimator;
use drift::DriftEstimator;
use filter::{AGAIN, CALM, KalmanFilter, Likeness};
use history::FarHistory;

/// Highest frequency that the linear filter works at: 8 kHz, in bins of 50 Hz.
pub(crate) const LINEAR_BINS: usize = 161;
/// Lags that are looked at: 0 to 510 ms.
const LAGS: usize = 52;
/// What the first partition's coefficients may have of the path's power, where the rest decays behind it.
const SHARE: f32 = 0.4;
/// The filter fits when it leaves at most this share of the microphone's power.
const FITS: f32 = 0.7;
/// How much of a drift that was seen is made up for at once.
const DRIFT_GAIN: f64 = 0.7;
/// How often in a row a drift is seen before it is believed.
const DRIFT_BELIEVED: i32 = 3;
/// The smallest drift for which the path is expected to move, and how much of it from frame to frame: else a filter that
/// remembers long would not follow, and neither would the drift be seen.
const DRIFT_SUSPECTED: f64 = 10e-6;
const MOVING: f32 = 0.002;
/// The smallest drift that is made up for, and the largest: 20 and 500 parts per million.
const DRIFT_NOTICED: f64 = 20e-6;
const DRIFT_MOST: f64 = 500e-6;
/// Most frames of the far end that wait for the microphone's; more are dropped, oldest first.
const WAITING: usize = 8;

/// Removes the far end from the microphone's signal, one frame of 10 ms at a time.
#[derive(Clone, Debug)]
pub(crate) struct EchoCanceller {
    /// Far-end frames that the microphone's have not caught up with.
    waiting: VecDeque<Vec<f32>>,
    /// Frames that can be used again.
    spare: Vec<Vec<f32>>,
    clock: FarClock,
    drift: DriftEstimator,
    /// How often in a row the echo was seen to come later; below zero: earlier.
    drifting: i32,
    /// Whether a drift was suspected at the last look.
    moving: bool,
    far: FarHistory,
    delay: DelayEstimator,
    filter: KalmanFilter,
    partitions: usize,
    /// The first partition stands for this lag, frames.
    lag: usize,
    echo: Vec<f32>,
    watch: Watch,
}

impl EchoCanceller {
    /// For frames of `frame` samples; `None` when they cannot be transformed.
    pub fn new(frame: usize, config: &EchoCancellation) -> Option<Self> {
        let bins = (frame + 1).min(LINEAR_BINS);
        let partitions = usize::from(config.tail_ms).div_ceil(10) + 1;
        let mut filter = KalmanFilter::new(frame, bins, partitions)?;
        filter.reset();
        Some(Self {
            waiting: VecDeque::with_capacity(WAITING + 1),
            spare: (0..=WAITING).map(|_| vec![0.0; frame]).collect(),
            clock: FarClock::new(frame),
            drift: DriftEstimator::new(bins),
            drifting: 0,
            moving: false,
            far: FarHistory::new(frame, bins, partitions + LAGS + AGAIN)?,
            delay: DelayEstimator::new(frame, LAGS)?,
            filter,
            partitions,
            lag: 0,
            echo: vec![0.0; frame],
            watch: Watch::default(),
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
        self.listen();
        if let Some(lag) = self.delay.update(&self.far, near) {
            self.align(lag);
        }
        if self.far.is_silent(self.lag, self.partitions) {
            self.echo.fill(0.0);
            self.filter.rest();
            error.copy_from_slice(near);
            return;
        }
        self.filter.predict(&self.far, self.lag, &mut self.echo);
        for ((error, near), echo) in error.iter_mut().zip(near).zip(&self.echo) {
            *error = near - echo;
        }
        let likeness = self.filter.compare(&self.far, self.lag, error);
        let wrong = self.watch.wrong(near, error, likeness);
        let moving = if self.moving { MOVING } else { CALM };
        self.filter.update(&self.far, self.lag, moving, wrong);
        if !self.suspects_echo() {
            // What the filter takes for echo is the near end.
            error.copy_from_slice(near);
        }
        if let Some(later) = self.drift.update(&self.filter, self.watch.left() < FITS) {
            self.follow(later);
        }
    }

    /// The echo that was taken out of the last frame.
    pub fn echo(&self) -> &[f32] {
        &self.echo
    }

    /// The power by which that echo is expected to be wrong, per bin.
    pub fn misalignment(&self) -> &[f32] {
        self.filter.misalignment()
    }

    /// Power of the far end where its echo begins, per bin.
    pub fn far_power(&self) -> &[f32] {
        self.far.power(self.lag + 1)
    }

    /// From the far end's frame to its echo's, frames; once it is known.
    pub fn delay(&self) -> Option<usize> {
        self.delay.lag()
    }

    /// Whether the far end is, or may be, heard by the microphone at all: with a headset it is not.
    pub fn suspects_echo(&self) -> bool {
        self.delay.suspects_echo()
    }

    /// What is left of the microphone's power behind the linear filter, lately: 0 to 1.
    pub fn left(&self) -> f32 {
        self.watch.left()
    }

    /// Whether the far end may be heard by the microphone now, or still echoes.
    pub fn is_active(&self) -> bool {
        self.suspects_echo() && !self.far.is_silent(self.lag, self.partitions)
    }

    pub fn reset(&mut self) {
        while let Some(frame) = self.waiting.pop_front() {
            self.spare.push(frame);
        }
        self.clock.reset();
        self.drift.forget();
        self.drifting = 0;
        self.moving = false;
        self.far.reset();
        self.delay.reset();
        self.filter.reset();
        self.lag = 0;
        self.echo.fill(0.0);
        self.watch = Watch::default();
    }

    /// Takes the far end's frame that belongs to the microphone's, on the microphone's clock.
    fn listen(&mut self) {
        let mut frame = match self.waiting.pop_front() {
            Some(frame) => frame,
            None => {
                let Some(mut frame) = self.spare.pop() else { return };
                frame.fill(0.0);
                frame
            }
        };
        if self.clock.is_idle() {
            self.far.push(&frame);
            self.delay.hear(&self.far);
        } else {
            self.clock.write(&frame);
            let mut rows = 0;
            while self.clock.read(&mut frame) {
                self.far.push(&frame);
                self.delay.hear(&self.far);
                rows += 1;
            }
            // The same sound is now found one row later, or one earlier.
            if rows != 1 {
                self.filter.forget_frames();
            }
            match rows {
                0 if self.lag == 0 => self.filter.advance(),
                0 => self.lag -= 1,
                1 => {}
                _ => self.lag = (self.lag + rows - 1).min(LAGS - 1),
            }
        }
        self.spare.push(frame);
    }

    /// The echo comes later by so many samples in each: the far end is to be read that much slower. The first drift is
    /// believed when it was seen several times in a row, as a filter that still learns moves too.
    fn follow(&mut self, later: f64) {
        self.moving = later.abs() >= DRIFT_SUSPECTED;
        let noticed = later.abs() >= DRIFT_NOTICED;
        self.drifting = match self.drifting * later.signum() as i32 {
            seen if noticed && seen >= 0 => self.drifting + later.signum() as i32,
            _ => 0,
        };
        if self.clock.is_idle() && self.drifting.abs() < DRIFT_BELIEVED {
            return;
        }
        let slower = self.clock.slower() + DRIFT_GAIN * later;
        self.clock.set_slower(slower.clamp(-DRIFT_MOST, DRIFT_MOST));
    }

    /// How much faster the microphone's clock is than the loudspeaker's, parts per million.
    pub fn drift_ppm(&self) -> f32 {
        (self.clock.slower() * 1e6) as f32
    }

    /// The echo begins at another lag than was thought: the path is learnt anew, unless the filter does well. What was learnt
    /// goes along where it fits, as before the lag was known; behind a jump it does not.
    fn align(&mut self, lag: usize) {
        let first = lag.saturating_sub(1);
        if first == self.lag || self.watch.left() < 0.1 {
            return;
        }
        let gain = (SHARE * self.delay.gain(lag)).min(1.0);
        match first.checked_sub(self.lag).filter(|_| self.watch.left() < FITS) {
            Some(later) => self.filter.begin_later(later, gain),
            None => self.filter.restart(gain, true),
        }
        self.lag = first;
        self.drift.forget();
        self.moving = false;
        self.watch = Watch::default();
    }
}

/// Watches how the filter does: what is left of the echo must have nothing in common with what was taken out.
#[derive(Clone, Debug, Default)]
struct Watch {
    near: f32,
    error: f32,
    likeness: Likeness,
}

/// Weight of the past in the sums of powers: about 100 ms.
const WATCH_MEMORY: f32 = 0.9;
/// And in what error and echo have in common, some 25 ms: a path that changes is seen at once in all bins, and two voices are
/// never alike for less time than for more.
const LIKENESS_MEMORY: f32 = 0.6;
/// Standard deviations that are left to chance.
const CHANCE: f32 = 3.0;
/// The least of an echo, in bins, that can say anything.
const LEAST: f32 = 1e-3;

impl Watch {
    /// The share of the filter that seems to be wrong, 0 to 1.
    ///
    /// The regression of the error on the estimate is 0 for a filter that fits, −1 for one that has nothing to do with
    /// the path any more; a near-end talker moves it by chance only. With each bin weighed against what is not echo in it the
    /// chance is known from the estimate alone.
    fn wrong(&mut self, near: &[f32], error: &[f32], likeness: Likeness) -> f32 {
        let power = |frame: &[f32]| frame.iter().map(|x| x * x).sum::<f32>();
        self.near = WATCH_MEMORY * self.near + power(near);
        self.error = WATCH_MEMORY * self.error + power(error);
        let Likeness { echo, common } = &mut self.likeness;
        *echo = LIKENESS_MEMORY * *echo + likeness.echo;
        *common = LIKENESS_MEMORY * *common + likeness.common;
        if *echo < LEAST {
            return 0.0;
        }
        (-*common / *echo - CHANCE / echo.sqrt()).clamp(0.0, 1.0)
    }

    /// What is left of the microphone's power, 0 to 1; 1 before anything is known.
    fn left(&self) -> f32 {
        if self.near > 0.0 { (self.error / self.near).min(1.0) } else { 1.0 }
    }
}
