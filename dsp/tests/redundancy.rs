//! Copies of earlier packets (RED, RFC 2198) in the jitter buffer: played where those are missing.

mod support {
    pub mod receiving;
    pub mod signals;
}

use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet, Reception};
use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};
use support::receiving::{Call, RATE, TYPE, at, coded, found};
use support::signals::voice;

/// The payload type of redundancy.
const RED: u8 = 63;

/// A payload with copies: each with its payload type and how many ticks it is older, the oldest first.
fn red(payload_type: u8, copies: &[(u8, u32, &[u8])], own: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (payload_type, offset, copy) in copies {
        let length = copy.len() as u32;
        let header = u32::from(*payload_type | 0x80) << 24 | offset << 10 | length;
        payload.extend(header.to_be_bytes());
    }
    payload.push(payload_type);
    copies.iter().for_each(|(_, _, copy)| payload.extend(*copy));
    payload.extend(own);
    payload
}

/// A call of L16 in which each packet carries its `depth` forerunners and those that `lost` names do not arrive.
fn carry(speech: &[f32], depth: usize, lost: impl Fn(usize) -> bool) -> Call {
    let mut call = Call::new();
    call.buffer.set_redundancy(RED);
    // One of 10 ms: longer blocks than 1,023 bytes have no place in a header.
    let packets: Vec<Vec<u8>> = speech.chunks_exact(160).map(coded).collect();
    for (k, own) in packets.iter().enumerate() {
        let now = 10.0 * k as f64;
        call.plays(now - 1e-6);
        if lost(k) {
            continue;
        }
        let copies: Vec<_> =
            (1..=depth.min(k)).rev().map(|age| (TYPE, 160 * age as u32, packets[k - age].as_slice())).collect();
        let payload = red(TYPE, &copies, own);
        let packet =
            Packet { ssrc: 1, sequence: k as u16, timestamp: 160 * k as u32, payload_type: RED, payload: &payload };
        assert_eq!(call.buffer.insert(at(now), packet), Reception::Accepted);
    }
    call.plays(10.0 * packets.len() as f64);
    call
}

#[test]
fn what_is_missing_is_played_from_the_copies() {
    let speech = voice(RATE, 8.0, -23.0);
    for (depth, burst) in [(1, 1), (2, 2), (3, 3)] {
        let call = carry(&speech, depth, |k| k % 10 >= 10 - burst);
        let stats = call.stats();
        // Once it is known how late copies come, nothing is missing.
        assert!(stats.recovered as usize > 60 * burst && stats.concealed_share < 0.02, "{depth}: {stats:?}");
        assert_eq!((stats.errors, stats.restarts), (0, 0));
        let (place, likeness) = found(&call.heard, 4 * 16_000, 3_200, &speech[4 * 16_000..5 * 16_000]);
        assert!(likeness > 0.999, "{depth}: {likeness}");
        let late = (place - 4 * 16_000) as f64 / 16.0;
        assert!(late <= 10.0 * burst as f64 + 20.0, "{depth}: {late} ms");
    }
}

#[test]
fn copies_cost_nothing_where_nothing_is_missing() {
    let speech = voice(RATE, 4.0, -23.0);
    let call = carry(&speech, 2, |_| false);
    let stats = call.stats();
    assert_eq!((stats.recovered, stats.duplicates, stats.late, stats.lost, stats.errors), (0, 0, 0, 0, 0), "{stats:?}");
    assert!(stats.concealed_share < 1e-6 && stats.mean_delay_ms <= 20.0, "{stats:?}");
    // The packet itself, where its copy came first.
    let mut call = Call::new();
    call.buffer.set_redundancy(RED);
    let (first, second) = (coded(&speech[16_000..16_160]), coded(&speech[16_160..16_320]));
    let both = red(TYPE, &[(TYPE, 160, &first)], &second);
    let late = Packet { ssrc: 1, sequence: 1, timestamp: 160, payload_type: TYPE, payload: &first };
    let packet = |sequence, payload| Packet {
        sequence,
        timestamp: 160 * u32::from(sequence),
        payload_type: RED,
        payload,
        ..late
    };
    call.arrives(0.0, 0, 0, &speech[..160]);
    assert_eq!(call.buffer.insert(at(1.0), packet(2, &both)), Reception::Accepted);
    assert_eq!(call.buffer.insert(at(2.0), late), Reception::Accepted);
    call.plays(30.0);
    assert_eq!((call.stats().recovered, call.stats().lost), (0, 0));
}

