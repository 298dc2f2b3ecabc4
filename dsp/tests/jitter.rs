//! The jitter buffer over networks that delay, lose, double and reorder.

mod support {
    pub mod receiving;
    pub mod signals;
}

use soft_phone_dsp::Error;
use soft_phone_dsp::codec::{DecodeError, Decoder, G711, g711::Law};
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet, Reception};
use support::receiving::{Call, RATE, at, found};
use support::signals::{Noise, voice};

fn speech(seconds: f32) -> Vec<f32> {
    voice(RATE, seconds, -23.0)
}

/// The largest step between two samples.
fn step(samples: &[f32]) -> f32 {
    samples.windows(2).fold(0.0, |most, pair| most.max((pair[1] - pair[0]).abs()))
}

#[test]
fn a_clean_network_adds_less_than_20_ms_and_nothing_is_concealed() {
    let speech = speech(8.0);
    for rate in [8_000, 16_000, 32_000, 44_100, 48_000] {
        let mut call = Call::at(rate);
        call.carry(&speech, |_| Some(37.0));
        let stats = call.stats();
        assert!(stats.concealed_share < 1e-6 && stats.lost + stats.late + stats.errors == 0, "{rate}: {stats:?}");
        assert!(stats.mean_delay_ms <= 20.0 && stats.p95_delay_ms <= 20.0, "{rate}: {stats:?}");
    }
    let mut call = Call::new();
    call.carry(&speech, |_| Some(37.0));
    // 37 ms on the way, and what the buffer adds; once the first word is over, to the sample what was sent.
    let (place, likeness) = found(&call.heard, 3 * 16_000, 16_000, &speech[3 * 16_000..4 * 16_000]);
    let delay = (place - 3 * 16_000) as f32 / 16.0 - 37.0;
    assert!((0.0..20.0).contains(&delay) && likeness > 0.999, "{delay} {likeness}");
}

#[test]
fn packets_that_pass_each_other_and_come_twice_are_played_once_and_in_order() {
    let speech = speech(6.0);
    let mut call = Call::new();
    // Every third one takes 30 ms longer: behind the next one.
    call.carry(&speech, |k| Some(if k % 3 == 1 { 40.0 } else { 10.0 }));
    let (_, likeness) = found(&call.heard, 4 * 16_000, 3_200, &speech[4 * 16_000..5 * 16_000]);
    assert!(likeness > 0.99, "{likeness}");
    let stats = call.stats();
    assert_eq!(stats.lost, 0);
    // Who was 10 ms longer on the way, in the mean, than the fastest has waited 10 ms less.
    let longer = stats.mean_delay_ms - stats.mean_wait_ms;
    assert!((longer - 10.0).abs() < 1.5 && (stats.recent_wait_ms - stats.mean_wait_ms).abs() < 1.5, "{stats:?}");

    let mut call = Call::new();
    let mut second = 0;
    for (k, samples) in speech.chunks_exact(320).enumerate() {
        call.plays(20.0 * k as f64);
        assert_eq!(call.arrives(20.0 * k as f64, k as u16, 320 * k as u32, samples), Reception::Accepted);
        second += u64::from(call.arrives(20.0 * k as f64, k as u16, 320 * k as u32, samples) == Reception::Duplicate);
    }
    assert_eq!((second, call.stats().duplicates, call.stats().concealed_share), (300, 300, 0.0));
}

#[test]
fn numbers_wrap_around_unheard() {
    let speech = speech(6.0);
    let heard = |sequence, timestamp| {
        let mut call = Call::new();
        call.carry_from(&speech, sequence, timestamp, |_| Some(5.0));
        assert_eq!(call.stats().errors + call.stats().lost + call.stats().restarts, 0);
        call.heard
    };
    assert_eq!(heard(65_400, u32::MAX - 16_000), heard(0, 0));
}

#[test]
fn a_stream_that_begins_anew_goes_on() {
    let speech = speech(4.0);
    let mut call = Call::new();
    call.carry_from(&speech, 100, 1_000, |_| Some(10.0));
    let before = call.heard.len();
    call.carry_from(&speech, 30_000, 3_000_000_000, |_| Some(10.0));
    let stats = call.stats();
    assert_eq!((stats.restarts, stats.errors), (1, 1));
    assert!(stats.concealed_share < 0.02, "{stats:?}");
    let (_, likeness) = found(&call.heard, before + 2 * 16_000, 3_200, &speech[2 * 16_000..3 * 16_000]);
    assert!(likeness > 0.99, "{likeness}");
}

