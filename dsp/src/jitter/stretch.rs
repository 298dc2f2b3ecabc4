//! Time stretching by pitch-synchronous overlap and add: a pitch period is left out, or played twice.
//!
//! WSOLA (Verhelst and Roelands, 1993) with one cut at a time: the signal goes on a period later, or earlier, where it is
//! most like itself, with a cross-fade in between. Where there is nothing but background every place is good enough.

use super::pitch::{PitchFinder, SHORTEST_MS};
use super::signal::Signal;
use crate::simd::energy;

/// Length of a cross-fade, ms.
pub(crate) const OVERLAP_MS: f32 = 6.0;
/// Power below which a difference is not heard, −60 dBFS.
const SILENT: f32 = 1e-6;

/// Cuts that are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Largest change, samples.
    pub most: usize,
    /// Correlation that is needed.
    pub likeness: f32,
    /// Power of the background: what is about as quiet is cut anywhere.
    pub background: f32,
}

impl Cut {
    fn suits(&self, correlation: f32, power: f32) -> bool {
        correlation >= self.likeness || power < SILENT.max(4.0 * self.background)
    }
}

/// Leaves up to `cut.most` of the samples that wait out; gives back how many.
pub(crate) fn accelerate(signal: &mut Signal, finder: &mut PitchFinder, cut: Cut) -> usize {
    let overlap = finder.samples(OVERLAP_MS);
    let shortest = finder.samples(SHORTEST_MS);
    let (_, ahead) = signal.split();
    let longest = cut.most.min(ahead.len().saturating_sub(overlap)).min(finder.samples(super::pitch::LONGEST_MS));
    if longest < shortest {
        return 0;
    }
    let end = overlap + longest;
    let period = finder.find(&ahead[..end], overlap, shortest..=longest);
    let power = energy(&ahead[..end]) / end as f32;
    if period.lag == 0 || !cut.suits(period.correlation, power) {
        return 0;
    }
    let (start, lag) = (end - overlap - period.lag, period.lag);
    // From behind: where the period is shorter than the overlap, what is written is read before.
    for n in (0..overlap).rev() {
        let rise = rise(n, overlap);
        ahead[start + lag + n] = ahead[start + n] + rise * (ahead[start + lag + n] - ahead[start + n]);
    }
    ahead.copy_within(..start, lag);
    signal.remove(lag);
    lag
}

/// Plays up to `cut.most` samples of what was just played again; gives back how many.
pub(crate) fn slow_down(signal: &mut Signal, finder: &mut PitchFinder, cut: Cut) -> usize {
    let overlap = finder.samples(OVERLAP_MS);
    let (shortest, longest) = (finder.samples(SHORTEST_MS), cut.most.min(finder.samples(super::pitch::LONGEST_MS)));
    if longest < shortest || signal.pending() < overlap {
        return 0;
    }
    let past = signal.all().len() - signal.pending();
    let samples = &signal.all()[past - longest - overlap..past + overlap];
    let period = finder.find(samples, overlap, shortest..=longest);
    let power = energy(samples) / samples.len() as f32;
    let lag = period.lag;
    if lag == 0 || !cut.suits(period.correlation, power) || !signal.insert(lag) {
        return 0;
    }
    // What waits begins `lag` later now, and the room before it is filled with what was played, faded into.
    let (past, ahead) = signal.split();
    for n in 0..lag.max(overlap) {
        let again = if n < lag { past[past.len() - lag + n] } else { ahead[n] };
        if n < overlap {
            let natural = ahead[lag + n];
            ahead[n] = natural + rise(n, overlap) * (again - natural);
        } else if n < lag {
            ahead[n] = again;
        }
    }
    lag
}

/// Weight of what is faded into, 0 to 1.
pub(crate) fn rise(n: usize, overlap: usize) -> f32 {
    (n as f32 + 0.5) / overlap as f32
}
