//! Opus (RFC 6716, RFC 7587) behind the trait of all decoders.

use std::fmt;

use opus_pure::{MAX_PACKET_SAMPLES, OpusMode, Result, SoftClip, packet};
use soft_phone_dsp::codec::{DecodeError, Decoder};

use crate::SAMPLE_RATE;

/// The codec's steps of time are 2.5 ms, samples.
const STEP: usize = 120;
/// What is concealed at a time, 20 ms: as one missing frame.
const MISSING: usize = 960;

/// Decodes Opus at 48 kHz. Stereo comes out as the mean of its channels. Decoding and recovering touch no heap once each of
/// the codec's modes was met; [`Decoder::conceal`], and a change of mode, take and give back up to nine small blocks.
pub struct OpusDecoder {
    inner: opus_pure::OpusDecoder,
    clip: SoftClip,
}

impl OpusDecoder {
    /// At the beginning of a stream.
    ///
    /// # Panics
    /// Never: rate and number of channels are ones that the codec has.
    #[must_use]
    pub fn new() -> OpusDecoder {
        #[expect(clippy::expect_used, reason = "constants: whether they are taken is seen at the first test")]
        let inner = opus_pure::OpusDecoder::new(SAMPLE_RATE as i32, 1).expect("48 kHz, mono");
        OpusDecoder { inner, clip: SoftClip::new(1) }
    }

    /// What a decoder of the codec made of it is all of `out`, and within full scale: beyond it the codec may ring.
    fn finish(&mut self, done: Result<usize>, out: &mut [f32]) -> std::result::Result<usize, DecodeError> {
        match done {
            Ok(samples) if samples == out.len() => {
                self.clip.apply(out);
                Ok(samples)
            }
            _ => Err(DecodeError::Malformed),
        }
    }

    /// The beginning of `out`, as long as the payload.
    fn room<'a>(&self, payload: &[u8], out: &'a mut [f32]) -> std::result::Result<&'a mut [f32], DecodeError> {
        let (needed, available) = (self.duration(payload)?, out.len());
        out.get_mut(..needed).ok_or(DecodeError::Room { needed, available })
    }
}

impl Default for OpusDecoder {
    fn default() -> OpusDecoder {
        OpusDecoder::new()
    }
}

impl fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusDecoder").finish_non_exhaustive()
    }
}

impl Decoder for OpusDecoder {
    fn sample_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn clock_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn duration(&self, payload: &[u8]) -> std::result::Result<usize, DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        match packet::samples_48k(payload) {
            Ok(samples @ STEP..=MAX_PACKET_SAMPLES) => Ok(samples),
            _ => Err(DecodeError::Length { bytes: payload.len() }),
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> std::result::Result<usize, DecodeError> {
        let out = self.room(payload, out)?;
        if self.is_silence(payload) {
            // The crate would decode what is not there: steps of 20 dB where libopus makes noise.
            return if self.conceal(out) { Ok(out.len()) } else { Err(DecodeError::Malformed) };
        }
        let done = self.inner.decode(payload, out.len(), out);
        self.finish(done, out)
    }

    /// A frame of a byte or none: the encoder's discontinuous transmission (RFC 6716 §2.1.9, RFC 7587 §3.1.3).
    fn is_silence(&self, payload: &[u8]) -> bool {
        (1..=2).contains(&payload.len())
    }

    /// The flag that stands behind those of the voice activity of the first frame (RFC 6716 §4.2.3): one bit for each
    /// channel that is coded, at even odds, so that it can be read without the range decoder.
    fn has_fec(&self, payload: &[u8]) -> bool {
        if self.duration(payload).is_err() || matches!(packet::mode(payload), Ok(OpusMode::CeltOnly) | Err(_)) {
            return false;
        }
        let (Some(first), Ok(length), Ok(channels)) =
            (first_frame(payload), packet::samples_per_frame(payload, SAMPLE_RATE as i32), packet::channels(payload))
        else {
            return false;
        };
        // Flags of one channel: the activity of each 20 ms, then the copy's.
        let flags = (length / MISSING).max(1) + 1;
        (1..=channels).any(|channel| first >> (8 - channel * flags) & 1 == 1)
    }

    /// As many samples as this packet has: of a longer one before it the copy is the last part, and what comes before is
    /// concealed.
    fn recover(&mut self, payload: &[u8], out: &mut [f32]) -> std::result::Result<usize, DecodeError> {
        if !self.has_fec(payload) {
            return Err(DecodeError::NoFec);
        }
        let out = self.room(payload, out)?;
        let done = self.inner.decode_fec(payload, out.len(), out);
        self.finish(done, out)
    }

    /// Whole steps of 2.5 ms; false for other lengths.
    fn conceal(&mut self, out: &mut [f32]) -> bool {
        if out.is_empty() || !out.len().is_multiple_of(STEP) {
            return false;
        }
        out.chunks_mut(MISSING).all(|missing| {
            let done = self.inner.decode(&[], missing.len(), missing);
            self.finish(done, missing).is_ok()
        })
    }

    fn reset(&mut self) {
        // Refused for a rate or a number of channels that there is not.
        let _ = self.inner.reset_state();
        self.clip.reset();
    }
}

/// The first byte of the first frame (RFC 6716 §3.2), unless the packet ends before it or the frame is empty.
fn first_frame(payload: &[u8]) -> Option<u8> {
    // One length of §3.2.1: how long, and in how many bytes.
    let length = |at: usize| {
        let first = usize::from(*payload.get(at)?);
        if first < 252 { Some((first, 1)) } else { Some((first + 4 * usize::from(*payload.get(at + 1)?), 2)) }
    };
    let frame = match payload.first()? & 3 {
        0 | 1 => 1,
        2 => match length(1)? {
            (0, _) => return None,
            (_, bytes) => 1 + bytes,
        },
        _ => {
            let count = *payload.get(1)?;
            let mut at = 2;
            if count & 0x40 != 0 {
                // Bytes of padding, which stand at the end; 255 says that another byte follows.
                while *payload.get(at)? == 255 {
                    at += 1;
                }
                at += 1;
            }
            if count & 0x80 != 0 {
                for frame in 1..count & 0x3F {
                    let (bytes, taken) = length(at)?;
                    if frame == 1 && bytes == 0 {
                        return None;
                    }
                    at += taken;
                }
            }
            at
        }
    };
    payload.get(frame).copied()
}