#[test]
fn what_is_lost_is_concealed_without_a_click() {
    let speech = speech(10.0);
    let natural = step(&speech);
    let mut call = Call::new();
    call.carry(&speech, |k| (!(10..15).contains(&(k % 25))).then_some(10.0));
    let stats = call.stats();
    assert!((0.15..0.25).contains(&stats.concealed_share), "{stats:?}");
    assert_eq!(stats.lost, 100, "{stats:?}");
    // Bursts of 100 ms: neither their ends nor the noise within step further than the voice itself does.
    assert!(step(&call.heard) < 1.1 * natural, "{} {natural}", step(&call.heard));
    // A voice goes on: in the first 20 ms it keeps its level within 6 dB.
    let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    let mut call = Call::new();
    call.carry(&speech[..16_000], |k| (k != 30).then_some(10.0));
    let (place, _) = found(&call.heard, 0, 16_000, &speech[20 * 320..30 * 320]);
    let (concealed, true_one) = (&call.heard[place + 3_200..place + 3_520], &speech[9_600..9_920]);
    let level = 10.0 * (energy(concealed) / energy(true_one)).log10();
    assert!(level.abs() < 6.0, "{level}");
}

#[test]
fn what_comes_after_a_gap_is_merged_whatever_its_phase() {
    // The voice steps further from sample to sample than a seam does that is none; a low tone does not.
    let tone: Vec<f32> =
        (0..160_000).map(|n| 0.3 * (std::f32::consts::TAU * 223.7 * n as f32 / 16_000.0).sin()).collect();
    for lost in [1, 3, 5] {
        let mut call = Call::new();
        call.carry(&tone, |k| (!(10..10 + lost).contains(&(k % 25))).then_some(10.0));
        let (heard, natural) = (step(&call.heard[4_000..150_000]), step(&tone));
        assert!(heard < 1.5 * natural, "{lost} lost: {heard} {natural}");
    }
}

#[test]
fn jitter_is_followed_up_and_down() {
    let speech = speech(40.0);
    let mut call = Call::new();
    let mut noise = Noise(7);
    let jitter: Vec<f64> = (0..2_000).map(|_| f64::from(noise.next().abs())).collect();
    call.carry(&speech[..20 * 16_000], |k| Some(60.0 * jitter[k]));
    let rough = call.stats();
    assert!((30.0..90.0).contains(&rough.target_delay_ms), "{rough:?}");
    assert!(rough.concealed_share < 0.06, "{rough:?}");
    call.carry_from(&speech[20 * 16_000..], 1_000, 320_000, |_| Some(0.0));
    let smooth = call.stats();
    assert!(smooth.target_delay_ms < 20.0 && smooth.playout_delay_ms < 20.0, "{smooth:?}");
}

#[test]
fn one_spike_does_not_make_the_call_late() {
    let speech = speech(10.0);
    let mut call = Call::new();
    // 300 ms in which nothing comes, then all at once.
    call.carry(&speech, |k| Some(if (150..165).contains(&k) { 300.0 - 20.0 * (k - 150) as f64 } else { 5.0 }));
    let stats = call.stats();
    assert!(stats.target_delay_ms < 20.0 && stats.playout_delay_ms < 25.0, "{stats:?}");
    let (place, likeness) = found(&call.heard, 7 * 16_000, 16_000, &speech[7 * 16_000..8 * 16_000]);
    assert!(likeness > 0.95 && place - 7 * 16_000 < 16 * 40, "{place} {likeness}");
}

#[test]
fn the_delay_is_bounded() {
    let mut buffer =
        JitterBuffer::new(RATE, JitterConfig { max_playout_delay_ms: 100.0, ..Default::default() }).unwrap();
    buffer.set_decoder(0, Box::new(G711::new(Law::Mu))).unwrap();
    let mut out = [0.0; 160];
    // A second in which nothing comes, then all of it at once.
    for tick in 0..600_u32 {
        let now = at(10.0 * f64::from(tick));
        let due = match tick {
            200..300 => 0..0,
            300 => 100..151,
            tick if tick % 2 == 0 => tick / 2..tick / 2 + 1,
            _ => 0..0,
        };
        for k in due {
            let payload = &[0x55; 160];
            let packet = Packet { ssrc: 9, sequence: k as u16, timestamp: 160 * k, payload_type: 0, payload };
            buffer.insert(now, packet);
        }
        buffer.pull(now, &mut out).unwrap();
        let stats = buffer.stats();
        assert!((200..301).contains(&tick) || stats.playout_delay_ms <= 100.0, "{tick}: {stats:?}");
    }
    assert!((20..60).contains(&buffer.stats().late), "{:?}", buffer.stats());
}

