//! The network as a stage: files that are not one, and what it does with speech, noise and silence.

use super::*;

/// Weights that the file has.
const WEIGHTS: usize = 24_260;
const HEADER: usize = 12;

fn hash(body: &[u8]) -> u32 {
    body.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn next(state: &mut u32) -> u32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *state >> 8
}

/// The file of a network whose weights come from a seed.
fn seeded(mut seed: u32) -> Vec<u8> {
    let mut weight = || (next(&mut seed) as f32 / (1 << 23) as f32 - 1.0) * 0.3;
    let body: Vec<u8> = (0..WEIGHTS).flat_map(|_| weight().to_le_bytes()).collect();
    let mut file = b"SPNN\x03\0\0\0".to_vec();
    file.extend_from_slice(&hash(&body).to_le_bytes());
    file.extend_from_slice(&body);
    file
}

fn suppressor(rate: u32, seed: u32) -> NeuralSuppressor {
    NeuralSuppressor::new(rate, Arc::new(Network::from_bytes(&seeded(seed)).unwrap()), 0.1).unwrap()
}

#[test]
fn a_file_is_read_and_each_kind_of_damage_is_named() {
    let file = seeded(1);
    assert_eq!(Network::from_bytes(&file).unwrap().parameters(), WEIGHTS);
    let damaged = |at: usize, byte: u8| {
        let mut file = file.clone();
        file[at] = byte;
        Network::from_bytes(&file).unwrap_err()
    };
    assert_eq!(damaged(0, b'X'), NetworkError::Format);
    assert_eq!(damaged(4, 2), NetworkError::Version { found: 2 });
    assert_eq!(damaged(file.len() - 1, file[file.len() - 1] ^ 1), NetworkError::Corrupt);
    assert_eq!(damaged(8, !file[8]), NetworkError::Corrupt);
    for length in [0, 3, HEADER - 1] {
        assert_eq!(Network::from_bytes(&file[..length]).unwrap_err(), NetworkError::Format, "{length}");
    }
    let mut longer = file.clone();
    longer.push(0);
    for file in [&file[..HEADER], &file[..100], &file[..file.len() - 1], &longer[..]] {
        let expected = HEADER + 4 * WEIGHTS;
        assert_eq!(Network::from_bytes(file).unwrap_err(), NetworkError::Length { expected, actual: file.len() });
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_refused() {
    for at in [HEADER, HEADER + 4 * WEIGHTS - 4] {
        let mut file = seeded(1);
        file[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        let hash = hash(&file[HEADER..]);
        file[8..HEADER].copy_from_slice(&hash.to_le_bytes());
        assert_eq!(Network::from_bytes(&file).unwrap_err(), NetworkError::Corrupt, "{at}");
    }
}

#[test]
fn gains_are_between_zero_and_one_at_every_rate_whatever_comes() {
    for rate in crate::config::SAMPLE_RATES {
        let mut suppressor = suppressor(rate, 7);
        let bins = (rate / 100) as usize + 1;
        let mut gains = vec![0.0; bins];
        let mut state = 5;
        for level in [0.0, 1e-30, 1e-6, 1.0, 1e6, 0.0] {
            let frame: Vec<f32> =
                (1..bins).map(|_| level * (next(&mut state) as f32 / (1 << 23) as f32 - 1.0)).collect();
            let power = vec![level; bins];
            for echo in [None, Some(EchoPowers { estimate: &power, far: &power })] {
                suppressor.echo_gains(&frame, echo, &mut gains);
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
    let mut used = suppressor(16_000, 3);
    let mut fresh = used.clone();
    let (mut a, mut b) = (vec![0.0; 161], vec![0.0; 161]);
    for k in 0..50 {
        let frame: Vec<f32> = (0..160).map(|x| ((x * k) % 17) as f32 / 17.0).collect();
        used.echo_gains(&frame, None, &mut a);
    }
    used.reset();
    for _ in 0..5 {
        used.echo_gains(&[0.5; 160], None, &mut a);
        fresh.echo_gains(&[0.5; 160], None, &mut b);
    }
    assert_eq!(a, b);
    assert_eq!(used.speech_probability(), fresh.speech_probability());
}

/// What `sample` of dsp/training/export.py gives: noise that swells and falls.
#[cfg(feature = "network")]
fn sample(frames: usize, mut seed: u32) -> Vec<f32> {
    let swell = |k: usize| 0.05 * (1 + k / 160 % 7) as f32 / 7.0;
    (0..160 * frames).map(|k| swell(k) * (next(&mut seed) as f32 / (1 << 23) as f32 - 1.0)).collect()
}

#[cfg(feature = "network")]
#[test]
fn it_sees_and_answers_what_the_training_does() {
    const FRAMES: usize = 60;
    let check: Vec<f32> =
        include_bytes!("../../models/suppressor.check").as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let (seen, answers) = check.split_at(INPUTS * BANDS);
    assert_eq!(answers.len(), 2 * BANDS + 1);
    let mut suppressor = NeuralSuppressor::new(16_000, Arc::new(Network::built_in().unwrap()), 0.0).unwrap();
    let (error, estimate, far) = (sample(FRAMES, 1), sample(FRAMES, 2), sample(FRAMES, 3));
    let mut analyzer = crate::stft::Analyzer::new(16_000).unwrap();
    let ones = vec![1.0; 320];
    let mut whole = crate::stft::Analyzer::with_window(ones, 320).unwrap();
    let mut spectrum = crate::fft::Spectrum::new(161);
    let (mut gains, mut echo_power, mut far_power) = (vec![0.0; 161], vec![0.0; 161], vec![0.0; 161]);
    for frame in 0..FRAMES {
        let at = 160 * frame..160 * (frame + 1);
        analyzer.analyze(&estimate[at.clone()], &mut spectrum);
        spectrum.power_into(&mut echo_power);
        whole.analyze(&far[at.clone()], &mut spectrum);
        spectrum.power_into(&mut far_power);
        suppressor.echo_gains(&error[at], Some(EchoPowers { estimate: &echo_power, far: &far_power }), &mut gains);
    }
    for (k, (here, there)) in suppressor.seen[3..BANDS + 3].as_flattened().iter().zip(seen).enumerate() {
        assert!((here - there).abs() < 1e-3 * there.abs().max(1.0), "number {k}: {here}, {there} in training");
    }
    let here = suppressor.speech.iter().chain(&suppressor.both);
    for (k, (here, there)) in here.chain([&suppressor.speech_probability()]).zip(answers).enumerate() {
        // What the approximations leave of tanh (1e-4) adds up over the frames.
        assert!((here - there).abs() < 5e-3, "answer {k}: {here}, {there} in training");
    }
}