#[test]
fn opus_with_copies_is_heard_through_a_tenth_of_loss() {
    let speech = voice(48_000, 8.0, -23.0);
    let mut encoder = OpusEncoder::new(Settings { bitrate: 24_000, ..Settings::default() }).unwrap();
    let mut buffer = JitterBuffer::new(48_000, JitterConfig::default()).unwrap();
    buffer.set_decoder(111, Box::new(OpusDecoder::new())).unwrap();
    buffer.set_redundancy(RED);
    let (mut last, mut out, mut concealed) = (Vec::new(), [0.0; 480], 0.0);
    for (k, samples) in speech.chunks_exact(960).enumerate() {
        let mut own = vec![0; 1_276];
        let length = encoder.encode(samples, &mut own).unwrap();
        own.truncate(length);
        let copies: &[(u8, u32, &[u8])] = if k == 0 { &[] } else { &[(111, 960, &last)] };
        let payload = red(111, copies, &own);
        if k % 10 != 7 {
            let (sequence, timestamp) = (k as u16, 960 * k as u32);
            let packet = Packet { ssrc: 1, sequence, timestamp, payload_type: RED, payload: &payload };
            assert_eq!(buffer.insert(at(20.0 * k as f64), packet), Reception::Accepted);
        }
        last = own;
        for half in 0..2 {
            buffer.pull(at(20.0 * k as f64 + 10.0 * f64::from(half)), &mut out).unwrap();
        }
        if k == 150 {
            concealed = buffer.stats().concealed_share * 150.0;
        }
    }
    let stats = buffer.stats();
    assert!(stats.recovered >= 30, "{stats:?}");
    assert!(stats.concealed_share * 400.0 - concealed < 0.05, "{stats:?}, {concealed} packets at first");
}

#[test]
fn what_is_wrong_in_it_is_counted_and_the_rest_is_played() {
    let speech = voice(RATE, 4.0, -23.0);
    let mut call = Call::new();
    call.buffer.set_redundancy(RED);
    let mut wrong = 0;
    for (k, samples) in speech.chunks_exact(160).enumerate() {
        let (now, own) = (10.0 * k as f64, coded(samples));
        call.plays(now - 1e-6);
        let (payload, expected) = match k % 50 {
            // Ends in the middle of a header, or of a copy.
            10 => (vec![0x80 | TYPE, 2, 128], Reception::Malformed),
            20 => (red(TYPE, &[(TYPE, 160, &own)], &[])[..200].to_vec(), Reception::Malformed),
            // Redundancy in redundancy, and a payload type that nobody knows.
            25 => (red(RED, &[], &own), Reception::UnknownPayloadType),
            30 => (red(77, &[], &own), Reception::UnknownPayloadType),
            // Its own payload is good, its copies are not: unknown, no whole samples, of no earlier time.
            35 => (red(TYPE, &[(77, 160, &own), (TYPE, 160, &own[..319]), (TYPE, 0, &own)], &own), Reception::Accepted),
            // Nothing in it.
            40 => (red(TYPE, &[], &[]), Reception::Padding),
            _ => (red(TYPE, &[], &own), Reception::Accepted),
        };
        wrong += match expected {
            Reception::Malformed | Reception::UnknownPayloadType => 1,
            _ if k % 50 == 35 => 3,
            _ => 0,
        };
        let packet =
            Packet { ssrc: 1, sequence: k as u16, timestamp: 160 * k as u32, payload_type: RED, payload: &payload };
        assert_eq!(call.buffer.insert(at(now), packet), expected, "{k}");
    }
    let stats = call.stats();
    assert_eq!((stats.errors, stats.padding, stats.recovered), (wrong, 8, 0), "{stats:?}");
    assert!(stats.concealed_share < 0.15, "{stats:?}");
}
