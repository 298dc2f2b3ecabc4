//! The audio of one rate: samples, their pitch, what goes on where they end, and the way to the card's rate.

use crate::codec::LONGEST_PACKET_MS;

use super::conceal::Concealer;
use super::pitch::{LONGEST_MS, PitchFinder, correlation};
use super::resample::Resampler;
use super::signal::Signal;
use super::stretch::rise;

/// Length of the cross-fade from what was concealed, ms. Longer ones were heard more: what was concealed is worse than what
/// came.
const MERGE_MS: f32 = 3.0;

/// Samples of the longest packet that is taken.
pub(crate) fn longest_packet(rate: u32) -> usize {
    (rate / 1_000 * LONGEST_PACKET_MS) as usize
}

/// What the decoders of one rate share.
pub(crate) struct Voice {
    rate: u32,
    pub signal: Signal,
    pub finder: PitchFinder,
    pub concealer: Concealer,
    pub resampler: Resampler,
    /// 10 ms at this rate.
    pub frame: Vec<f32>,
    /// What concealment would have gone on with, for a merge.
    tail: Vec<f32>,
}

impl Voice {
    pub fn new(rate: u32, card: u32) -> Self {
        let finder = PitchFinder::new(rate);
        let tail = finder.samples(LONGEST_MS + MERGE_MS) + 1;
        Self {
            rate,
            signal: Signal::new(rate),
            finder,
            concealer: Concealer::new(rate),
            resampler: Resampler::new(rate, card),
            frame: vec![0.0; (rate / 100) as usize],
            tail: vec![0.0; tail],
        }
    }

    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Plays 10 ms.
    pub fn play(&mut self, out: &mut [f32]) {
        self.signal.take(&mut self.frame);
        if !self.concealer.is_active() {
            self.concealer.observe(self.signal.past());
        }
        self.resampler.process(&self.frame, out);
    }

    /// The signal is to go on with something else than what follows it: the next packet is merged with what would have
    /// come.
    pub fn cut(&mut self) {
        if !self.concealer.is_active() {
            self.concealer.begin(self.signal.all(), &mut self.finder);
        }
    }

    /// Forgets all samples.
    pub fn reset(&mut self) {
        self.signal.clear();
        self.concealer.reset();
        self.resampler.reset();
    }

    /// Conceals so many samples more.
    pub fn conceal(&mut self, count: usize) {
        if !self.concealer.is_active() {
            self.concealer.begin(self.signal.all(), &mut self.finder);
        }
        if let Some(room) = self.signal.extend(count) {
            self.concealer.generate(room);
        }
    }

    /// Joins `count` decoded samples, which were just put at the end of the signal, to what was concealed before them:
    /// where both are most alike, with a cross-fade. To be alike, up to `longer` samples of concealment are put between
    /// or up to `shorter` of the decoded ones left out. Gives back by how many samples the signal became longer.
    pub fn merge(&mut self, count: usize, longer: usize, shorter: usize) -> isize {
        let overlap = self.finder.samples(MERGE_MS).min(count);
        let longer = longer.min(self.tail.len() - overlap);
        let shorter = shorter.min(count - overlap);
        let tail = &mut self.tail[..longer + overlap];
        self.concealer.generate(tail);
        self.concealer.end();
        let total = self.signal.all().len();
        let decoded = &self.signal.all()[total - count..];
        let tail = &*tail;
        let likeness = |shift: isize| {
            let (ours, theirs) = (shift.max(0) as usize, (-shift).max(0) as usize);
            correlation(&tail[ours..ours + overlap], &decoded[theirs..theirs + overlap])
        };
        // No shift unless it is worth it. First every eighth of a millisecond, then what is around the best.
        let (first, last) = (-(shorter as isize), longer as isize);
        let step = (self.rate as usize / 8_000).max(1);
        let mut best = (0, likeness(0) + 0.1);
        let mut look = |shift: isize| {
            let value = likeness(shift);
            if value > best.1 {
                best = (shift, value);
            }
            best.0
        };
        let coarse = (first..=last).step_by(step).fold(0, |_, shift| look(shift));
        if coarse != 0 {
            let around = step as isize - 1;
            (first.max(coarse - around)..=last.min(coarse + around)).for_each(|shift| {
                look(shift);
            });
        }
        let (shift, waiting) = (best.0, self.signal.pending());
        if shift > 0 && self.signal.extend(shift as usize).is_none() {
            return 0;
        }
        let (_, ahead) = self.signal.split();
        let start = waiting - count;
        let (added, skipped) = (shift.max(0) as usize, (-shift).max(0) as usize);
        if added > 0 {
            ahead.copy_within(start..start + count, start + added);
            ahead[start..start + added].copy_from_slice(&tail[..added]);
        }
        if skipped > 0 {
            ahead.copy_within(start + skipped..start + count, start);
        }
        for (n, sample) in ahead[start + added..start + added + overlap].iter_mut().enumerate() {
            *sample = tail[added + n] + rise(n, overlap) * (*sample - tail[added + n]);
        }
        self.signal.retract(skipped);
        shift
    }
}
