//! A sender, a network and a jitter buffer in virtual time.

#![allow(dead_code, reason = "each test takes some of it")]
#![allow(clippy::unwrap_used, reason = "only tests use this")]

use std::time::Duration;

use soft_phone_dsp::codec::L16;
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, JitterStats, Packet, Reception};

pub const RATE: u32 = 16_000;
/// Payload type of the decoder that [`Call::new`] gives.
pub const TYPE: u8 = 96;
const PACKET: usize = 320;

/// One direction of a call: packets of 20 ms of L16 at 16 kHz.
pub struct Call {
    pub buffer: JitterBuffer,
    pub heard: Vec<f32>,
    /// The longest delay of all that was heard.
    pub longest_ms: f32,
    now_ms: f64,
}

impl Call {
    pub fn new() -> Self {
        Self::at(RATE)
    }

    /// With a card of this rate.
    pub fn at(rate: u32) -> Self {
        Self::of(rate, JitterConfig::default())
    }

    /// With other settings.
    pub fn with(config: JitterConfig) -> Self {
        Self::of(RATE, config)
    }

    fn of(rate: u32, config: JitterConfig) -> Self {
        let mut buffer = JitterBuffer::new(rate, config).unwrap();
        buffer.set_decoder(TYPE, Box::new(L16::new(RATE).unwrap())).unwrap();
        Self { buffer, heard: Vec::new(), longest_ms: 0.0, now_ms: 0.0 }
    }

    /// A packet with a sequence number and a timestamp arrives.
    pub fn arrives(&mut self, at_ms: f64, sequence: u16, timestamp: u32, samples: &[f32]) -> Reception {
        let payload = coded(samples);
        let packet = Packet { ssrc: 1, sequence, timestamp, payload_type: TYPE, payload: &payload };
        self.buffer.insert(at(at_ms), packet)
    }

    /// The card takes what is due until `until_ms`.
    pub fn plays(&mut self, until_ms: f64) {
        let mut frame = vec![0.0; self.buffer.frame_len()];
        while self.now_ms < until_ms {
            self.buffer.pull(at(self.now_ms), &mut frame).unwrap();
            assert!(frame.iter().all(|sample| sample.is_finite()));
            self.heard.extend_from_slice(&frame);
            self.longest_ms = self.longest_ms.max(self.stats().playout_delay_ms);
            self.now_ms += 10.0;
        }
    }

    /// Sends `speech` through a network that delivers packet `k` so many ms after it was sent, or never; then plays on for
    /// 300 ms.
    pub fn carry(&mut self, speech: &[f32], delay_ms: impl Fn(usize) -> Option<f64>) {
        self.carry_from(speech, 0, 0, delay_ms);
    }

    /// The same with numbers that begin elsewhere.
    pub fn carry_from(
        &mut self,
        speech: &[f32],
        sequence: u16,
        timestamp: u32,
        delay_ms: impl Fn(usize) -> Option<f64>,
    ) {
        let began = self.now_ms;
        let packets = speech.len() / PACKET;
        let mut arrivals: Vec<(f64, usize)> =
            (0..packets).filter_map(|k| Some((began + 20.0 * k as f64 + delay_ms(k)?, k))).collect();
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (arrival, k) in arrivals {
            // A pull at the same moment comes behind the packet.
            self.plays(arrival - 1e-6);
            let samples = &speech[k * PACKET..(k + 1) * PACKET];
            let sequence = sequence.wrapping_add(k as u16);
            self.arrives(arrival, sequence, timestamp.wrapping_add((k * PACKET) as u32), samples);
        }
        self.plays(began + packets as f64 * 20.0);
    }

    pub fn stats(&self) -> JitterStats {
        self.buffer.stats()
    }
}

pub fn at(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1_000.0)
}

/// L16 of samples.
pub fn coded(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_be_bytes()).collect()
}

/// Where in `heard`, from `from` on, `wanted` is found best, and how alike the two are there: −1 to 1.
pub fn found(heard: &[f32], from: usize, reach: usize, wanted: &[f32]) -> (usize, f32) {
    let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    let last = (from + reach).min(heard.len().saturating_sub(wanted.len()));
    (from..=last)
        .map(|at| {
            let part = &heard[at..at + wanted.len()];
            let product: f32 = part.iter().zip(wanted).map(|(a, b)| a * b).sum();
            (at, product / (energy(part) * energy(wanted) + 1e-12).sqrt())
        })
        .fold((from, -1.0), |best, next| if next.1 > best.1 { next } else { best })
}
