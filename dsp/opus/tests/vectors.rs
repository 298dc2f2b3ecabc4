//! Opus against libopus: decoding, in-band FEC, concealment and changes of mode (`data/make.py`).

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "../../tests/support/counting.rs"]
mod counting;

use counting::heap_operations;
use soft_phone_dsp::codec::{DecodeError, Decoder};
use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};

/// Samples of a packet.
const FRAME: usize = 960;
/// Lost packets of the vectors: the one that the packet behind it holds a copy of, and the others.
const COPIED: usize = 2;
const LOST: std::ops::RangeInclusive<usize> = 15..=17;
/// Where the codec changes from LPC to MDCT.
const MUSIC: usize = 28;

fn packets() -> Vec<&'static [u8]> {
    let mut left: &[u8] = include_bytes!("data/voice.packets");
    let mut packets = Vec::new();
    while let Some((length, rest)) = left.split_first_chunk() {
        let (packet, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)));
        packets.push(packet);
        left = rest;
    }
    packets
}

fn reference() -> Vec<f32> {
    let samples = include_bytes!("data/voice.s16").as_chunks::<2>().0.iter();
    samples.map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / 32_768.0).collect()
}

/// Signal to difference, dB, within packets.
fn snr(expected: &[f32], actual: &[f32], packets: std::ops::Range<usize>) -> f32 {
    let range = packets.start * FRAME..packets.end * FRAME;
    let power = |samples: &mut dyn Iterator<Item = f32>| samples.map(|sample| sample * sample).sum::<f32>();
    let signal = power(&mut expected[range.clone()].iter().copied());
    let pairs = expected[range.clone()].iter().zip(&actual[range]);
    10.0 * (signal / power(&mut pairs.map(|(expected, actual)| expected - actual)).max(1e-12)).log10()
}

fn decode_as_the_reference_did() -> Vec<f32> {
    let (packets, mut decoder) = (packets(), OpusDecoder::new());
    let mut decoded = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        let mut out = [0.0; FRAME];
        if number == COPIED {
            assert!(decoder.has_fec(packets[number + 1]));
            assert_eq!(decoder.recover(packets[number + 1], &mut out), Ok(FRAME));
        } else if LOST.contains(&number) {
            assert!(decoder.conceal(&mut out));
        } else {
            assert_eq!(decoder.duration(packet), Ok(FRAME));
            assert_eq!(decoder.decode(packet, &mut out), Ok(FRAME));
        }
        decoded.extend(out);
    }
    decoded
}

#[test]
fn what_is_decoded_recovered_and_concealed_is_what_libopus_makes_of_it() {
    let (expected, actual) = (reference(), decode_as_the_reference_did());
    assert_eq!(actual.len(), expected.len());
    // About 3 dB below what was measured. Recovery and concealment feed the high band's MDCT, which is not exact.
    for (what, packets, least) in [
        ("voice", 0..COPIED, 65.0),
        ("the copy", COPIED..COPIED + 1, 36.0),
        ("after it", COPIED + 1..*LOST.start(), 40.0),
        ("concealed", *LOST.start()..*LOST.end() + 1, 29.0),
        ("after that", *LOST.end() + 1..MUSIC, 40.0),
        ("music", MUSIC..40, 75.0),
    ] {
        let snr = snr(&expected, &actual, packets);
        assert!(snr >= least, "{what}: {snr} dB");
    }
}

#[test]
fn a_copy_is_seen_where_there_is_one() {
    let decoder = OpusDecoder::new();
    let with: Vec<usize> =
        packets().iter().enumerate().filter(|(_, packet)| decoder.has_fec(packet)).map(|(number, _)| number).collect();
    // As `make.py` printed them for the voice; music has none.
    assert_eq!(with, [1, 2, 3, 4, 7, 15, 16, 17, 18, 19, 20, 26, 27]);
    let mut out = [0.0; FRAME];
    assert_eq!(OpusDecoder::new().recover(packets()[0], &mut out), Err(DecodeError::NoFec));
    // The same frame in packets of other shapes (RFC 6716 §3.2): two of equal and unequal length, and three with padding.
    let frame = &packets()[3][1..];
    let toc = packets()[3][0] & !3;
    let length = [frame.len() as u8];
    let shapes: [Vec<u8>; 4] = [
        [&[toc | 1], frame, frame].concat(),
        [&[toc | 2], &length[..], frame, frame].concat(),
        [&[toc | 3, 0xC3, 255, 7], &length[..], &length[..], frame, frame, frame, &[0; 254 + 7]].concat(),
        [&[toc | 3, 0x02], frame, frame].concat(),
    ];
    for shape in &shapes {
        assert!(decoder.has_fec(shape), "{:x?}", &shape[..6]);
        assert!(!decoder.has_fec(&shape[..1]));
    }
    assert!(
        !decoder.has_fec(&[toc | 2, 0, 0xFF]) && !decoder.has_fec(&[toc | 3, 0x82, 0, 0xFF]) && !decoder.has_fec(&[])
    );
}

