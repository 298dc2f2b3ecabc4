//! ITU-T G.722 at 64 kbit/s (mode 1): two bands of ADPCM, one byte for two samples at 16 kHz, in integers as the
//! Recommendation has it. RTP's clock counts it as 8 kHz (RFC 3551 §4.5.2).

mod band;
mod qmf;

use self::band::{HIGH_VALUES, HighBand, LowBand};
use self::qmf::{Analysis, Synthesis};
use super::{DecodeError, Decoder, room};

/// Of the samples, Hz.
const SAMPLE_RATE: u32 = 16_000;
/// Of the RTP timestamps, Hz: an error of RFC 1890 that was kept.
const CLOCK_RATE: u32 = 8_000;
/// Full scale of the 16-bit samples.
const FULL_SCALE: f32 = 32_768.0;

/// Decodes G.722, payload type 9.
#[derive(Clone, Debug, Default)]
pub struct G722 {
    low: LowBand,
    high: HighBand,
    synthesis: Synthesis,
}

impl G722 {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new() -> G722 {
        G722::default()
    }

    /// The two samples of one byte, 16 bits.
    pub fn expand(&mut self, code: u8) -> [i16; 2] {
        let low = self.low.decode(code & 0x3F);
        let high = self.high.decode(code >> 6);
        self.synthesis.join(low, high)
    }
}

impl Decoder for G722 {
    fn sample_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn clock_rate(&self) -> u32 {
        CLOCK_RATE
    }

    fn duration(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        if payload.is_empty() { Err(DecodeError::Empty) } else { Ok(payload.len() * 2) }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let samples = self.duration(payload)?;
        let (pairs, _) = room(out, samples)?.as_chunks_mut::<2>();
        for (pair, code) in pairs.iter_mut().zip(payload) {
            *pair = self.expand(*code).map(|sample| f32::from(sample) / FULL_SCALE);
        }
        Ok(samples)
    }

    fn reset(&mut self) {
        *self = G722::new();
    }
}

/// Encodes G.722: what files and tests are sent with.
#[derive(Clone, Debug, Default)]
pub struct G722Encoder {
    low: LowBand,
    high: HighBand,
    analysis: Analysis,
}

impl G722Encoder {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new() -> G722Encoder {
        G722Encoder::default()
    }

    /// The byte of the next two samples at 16 kHz, 16 bits.
    pub fn compress(&mut self, samples: [i16; 2]) -> u8 {
        let (low, high) = self.analysis.part(samples);
        let low = self.low.encode(low);
        let high = self.high.encode(high);
        debug_assert!(usize::from(high) < HIGH_VALUES);
        high << 6 | low
    }
}
