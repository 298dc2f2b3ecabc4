//! The neural engine in the chain: at every rate, with whatever comes, and beside the linear canceller.
#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, GainControl, Network, NoiseEngine, NoiseLevel, NoiseSuppression,
    SAMPLE_RATES,
};

fn neural(level: NoiseLevel) -> Config {
    Config { noise: Some(NoiseSuppression { level, engine: NoiseEngine::Neural }), ..Config::OFF }
}

/// Uniform noise, ±1, the same for a seed at all times.
fn noise(seed: u64, samples: usize) -> Vec<f32> {
    let mut state = seed;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn run(processor: &mut AudioProcessor, far: &[f32], near: &[f32]) -> Vec<f32> {
    let frame = processor.frame_len();
    let mut out = vec![0.0; near.len()];
    for ((far, near), out) in far.chunks_exact(frame).zip(near.chunks_exact(frame)).zip(out.chunks_exact_mut(frame)) {
        processor.process_render(far).unwrap();
        processor.process_capture(near, out).unwrap();
    }
    out
}

fn decibels(signal: &[f32]) -> f32 {
    10.0 * (signal.iter().map(|x| x * x).sum::<f32>() / signal.len() as f32 + 1e-12).log10()
}

#[test]
fn steady_noise_goes_by_what_the_level_says_at_every_rate() {
    for rate in SAMPLE_RATES {
        let hiss: Vec<f32> = noise(5, rate as usize * 3).iter().map(|x| 0.02 * x).collect();
        let silence = vec![0.0; hiss.len()];
        let gone = |level| {
            let mut processor = AudioProcessor::new(rate, neural(level)).unwrap();
            let out = run(&mut processor, &silence, &hiss);
            let last = rate as usize * 2..;
            decibels(&hiss[last.clone()]) - decibels(&out[last])
        };
        let (low, moderate, high) = (gone(NoiseLevel::Low), gone(NoiseLevel::Moderate), gone(NoiseLevel::High));
        assert!((4.0..7.0).contains(&low), "{rate} Hz, low: {low} dB");
        assert!((8.0..13.0).contains(&moderate), "{rate} Hz, moderate: {moderate} dB");
        assert!(high > 15.0, "{rate} Hz, high: {high} dB");
    }
}

#[test]
fn whatever_comes_the_output_is_finite_and_bounded() {
    for rate in SAMPLE_RATES {
        let config = Config { echo: Some(EchoCancellation::default()), ..neural(NoiseLevel::High) };
        let mut processor = AudioProcessor::new(rate, config).unwrap();
        let frame = processor.frame_len();
        let square: Vec<f32> = (0..frame).map(|k| if k / 20 % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, f32::MIN_POSITIVE / 2.0];
        let broken: Vec<f32> = (0..frame).map(|k| odd[k % odd.len()]).collect();
        let silence = vec![0.0; frame];
        let mut out = vec![0.0; frame];
        for k in 0..300 {
            let inputs = [&square, &broken, &silence];
            processor.process_render(inputs[k / 7 % 3]).unwrap();
            processor.process_capture(inputs[k / 5 % 3], &mut out).unwrap();
            assert!(out.iter().all(|x| x.is_finite() && x.abs() <= 1.0), "{rate} Hz, frame {k}");
        }
        let probability = processor.stats().speech_probability;
        assert!((0.0..=1.0).contains(&probability), "{rate} Hz: {probability}");
    }
}

#[test]
fn silence_stays_silence() {
    let mut processor = AudioProcessor::new(48_000, neural(NoiseLevel::High)).unwrap();
    let silence = vec![0.0; 48_000];
    assert!(run(&mut processor, &silence, &silence).iter().all(|x| *x == 0.0));
}

#[test]
fn a_network_that_the_host_has_read_is_kept_through_a_change_of_configuration() {
    let network = Network::built_in().unwrap();
    assert!(network.parameters() <= 300_000);
    let mut given = AudioProcessor::with_network(16_000, Config::OFF, network).unwrap();
    given.set_config(neural(NoiseLevel::High)).unwrap();
    let mut own = AudioProcessor::new(16_000, neural(NoiseLevel::High)).unwrap();
    let (far, near) = (vec![0.0; 16_000], noise(1, 16_000));
    assert_eq!(run(&mut given, &far, &near), run(&mut own, &far, &near));
}

#[test]
fn after_a_reset_it_is_as_new() {
    let mut used = AudioProcessor::new(16_000, neural(NoiseLevel::Moderate)).unwrap();
    let mut fresh = used.clone();
    let (far, near) = (vec![0.0; 16_000], noise(2, 16_000));
    let _ = run(&mut used, &far, &near);
    used.reset();
    assert_eq!(run(&mut used, &far, &near), run(&mut fresh, &far, &near));
}

/// The file of a network without weights but for the bias of its probability of speech.
fn sure_of_itself(bias: f32) -> Vec<u8> {
    let body: Vec<u8> = (0..24_259).map(|_| 0.0).chain([bias]).flat_map(f32::to_le_bytes).collect();
    let hash = body.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let mut file = b"SPNN\x03\0\0\0".to_vec();
    file.extend_from_slice(&hash.to_le_bytes());
    file.extend_from_slice(&body);
    file
}

#[test]
fn the_gain_control_believes_the_network_and_not_its_own_detector() {
    let hiss: Vec<f32> = noise(5, 48_000).iter().map(|x| 0.02 * x).collect();
    for (bias, least, most) in [(8.0, 0.99, 1.0), (-8.0, 0.0, 0.01)] {
        let network = Network::from_bytes(&sure_of_itself(bias)).unwrap();
        let config = Config { gain: Some(GainControl::default()), ..neural(NoiseLevel::High) };
        let mut processor = AudioProcessor::with_network(16_000, config.clone(), network).unwrap();
        run(&mut processor, &hiss, &hiss);
        let told = processor.stats().speech_probability;
        assert!((least..=most).contains(&told), "{told}");
        // The spectral engine knows nothing of it.
        let noise = Some(NoiseSuppression { level: NoiseLevel::High, engine: NoiseEngine::Spectral });
        processor.set_config(Config { noise, ..config }).unwrap();
        run(&mut processor, &hiss, &hiss);
        assert!(processor.stats().speech_probability < 0.5);
    }
}
