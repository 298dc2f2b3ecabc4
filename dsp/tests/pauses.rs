//! Senders that fall silent (comfort noise of RFC 3389, Opus' DTX), and streams that change in the middle of a call.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod support {
    pub mod receiving;
    pub mod signals;
}

use soft_phone_dsp::codec::{Decoder, G711, G722, G722Encoder, g711::Law};
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet, Reception};
use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};
use support::receiving::{RATE, at, found};
use support::signals::{db, noise, power, voice};

/// Payload types that are fixed (RFC 3551 §6), and Opus' usual one.
const PCMU: u8 = 0;
const COMFORT: u8 = 13;
const G722_TYPE: u8 = 9;
const OPUS: u8 = 111;

fn linear(sample: f32) -> i16 {
    (sample * 32_767.0) as i16
}

fn pcmu(samples: &[f32]) -> Vec<u8> {
    samples.iter().map(|sample| Law::Mu.compress(linear(*sample))).collect()
}

/// One end of a call at `rate`: packets arrive when they are sent, and are played until the next one.
struct Line {
    buffer: JitterBuffer,
    heard: Vec<f32>,
    now: f64,
    sequence: u16,
}

impl Line {
    fn new(rate: u32, decoders: Vec<(u8, Box<dyn Decoder>)>) -> Line {
        let mut buffer = JitterBuffer::new(rate, JitterConfig::default()).unwrap();
        for (payload_type, decoder) in decoders {
            buffer.set_decoder(payload_type, decoder).unwrap();
        }
        Line { buffer, heard: Vec::new(), now: 0.0, sequence: 65_500 }
    }

    /// Plays so many ms.
    fn plays(&mut self, ms: usize) {
        let mut frame = vec![0.0; self.buffer.frame_len()];
        for _ in 0..ms / 10 {
            self.buffer.pull(at(self.now), &mut frame).unwrap();
            self.heard.extend_from_slice(&frame);
            self.now += 10.0;
        }
    }

    /// The next packet arrives, and 20 ms are played.
    fn arrives(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) -> Reception {
        let packet = Packet { ssrc: 5, sequence: self.sequence, timestamp, payload_type, payload };
        let reception = self.buffer.insert(at(self.now), packet);
        self.sequence = self.sequence.wrapping_add(1);
        self.plays(20);
        reception
    }
}

#[test]
fn comfort_noise_fills_a_pause_at_its_level() {
    let speech = voice(8_000, 4.0, -20.0);
    let mut line = Line::new(8_000, vec![(PCMU, Box::new(G711::new(Law::Mu)))]);
    line.buffer.set_comfort_noise(COMFORT, 8_000);
    // A frame in the middle of a word, so that a step would be seen: two seconds of voice, one of pause, voice again.
    for (k, samples) in speech[..16_000].chunks_exact(160).enumerate() {
        assert_eq!(line.arrives(PCMU, 160 * k as u32, &pcmu(samples)), Reception::Accepted);
    }
    // −46 dBov, and a slope (RFC 3389 §3).
    assert_eq!(line.arrives(COMFORT, 16_000, &[46, 127 + 40, 127 - 20]), Reception::Accepted);
    line.plays(980);
    for (k, samples) in speech[16_000..].chunks_exact(160).enumerate() {
        assert_eq!(line.arrives(PCMU, 24_000 + 160 * k as u32, &pcmu(samples)), Reception::Accepted);
    }
    let stats = line.buffer.stats();
    assert_eq!((stats.lost, stats.late, stats.errors, stats.restarts), (0, 0, 0, 0), "{stats:?}");
    assert!(stats.concealed_share < 1e-6 && stats.mean_delay_ms < 25.0, "{stats:?}");
    // The voice has left within 100 ms, and until the next word there is the noise that was told.
    let level = db(power(&line.heard[17_000..23_500]));
    assert!((-48.0..-44.0).contains(&level), "{level} dB");
    let (place, likeness) = found(&line.heard, 28_000, 1_600, &speech[20_000..24_000]);
    assert!(likeness > 0.99 && place - 28_000 < 320, "{place} {likeness}");
}

#[test]
fn comfort_noise_that_is_none_or_comes_first_does_no_harm() {
    let mut line = Line::new(8_000, vec![(PCMU, Box::new(G711::new(Law::Mu)))]);
    // Before it is known, of another clock than any voice.
    assert_eq!(line.arrives(COMFORT, 0, &[40]), Reception::UnknownPayloadType);
    line.buffer.set_comfort_noise(105, 16_000);
    assert_eq!(line.arrives(105, 0, &[40]), Reception::UnknownPayloadType);
    line.buffer.set_comfort_noise(COMFORT, 8_000);
    assert_eq!(line.arrives(COMFORT, 0, &[]), Reception::Padding);
    // A call that begins with a pause.
    assert_eq!(line.arrives(COMFORT, 0, &[40]), Reception::Accepted);
    line.plays(500);
    let level = db(power(&line.heard[line.heard.len() - 2_400..]));
    assert!((-42.0..-38.0).contains(&level), "{level} dB");
    // A level that RFC 3389 does not have: counted when its time comes, and the noise goes on.
    assert_eq!(line.arrives(COMFORT, 4_160, &[200, 1]), Reception::Accepted);
    line.plays(100);
    assert_eq!(line.buffer.stats().errors, 3, "{:?}", line.buffer.stats());
    let level = db(power(&line.heard[line.heard.len() - 800..]));
    assert!((-43.0..-37.0).contains(&level), "{level} dB");
}

