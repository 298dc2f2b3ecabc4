//! What is played next: the decision of every 10 ms.
//!
//! ```text
//!              first packet, START_MS later
//!   waiting ─────────────────────────────────► playing
//!
//!   playing, where the signal ends:
//!     next packet there ──► decode, merged with what was concealed
//!     a later one there ──► a copy of the missing one, else conceal what is missing, then decode
//!     nothing there     ──► conceal until something comes; the delay grows by as much, up to the target
//!     a pause begins    ──► the sender's noise until something comes; the delay can be whatever it should
//!   playing, else:
//!     delay above target ──► leave a pitch period out, where nobody speaks if that comes soon
//!     delay below        ──► play one twice
//! ```

use super::delay::DelayEstimator;
use super::packets::{Entry, Kind, Packets};
use super::sequence::{FLICKS, FLICKS_PER_MS};
use super::stats::Counts;
use super::stretch::{Cut, accelerate, slow_down};
use super::voice::Voice;
use super::{JitterConfig, Line};

/// How long the first packet waits for others, ms.
const START_MS: f64 = 10.0;
/// How far ahead is decoded what is there, so that there is something to stretch, ms.
const AHEAD_MS: usize = 40;
/// Delay above and below the target that is left alone, ms.
const ABOVE_MS: f64 = 10.0;
/// How far beyond the target one step up may go, so that there is a period that fits, ms.
const BEYOND_MS: f64 = 5.0;
const BELOW_MS: f64 = 0.1;
/// How much less alike the signal may be where it is slowed down, for each frame that this has waited.
const IMPATIENCE: f32 = 0.004;
/// The same where a period is to be left out of a voice: there is nothing to lose but delay, and a pause may come.
const PATIENCE: f32 = 0.0003;

/// Where the stream is being played.
#[derive(Clone, Debug, Default)]
pub(crate) struct Playout {
    started: bool,
    /// When the first packet was seen, ms.
    seen: Option<f64>,
    /// The line whose decoder is at work.
    line: usize,
    /// Where in the stream the signal ends, flicks; what was concealed behind that does not count.
    next: i64,
    /// Flicks that were concealed since.
    concealed: i64,
    /// Sequence number of the packet that was decoded last.
    sequence: i64,
    /// Which of the 64 packets up to that were played, the last one in the lowest bit.
    played: u64,
    /// The sender says that it is silent (DTX, comfort noise).
    pause: bool,
    /// Frames until the next cut.
    rest: u32,
    /// Frames that have waited for a place at which to slow down, and for one at which to make up for delay.
    short: u32,
    long: u32,
    /// A voice that fades out, because another took over.
    fading: Option<usize>,
    /// What that one gives, 10 ms at the card's rate.
    faded: Vec<f32>,
    /// Concealment that was made for this frame, ms; codecs make whole frames of their own.
    concealed_ms: f64,
}

impl Playout {
    pub fn new(rate: u32) -> Self {
        Self { faded: vec![0.0; (rate / 100) as usize], ..Self::default() }
    }

    /// Whether what ends at this time in the stream was played already.
    pub fn is_over(&self, end: i64) -> bool {
        self.started && end <= self.next
    }

    /// Whether that packet has been played; known of the last 64.
    pub fn has_played(&self, sequence: i64) -> bool {
        u32::try_from(self.sequence - sequence).is_ok_and(|age| self.played.checked_shr(age).unwrap_or(0) & 1 == 1)
    }

    /// The packet of this number is being played, or missing for ever; gives back how many before it are missing.
    fn goes_on(&mut self, sequence: i64, played: bool) -> u64 {
        let steps = sequence - self.sequence;
        if let Ok(steps) = u32::try_from(steps) {
            self.played = self.played.checked_shl(steps).unwrap_or(0) | u64::from(played);
            self.sequence = sequence;
        }
        (steps - 1).clamp(0, 1_000) as u64
    }
}

/// Everything that playing needs.
pub(crate) struct Stage<'a> {
    pub config: &'a JitterConfig,
    pub lines: &'a mut [Line],
    pub voices: &'a mut [Voice],
    pub packets: &'a mut Packets,
    pub delays: &'a DelayEstimator,
    pub counts: &'a mut Counts,
}

fn ms(time: i64) -> f64 {
    time as f64 / FLICKS_PER_MS
}

