//! The jitter buffer: packets go in as they arrive, 10 ms of audio come out whenever the card asks.
//!
//! ```text
//! insert ─► place in the stream ─► waiting packets ─► decoder ─► signal ─► stretch ─► resampler ─► pull
//!               └► transits ─► delay to aim at ──────────────────────────────┘
//!                                  nothing there: a copy, else concealment ──┘
//! ```
//!
//! Nothing here has a clock: `now` is an argument of both calls, from any fixed origin. How late the audio is follows
//! from `now` and the timestamp that is being played, not from counting samples, so that the drift between the sender's
//! clock and the card's is nothing but a delay that moves slowly.

mod conceal;
mod config;
mod delay;
mod lpc;
mod packets;
mod pitch;
mod playout;
mod resample;
mod sequence;
mod signal;
mod stats;
mod stretch;
mod voice;

use std::time::Duration;

use crate::Error;
use crate::codec::{Decoder, Red};
use crate::config::SAMPLE_RATES;

pub use config::JitterConfig;
use delay::DelayEstimator;
use packets::{Entry, Kind, Packets};
use playout::Playout;
use sequence::{FLICKS, FLICKS_PER_MS, Header, Unwrapper};
use stats::Counts;
pub use stats::JitterStats;
use voice::Voice;

/// A packet as it was received (RFC 3550 §5.1), without the fields that do not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the payload type's clock.
    pub timestamp: u32,
    /// Payload type.
    pub payload_type: u8,
    /// What the decoder gets.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It waits to be played.
    Accepted,
    /// It had come before.
    Duplicate,
    /// Its time is over.
    Late,
    /// It holds nothing: padding.
    Padding,
    /// No decoder was given for its payload type.
    UnknownPayloadType,
    /// It is no whole number of frames, or longer than any packet should be.
    Malformed,
    /// Its numbers fit to nothing before; if the next packet goes on from it, the stream has begun anew.
    Stray,
    /// More packets wait than there is room for: the earliest ones are lost.
    Overflow,
}

/// A payload type and what decodes it.
struct Line {
    payload_type: u8,
    decoder: Box<dyn Decoder>,
    /// Place in the voices.
    voice: usize,
}

/// Jitter buffer, decoders and concealment of one stream, mono.
///
/// Memory is bounded whatever arrives: 256 packets, a window of transits, and the samples that are about to be played.
/// [`JitterBuffer::insert`] and [`JitterBuffer::pull`] allocate nothing but what a decoder does: Opus' takes a few small
/// blocks for each frame that it conceals, and gives them back.
pub struct JitterBuffer {
    rate: u32,
    config: JitterConfig,
    lines: Vec<Line>,
    /// The line of the last packet of voice.
    line: usize,
    /// Payload types of comfort noise, each with its clock, and of redundancy.
    noises: Vec<(u8, u32)>,
    redundancy: Option<u8>,
    /// One for each rate that decoders give.
    voices: Vec<Voice>,
    unwrapper: Unwrapper,
    packets: Packets,
    delays: DelayEstimator,
    playout: Playout,
    counts: Counts,
    last_pull: Option<f64>,
}

impl JitterBuffer {
    /// A buffer that plays at `rate` Hz and knows no payload type yet.
    ///
    /// # Errors
    /// [`Error::SampleRate`] unless the rate is one of [`SAMPLE_RATES`]; [`Error::Config`] for a value out of range.
    pub fn new(rate: u32, config: JitterConfig) -> Result<Self, Error> {
        if !SAMPLE_RATES.contains(&rate) {
            return Err(Error::SampleRate { rate });
        }
        config.check()?;
        Ok(Self {
            rate,
            lines: Vec::new(),
            line: 0,
            noises: Vec::new(),
            redundancy: None,
            voices: Vec::new(),
            unwrapper: Unwrapper::default(),
            packets: Packets::new(),
            delays: DelayEstimator::new(&config),
            playout: Playout::new(rate),
            counts: Counts::new(),
            last_pull: None,
            config,
        })
    }

    /// Samples in what [`Self::pull`] gives: 10 ms.
    pub fn frame_len(&self) -> usize {
        (self.rate / 100) as usize
    }

