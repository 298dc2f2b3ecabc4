//! What was played and what is about to be: one stretch of samples, with the loudspeaker somewhere inside.

/// How much of what was played is kept, ms: three of the longest pitch periods and what is compared with them.
pub(crate) const HISTORY_MS: usize = 80;
/// Room for what is about to be played, ms: two of the longest packets and a concealed stretch.
pub(crate) const AHEAD_MS: usize = 320;

/// Samples at the decoder's rate.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    samples: Vec<f32>,
    /// The next sample to play.
    play: usize,
    /// Behind the last sample.
    end: usize,
    history: usize,
    ahead: usize,
}

impl Signal {
    /// Silence at `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let per_ms = rate as usize / 1_000;
        let (history, ahead) = (per_ms * HISTORY_MS, per_ms * AHEAD_MS);
        // Twice the room, so that samples are moved seldom.
        Self { samples: vec![0.0; 2 * (history + ahead)], play: history, end: history, history, ahead }
    }

    /// Samples that wait to be played.
    pub fn pending(&self) -> usize {
        self.end - self.play
    }

    /// Room for more of them.
    pub fn room(&self) -> usize {
        self.ahead - self.pending()
    }

    /// The last samples before the loudspeaker, then those behind it.
    pub fn split(&mut self) -> (&mut [f32], &mut [f32]) {
        let (past, rest) = self.samples.split_at_mut(self.play);
        let kept = past.len() - self.history;
        (&mut past[kept..], &mut rest[..self.end - self.play])
    }

    /// The last samples before the loudspeaker.
    pub fn past(&self) -> &[f32] {
        &self.samples[self.play - self.history..self.play]
    }

    /// Leaves the first `skipped` of the last `count` samples out; gives back how many of those are left.
    pub fn leave_out(&mut self, count: usize, skipped: usize) -> usize {
        let count = count.min(self.pending());
        let skipped = skipped.min(count);
        self.samples.copy_within(self.end - count + skipped..self.end, self.end - count);
        self.end -= skipped;
        count - skipped
    }

    /// Everything up to the last sample, at least the history.
    pub fn all(&self) -> &[f32] {
        &self.samples[self.play - self.history..self.end]
    }

    /// Room at the end for `count` samples, to be written to; `None` when there is none. What is not wanted in the end
    /// is taken back by [`Self::retract`].
    pub fn extend(&mut self, count: usize) -> Option<&mut [f32]> {
        if count > self.room() {
            return None;
        }
        if self.end + count > self.samples.len() {
            let from = self.play - self.history;
            self.samples.copy_within(from..self.end, 0);
            self.end -= from;
            self.play = self.history;
        }
        let added = &mut self.samples[self.end..self.end + count];
        self.end += count;
        Some(added)
    }

    /// Takes the last samples back, as far as they are not played.
    pub fn retract(&mut self, count: usize) {
        self.end -= count.min(self.pending());
    }

    /// Removes the first `count` samples that wait: what follows is to be played next.
    pub fn remove(&mut self, count: usize) {
        let count = count.min(self.pending());
        self.samples.copy_within(self.play + count..self.end, self.play);
        self.end -= count;
    }

    /// Puts room for `count` samples before those that wait. False: there is not enough.
    pub fn insert(&mut self, count: usize) -> bool {
        let waiting = self.pending();
        if self.extend(count).is_none() {
            return false;
        }
        self.samples.copy_within(self.play..self.play + waiting, self.play + count);
        true
    }

    /// Plays: the next samples, silence behind the last one.
    pub fn take(&mut self, out: &mut [f32]) {
        let count = out.len().min(self.pending());
        out[..count].copy_from_slice(&self.samples[self.play..self.play + count]);
        out[count..].fill(0.0);
        self.play += count;
    }

    pub fn clear(&mut self) {
        self.samples.fill(0.0);
        self.play = self.history;
        self.end = self.history;
    }
}
