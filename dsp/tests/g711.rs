//! G.711 against another implementation's tables.

use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::codec::{DecodeError, Decoder, G711};

/// Values of all codes, see `data/README.md`.
fn reference(law: Law) -> Vec<i16> {
    let values = include_bytes!("data/g711.s16").as_chunks::<2>().0.iter().map(|bytes| i16::from_le_bytes(*bytes));
    values.skip(if law == Law::Mu { 0 } else { 256 }).take(256).collect()
}

#[test]
fn every_code_has_the_value_of_the_reference() {
    for law in [Law::Mu, Law::A] {
        let codes: Vec<u8> = (0..=255).collect();
        let mut out = [9.0; 300];
        let mut decoder = G711::new(law);
        assert_eq!(decoder.decode(&codes, &mut out), Ok(256));
        let expected: Vec<f32> = reference(law).into_iter().map(|value| f32::from(value) / 32_768.0).collect();
        assert_eq!(out[..256], expected);
        assert_eq!(out[256..], [9.0; 44]);
    }
}

#[test]
fn every_sample_has_the_code_of_the_reference() {
    let codes = include_bytes!("data/g711.codes");
    let (mu, a) = codes.split_at(8_192);
    for (law, codes, first, step) in [(Law::Mu, mu, 1, 4), (Law::A, a, 3, 8)] {
        for (sample, code) in (first..=i16::MAX).step_by(step).zip(codes) {
            assert_eq!(law.compress(sample), *code, "{law:?} {sample}");
            assert_eq!(law.compress(-sample), code ^ 0x80, "{law:?} -{sample}");
        }
    }
    assert_eq!((mu.len(), a.len()), (8_192, 4_096));
}

#[test]
fn values_go_there_and_back() {
    for law in [Law::Mu, Law::A] {
        for code in 0..=255 {
            let value = law.expand(code);
            assert_eq!(law.expand(law.compress(value)), value, "{law:?} {code}");
        }
    }
    // Silence as telephones send it.
    assert_eq!((Law::Mu.compress(0), Law::A.compress(0)), (0xFF, 0xD5));
}

#[test]
fn nothing_and_too_much_are_refused() {
    let mut decoder = G711::new(Law::Mu);
    assert_eq!(decoder.decode(&[], &mut [0.0; 8]), Err(DecodeError::Empty));
    let full = decoder.decode(&[0; 9], &mut [0.0; 8]);
    assert_eq!(full, Err(DecodeError::Room { needed: 9, available: 8 }));
    assert!(!decoder.has_fec(&[0; 9]) && !decoder.conceal(&mut [0.0; 8]));
    assert_eq!(decoder.recover(&[0; 9], &mut [0.0; 8]), Err(DecodeError::NoFec));
    assert_eq!((decoder.sample_rate(), decoder.clock_rate(), decoder.duration(&[0; 160])), (8_000, 8_000, Ok(160)));
}
