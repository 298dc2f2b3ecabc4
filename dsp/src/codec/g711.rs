//! G.711, 64 kbit/s: PCMU and PCMA of RFC 3551 §4.5.14. One byte a sample at 8 kHz, no state.

use super::{DecodeError, Decoder, room};

/// Rate of samples and of RTP timestamps, Hz.
const RATE: u32 = 8_000;

/// Full scale of 16-bit samples, to which both laws are brought.
const FULL_SCALE: f32 = 32_768.0;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// µ-law, PCMU, payload type 0: 14 bits in North America and Japan.
    Mu,
    /// A-law, PCMA, payload type 8: 13 bits everywhere else.
    A,
}

impl Law {
    /// The value of a code as a 16-bit sample: G.711 tables 1 and 2, with the least of 13 or 14 bits moved up to 16.
    #[must_use]
    pub const fn expand(self, code: u8) -> i16 {
        match self {
            Law::Mu => {
                // All bits are inverted on the line (G.711 §3.2).
                let code = !code;
                let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
                // 33 is the bias that makes every segment begin at a power of two; 4 = 16 bits over 14.
                let magnitude = (((2 * step + 33) << segment) - 33) * 4;
                if code & 0x80 == 0 { magnitude } else { -magnitude }
            }
            Law::A => {
                // Every other bit is inverted on the line (G.711 §3.1).
                let code = code ^ 0x55;
                let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
                // The middle of the interval; the first two segments have the same step. 8 = 16 bits over 13.
                let magnitude = match segment {
                    0 => (2 * step + 1) * 8,
                    _ => ((2 * step + 33) << (segment - 1)) * 8,
                };
                if code & 0x80 != 0 { magnitude } else { -magnitude }
            }
        }
    }

    /// The code of a 16-bit sample, whose lowest 2 or 3 bits are cut off. Negative samples are mirrored by their ones'
    /// complement, as in the ITU-T's software tool library (G.191).
    #[must_use]
    pub const fn compress(self, sample: i16) -> u8 {
        let magnitude = (if sample < 0 { !sample } else { sample }).unsigned_abs() as u32;
        match self {
            Law::Mu => {
                // Beyond the last decision value all is the last step.
                let biased = if magnitude / 4 + 33 > 0x1FFF { 0x1FFF } else { magnitude / 4 + 33 };
                let segment = 26 - biased.leading_zeros();
                let step = (biased >> (segment + 1)) & 15;
                let code = (segment << 4 | step) as u8;
                !(if sample < 0 { code | 0x80 } else { code })
            }
            Law::A => {
                let value = magnitude >> 3;
                let segment = if value < 32 { 0 } else { 27 - value.leading_zeros() };
                let step = (value >> if segment == 0 { 1 } else { segment }) & 15;
                let code = (segment << 4 | step) as u8;
                (if sample < 0 { code } else { code | 0x80 }) ^ 0x55
            }
        }
    }
}

/// Decodes PCMU or PCMA.
#[derive(Clone, Debug)]
pub struct G711 {
    values: [f32; 256],
}

impl G711 {
    /// For one of the two laws.
    #[must_use]
    pub fn new(law: Law) -> G711 {
        let mut values = [0.0; 256];
        for (code, value) in (0..=u8::MAX).zip(&mut values) {
            *value = f32::from(law.expand(code)) / FULL_SCALE;
        }
        G711 { values }
    }
}

impl Decoder for G711 {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn clock_rate(&self) -> u32 {
        RATE
    }

    fn duration(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        if payload.is_empty() { Err(DecodeError::Empty) } else { Ok(payload.len()) }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let samples = self.duration(payload)?;
        for (sample, code) in room(out, samples)?.iter_mut().zip(payload) {
            *sample = self.values[usize::from(*code)];
        }
        Ok(samples)
    }

    fn reset(&mut self) {}
}
