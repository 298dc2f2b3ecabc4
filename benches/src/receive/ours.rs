//! Our own jitter buffer.

use std::time::Duration;

use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet, Reception};

use super::{Codec, Receiver, Sent, Told};
use crate::voice::Error;

pub(super) struct Ours {
    buffer: JitterBuffer,
    concealed: f32,
}

impl Ours {
    /// `setting` times what a late packet is worth unless told.
    pub(super) fn new(codec: Codec, setting: f64) -> Result<Ours, Error> {
        let usual = JitterConfig::default();
        let config = JitterConfig { late_packet_ms: usual.late_packet_ms * setting as f32, ..usual };
        let mut buffer = JitterBuffer::new(codec.rate(), config)?;
        buffer.set_decoder(codec.payload_type(), codec.decoder())?;
        Ok(Ours { buffer, concealed: 0.0 })
    }
}

fn at(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1_000.0)
}

impl Receiver for Ours {
    fn insert(&mut self, now_ms: f64, packet: &Sent) -> Result<(), Error> {
        let Sent { sequence, timestamp, payload_type, ref payload } = *packet;
        match self.buffer.insert(at(now_ms), Packet { ssrc: 1, sequence, timestamp, payload_type, payload }) {
            refused @ (Reception::Malformed | Reception::UnknownPayloadType) => Err(format!("{refused:?}").into()),
            _ => Ok(()),
        }
    }

    fn pull(&mut self, now_ms: f64, out: &mut [f32]) -> Result<(), Error> {
        self.concealed = self.buffer.stats().recent_concealed_share;
        Ok(self.buffer.pull(at(now_ms), out)?)
    }

    fn told(&self) -> Told {
        let stats = self.buffer.stats();
        Told { delay_ms: f64::from(stats.playout_delay_ms), concealed: stats.recent_concealed_share > self.concealed }
    }
}
