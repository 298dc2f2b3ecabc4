//! The receive path over a file: speech is coded in packets of 20 ms, which arrive as a trace says, and are played.
//!
//! The trace is JSON: `{"ptime_ms": 20, "packets": [[sequence, send_ms, arrival_ms or null], …]}`. Sample 0 of the output
//! is the time at which packet 0 is sent: silence until the first packet is played, so that the delay of the audio against
//! the input is that from mouth to ear. `playoutStartMs` of the statistics is where that silence ends; with
//! `--from-first-packet` the output begins there. It has the rate of the input and a second more.
//!
//! Statistics: those of the buffer ([`JitterStats`](soft_phone_dsp::jitter::JitterStats)), and `load`, the share of real
//! time that all of it took.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pico_args::Arguments;
use serde::Deserialize;
use soft_phone_dsp::codec::{Decoder, G711, G722, G722Encoder, L16, g711::Law};
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet};
use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};

use crate::Result;
use crate::resample::resample;
use crate::wav::{read, write};

pub const USAGE: &str = "voice receive --audio SPEECH.wav --codec opus|g722|pcma|pcmu|l16 --trace TRACE.json --out OUT.wav \
                         [--config CONFIG.json] [--stats STATS.json] [--from-first-packet]";

/// What arrived when.
#[derive(Deserialize)]
struct Trace {
    ptime_ms: f64,
    packets: Vec<(u64, f64, Option<f64>)>,
}

/// Reads the files, sends, receives, writes what was heard.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let audio: PathBuf = arguments.value_from_str("--audio")?;
    let codec: String = arguments.value_from_str("--codec")?;
    let trace: PathBuf = arguments.value_from_str("--trace")?;
    let out: PathBuf = arguments.value_from_str("--out")?;
    let stats: Option<PathBuf> = arguments.opt_value_from_str("--stats")?;
    let config = match arguments.opt_value_from_str::<_, PathBuf>("--config")? {
        Some(path) => serde_json::from_slice(&std::fs::read(&path)?)?,
        None => JitterConfig::default(),
    };
    let from_first = arguments.contains("--from-first-packet");
    let rest = arguments.finish();
    if !rest.is_empty() {
        return Err(format!("not understood: {rest:?}\n{USAGE}").into());
    }
    let (speech, rate) = read(&audio)?;
    let trace = read_trace(&trace)?;
    let mut sender = Sender::new(&codec, &speech, rate, trace.ptime_ms)?;
    let mut buffer = JitterBuffer::new(rate, config)?;
    buffer.set_decoder(sender.payload_type, sender.decoder()?)?;

    let packets = sender.packets()?;
    let mut arrivals: Vec<(f64, usize)> =
        trace.packets.iter().filter_map(|(sequence, _, arrival)| arrival.map(|at| (at, *sequence as usize))).collect();
    arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let last = trace.packets.iter().map(|(_, sent, _)| *sent).fold(0.0, f64::max) + trace.ptime_ms;
    let frames = ((last + 1_000.0) / 10.0) as usize;
    let mut heard = Vec::with_capacity(frames * buffer.frame_len());
    let mut frame = vec![0.0; buffer.frame_len()];
    let mut arrivals = arrivals.into_iter().peekable();
    // Behind the last packet there is nothing to be concealed.
    let mut figures = buffer.stats();
    let (mut busy, mut began) = (Duration::ZERO, None);
    for index in 0..frames {
        let now = index as f64 * 10.0;
        let start = Instant::now();
        while let Some((at, sequence)) = arrivals.next_if(|(at, _)| *at <= now) {
            let Some(payload) = packets.get(sequence) else { continue };
            let timestamp = (sequence * sender.ticks) as u32;
            let payload_type = sender.payload_type;
            let packet = Packet { ssrc: 1, sequence: sequence as u16, timestamp, payload_type, payload };
            buffer.insert(Duration::from_secs_f64(at.max(0.0) / 1_000.0), packet);
        }
        buffer.pull(Duration::from_secs_f64(now / 1_000.0), &mut frame)?;
        busy += start.elapsed();
        if now <= last {
            figures = buffer.stats();
        }
        if began.is_none() && buffer.stats().is_playing {
            began = Some(index);
        }
        heard.extend_from_slice(&frame);
    }
    let skipped = if from_first { began.unwrap_or(0) * frame.len() } else { 0 };
    write(&out, &heard[skipped..], rate)?;
    if let Some(path) = stats {
        let mut figures = serde_json::to_value(figures)?;
        figures["load"] = (busy.as_secs_f64() * 100.0 / frames as f64).into();
        figures["playoutStartMs"] = began.map(|index| index * 10).into();
        figures["sampleRate"] = rate.into();
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    Ok(())
}

fn read_trace(path: &Path) -> Result<Trace> {
    let trace: Trace =
        serde_json::from_slice(&std::fs::read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    if !(2.5..=120.0).contains(&trace.ptime_ms) || trace.packets.is_empty() {
        return Err(format!("{}: packets of 2.5 to 120 ms are needed", path.display()).into());
    }
    Ok(trace)
}

/// Codes speech into packets.
struct Sender {
    payload_type: u8,
    codec: Codec,
    /// Speech at the codec's rate.
    speech: Vec<f32>,
    /// Samples in a packet, and ticks of the RTP clock.
    samples: usize,
    ticks: usize,
}

#[derive(Clone, Copy)]
enum Codec {
    G711(Law),
    G722,
    L16,
    Opus,
}

impl Sender {
    fn new(name: &str, speech: &[f32], rate: u32, ptime_ms: f64) -> Result<Self> {
        let (payload_type, codec, sampled, clock) = match name {
            "pcmu" => (0, Codec::G711(Law::Mu), 8_000, 8_000),
            "pcma" => (8, Codec::G711(Law::A), 8_000, 8_000),
            "g722" => (9, Codec::G722, 16_000, 8_000),
            "l16" => (96, Codec::L16, 16_000, 16_000),
            "opus" => (111, Codec::Opus, 48_000, 48_000),
            other => return Err(format!("no codec {other}: opus, g722, pcma, pcmu and l16 are known").into()),
        };
        let count = |rate: u32| (f64::from(rate) * ptime_ms / 1_000.0).round() as usize;
        let speech = resample(speech, rate, sampled);
        Ok(Self { payload_type, codec, speech, samples: count(sampled), ticks: count(clock) })
    }

    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        Ok(match self.codec {
            Codec::G711(law) => Box::new(G711::new(law)),
            Codec::G722 => Box::new(G722::new()),
            Codec::Opus => Box::new(OpusDecoder::new()),
            Codec::L16 => Box::new(L16::new(16_000).ok_or("L16 at 16 kHz")?),
        })
    }

    fn packets(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        let mut g722 = G722Encoder::new();
        let mut opus = OpusEncoder::new(Settings::default())?;
        let mut payload = [0; 1_276];
        for samples in self.speech.chunks_exact(self.samples) {
            packets.push(match self.codec {
                Codec::G711(law) => samples.iter().map(|sample| law.compress(linear(*sample))).collect(),
                Codec::G722 => {
                    let pairs = samples.as_chunks::<2>().0.iter();
                    pairs.map(|pair| g722.compress([linear(pair[0]), linear(pair[1])])).collect()
                }
                Codec::Opus => {
                    let length = opus.encode(samples, &mut payload)?;
                    payload[..length].to_vec()
                }
                Codec::L16 => samples.iter().flat_map(|sample| linear(*sample).to_be_bytes()).collect(),
            });
        }
        Ok(packets)
    }
}

/// 16 bit of a sample.
fn linear(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}
