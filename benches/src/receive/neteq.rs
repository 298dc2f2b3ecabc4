//! `neteq`, the jitter buffer of videocall-rs after WebRTC's.

use ::neteq::codec::AudioDecoder;
use ::neteq::{AudioPacket, NetEq, NetEqConfig, NetEqError, RtpHeader};
use soft_phone_dsp::codec::Decoder;

use super::clock::at;
use super::{Codec, Receiver, Sent, Told};
use crate::voice::Error;

pub(super) struct Peer {
    inner: NetEq,
    rate: u32,
    told: Told,
}

/// Our decoder, as it wants one.
struct Adapter(Box<dyn Decoder>);

impl AudioDecoder for Adapter {
    fn sample_rate(&self) -> u32 {
        self.0.sample_rate()
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> ::neteq::Result<Vec<f32>> {
        let refused = |error: soft_phone_dsp::codec::DecodeError| NetEqError::DecoderError(error.to_string());
        let mut out = vec![0.0; self.0.duration(encoded).map_err(refused)?];
        self.0.decode(encoded, &mut out).map_err(refused)?;
        Ok(out)
    }
}

impl Peer {
    /// `setting` above 1 adds 20 ms of delay for each step.
    pub(super) fn new(codec: Codec, setting: f64) -> Result<Peer, Error> {
        let rate = codec.rate();
        let additional_delay_ms = ((setting - 1.0).max(0.0) * 20.0) as u32;
        let config = NetEqConfig { sample_rate: rate, additional_delay_ms, ..NetEqConfig::default() };
        let mut inner = at(0.0, || NetEq::new(config))?;
        inner.register_decoder(codec.payload_type(), Box::new(Adapter(codec.decoder())));
        Ok(Peer { inner, rate, told: Told::default() })
    }
}

impl Receiver for Peer {
    fn insert(&mut self, now_ms: f64, packet: &Sent) -> Result<(), Error> {
        let header = RtpHeader::new(packet.sequence, packet.timestamp, 1, packet.payload_type, false);
        let (payload, rate) = (packet.payload.clone(), self.rate);
        Ok(at(now_ms, || self.inner.insert_packet(AudioPacket::new(header, payload, rate, 1, Sent::MS as u32)))?)
    }

    fn pull(&mut self, now_ms: f64, out: &mut [f32]) -> Result<(), Error> {
        let frame = at(now_ms, || self.inner.get_audio())?;
        let count = out.len().min(frame.samples.len());
        out[..count].copy_from_slice(&frame.samples[..count]);
        out[count..].fill(0.0);
        let concealed = frame.speech_type == ::neteq::neteq::SpeechType::Expand;
        self.told = Told { delay_ms: f64::from(self.inner.current_buffer_size_ms()) + 10.0, concealed };
        Ok(())
    }

    fn told(&self) -> Told {
        self.told
    }
}
