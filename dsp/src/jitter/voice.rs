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
/// How far before what came the concealment is drawn from that, too, ms.
const BACK_MS: f32 = 10.0;
/// How much of what came that is drawn from, ms.
const BEHIND_MS: u32 = 40;

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
    /// Goes from what came behind a gap into the past; what came, the first sample last, then what was before it.
    backwards: Concealer,
    reversed: Vec<f32>,
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
            backwards: Concealer::new(rate),
            reversed: Vec::with_capacity((rate / 1_000 * BEHIND_MS) as usize),
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
    /// or up to `shorter` of the decoded ones left out. Of what waits, the last `concealed` samples before them were not
    /// sent. Gives back by how many samples the signal became longer.
    pub fn merge(&mut self, count: usize, longer: usize, shorter: usize, concealed: usize) -> isize {
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
        let joint = start + added;
        if !self.draw_back(joint, count - skipped, concealed + added) {
            let (_, ahead) = self.signal.split();
            for (n, (sample, tail)) in ahead[joint..joint + overlap].iter_mut().zip(&self.tail[added..]).enumerate() {
                *sample = tail + rise(n, overlap) * (*sample - tail);
            }
        }
        self.signal.retract(skipped);
        shift
    }

    /// Leads what was concealed before `joint`, up to `concealed` samples of those that wait, to the `count` samples behind
    /// it: what came tells of the end of a gap as what was before it tells of its beginning. What came is left as it is. False
    /// when there is too little of either.
    fn draw_back(&mut self, joint: usize, count: usize, concealed: usize) -> bool {
        let back = concealed.min(joint).min(self.finder.samples(BACK_MS));
        if back <= self.finder.samples(MERGE_MS) {
            return false;
        }
        let (_, ahead) = self.signal.split();
        self.reversed.clear();
        self.reversed.extend(ahead[joint..].iter().take(self.reversed.capacity().min(count)).rev());
        if !self.backwards.begin_back(&self.reversed, &self.concealer) {
            return false;
        }
        self.reversed.truncate(back);
        self.backwards.generate(&mut self.reversed);
        self.backwards.end();
        let steps = self.reversed.len();
        for (n, (sample, backwards)) in ahead[..joint].iter_mut().rev().zip(&self.reversed).enumerate() {
            *sample = backwards + rise(n, steps) * (*sample - backwards);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    const RATE: u32 = 16_000;

    /// A voice whose pitch rises from 110 Hz by 150 Hz a second: what goes on where it was cut off is soon out of step.
    fn voice(samples: usize) -> Vec<f32> {
        let mut phase = 0.0;
        let sample = |n: usize| {
            phase += (110.0 + 150.0 * n as f32 / RATE as f32) / RATE as f32;
            (1..9).map(|harmonic| 0.1 / harmonic as f32 * (TAU * harmonic as f32 * phase).sin()).sum()
        };
        (0..samples).map(sample).collect()
    }

    /// How far the last 10 ms before what comes behind a gap are from what was said, against that; `concealed`: what the
    /// merge is told of the gap.
    fn error(gap: usize, concealed: usize) -> f32 {
        let (before, behind) = (3_200, 640);
        let said = voice(before + gap + behind);
        let mut voice = Voice::new(RATE, 48_000);
        voice.signal.extend(before).unwrap().copy_from_slice(&said[..before]);
        voice.conceal(gap);
        voice.signal.extend(behind).unwrap().copy_from_slice(&said[before + gap..]);
        assert_eq!(voice.merge(behind, 0, 0, concealed), 0);
        let (_, ahead) = voice.signal.split();
        let (from, to) = (before + gap - 160, before + gap);
        let off: f32 = ahead[from..to].iter().zip(&said[from..to]).map(|(heard, said)| (heard - said).powi(2)).sum();
        off / said[from..to].iter().map(|said| said * said).sum::<f32>()
    }

    #[test]
    fn a_gap_ends_in_step_with_what_follows_it() {
        for gap in [320, 480, 640] {
            let (drawn, alone) = (error(gap, gap), error(gap, 0));
            assert!(drawn < 0.6 * alone, "{gap}: {drawn} and {alone}");
        }
    }

    #[test]
    fn a_gap_too_short_to_lead_from_is_only_joined() {
        assert_eq!(error(32, 32), error(32, 0));
    }
}
