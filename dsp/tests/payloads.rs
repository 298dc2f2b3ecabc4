//! L16, comfort noise and redundancy.

use soft_phone_dsp::codec::red::Block;
use soft_phone_dsp::codec::{ComfortNoise, DecodeError, Decoder, L16, Red};

#[test]
fn l16_is_in_network_byte_order() {
    let mut decoder = L16::new(44_100).unwrap();
    let mut out = [9.0; 5];
    let payload = [0x80, 0x00, 0xFF, 0xFF, 0x00, 0x01, 0x7F, 0xFF];
    assert_eq!(decoder.decode(&payload, &mut out), Ok(4));
    assert_eq!(out.map(|sample| sample * 32_768.0)[..4], [-32_768.0, -1.0, 1.0, 32_767.0]);
    assert_eq!(out[4], 9.0);
    assert_eq!((decoder.sample_rate(), decoder.clock_rate()), (44_100, 44_100));
    assert_eq!(decoder.decode(&payload[..3], &mut out), Err(DecodeError::Length { bytes: 3 }));
    assert_eq!(decoder.decode(&[], &mut out), Err(DecodeError::Empty));
    assert_eq!(decoder.decode(&[0; 12], &mut out), Err(DecodeError::Room { needed: 6, available: 5 }));
    assert!(L16::new(11_025).is_none());
}

/// Autocorrelation at lags 0 to 4, the first as the level in dBov, the others as shares of it.
fn shape(samples: &[f32]) -> [f64; 5] {
    let lag = |by: usize| -> f64 {
        let pairs = samples.iter().zip(&samples[by..]);
        pairs.map(|(first, second)| f64::from(*first) * f64::from(*second)).sum()
    };
    let power = lag(0);
    let level = 10.0 * (power / samples.len() as f64).log10();
    [level, lag(1) / power, lag(2) / power, lag(3) / power, lag(4) / power]
}

/// Noise with a resonance at 1 kHz, at 8 kHz.
fn resonant() -> Vec<f32> {
    let (mut seed, mut last, mut before) = (1_u32, 0.0, 0.0);
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let white = (f64::from(seed >> 16) - 32_768.0) * 0.006;
        (last, before) = (white + 1.2 * last - 0.7225 * before, last);
        (last / 32_768.0) as f32
    };
    std::iter::repeat_with(next).take(80_000).collect()
}

#[test]
fn comfort_noise_sounds_like_the_noise_that_was_measured() {
    // The 44th payload that ffmpeg 5.1.9 makes of `resonant`: -c:a comfortnoise, read back with ffprobe -show_data.
    let payload = [0x2C, 0x24, 0xD6, 0x8E, 0x91, 0x95, 0x7B, 0x7D, 0x81, 0x7D, 0x76];
    let mut noise = ComfortNoise::new();
    noise.update(&payload).unwrap();
    let mut out = vec![0.0; 80_000];
    noise.generate(&mut out);
    let (expected, actual) = (shape(&resonant()), shape(&out));
    // The level is in whole dB of one frame of 80 ms.
    assert!((actual[0] + f64::from(payload[0])).abs() < 0.5, "{actual:?}");
    assert!((actual[0] - expected[0]).abs() < 2.0, "{actual:?} for {expected:?}");
    for (actual, expected) in actual.iter().zip(&expected).skip(1) {
        assert!((actual - expected).abs() < 0.15, "{actual} for {expected}");
    }
}

#[test]
fn comfort_noise_has_the_level_that_is_told_whatever_the_spectrum() {
    for (level, coefficients) in [(0_u8, &[][..]), (30, &[]), (50, &[0x20, 0xE0]), (60, &[0x80; 20])] {
        let mut noise = ComfortNoise::new();
        let payload: Vec<u8> = std::iter::once(level).chain(coefficients.iter().copied()).collect();
        noise.update(&payload).unwrap();
        let mut out = vec![0.0; 400_000];
        noise.generate(&mut out);
        assert!(out.iter().all(|sample| sample.abs() <= 1.0));
        let actual = shape(&out)[0];
        // What is cut off at full scale is missing.
        let off = if level == 0 { 3.0 } else { 0.3 };
        assert!((actual + f64::from(level)).abs() < off, "{level}: {actual}");
    }
}