#[test]
fn opus_pauses_of_400_ms_are_its_own_noise_and_no_loss() {
    // A word, two seconds of quiet hiss in which the encoder falls silent, a word.
    let mut speech = voice(48_000, 1.0, -20.0);
    speech.extend(noise(48_000, 3.0, -55.0, 3));
    speech.extend(voice(48_000, 1.0, -20.0));
    let mut encoder = OpusEncoder::new(Settings { bitrate: 20_000, fec_percent: 10, dtx: true }).unwrap();
    let mut line = Line::new(48_000, vec![(OPUS, Box::new(OpusDecoder::new()))]);
    let (mut silent, mut longest, mut unsent) = (false, 0, 0);
    for (k, samples) in speech.chunks_exact(960).enumerate() {
        let mut payload = [0; 1_276];
        let length = encoder.encode(samples, &mut payload).unwrap();
        // What a sender does not send: every silent frame but the first.
        if length <= 2 && silent {
            line.plays(20);
            unsent += 1;
        } else {
            assert_eq!(line.arrives(OPUS, 960 * k as u32, &payload[..length]), Reception::Accepted);
            unsent = 0;
        }
        longest = longest.max(unsent);
        silent = length <= 2;
    }
    assert!(longest >= 18, "the encoder was silent for {longest} packets in one piece: no test of a pause");
    let stats = line.buffer.stats();
    assert_eq!((stats.lost, stats.late, stats.errors), (0, 0, 0), "{stats:?}");
    assert!(stats.concealed_share < 1e-6 && stats.mean_delay_ms < 30.0, "{stats:?}");
    // Neither silence nor a voice that goes on: the hiss, of which a wideband codec keeps a third, as it is in its packets.
    for from in [96_000, 120_000, 144_000, 168_000] {
        let level = db(power(&line.heard[from..from + 19_200]));
        assert!((-66.0..-60.0).contains(&level), "{from}: {level} dB");
    }
}

#[test]
fn codecs_change_timestamps_jump_and_frames_are_empty_and_the_call_goes_on() {
    let speech = voice(RATE, 12.0, -20.0);
    let mut line = Line::new(
        RATE,
        vec![
            (PCMU, Box::new(G711::new(Law::Mu))),
            (8, Box::new(G711::new(Law::A))),
            (G722_TYPE, Box::new(G722::new())),
            (OPUS, Box::new(OpusDecoder::new())),
        ],
    );
    let mut g722 = G722Encoder::new();
    let mut opus = OpusEncoder::new(Settings::default()).unwrap();
    let (mut strays, mut timestamp) = (0, 0_u32);
    for (k, samples) in speech.chunks_exact(320).enumerate() {
        let codec = [PCMU, 8, G722_TYPE, OPUS][k / 150];
        let narrow: Vec<f32> = samples.chunks_exact(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
        let payload = match codec {
            PCMU => pcmu(&narrow),
            8 => narrow.iter().map(|sample| Law::A.compress(linear(*sample))).collect(),
            G722_TYPE => {
                samples.chunks_exact(2).map(|pair| g722.compress([linear(pair[0]), linear(pair[1])])).collect()
            }
            _ => {
                let wide: Vec<f32> = samples.iter().flat_map(|sample| [*sample; 3]).collect();
                let mut payload = vec![0; 1_276];
                let length = opus.encode(&wide, &mut payload).unwrap();
                payload.truncate(length);
                payload
            }
        };
        // Once in a codec its timestamps jump, forward by an hour, back by a minute, on by a second.
        if k % 150 == 75 {
            timestamp = timestamp.wrapping_add([28_800_000, 0_u32.wrapping_sub(480_000), 8_000, 1 << 31][k / 150]);
        }
        // And an empty frame, which has the numbers of the one before.
        if k % 50 == 49 {
            let packet = Packet {
                ssrc: 5,
                sequence: line.sequence.wrapping_sub(1),
                timestamp,
                payload_type: codec,
                payload: &[],
            };
            assert_eq!(line.buffer.insert(at(line.now), packet), Reception::Padding);
        }
        match line.arrives(codec, timestamp, &payload) {
            Reception::Accepted => {}
            Reception::Stray => strays += 1,
            other => panic!("{k}: {other:?}"),
        }
        timestamp = timestamp.wrapping_add(if codec == OPUS { 960 } else { 160 });
    }
    let stats = line.buffer.stats();
    // The three jumps that no pause explains are believed with their second packet; another clock is, at once.
    assert_eq!((strays, stats.errors, stats.padding, stats.restarts), (3, 3, 12, 4), "{stats:?}");
    assert!(stats.concealed_share < 0.03, "{stats:?}");
    // In the last second of each the voice is heard as it was sent.
    for (second, least) in [(2, 0.9), (5, 0.9), (8, 0.99), (11, 0.9)] {
        let from = second * 16_000;
        let (_, likeness) = found(&line.heard, from, 9_600, &speech[from + 3_200..from + 12_800]);
        assert!(likeness > least, "second {second}: {likeness}");
    }
}