impl Stage<'_> {
    pub fn pull(mut self, playout: &mut Playout, now: f64, out: &mut [f32]) {
        if !playout.started && !self.start(playout, now) {
            out.fill(0.0);
            return;
        }
        playout.concealed_ms = 0.0;
        self.bound(playout, now);
        self.fill(playout, now);
        self.stretch(playout, now);
        let delay = self.delay(playout, now) - self.delays.fastest().unwrap_or(0.0);
        let voice = &mut self.voices[self.lines[playout.line].voice];
        let delay = delay + voice.resampler.latency_ms();
        voice.play(out);
        if let Some(old) = playout.fading.take() {
            self.fade(old, &mut playout.faded, out);
        }
        // Filters overshoot where the signal is at full scale.
        out.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
        self.counts.stats.target_delay_ms = (self.target() - self.delays.fastest().unwrap_or(0.0)) as f32;
        self.counts.played(delay, playout.concealed_ms);
    }

    /// Fades from the voice that was at work to the frame of another.
    fn fade(&mut self, old: usize, faded: &mut [f32], out: &mut [f32]) {
        let voice = &mut self.voices[old];
        let missing = voice.frame.len().saturating_sub(voice.signal.pending());
        voice.conceal(missing);
        voice.play(faded);
        voice.reset();
        let count = out.len() as f32;
        for (n, (out, faded)) in out.iter_mut().zip(faded.iter()).enumerate() {
            *out = faded + n as f32 / count * (*out - faded);
        }
    }

    fn start(&mut self, playout: &mut Playout, now: f64) -> bool {
        let Some(first) = self.packets.first() else { return false };
        if now < *playout.seen.get_or_insert(now) + START_MS {
            return false;
        }
        playout.started = true;
        (playout.line, playout.next, playout.sequence) = (first.line, first.time, first.sequence - 1);
        true
    }

    /// Delay from timestamp to loudspeaker of the next sample to play, ms, by the clocks of both ends.
    fn delay(&self, playout: &Playout, now: f64) -> f64 {
        now - ms(playout.next + playout.concealed) + self.pending_ms(playout)
    }

    fn pending_ms(&self, playout: &Playout) -> f64 {
        let voice = &self.voices[self.lines[playout.line].voice];
        voice.signal.pending() as f64 * 1_000.0 / f64::from(voice.rate())
    }

    /// The delay to aim at, by the same clocks.
    fn target(&self) -> f64 {
        let fastest = self.delays.least().unwrap_or(0.0);
        let least = fastest + f64::from(self.config.min_playout_delay_ms);
        self.delays.target().unwrap_or(fastest).max(least).min(self.most())
    }

    /// The longest that is allowed, by the same clocks.
    fn most(&self) -> f64 {
        self.delays.least().unwrap_or(0.0) + f64::from(self.config.max_playout_delay_ms)
    }

    /// Leaves packets out that would come later than is allowed.
    fn bound(&mut self, playout: &mut Playout, now: f64) {
        let most = self.most();
        while let Some(first) = self.packets.first() {
            if self.packets.len() < 2 || now + self.pending_ms(playout) - ms(first.time) <= most {
                break;
            }
            playout.next = first.time + first.duration;
            playout.goes_on(first.sequence, false);
            playout.concealed = 0;
            self.counts.stats.late += 1;
            self.packets.pop();
            let voice = &mut self.voices[self.lines[playout.line].voice];
            voice.cut();
        }
    }

    /// Sees to it that there is a frame to play, and more if it is there.
    fn fill(&mut self, playout: &mut Playout, now: f64) {
        loop {
            let voice = &self.voices[self.lines[playout.line].voice];
            let (frame, pending, rate) = (voice.frame.len(), voice.signal.pending(), voice.rate());
            let Some(first) = self.packets.first().copied() else {
                if pending < frame {
                    self.conceal(playout, frame - pending);
                }
                return;
            };
            if first.time + first.duration <= playout.next {
                playout.goes_on(first.sequence, false);
                self.packets.pop();
                // A copy is not missed.
                self.counts.stats.late += u64::from(first.kind != Kind::Copy);
                continue;
            }
            if pending >= frame && (first.time > playout.next || pending >= rate as usize / 1_000 * AHEAD_MS) {
                return;
            }
            if self.lines[first.line].voice != self.lines[playout.line].voice {
                if pending > 0 {
                    if pending < frame {
                        self.conceal(playout, frame - pending);
                    }
                    return;
                }
                self.switch(playout, first.line);
                continue;
            }
            // A millisecond more or less is how some senders count.
            let gap = first.time - playout.next;
            if gap > FLICKS / 1_000 {
                // No packet is missing where the sequence goes on: the sender was silent (DTX, RFC 3551 §4.1), and the
                // delay can be whatever it should.
                if playout.concealed == 0 && self.recover(playout, first, gap) {
                    continue;
                }
                let pause = playout.pause || first.sequence == playout.sequence + 1 && first.kind != Kind::Copy;
                let left = if pause {
                    ((ms(first.time) + self.target() - now - self.pending_ms(playout)) * FLICKS_PER_MS) as i64
                } else {
                    gap - playout.concealed
                };
                if left > FLICKS / 1_000 {
                    let samples = (left as f64 * f64::from(rate) / FLICKS as f64) as usize;
                    self.conceal(playout, samples.min(frame - pending).max(1));
                    if pause {
                        playout.concealed_ms = 0.0;
                    }
                    continue;
                }
            } else if playout.concealed > 0 {
                // It is late. Where the delay is short of the target, all is later from now on; beyond that what was
                // concealed in its place is left out of it, for what makes up for it later is heard as well.
                let later = now + self.pending_ms(playout) - ms(first.time) - self.target();
                let skipped = ((later * FLICKS_PER_MS) as i64).clamp(0, playout.concealed);
                playout.next += skipped;
                playout.concealed -= skipped;
                if first.time + first.duration <= playout.next {
                    continue;
                }
            }
            if first.kind == Kind::Noise {
                self.pause(playout, first);
            } else {
                self.decode(playout, now, first);
            }
        }
    }

    /// A pause begins, or its noise changes.
    fn pause(&mut self, playout: &mut Playout, entry: Entry) {
        let voice = &mut self.voices[self.lines[entry.line].voice];
        voice.cut();
        let understood = voice.concealer.pause(self.packets.payload(&entry));
        self.counts.stats.errors += u64::from(understood.is_err());
        self.counts.stats.lost += playout.goes_on(entry.sequence, true);
        self.packets.pop();
        playout.line = entry.line;
        playout.next = playout.next.max(entry.time);
        playout.concealed = 0;
        playout.pause = true;
    }

    /// Plays the packet that is missing before this one from the copy in it (RFC 6716 §2.1.7). False: there is none.
    fn recover(&mut self, playout: &mut Playout, entry: Entry, gap: i64) -> bool {
        let line = &mut self.lines[entry.line];
        let payload = self.packets.payload(&entry);
        let one = entry.sequence == playout.sequence + 2 && entry.kind == Kind::Own && entry.line == playout.line;
        if !one || gap > entry.duration + FLICKS / 1_000 || !line.decoder.has_fec(payload) {
            return false;
        }
        let voice = &mut self.voices[line.voice];
        let samples = (gap * i64::from(voice.rate()) / FLICKS) as usize;
        let Some(room) = voice.signal.extend(samples) else { return false };
        match line.decoder.recover(payload, room) {
            Ok(count) if count == samples => {
                playout.next = entry.time;
                playout.goes_on(entry.sequence - 1, true);
                self.counts.stats.recovered += 1;
                true
            }
            _ => {
                voice.signal.retract(samples);
                false
            }
        }
    }

    /// Decodes the earliest packet to the end of the signal.
    fn decode(&mut self, playout: &mut Playout, now: f64, entry: Entry) {
        let over = self.delay(playout, now) - self.target();
        let played = now + self.pending_ms(playout);
        let room_ms = self.most() - (played - ms(entry.time.max(playout.next)));
        let line = &mut self.lines[entry.line];
        let voice = &mut self.voices[line.voice];
        let rate = voice.rate();
        let samples = (entry.duration * i64::from(rate) / FLICKS) as usize;
        let decoded = match voice.signal.extend(samples) {
            Some(room) => line.decoder.decode(self.packets.payload(&entry), room),
            None => Ok(0),
        };
        let lost = playout.goes_on(entry.sequence, decoded.is_ok());
        // In a pause nothing is missing.
        let concealed = if playout.pause { 0 } else { (playout.concealed * i64::from(rate) / FLICKS) as usize };
        playout.line = entry.line;
        playout.pause = line.decoder.is_silence(self.packets.payload(&entry));
        self.packets.pop();
        let count = match decoded {
            Ok(count) if count == samples => count,
            other => {
                voice.signal.retract(samples);
                self.counts.stats.errors += u64::from(other.is_err());
                playout.next = playout.next.max(entry.time);
                return;
            }
        };
        self.counts.waited(played - ms(entry.arrived) + voice.resampler.latency_ms());
        self.counts.stats.lost += lost;
        self.counts.stats.recovered += u64::from(entry.kind == Kind::Copy);
        let skipped = ((playout.next - entry.time).max(0) * i64::from(rate) / FLICKS) as usize;
        let count = voice.signal.leave_out(count, skipped);
        if voice.concealer.is_active() {
            let lag = voice.concealer.lag();
            let (longer, shorter) = if over > 0.0 { (lag / 2, lag) } else { (lag, lag / 2) };
            let room = (room_ms.max(0.0) * f64::from(rate) / 1_000.0) as usize;
            voice.merge(count, longer.min(room), shorter, concealed);
        }
        playout.next = entry.time + entry.duration;
        playout.concealed = 0;
    }

    /// Puts so many samples where nothing came. By the codec's own concealment where it has one, for it knows more of the
    /// voice than its samples and goes on from there, in whole frames: cut into smaller ones it sounded worse.
    fn conceal(&mut self, playout: &mut Playout, samples: usize) {
        let line = &mut self.lines[playout.line];
        let voice = &mut self.voices[line.voice];
        let rate = voice.rate();
        let frames = samples.next_multiple_of((rate / 50) as usize);
        let own = !voice.concealer.is_active() && {
            let made = voice.signal.extend(frames).map(|room| line.decoder.conceal(room));
            if made == Some(false) {
                voice.signal.retract(frames);
            }
            made == Some(true)
        };
        let samples = if own { frames } else { samples };
        if !own {
            voice.conceal(samples);
        }
        playout.concealed += samples as i64 * FLICKS / i64::from(rate);
        if !playout.pause {
            playout.concealed_ms += samples as f64 * 1_000.0 / f64::from(rate);
        }
    }

    /// Another rate takes over.
    fn switch(&mut self, playout: &mut Playout, line: usize) {
        playout.fading = Some(self.lines[playout.line].voice);
        playout.line = line;
        let voice = &mut self.voices[self.lines[line].voice];
        voice.reset();
        self.lines[line].decoder.reset();
    }

    /// Brings the delay to the target by a cut in the signal.
    fn stretch(&mut self, playout: &mut Playout, now: f64) {
        playout.rest = playout.rest.saturating_sub(1);
        let target = self.target();
        let (over, beyond) = (self.delay(playout, now) - target, BEYOND_MS.min(self.most() - target));
        let voice = &mut self.voices[self.lines[playout.line].voice];
        if voice.concealer.is_active() || playout.rest > 0 {
            return;
        }
        let per_ms = f64::from(voice.rate()) / 1_000.0;
        let background = voice.concealer.background_power();
        playout.short = if over < -BELOW_MS { playout.short + 1 } else { 0 };
        playout.long = if over > ABOVE_MS { playout.long + 1 } else { 0 };
        let changed = if over > ABOVE_MS {
            let spare = voice.signal.pending().saturating_sub(voice.frame.len());
            let likeness = if over > 100.0 {
                0.3
            } else if over > 60.0 {
                0.5
            } else {
                (1.0 - PATIENCE * playout.long as f32).max(0.7)
            };
            let cut = Cut { most: ((over * per_ms) as usize).min(spare), likeness, background };
            accelerate(&mut voice.signal, &mut voice.finder, cut)
        } else if over < -BELOW_MS {
            let cut = Cut {
                most: ((beyond - over) * per_ms) as usize,
                likeness: 0.7 - IMPATIENCE * playout.short as f32,
                background,
            };
            slow_down(&mut voice.signal, &mut voice.finder, cut)
        } else {
            0
        };
        if changed > 0 {
            playout.rest = if over > 60.0 { 1 } else { 3 };
            self.counts.stretched(changed as f64 / per_ms);
        }
    }
}