    /// From now on packets of this type are decoded by `decoder`; it takes the place of an earlier one. Allocates.
    ///
    /// # Errors
    /// [`Error::SampleRate`] for a decoder with a rate that is none of [`SAMPLE_RATES`].
    pub fn set_decoder(&mut self, payload_type: u8, decoder: Box<dyn Decoder>) -> Result<(), Error> {
        let rate = decoder.sample_rate();
        if !SAMPLE_RATES.contains(&rate) {
            return Err(Error::SampleRate { rate });
        }
        let voice = match self.voices.iter().position(|voice| voice.rate() == rate) {
            Some(voice) => voice,
            None => {
                self.voices.push(Voice::new(rate, self.rate));
                self.voices.len() - 1
            }
        };
        let line = Line { payload_type, decoder, voice };
        match self.lines.iter_mut().find(|line| line.payload_type == payload_type) {
            Some(held) => *held = line,
            None => self.lines.push(line),
        }
        Ok(())
    }

    /// From now on packets of this type begin pauses and describe their noise (CN, RFC 3389). Their timestamps have the
    /// clock of the voice that they are sent with, in Hz: usual is type 13 at 8000. Allocates.
    pub fn set_comfort_noise(&mut self, payload_type: u8, clock_rate: u32) {
        self.noises.retain(|(held, _)| *held != payload_type);
        self.noises.push((payload_type, clock_rate));
    }

    /// From now on packets of this type hold copies of earlier ones beside their own payload (RED, RFC 2198), which are
    /// played where the earlier ones are missing.
    pub fn set_redundancy(&mut self, payload_type: u8) {
        self.redundancy = Some(payload_type);
    }

    /// Takes a packet that arrived at `now`. Never blocks, allocates or panics, whatever the packet holds.
    pub fn insert(&mut self, now: Duration, packet: Packet<'_>) -> Reception {
        let reception = self.receive(now.as_secs_f64() * 1_000.0, packet);
        let stats = &mut self.counts.stats;
        match reception {
            Reception::Accepted => stats.received += 1,
            Reception::Duplicate => stats.duplicates += 1,
            Reception::Late => stats.late += 1,
            Reception::Padding => stats.padding += 1,
            Reception::UnknownPayloadType | Reception::Malformed | Reception::Stray | Reception::Overflow => {
                stats.errors += 1;
            }
        }
        stats.restarts = self.unwrapper.restarts;
        reception
    }

    fn receive(&mut self, now: f64, packet: Packet<'_>) -> Reception {
        let (mut own, mut copies) = (packet, None);
        if self.redundancy == Some(packet.payload_type) {
            let Ok(red) = Red::parse(packet.payload) else { return Reception::Malformed };
            let primary = red.primary();
            (own.payload_type, own.payload, copies) = (primary.payload_type, primary.payload, Some(red));
        }
        // It is of no use before the card asks again.
        let ready = match self.last_pull.map(|pulled| pulled + 10.0) {
            Some(next) if now + self.delays.guard() <= next => next,
            Some(next) if now <= next => next + 10.0,
            _ => now,
        };
        let entry = match self.place(now, ready, own) {
            Ok(entry) => entry,
            Err(reception) => return reception,
        };
        if let Some(red) = copies {
            self.copies(now, ready, &red, entry);
        }
        if self.playout.is_over(entry.time + entry.duration) {
            if self.playout.has_played(entry.sequence) {
                return Reception::Duplicate;
            }
            self.counts.stats.lost = self.counts.stats.lost.saturating_sub(1);
            return Reception::Late;
        }
        self.packets.insert(entry, own.payload)
    }

