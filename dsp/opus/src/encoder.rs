//! Opus for files and tests: what a browser or Asterisk would send.

use std::fmt;

use opus_pure::{Application, Result};

use crate::SAMPLE_RATE;

/// How it encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 6,000 to 510,000 bit/s.
    pub bitrate: u32,
    /// Copies of the packet before for this much loss, percent, 1 to 100; 0: none.
    pub fec_percent: u8,
    /// Falls silent in pauses (RFC 7587 §3.1.3).
    pub dtx: bool,
}

impl Default for Settings {
    /// As browsers send speech: 32 kbit/s with in-band FEC.
    fn default() -> Settings {
        Settings { bitrate: 32_000, fec_percent: 10, dtx: false }
    }
}

/// Encodes mono at 48 kHz.
pub struct OpusEncoder {
    inner: opus_pure::OpusEncoder,
}

impl OpusEncoder {
    /// At the beginning of a stream.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(settings: Settings) -> Result<OpusEncoder> {
        let refused = |what| Err(opus_pure::Error::InvalidArgument(what));
        if !(6_000..=510_000).contains(&settings.bitrate) {
            return refused("a bit rate of 6,000 to 510,000 bit/s");
        }
        if settings.fec_percent > 100 {
            return refused("a loss of 0 to 100 percent");
        }
        let mut inner = opus_pure::OpusEncoder::new(SAMPLE_RATE as i32, 1, Application::Voip)?;
        inner.bitrate_bps = i32::try_from(settings.bitrate).unwrap_or(i32::MAX);
        inner.use_inband_fec = settings.fec_percent > 0;
        inner.packet_loss_perc = settings.fec_percent.into();
        inner.use_dtx = settings.dtx;
        Ok(OpusEncoder { inner })
    }

    /// Encodes a frame of samples of full scale ±1.0, 2.5 to 120 ms, into the beginning of `payload`; gives back its bytes.
    ///
    /// # Errors
    /// The samples are no frame, or the payload has no room.
    pub fn encode(&mut self, samples: &[f32], payload: &mut [u8]) -> Result<usize> {
        self.inner.encode(samples, samples.len(), payload)
    }
}

impl fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusEncoder").finish_non_exhaustive()
    }
}