#[test]
fn comfort_noise_goes_over_without_a_step_and_ends_with_a_reset() {
    let mut noise = ComfortNoise::new();
    noise.update(&[40]).unwrap();
    let mut out = [0.0; 800];
    noise.generate(&mut out);
    let before = shape(&out)[0];
    noise.update(&[70, 10, 200]).unwrap();
    noise.generate(&mut out[..40]);
    assert!((shape(&out[..40])[0] - before).abs() < 6.0);
    noise.generate(&mut [0.0; 8_000]);
    noise.generate(&mut out);
    assert!((shape(&out)[0] + 70.0).abs() < 2.0);
    noise.reset();
    noise.generate(&mut out);
    assert_eq!(out, [0.0; 800]);
}

#[test]
fn every_payload_gives_finite_noise() {
    for coefficients in [[0; 20], [255; 20], [127; 20], [254; 20], std::array::from_fn(|at| (at * 255) as u8)] {
        let mut noise = ComfortNoise::new();
        let mut out = vec![0.0; 16_000];
        for level in [0, 127, 1, 64] {
            noise.update(&[&[level], &coefficients[..]].concat()).unwrap();
            noise.generate(&mut out);
            assert!(out.iter().all(|sample| sample.abs() <= 1.0), "{coefficients:?} {level}");
        }
    }
}

#[test]
fn a_bad_payload_leaves_the_noise_as_it_is() {
    let mut noise = ComfortNoise::new();
    noise.update(&[30]).unwrap();
    assert_eq!(noise.update(&[]), Err(DecodeError::Empty));
    assert_eq!(noise.update(&[128, 1]), Err(DecodeError::Malformed));
    let mut out = vec![0.0; 80_000];
    noise.generate(&mut out);
    assert!((shape(&out)[0] + 30.0).abs() < 0.3);
}

#[test]
fn red_is_taken_apart() {
    // RFC 2198 §4: two copies and the packet's own, with offsets of 2880 and 960.
    let headers = [0x80 | 111, 0x2D, 0x00, 2, 0x80 | 111, 0x0F, 0x00, 3, 96];
    let payload: Vec<u8> = headers.into_iter().chain([1, 2, 3, 4, 5, 6, 7]).collect();
    let red = Red::parse(&payload).unwrap();
    let blocks: Vec<Block<'_>> = red.blocks().collect();
    let block = |payload_type, offset, payload| Block { payload_type, offset, payload };
    assert_eq!(blocks, [block(111, 2_880, &[1, 2][..]), block(111, 960, &[3, 4, 5]), block(96, 0, &[6, 7])]);
    assert_eq!(red.primary(), blocks[2]);
    let bare = Red::parse(&[111, 9]).unwrap();
    assert_eq!(bare.primary(), block(111, 0, &[9]));
    assert_eq!(bare.blocks().count(), 1);
    // Ten bits of length, fourteen of offset.
    let mut longest = vec![0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    longest.extend([7; 1_023]);
    let longest = Red::parse(&longest).unwrap();
    assert_eq!(longest.blocks().next(), Some(block(127, 16_383, &[7; 1_023][..])));
    assert_eq!(longest.primary(), block(127, 0, &[]));
}

#[test]
fn red_that_ends_too_soon_is_refused() {
    assert!(matches!(Red::parse(&[]), Err(DecodeError::Empty)));
    let whole = [0x80 | 111, 0, 4, 2, 111, 1, 2];
    assert!(Red::parse(&whole).is_ok());
    for length in 1..whole.len() {
        let cut = Red::parse(&whole[..length]).map(|red| red.primary().payload.len());
        assert_eq!(cut, Err(DecodeError::Length { bytes: length }), "{length}");
    }
    let endless = [0xFF; 1_500];
    assert!(matches!(Red::parse(&endless), Err(DecodeError::Length { bytes: 1_500 })));
}