    /// Where a packet belongs, and that it came.
    fn place(&mut self, now: f64, ready: f64, packet: Packet<'_>) -> Result<Entry, Reception> {
        let voice = self.lines.iter().position(|line| line.payload_type == packet.payload_type);
        let noise = self.noises.iter().find(|(noise, _)| *noise == packet.payload_type).map(|(_, clock)| *clock);
        // Noise goes with the voice before it.
        let fits = |line: &Line| noise == Some(line.decoder.clock_rate());
        let quiet = || {
            if self.lines.get(self.line).is_some_and(fits) { Some(self.line) } else { self.lines.iter().position(fits) }
        };
        let at = voice.or_else(quiet).ok_or(Reception::UnknownPayloadType)?;
        if packet.payload.is_empty() {
            return Err(Reception::Padding);
        }
        let decoder = &self.lines[at].decoder;
        let (duration, kind) = match voice {
            Some(_) => (duration(decoder.as_ref(), packet.payload)?, Kind::Own),
            // From its time on.
            None => (1, Kind::Noise),
        };
        let clock = decoder.clock_rate();
        let header = Header { ssrc: packet.ssrc, sequence: packet.sequence, timestamp: packet.timestamp, clock };
        let place = self.unwrapper.place(header, now).ok_or(Reception::Stray)?;
        self.delays.arrived(now, ready, place.time as f64 / FLICKS_PER_MS);
        self.line = at;
        let before = place.time - duration;
        if kind == Kind::Own && decoder.has_fec(packet.payload) && self.misses(before, duration) {
            // What is missing is here, as late as this: it can pay to wait for such copies.
            self.delays.arrived(now, ready, before as f64 / FLICKS_PER_MS);
        }
        let arrived = (now * FLICKS_PER_MS) as i64;
        Ok(Entry { time: place.time, duration, arrived, sequence: place.sequence, line: at, kind, ..Entry::default() })
    }

    /// Takes the copies out of a packet that has its place. What is wrong with one is counted; the packet is good.
    fn copies(&mut self, now: f64, ready: f64, red: &Red<'_>, entry: Entry) {
        let clock = self.lines[entry.line].decoder.clock_rate();
        let count = red.blocks().count() - 1;
        for (index, block) in red.blocks().take(count).enumerate() {
            if block.payload.is_empty() || self.noises.iter().any(|(noise, _)| *noise == block.payload_type) {
                continue;
            }
            let line = self.lines.iter().position(|line| line.payload_type == block.payload_type);
            let decoder = line.map(|line| self.lines[line].decoder.as_ref()).filter(|it| it.clock_rate() == clock);
            let length = decoder.and_then(|decoder| duration(decoder, block.payload).ok());
            let (Some(line), Some(duration), 1..) = (line, length, block.offset) else {
                self.counts.stats.errors += 1;
                continue;
            };
            let time = entry.time - i64::from(block.offset) * (FLICKS / i64::from(clock));
            if !self.misses(time, duration) {
                continue;
            }
            // Senders put one packet after the other into it, the oldest first.
            let sequence = entry.sequence - (count - index) as i64;
            let arrived = entry.arrived;
            let copy = Entry { time, duration, arrived, sequence, line, kind: Kind::Copy, ..Entry::default() };
            if self.packets.insert(copy, block.payload) == Reception::Accepted {
                self.delays.arrived(now, ready, time as f64 / FLICKS_PER_MS);
            }
        }
    }

    /// Whether what belongs to this time could be played still and is not there. Nothing is missed before the first packet.
    fn misses(&self, time: i64, duration: i64) -> bool {
        time >= 0 && !self.playout.is_over(time + duration) && !self.packets.has(time)
    }

    /// Gives the next 10 ms, at `now`: full scale ±1.0; silence before the first packet. Never blocks, allocates or
    /// panics.
    ///
    /// # Errors
    /// [`Error::FrameLength`] when `out` is not [`Self::frame_len`] long.
    pub fn pull(&mut self, now: Duration, out: &mut [f32]) -> Result<(), Error> {
        if out.len() != self.frame_len() {
            return Err(Error::FrameLength { expected: self.frame_len(), actual: out.len() });
        }
        let now = now.as_secs_f64() * 1_000.0;
        self.last_pull = Some(now);
        let Self { config, lines, voices, packets, delays, playout, counts, .. } = self;
        playout::Stage { config, lines, voices, packets, delays, counts }.pull(playout, now, out);
        Ok(())
    }

    /// Figures since the beginning.
    pub fn stats(&self) -> JitterStats {
        self.counts.stats()
    }
}

/// How long a payload is, flicks.
fn duration(decoder: &dyn Decoder, payload: &[u8]) -> Result<i64, Reception> {
    let rate = decoder.sample_rate();
    match decoder.duration(payload) {
        Ok(samples) if samples > 0 && samples <= voice::longest_packet(rate) => {
            Ok(samples as i64 * FLICKS / i64::from(rate))
        }
        _ => Err(Reception::Malformed),
    }
}
