//! What a telephone's packets hold: one trait for every decoder, and the decoders that are small enough to be here.
//!
//! A packet's payload comes from the network: whatever it holds, a decoder answers with samples or with a
//! [`DecodeError`], in bounded time, and goes on with the next one. Nothing here allocates per packet.

mod comfort_noise;
mod error;
pub mod g711;
mod g722;
mod l16;
pub mod red;

pub use comfort_noise::ComfortNoise;
pub use error::DecodeError;
pub use g711::G711;
pub use g722::{G722, G722Encoder};
pub use l16::L16;
pub use red::Red;

/// Longest packet that a decoder is asked for, ms: Opus' longest (RFC 6716 §3.2.5), and more than RFC 3551 §4.2 asks
/// receivers of the other codecs to take (200 ms is allowed to be refused).
pub const LONGEST_PACKET_MS: u32 = 120;

/// Decodes one stream's payloads, in the order in which they are to be played. Mono, full scale ±1.0.
pub trait Decoder: Send {
    /// Of the samples that it gives, Hz.
    fn sample_rate(&self) -> u32;

    /// Of the RTP timestamps, Hz. Not always the sample rate: 8000 for G.722 (RFC 3551 §4.5.2), 48,000 for Opus
    /// (RFC 7587 §4.1).
    fn clock_rate(&self) -> u32;

    /// Samples that the payload decodes to, without decoding it.
    ///
    /// # Errors
    /// The payload is empty or no whole number of frames.
    fn duration(&self, payload: &[u8]) -> Result<usize, DecodeError>;

    /// Decodes the payload into the beginning of `out`; gives back how many samples, the same number as
    /// [`Decoder::duration`].
    ///
    /// # Errors
    /// Those of [`Decoder::duration`]; `out` has no room for it; the payload breaks the codec's own rules. After an
    /// error the state is a usable one, and what `out` holds is not meant to be heard.
    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError>;

    /// Whether the sender says by the payload that it is silent and sends nothing until it is not, or until it says so
    /// again (DTX). What is to be heard until then is [`Decoder::conceal`]'s where the codec has its own noise for it.
    fn is_silence(&self, payload: &[u8]) -> bool {
        let _ = payload;
        false
    }

    /// Whether the payload holds a coarser copy of the packet before it (in-band forward error correction).
    fn has_fec(&self, payload: &[u8]) -> bool {
        let _ = payload;
        false
    }

    /// Decodes the packet *before* this payload from the copy in it, to be followed by [`Decoder::decode`] of the same
    /// payload. Fills the beginning of `out` and gives back how many samples.
    ///
    /// # Errors
    /// [`DecodeError::NoFec`] when [`Decoder::has_fec`] is false; otherwise as [`Decoder::decode`].
    fn recover(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let _ = (payload, out);
        Err(DecodeError::NoFec)
    }

    /// Fills `out` in place of a packet that is missing, by the codec's own concealment. False when it has none: then
    /// `out` and the state are as they were.
    fn conceal(&mut self, out: &mut [f32]) -> bool {
        let _ = out;
        false
    }

    /// Forgets all that was decoded: another stream begins.
    fn reset(&mut self);
}

/// Room for `samples` at the beginning of `out`.
fn room(out: &mut [f32], samples: usize) -> Result<&mut [f32], DecodeError> {
    let available = out.len();
    out.get_mut(..samples).ok_or(DecodeError::Room { needed: samples, available })
}
