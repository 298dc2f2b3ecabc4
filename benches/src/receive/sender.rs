//! Speech as packets of 20 ms.

use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::codec::{DecodeError, Decoder, G711, G722, G722Encoder, L16};
use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};

use crate::voice::Error;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// Opus at 24 kbit/s as browsers send speech, with copies for in-band FEC.
    Opus,
    /// The same without copies: what is missing must be concealed.
    OpusAlone,
    /// G.722, whose timestamps count half of its samples (RFC 3551 §4.5.2).
    G722,
    /// 16 bits of each sample at 16 kHz (RFC 3551 §4.5.11).
    L16,
    /// µ-law at so many Hz: of which next to nothing is to be decoded, and whose packets fit into Ethernet's frames.
    Mu(u32),
}

impl Codec {
    /// Those that sound is compared with, by their names.
    pub const ALL: [(&str, Codec); 2] = [("pcmu", Codec::Pcmu), ("opus", Codec::Opus)];

    /// Of samples, Hz.
    #[must_use]
    pub fn rate(self) -> u32 {
        match self {
            Codec::Pcmu => 8_000,
            Codec::Opus | Codec::OpusAlone => 48_000,
            Codec::G722 | Codec::L16 => 16_000,
            Codec::Mu(rate) => rate,
        }
    }

    /// Of timestamps, Hz.
    fn clock(self) -> u32 {
        if self == Codec::G722 { 8_000 } else { self.rate() }
    }

    /// Its payload type.
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Opus | Codec::OpusAlone => 111,
            Codec::G722 => 9,
            Codec::L16 | Codec::Mu(_) => 96,
        }
    }

    /// A decoder at the beginning of a stream.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a rate that L16 has")]
    pub fn decoder(self) -> Box<dyn Decoder> {
        match self {
            Codec::Pcmu => Box::new(G711::new(Law::Mu)),
            Codec::Opus | Codec::OpusAlone => Box::new(OpusDecoder::new()),
            Codec::G722 => Box::new(G722::new()),
            Codec::L16 => Box::new(L16::new(self.rate()).expect("16 kHz")),
            Codec::Mu(rate) => Box::new(Mu(rate)),
        }
    }
}

/// A packet as it is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, samples.
    pub timestamp: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Sent {
    /// How long a packet is, ms.
    pub const MS: f64 = 20.0;

    /// All packets of speech at the codec's rate.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub fn all(codec: Codec, speech: &[f32]) -> Result<Vec<Sent>, Error> {
        let samples = codec.rate() as usize / 50;
        let usual = Settings { bitrate: 24_000, ..Settings::default() };
        let mut opus =
            OpusEncoder::new(if codec == Codec::OpusAlone { Settings { fec_percent: 0, ..usual } } else { usual })?;
        let mut g722 = G722Encoder::new();
        let packets = speech.chunks_exact(samples).enumerate().map(|(k, samples)| {
            let payload = match codec {
                Codec::Pcmu | Codec::Mu(_) => samples.iter().map(|sample| Law::Mu.compress(linear(*sample))).collect(),
                Codec::G722 => {
                    let pairs = samples.as_chunks().0.iter();
                    pairs.map(|[first, second]| g722.compress([linear(*first), linear(*second)])).collect()
                }
                Codec::L16 => samples.iter().flat_map(|sample| linear(*sample).to_be_bytes()).collect(),
                Codec::Opus | Codec::OpusAlone => {
                    let mut payload = vec![0; 1_276];
                    let length = opus.encode(samples, &mut payload)?;
                    payload.truncate(length);
                    payload
                }
            };
            let timestamp = k as u32 * (codec.clock() / 50);
            Ok(Sent { sequence: k as u16, timestamp, payload_type: codec.payload_type(), payload })
        });
        packets.collect()
    }

    /// What a receiver without a network gives: the reference of all scores.
    ///
    /// # Errors
    /// When the decoder refuses.
    pub fn decoded(codec: Codec, packets: &[Sent]) -> Result<Vec<f32>, Error> {
        Sent::concealed(codec, packets, &vec![Some(0.0); packets.len()])
    }

    /// The same, with the codec's own concealment in place of what did not arrive.
    ///
    /// # Errors
    /// When the decoder refuses, or the codec has no concealment.
    pub fn concealed(codec: Codec, packets: &[Sent], arrivals: &[Option<f64>]) -> Result<Vec<f32>, Error> {
        let (mut decoder, mut all) = (codec.decoder(), Vec::new());
        let mut out = vec![0.0; codec.rate() as usize / 50];
        for (packet, arrival) in packets.iter().zip(arrivals) {
            let count = match arrival {
                Some(_) => decoder.decode(&packet.payload, &mut out)?,
                None if decoder.conceal(&mut out) => out.len(),
                None => return Err(format!("{codec:?} conceals nothing").into()),
            };
            all.extend_from_slice(&out[..count]);
        }
        Ok(all)
    }
}

/// µ-law at a rate that it is not sent with anywhere.
struct Mu(u32);

impl Decoder for Mu {
    fn sample_rate(&self) -> u32 {
        self.0
    }

    fn clock_rate(&self) -> u32 {
        self.0
    }

    fn duration(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        Ok(payload.len())
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        for (out, code) in out.iter_mut().zip(payload) {
            *out = f32::from(Law::Mu.expand(*code)) / 32_768.0;
        }
        Ok(payload.len())
    }

    fn reset(&mut self) {}
}

/// 16 bit of a sample.
fn linear(sample: f32) -> i16 {
    (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16
}
