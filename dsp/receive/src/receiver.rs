//! One stream's jitter buffer between a host that speaks in quanta and a buffer that gives 10 ms at a time.

use std::time::Duration;

use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::codec::{Decoder, G711, G722, L16};
use soft_phone_dsp::host::{Codec, ReceiveFigure};
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet, Reception};

/// Most samples that one call gives.
pub const CAPACITY: usize = 1_024;
/// Longest payload, bytes: what Ethernet carries.
pub const LONGEST_PAYLOAD: usize = 1_500;
/// Payload types there may be: seven bits (RFC 3550 §5.1).
const PAYLOAD_TYPES: u8 = 128;

/// Everything that one stream needs.
pub struct Receiver {
    pub(crate) payload: [u8; LONGEST_PAYLOAD],
    pub(crate) output: [f32; CAPACITY],
    statistics: [f32; ReceiveFigure::COUNT],
    rate: f32,
    buffer: JitterBuffer,
    /// 10 ms as the buffer gave them, and how many samples of them are played.
    frame: Vec<f32>,
    played: usize,
}

impl Receiver {
    /// Without any codec; `None` for a rate that the buffer does not know.
    pub(crate) fn new(rate: f32, least_delay_ms: f32) -> Option<Receiver> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the way back")]
        let whole = rate as u32;
        if whole as f32 != rate {
            return None;
        }
        let config = JitterConfig { min_playout_delay_ms: least_delay_ms, ..JitterConfig::default() };
        let buffer = JitterBuffer::new(whole, config).ok()?;
        let frame = vec![0.0; buffer.frame_len()];
        Some(Receiver {
            payload: [0; LONGEST_PAYLOAD],
            output: [0.0; CAPACITY],
            statistics: [0.0; ReceiveFigure::COUNT],
            rate,
            played: frame.len(),
            buffer,
            frame,
        })
    }

    /// False when there is no such codec here, or no such payload type.
    pub(crate) fn add_codec(&mut self, payload_type: u32, codec: u32, rate: u32) -> bool {
        let Some(payload_type) = u8::try_from(payload_type).ok().filter(|of| *of < PAYLOAD_TYPES) else { return false };
        let Some(codec) = Codec::from_number(codec) else { return false };
        match codec {
            Codec::ComfortNoise => {
                // The clock of the voice around it: 8 kHz unless told one that comfort noise is registered for.
                let clock = if [16_000, 32_000, 48_000].contains(&rate) { rate } else { 8_000 };
                self.buffer.set_comfort_noise(payload_type, clock);
                return true;
            }
            Codec::Red => {
                self.buffer.set_redundancy(payload_type);
                return true;
            }
            _ => {}
        }
        let decoder = decoder(codec, rate);
        decoder.is_some_and(|decoder| self.buffer.set_decoder(payload_type, decoder).is_ok())
    }

    /// Takes the first `length` bytes of the payload; what came of it, or `None` for a payload that is too long.
    pub(crate) fn insert(&mut self, now: Duration, header: Header, length: usize) -> Option<Reception> {
        let payload = self.payload.get(..length)?;
        let Header { ssrc, sequence, timestamp, payload_type } = header;
        Some(self.buffer.insert(now, Packet { ssrc, sequence, timestamp, payload_type, payload }))
    }

    /// Gives the next samples, of which the first is played at `now`.
    pub(crate) fn render(&mut self, now: Duration, samples: usize) -> usize {
        let given = samples.min(CAPACITY);
        let mut done = 0;
        while done < given {
            if self.played == self.frame.len() {
                let at = now + Duration::from_secs_f32(done as f32 / self.rate);
                // It is as long as the buffer wants it.
                if self.buffer.pull(at, &mut self.frame).is_err() {
                    self.frame.fill(0.0);
                }
                self.played = 0;
            }
            let next = (given - done).min(self.frame.len() - self.played);
            self.output[done..done + next].copy_from_slice(&self.frame[self.played..self.played + next]);
            self.played += next;
            done += next;
        }
        given
    }

    pub(crate) fn statistics(&mut self) -> &[f32] {
        let stats = self.buffer.stats();
        let mut set = |figure: ReceiveFigure, value: f32| self.statistics[figure as usize] = value;
        set(ReceiveFigure::Playing, if stats.is_playing { 1.0 } else { 0.0 });
        set(ReceiveFigure::Delay, stats.playout_delay_ms);
        set(ReceiveFigure::Target, stats.target_delay_ms);
        set(ReceiveFigure::Concealed, stats.recent_concealed_share);
        set(ReceiveFigure::ConcealedOfAll, stats.concealed_share);
        set(ReceiveFigure::Stretched, stats.stretched_share);
        set(ReceiveFigure::Received, stats.received as f32);
        set(ReceiveFigure::Lost, stats.lost as f32);
        set(ReceiveFigure::Late, stats.late as f32);
        set(ReceiveFigure::Errors, stats.errors as f32);
        set(ReceiveFigure::Recovered, stats.recovered as f32);
        set(ReceiveFigure::Waited, stats.recent_wait_ms);
        &self.statistics
    }
}

/// What a host tells of a packet besides its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
}

fn decoder(codec: Codec, rate: u32) -> Option<Box<dyn Decoder>> {
    Some(match codec {
        Codec::Pcmu => Box::new(G711::new(Law::Mu)),
        Codec::Pcma => Box::new(G711::new(Law::A)),
        Codec::G722 => Box::new(G722::new()),
        Codec::L16 => Box::new(L16::new(rate)?),
        #[cfg(feature = "opus")]
        Codec::Opus => Box::new(soft_phone_opus::OpusDecoder::new()),
        #[cfg(not(feature = "opus"))]
        Codec::Opus => return None,
        Codec::ComfortNoise | Codec::Red => return None,
    })
}
