//! G.722 against the vectors of other implementations, bit for bit (`data/README.md`).

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use soft_phone_dsp::codec::{DecodeError, Decoder, G722, G722Encoder};

const INPUT: &[u8] = include_bytes!("data/g722.input.s16");
const CODES: &[u8] = include_bytes!("data/g722.codes");
const DECODED: &[u8] = include_bytes!("data/g722.s16");
const DECODED_RANDOM: &[u8] = include_bytes!("data/g722.random.s16");

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.as_chunks::<2>().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
}

/// Decoded in packets of 20 ms, as 16-bit samples.
fn decode(decoder: &mut G722, codes: &[u8]) -> Vec<i16> {
    let mut out = Vec::new();
    for payload in codes.chunks(160) {
        let mut packet = [0.0; 320];
        let length = decoder.decode(payload, &mut packet).unwrap();
        assert_eq!(Ok(length), decoder.duration(payload));
        out.extend(packet[..length].iter().map(|sample| (sample * 32_768.0) as i16));
    }
    out
}

#[test]
fn the_encoder_gives_the_bytes_of_the_reference() {
    let mut encoder = G722Encoder::new();
    let codes: Vec<u8> = samples(INPUT).as_chunks::<2>().0.iter().map(|pair| encoder.compress(*pair)).collect();
    assert_eq!(codes.len(), 4_096);
    assert_eq!(codes.iter().zip(CODES).position(|(ours, theirs)| ours != theirs), None);
}

#[test]
fn the_decoder_gives_the_samples_of_the_reference() {
    assert_eq!(decode(&mut G722::new(), CODES), samples(DECODED));
}

#[test]
fn random_bytes_decode_as_the_reference_has_them_and_a_reset_forgets_them() {
    let mut seed = 7_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    let random: Vec<u8> = (0..4_096).map(|_| next()).collect();
    let mut decoder = G722::new();
    assert_eq!(decode(&mut decoder, &random), samples(DECODED_RANDOM));
    assert_ne!(decode(&mut decoder, CODES), samples(DECODED));
    decoder.reset();
    assert_eq!(decode(&mut decoder, CODES), samples(DECODED));
}

#[test]
fn its_clock_runs_at_half_its_rate() {
    let mut decoder = G722::new();
    assert_eq!((decoder.sample_rate(), decoder.clock_rate(), decoder.duration(&[0; 160])), (16_000, 8_000, Ok(320)));
    assert_eq!(decoder.decode(&[], &mut [0.0; 8]), Err(DecodeError::Empty));
    let full = decoder.decode(&[0; 5], &mut [0.0; 9]);
    assert_eq!(full, Err(DecodeError::Room { needed: 10, available: 9 }));
}
