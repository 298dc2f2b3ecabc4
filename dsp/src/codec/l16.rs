//! L16: samples of 16 bits in network byte order (RFC 3551 §4.5.11), mono, at any of the rates that are played.

use super::{DecodeError, Decoder, room};
use crate::SAMPLE_RATES;

/// Decodes L16.
#[derive(Clone, Debug)]
pub struct L16 {
    rate: u32,
}

impl L16 {
    /// At `rate` Hz, one of [`SAMPLE_RATES`]; `None` for another one.
    #[must_use]
    pub fn new(rate: u32) -> Option<L16> {
        SAMPLE_RATES.contains(&rate).then_some(L16 { rate })
    }
}

impl Decoder for L16 {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn clock_rate(&self) -> u32 {
        self.rate
    }

    fn duration(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        match payload.len() {
            0 => Err(DecodeError::Empty),
            bytes if bytes % 2 == 1 => Err(DecodeError::Length { bytes }),
            bytes => Ok(bytes / 2),
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let samples = self.duration(payload)?;
        let (pairs, _) = payload.as_chunks::<2>();
        for (sample, bytes) in room(out, samples)?.iter_mut().zip(pairs) {
            *sample = f32::from(i16::from_be_bytes(*bytes)) / 32_768.0;
        }
        Ok(samples)
    }

    fn reset(&mut self) {}
}
