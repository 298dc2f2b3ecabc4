//! What the buffer tells of itself.

use serde::Serialize;

/// Delays are counted in bins of 1 ms up to this many.
const BINS: usize = 2_048;
/// The frames that a codec conceals with, ms.
const CODEC_FRAME_MS: f64 = 20.0;

/// Figures since the beginning. Delays are those from a packet's timestamp to the loudspeaker, less that of the fastest
/// packet of the last minute: what the buffer and the network's jitter add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JitterStats {
    /// Whether the first packet is being played, or was.
    pub is_playing: bool,
    /// Delay now, ms.
    pub playout_delay_ms: f32,
    /// Delay that is aimed at, ms.
    pub target_delay_ms: f32,
    /// Mean delay, ms.
    pub mean_delay_ms: f32,
    /// 95 of 100 samples had at most this delay, ms.
    pub p95_delay_ms: f32,
    /// Mean of what packets waited from their arrival until they were played, ms: what a browser tells as
    /// `jitterBufferDelay / jitterBufferEmittedCount` (W3C webrtc-stats). The longer one was on its way, the less it waits.
    pub mean_wait_ms: f32,
    /// The same over about the last two seconds.
    pub recent_wait_ms: f32,
    /// Share of what was played that was concealed, 0 to 1; pauses of the sender (DTX) are not concealment.
    pub concealed_share: f32,
    /// The same over about the last two seconds.
    pub recent_concealed_share: f32,
    /// Samples left out and put in by time stretching, as a share of what was played, 0 to 1.
    pub stretched_share: f32,
    /// Packets that were taken.
    pub received: u64,
    /// Packets that were missing when their turn came and did not come later either.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets without payload: padding.
    pub padding: u64,
    /// Packets that were refused: unknown payload types, payloads that are no whole frames, strays, more than there is
    /// room for; and packets that would not decode.
    pub errors: u64,
    /// Missing packets that were played from a copy: redundancy (RFC 2198) or forward error correction in the codec.
    pub recovered: u64,
    /// Times that the stream began anew.
    pub restarts: u64,
}

/// Counts for [`JitterStats`].
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub stats: JitterStats,
    bins: Vec<u32>,
    frames: u64,
    delay_sum: f64,
    waits: u64,
    wait_sum: f64,
    played_ms: f64,
    concealed_ms: f64,
    /// Concealment that is made and not played yet: codecs conceal whole frames.
    ahead_ms: f64,
    stretched_ms: f64,
}

impl Counts {
    pub fn new() -> Self {
        Self {
            stats: JitterStats::default(),
            bins: vec![0; BINS],
            frames: 0,
            delay_sum: 0.0,
            waits: 0,
            wait_sum: 0.0,
            played_ms: 0.0,
            concealed_ms: 0.0,
            ahead_ms: 0.0,
            stretched_ms: 0.0,
        }
    }

    /// A frame of 10 ms was played, so late; so much concealment was made for it and for those behind it.
    pub fn played(&mut self, delay_ms: f64, made_ms: f64) {
        self.ahead_ms += made_ms;
        let concealed_ms = self.ahead_ms.min(10.0);
        // Of what was made some may be cut off again and never be played: no more than a codec's frame is waiting.
        self.ahead_ms = (self.ahead_ms - concealed_ms).min(CODEC_FRAME_MS);
        self.frames += 1;
        self.stats.is_playing = true;
        self.delay_sum += delay_ms;
        self.bins[(delay_ms.max(0.0) as usize).min(BINS - 1)] += 1;
        self.played_ms += 10.0;
        self.concealed_ms += concealed_ms;
        self.stats.playout_delay_ms = delay_ms as f32;
        self.stats.recent_concealed_share += 0.005 * (concealed_ms as f32 / 10.0 - self.stats.recent_concealed_share);
    }

    /// A packet is played so long after it came.
    pub fn waited(&mut self, ms: f64) {
        self.waits += 1;
        self.wait_sum += ms;
        // All there were, until there are many.
        let weight = (1.0 / self.waits as f32).max(0.01);
        self.stats.recent_wait_ms += weight * (ms as f32 - self.stats.recent_wait_ms);
    }

    pub fn stretched(&mut self, ms: f64) {
        self.stretched_ms += ms;
    }

    /// All figures.
    pub fn stats(&self) -> JitterStats {
        let played = self.played_ms.max(1.0);
        let (mut below, mut p95) = (0, 0);
        for (ms, count) in self.bins.iter().enumerate() {
            below += u64::from(*count);
            p95 = ms;
            if below * 100 >= self.frames * 95 {
                break;
            }
        }
        JitterStats {
            mean_delay_ms: (self.delay_sum / self.frames.max(1) as f64) as f32,
            p95_delay_ms: p95 as f32,
            mean_wait_ms: (self.wait_sum / self.waits.max(1) as f64) as f32,
            concealed_share: (self.concealed_ms / played) as f32,
            stretched_share: (self.stretched_ms / played) as f32,
            ..self.stats
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_concealed_counts_when_it_is_played() {
        let mut counts = Counts::new();
        let share = |counts: &Counts| counts.stats().concealed_share;
        counts.played(0.0, 20.0);
        assert_eq!(share(&counts), 1.0);
        counts.played(0.0, 0.0);
        assert_eq!(share(&counts), 1.0);
        counts.played(0.0, 0.0);
        counts.played(0.0, 0.0);
        assert_eq!(share(&counts), 0.5);
        assert!(counts.stats().recent_concealed_share <= 0.01);
    }

    #[test]
    fn what_is_cut_off_again_is_not_concealed_for_ever() {
        let mut counts = Counts::new();
        (0..50).for_each(|_| counts.played(0.0, 20.0));
        (0..50).for_each(|_| counts.played(0.0, 0.0));
        assert!((counts.stats().concealed_share - 0.52).abs() < 1e-6, "{}", counts.stats().concealed_share);
    }
}