#[test]
fn a_voice_that_is_made_longer_stays_within_the_bound() {
    const MOST_MS: f32 = 60.0;
    let mut call = Call::with(JitterConfig { max_playout_delay_ms: MOST_MS, ..Default::default() });
    let mut noise = Noise(3);
    // Worth a longer delay than is allowed: slowed down and joined by whole periods, again and again.
    let jitter: Vec<f64> = (0..1_000).map(|_| f64::from(noise.next().abs())).collect();
    call.carry(&speech(20.0), |k| Some(if k % 8 == 0 { 0.0 } else { 70.0 * jitter[k] }));
    assert!((0.9 * MOST_MS..=MOST_MS).contains(&call.longest_ms), "{}: {:?}", call.longest_ms, call.stats());
}

#[test]
fn clocks_that_run_apart_for_an_hour_neither_starve_nor_flood_it() {
    // A sender 300 ppm fast or slow: its 20 ms are so many of the card's.
    for ppm in [-300.0, 300.0] {
        let second = speech(1.0);
        let mut call = Call::new();
        let ptime = 20.0 * (1.0 - ppm * 1e-6);
        let mut concealed = 0.0;
        for k in 0..180_000_usize {
            call.plays(ptime * k as f64 - 1e-6);
            call.heard.clear();
            let samples = &second[k % 50 * 320..(k % 50 + 1) * 320];
            call.arrives(ptime * k as f64, k as u16, 320 * k as u32, samples);
            if k == 1_500 {
                // Within 30 s the drift is known.
                concealed = call.stats().concealed_share * 30.0;
            }
            if k % 1_000 == 0 && k > 0 {
                assert!(call.stats().playout_delay_ms <= 30.0, "{ppm} {k}: {:?}", call.stats());
            }
        }
        let stats = call.stats();
        assert!(concealed < 0.05, "{ppm}: {concealed} s");
        assert!(stats.concealed_share * 3_600.0 <= concealed + 1e-3, "{ppm}: {stats:?}, {concealed} s at first");
        assert_eq!(stats.lost + stats.late, 0);
    }
}

#[test]
fn what_cannot_be_played_is_counted() {
    let mut buffer = JitterBuffer::new(RATE, JitterConfig::default()).unwrap();
    buffer.set_decoder(96, Box::new(soft_phone_dsp::codec::L16::new(RATE).unwrap())).unwrap();
    let packet = |payload_type, payload| Packet { ssrc: 1, sequence: 1, timestamp: 0, payload_type, payload };
    assert_eq!(buffer.insert(at(0.0), packet(0, &[1; 160])), Reception::UnknownPayloadType);
    assert_eq!(buffer.insert(at(0.0), packet(96, &[])), Reception::Padding);
    assert_eq!(buffer.insert(at(0.0), packet(96, &[1; 3])), Reception::Malformed);
    assert_eq!(buffer.insert(at(0.0), packet(96, &[1; 9_000])), Reception::Malformed);
    assert_eq!((buffer.stats().errors, buffer.stats().padding, buffer.stats().received), (3, 1, 0));
    assert_eq!(buffer.pull(at(0.0), &mut [0.0; 7]), Err(Error::FrameLength { expected: 160, actual: 7 }));
    assert!(JitterBuffer::new(11_025, JitterConfig::default()).is_err());
    assert!(JitterBuffer::new(RATE, JitterConfig { max_playout_delay_ms: f32::NAN, ..Default::default() }).is_err());
}