#[test]
fn decoding_and_recovering_touch_no_heap_and_concealing_hardly() {
    let (packets, mut decoder, mut out) = (packets(), OpusDecoder::new(), [0.0; 5_760]);
    for part in [&packets[..MUSIC], &packets[MUSIC..]] {
        let mut run = |decoder: &mut OpusDecoder| {
            for packet in part {
                assert_eq!(decoder.decode(packet, &mut out), Ok(FRAME));
                let _ = decoder.recover(packet, &mut out);
            }
            decoder.reset();
        };
        run(&mut decoder);
        assert_eq!(heap_operations(|| run(&mut decoder)), 0);
    }
    let mut missing = [0.0; FRAME];
    for packet in packets {
        assert_eq!(decoder.decode(packet, &mut missing), Ok(FRAME));
        // The codec's own: nine blocks, each taken and given back.
        assert!(heap_operations(|| assert!(decoder.conceal(&mut missing))) <= 18);
    }
}

#[test]
fn a_reset_forgets_and_bad_packets_are_refused() {
    let packets = packets();
    let (mut once, mut again) = ([0.0; FRAME], [0.0; FRAME]);
    let mut decoder = OpusDecoder::new();
    assert_eq!(decoder.decode(packets[5], &mut once), Ok(FRAME));
    assert_eq!(decoder.decode(packets[6], &mut again), Ok(FRAME));
    assert_ne!(once, again);
    decoder.reset();
    assert_eq!(decoder.decode(packets[5], &mut again), Ok(FRAME));
    assert_eq!(once, again);
    assert_eq!(decoder.decode(&[], &mut once), Err(DecodeError::Empty));
    let short = decoder.decode(packets[5], &mut once[1..]);
    assert_eq!(short, Err(DecodeError::Room { needed: FRAME, available: FRAME - 1 }));
    // Seven frames of 20 ms are more than a packet may hold.
    assert_eq!(decoder.duration(&[packets[5][0] | 3, 7, 1, 2]), Err(DecodeError::Length { bytes: 4 }));
    assert!(!decoder.conceal(&mut once[..100]) && !decoder.conceal(&mut []));
    // In a pause a sender repeats nothing but the kind of packet (RFC 6716 §3.2.1: a frame of no bytes).
    assert_eq!(decoder.decode(&packets[5][..1], &mut once), Ok(FRAME));
}

#[test]
fn what_is_encoded_comes_back() {
    let tone: Vec<f32> = (0..48_000).map(|n| 0.3 * (n as f32 * 0.05).sin()).collect();
    let mut encoder = OpusEncoder::new(Settings { bitrate: 40_000, ..Settings::default() }).unwrap();
    let (mut decoder, mut decoded) = (OpusDecoder::new(), Vec::new());
    for samples in tone.chunks_exact(FRAME) {
        let (mut payload, mut out) = ([0; 400], [0.0; FRAME]);
        let bytes = encoder.encode(samples, &mut payload).unwrap();
        assert_eq!(decoder.decode(&payload[..bytes], &mut out), Ok(FRAME));
        decoded.extend(out);
    }
    // 6.5 ms late: half of them the encoder's look-ahead.
    let alike = |late: usize| -> f32 {
        let pairs = decoded[24_000..].iter().zip(&tone[24_000 - late..]);
        pairs.map(|(decoded, sent)| decoded * sent).sum::<f32>() / (24_000.0 * 0.045)
    };
    let best = (0..600).map(alike).fold(0.0, f32::max);
    assert!((0.95..1.05).contains(&best), "{best}");
    assert!(OpusEncoder::new(Settings { bitrate: 5_000, ..Settings::default() }).is_err());
    assert!(OpusEncoder::new(Settings { fec_percent: 101, ..Settings::default() }).is_err());
    assert!(encoder.encode(&tone[..961], &mut [0; 400]).is_err());
}
