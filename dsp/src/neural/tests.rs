//! The network as a stage: files that are not one, and what it does with speech, noise and silence.

use super::*;

/// The file of a network whose weights come from a seed; small enough for a test.
fn seeded(width: u16, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut body = Vec::new();
    let mut matrix = |rows: u16, columns: u16| {
        for _ in 0..rows {
            body.extend_from_slice(&0.003_f32.to_le_bytes());
        }
        for _ in 0..rows {
            body.extend_from_slice(&(f32::from(next()) / 256.0 - 0.5).to_le_bytes());
        }
        body.extend((0..usize::from(rows) * usize::from(columns)).map(|_| next()));
    };
    matrix(width, features::INPUTS as u16);
    for _ in 0..4 {
        matrix(3 * width, width);
    }
    matrix(129, 2 * width);
    for _ in 0..2 * features::INPUTS * 3 {
        body.extend_from_slice(&(f32::from(next()) / 256.0 - 0.5).to_le_bytes());
    }
    let mut file = b"SPNN".to_vec();
    for short in [2, features::INPUTS as u16, width, 129] {
        file.extend_from_slice(&u16::to_le_bytes(short));
    }
    let hash = body.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    file.extend_from_slice(&hash.to_le_bytes());
    file.extend_from_slice(&body);
    file
}

#[test]
fn a_file_is_read_and_each_kind_of_damage_is_named() {
    let file = seeded(16, 1);
    assert_eq!(Network::from_bytes(&file).unwrap().parameters(), 16 * 321 + 4 * 48 * 17 + 129 * 33 + 1_920);
    let damaged = |at: usize, byte: u8| {
        let mut file = file.clone();
        file[at] = byte;
        Network::from_bytes(&file).unwrap_err()
    };
    assert_eq!(damaged(0, b'X'), NetworkError::Format);
    assert_eq!(damaged(4, 1), NetworkError::Version { found: 1 });
    assert_eq!(damaged(6, 191), NetworkError::Shape { found: [447, 16, 129] });
    assert_eq!(damaged(8, 0), NetworkError::Shape { found: [320, 0, 129] });
    assert_eq!(damaged(8, 17), NetworkError::Shape { found: [320, 17, 129] });
    let expected = seeded(32, 1).len();
    assert_eq!(damaged(8, 32), NetworkError::Length { expected, actual: file.len() });
    assert_eq!(damaged(file.len() - 1, file[file.len() - 1] ^ 1), NetworkError::Corrupt);
    assert_eq!(damaged(12, !file[12]), NetworkError::Corrupt);
    for length in [0, 3, 15, 16, 100, file.len() - 1] {
        let error = Network::from_bytes(&file[..length]).unwrap_err();
        assert!(matches!(error, NetworkError::Format | NetworkError::Length { .. }), "{length}: {error}");
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_refused() {
    let file = seeded(16, 1);
    // A scale of the first matrix, and the last of a band's own weights.
    for at in [16, file.len() - 4] {
        let mut file = file.clone();
        file[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        let hash =
            file[16..].iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        file[12..16].copy_from_slice(&hash.to_le_bytes());
        assert_eq!(Network::from_bytes(&file).unwrap_err(), NetworkError::Corrupt, "{at}");
    }
}

#[test]
fn gains_are_between_zero_and_one_at_every_rate_whatever_comes() {
    for rate in crate::config::SAMPLE_RATES {
        let network = Network::from_bytes(&seeded(32, 7)).unwrap();
        let mut suppressor = NeuralSuppressor::new(rate, Arc::new(network), 0.1);
        let bins = (rate / 100) as usize + 1;
        let mut gains = vec![0.0; bins];
        for level in [0.0, 1e-30, 1e-6, 1.0, 1e12, 0.0] {
            let power = vec![level; bins];
            for echo in [None, Some(EchoPowers { estimate: &power, far: &power })] {
                suppressor.echo_gains(&power, echo, &mut gains);
                assert!(gains.iter().all(|gain| (0.0..=1.0).contains(gain)), "{rate} Hz, {level}");
                suppressor.noise_gains(&mut gains);
                assert!(gains.iter().all(|gain| (0.0..=1.0).contains(gain)), "{rate} Hz, {level}");
                assert!((0.0..=1.0).contains(&suppressor.speech_probability()));
            }
        }
    }
}

#[test]
fn a_reset_forgets_everything() {
    let network = Network::from_bytes(&seeded(32, 3)).unwrap();
    let mut used = NeuralSuppressor::new(16_000, Arc::new(network), 0.0);
    let mut fresh = used.clone();
    let (mut a, mut b) = (vec![0.0; 161], vec![0.0; 161]);
    for k in 0..50 {
        let power: Vec<f32> = (0..161).map(|bin| ((bin * k) % 17) as f32).collect();
        used.echo_gains(&power, None, &mut a);
    }
    used.reset();
    for _ in 0..5 {
        used.echo_gains(&[0.5; 161], None, &mut a);
        fresh.echo_gains(&[0.5; 161], None, &mut b);
    }
    assert_eq!(a, b);
}

/// The powers of `sample` in dsp/training/export.py.
#[cfg(feature = "network")]
fn sample_powers(state: &mut u32, frame: usize) -> Vec<f32> {
    let mut next = || {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(*state >> 8) / f64::from(1 << 24)).powi(4) * 10_f64.powi((frame % 7) as i32 - 3)
    };
    (0..161).map(|_| next() as f32).collect()
}

#[cfg(feature = "network")]
#[test]
fn it_sees_and_answers_what_the_training_does() {
    let check: Vec<f32> = include_bytes!("../../models/suppressor.check")
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let (seen, answers) = check.split_at(features::INPUTS);
    assert_eq!(answers.len(), 2 * BANDS + 1);
    let mut suppressor = NeuralSuppressor::new(16_000, Arc::new(Network::built_in().unwrap()), 0.0);
    let (mut gains, mut state) = (vec![0.0; 161], 1);
    // Long enough for the noise's least power to come from parts that have ended.
    for frame in 0..200 {
        let power = sample_powers(&mut state, frame);
        let (estimate, far) = (sample_powers(&mut state, frame), sample_powers(&mut state, frame));
        suppressor.echo_gains(&power, Some(EchoPowers { estimate: &estimate, far: &far }), &mut gains);
    }
    for (k, (here, there)) in suppressor.input.iter().zip(seen).enumerate() {
        assert!((here - there).abs() < 2e-3, "feature {k}: {here}, {there} in training");
    }
    for (k, (here, there)) in suppressor.output.iter().zip(answers).enumerate() {
        assert!((here - there).abs() < 0.05, "answer {k}: {here}, {there} in training");
    }
    let mean = |difference: f32| difference / answers.len() as f32;
    let off: f32 = suppressor.output.iter().zip(answers).map(|(here, there)| (here - there).abs()).sum();
    assert!(mean(off) < 0.01, "{}", mean(off));
}