#[test]
fn a_hostile_peer_costs_neither_memory_nor_the_call() {
    // Ten thousand packets a second of everything that is wrong, beside a voice.
    let speech = speech(6.0);
    let mut call = Call::new();
    let mut random = Noise(3);
    let mut any = |count: f32| (random.next().abs() * count) as u32;
    for (k, samples) in speech.chunks_exact(320).enumerate() {
        let now = 20.0 * k as f64;
        call.plays(now);
        call.arrives(now, k as u16, 320 * k as u32, samples);
        for _ in 0..200 {
            let payload = vec![any(256.0) as u8; any(1_700.0) as usize];
            // Near the stream or anywhere, of a known type or not.
            let sequence = if any(2.0) == 0 { any(65_536.0) } else { k as u32 + any(500.0) };
            let timestamp = if any(2.0) == 0 { any(4e9) } else { 320 * k as u32 + any(3e5) };
            let payload_type = if any(3.0) == 0 { 96 } else { any(128.0) as u8 };
            let packet = Packet { ssrc: 1, sequence: sequence as u16, timestamp, payload_type, payload: &payload };
            call.buffer.insert(at(now), packet);
        }
    }
    let stats = call.stats();
    assert!(stats.errors > 30_000, "{stats:?}");
    // And when it stops, the voice is back within seconds.
    let before = call.heard.len();
    call.carry_from(&speech, 40_000, 9_000_000, |_| Some(10.0));
    let (_, likeness) = found(&call.heard, before + 4 * 16_000, 16_000, &speech[4 * 16_000..5 * 16_000]);
    assert!(likeness > 0.9, "{likeness} {:?}", call.stats());
}

#[test]
fn a_missing_packet_is_played_from_the_copy_in_the_next_one() {
    use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};
    let speech = voice(48_000, 6.0, -23.0);
    let mut encoder = OpusEncoder::new(Settings { bitrate: 16_000, fec_percent: 20, ..Settings::default() }).unwrap();
    let mut buffer =
        JitterBuffer::new(48_000, JitterConfig { min_playout_delay_ms: 40.0, ..Default::default() }).unwrap();
    buffer.set_decoder(111, Box::new(OpusDecoder::new())).unwrap();
    let mut payload = [0; 1_276];
    let mut out = [0.0; 480];
    for (k, samples) in speech.chunks_exact(960).enumerate() {
        let length = encoder.encode(samples, &mut payload).unwrap();
        let now = at(20.0 * k as f64);
        let (sequence, timestamp) = (k as u16, 960 * k as u32);
        if k < 100 || k % 10 != 0 {
            let payload = &payload[..length];
            buffer.insert(now, Packet { ssrc: 1, sequence, timestamp, payload_type: 111, payload });
        }
        buffer.pull(now, &mut out).unwrap();
        buffer.pull(now + at(10.0), &mut out).unwrap();
    }
    let stats = buffer.stats();
    assert!(stats.recovered >= 15, "{stats:?}");
    assert!(stats.lost <= 20 - stats.recovered, "{stats:?}");
}

/// A codec that says what it was asked for: packets are 0.25, what it conceals is 0.5.
struct Outspoken;

impl Decoder for Outspoken {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn clock_rate(&self) -> u32 {
        RATE
    }

    fn duration(&self, _payload: &[u8]) -> Result<usize, DecodeError> {
        Ok(320)
    }

    fn decode(&mut self, _payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        out[..320].fill(0.25);
        Ok(320)
    }

    fn conceal(&mut self, out: &mut [f32]) -> bool {
        // Opus has steps of 2.5 ms, and whole frames sound best.
        assert!(out.len().is_multiple_of(320), "{}", out.len());
        out.fill(0.5);
        true
    }

    fn reset(&mut self) {}
}

#[test]
fn a_codec_that_conceals_does_so_itself_in_whole_frames() {
    let mut buffer = JitterBuffer::new(RATE, JitterConfig::default()).unwrap();
    buffer.set_decoder(100, Box::new(Outspoken)).unwrap();
    let (mut out, mut heard) = ([0.0; 160], Vec::new());
    for tick in 0..400_u32 {
        let (now, k) = (at(10.0 * f64::from(tick)), tick / 2);
        if tick % 2 == 0 && !matches!(k % 50, 20 | 30..33) {
            let packet = Packet { ssrc: 1, sequence: k as u16, timestamp: 320 * k, payload_type: 100, payload: &[1] };
            assert_eq!(buffer.insert(now, packet), Reception::Accepted);
        }
        buffer.pull(now, &mut out).unwrap();
        heard.extend_from_slice(&out);
    }
    let stats = buffer.stats();
    let concealed = heard.iter().filter(|sample| **sample == 0.5).count();
    assert_eq!((stats.lost, concealed), (16, 16 * 320), "{stats:?}");
    // Nothing of its own between.
    assert!(heard.iter().all(|sample| [0.0, 0.25, 0.5].contains(sample)));
    assert!((stats.concealed_share - 0.08).abs() < 0.005, "{stats:?}");
}
