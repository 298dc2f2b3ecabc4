//! The engine as a host drives it.

use soft_phone_dsp::host::stages;

use super::*;

struct Host(*mut Engine);

impl Host {
    fn new(rate: f32, stages: u32) -> Host {
        let engine = engine_create(rate);
        assert!(!engine.is_null());
        // SAFETY: live until `drop`.
        assert_eq!(unsafe { engine_configure(engine, stages) }, OK);
        Host(engine)
    }

    /// Processes in quanta of `quantum` samples.
    fn run(&self, microphone: &[f32], far_end: &[f32], quantum: usize) -> Vec<f32> {
        let mut output = Vec::new();
        for (near, far) in microphone.chunks(quantum).zip(far_end.chunks(quantum)) {
            // SAFETY: live until `drop`; the quantum is within the buffers, of which one reference lives at a time.
            unsafe {
                std::slice::from_raw_parts_mut(engine_microphone(self.0), near.len()).copy_from_slice(near);
                std::slice::from_raw_parts_mut(engine_far_end(self.0), far.len()).copy_from_slice(far);
                assert_eq!(engine_process(self.0, near.len()), near.len());
                output.extend_from_slice(std::slice::from_raw_parts(engine_output(self.0), near.len()));
            }
        }
        output
    }

    /// Hands over the file of a network.
    fn learn(&self, file: &[u8]) -> i32 {
        // SAFETY: live until `drop`; the room is as long as asked for.
        unsafe {
            let room = engine_network(self.0, file.len());
            assert!(!room.is_null());
            std::slice::from_raw_parts_mut(room, file.len()).copy_from_slice(file);
            engine_network_written(self.0)
        }
    }

    fn figure(&self, figure: Figure) -> f32 {
        // SAFETY: live until `drop`; the block is as long as told.
        unsafe { std::slice::from_raw_parts(engine_statistics(self.0), engine_statistics_length())[figure as usize] }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: made in `new`, given back once.
        unsafe { engine_destroy(self.0) };
    }
}

fn noise(samples: usize, mut seed: u32) -> Vec<f32> {
    let next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * 0.3
    };
    std::iter::repeat_with(next).take(samples).collect()
}

#[test]
fn with_all_stages_off_it_only_measures() {
    for rate in [8_000.0, 44_100.0, 48_000.0] {
        let host = Host::new(rate, 0);
        let said = vec![0.1; rate as usize];
        assert_eq!(host.run(&said, &said, 128), said);
        assert!((host.figure(Figure::Level) + 20.0).abs() < 0.1);
        assert_eq!(host.figure(Figure::Latency), 0.0);
        assert!(host.figure(Figure::Erle).is_nan());
    }
}

#[test]
fn any_quantum_gives_the_same_and_as_late_as_told() {
    let (said, heard) = (noise(24_000, 1), vec![0.0; 24_000]);
    // Whole frames wait for nothing, and the high-pass has no delay: noise above its cut-off comes through nearly as it is.
    let whole = Host::new(48_000.0, stages::HIGH_PASS);
    let expected = whole.run(&said, &heard, 480);
    assert_eq!(whole.figure(Figure::Latency), 0.0);
    let alike = |by: usize| -> f32 { expected[by..].iter().zip(&said).map(|(out, near)| out * near).sum() };
    assert!((1..4).all(|by| alike(by) < alike(0)));
    for (quantum, late) in [(1, 479), (128, 448), (256, 448), (441, 477), (1_024, 448), (960, 0)] {
        let host = Host::new(48_000.0, stages::HIGH_PASS);
        let out = host.run(&said, &heard, quantum);
        assert_eq!((host.figure(Figure::Latency) * 48.0).round() as usize, late, "{quantum}");
        assert!(out[..late].iter().all(|sample| *sample == 0.0), "{quantum}");
        assert_eq!(out[late..], expected[..expected.len() - late], "{quantum}");
    }
}

#[test]
fn the_whole_chain_is_within_ten_milliseconds_and_the_framing() {
    let host = Host::new(48_000.0, stages::HIGH_PASS | stages::ECHO | stages::NOISE | stages::GAIN);
    host.run(&[0.0; 1_280], &[0.0; 1_280], 128);
    let latency = host.figure(Figure::Latency);
    assert!((latency - (10.0 + 448.0 / 48.0)).abs() < 0.01, "{latency} ms");
    // What is switched on after a pause has the least delay of its quantum again.
    // SAFETY: live until `drop`.
    unsafe {
        assert_eq!(engine_configure(host.0, 0), OK);
        assert_eq!(engine_configure(host.0, stages::HIGH_PASS), OK);
    }
    host.run(&[0.0; 960], &[0.0; 960], 480);
    assert_eq!(host.figure(Figure::Latency), 0.0);
}

#[test]
fn echo_of_the_far_end_is_taken_away() {
    let far = noise(48_000 * 4, 7);
    // 20 ms later and 6 dB softer.
    let mut near = vec![0.0; 960];
    near.extend(far.iter().map(|sample| sample * 0.5));
    near.truncate(far.len());
    let out = Host::new(48_000.0, stages::HIGH_PASS | stages::ECHO).run(&near, &far, 128);
    let power = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    let last = 48_000 * 3..;
    let erle = 10.0 * (power(&near[last.clone()]) / power(&out[last]).max(1e-9)).log10();
    assert!(erle > 20.0, "{erle}");
}

const NETWORK: &[u8] = include_bytes!("../../models/suppressor.bin");

#[test]
fn the_neural_engine_begins_when_its_network_is_there_and_the_spectral_one_goes_on_until_then() {
    let host = Host::new(48_000.0, stages::NOISE | stages::NOISE_HIGH | stages::NEURAL);
    let silence = vec![0.0; 96_000];
    let hiss: Vec<f32> = noise(96_000, 5).iter().map(|sample| 0.1 * sample).collect();
    let level = |samples: &[f32]| 10.0 * (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).log10();
    let spectral = level(&host.run(&hiss, &silence, 128)[48_000..]);
    assert_eq!(host.figure(Figure::Neural), 0.0);
    assert!(spectral < level(&hiss) - 15.0, "{spectral} dB");
    assert_eq!(host.learn(NETWORK), OK);
    let out = host.run(&hiss, &silence, 128);
    assert_eq!(host.figure(Figure::Neural), 1.0);
    assert!(level(&out[48_000..]) < spectral - 3.0, "{} dB after {spectral}", level(&out[48_000..]));
    // Nothing jumps where one takes over from the other.
    assert!(out[..9_600].chunks(480).all(|frame| level(frame) < spectral + 6.0));
    // SAFETY: live until `drop`.
    unsafe { assert_eq!(engine_configure(host.0, stages::NOISE | stages::NOISE_HIGH), OK) };
    let back = host.run(&hiss, &silence, 128);
    assert_eq!(host.figure(Figure::Neural), 0.0);
    assert!((level(&back[48_000..]) - spectral).abs() < 1.0 && level(&back[..9_600]) < spectral + 3.0);
}

#[test]
fn what_is_no_network_is_refused_and_noise_is_suppressed_all_the_same() {
    let host = Host::new(48_000.0, stages::NOISE | stages::NEURAL);
    for file in [&b""[..], b"SPNN", &NETWORK[1..], &NETWORK[..NETWORK.len() - 1]] {
        assert_eq!(host.learn(file), NO_NETWORK);
    }
    // SAFETY: live until `drop`; null is allowed everywhere.
    unsafe {
        assert!(engine_network(host.0, usize::MAX).is_null());
        assert_eq!(engine_network_written(host.0), NO_NETWORK);
        assert!(engine_network(std::ptr::null_mut(), 16).is_null());
        assert_eq!(engine_network_written(std::ptr::null_mut()), NO_ENGINE);
    }
    host.run(&noise(4_800, 1), &[0.0; 4_800], 128);
    assert_eq!(host.figure(Figure::Neural), 0.0);
}

#[test]
fn hostile_samples_come_out_finite_and_bounded() {
    let host = Host::new(48_000.0, stages::HIGH_PASS | stages::ECHO | stages::NOISE | stages::GAIN);
    let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30, f32::MIN_POSITIVE / 2.0];
    let said: Vec<f32> = bad.iter().copied().cycle().take(9_600).collect();
    for out in [host.run(&said, &said, 128), host.run(&noise(9_600, 3), &said, 128)] {
        assert!(out.iter().all(|sample| sample.abs() <= 1.0));
    }
}

#[test]
fn null_bad_rates_and_unknown_stages_do_no_harm() {
    for rate in [0.0, -1.0, 11_025.0, 48_000.5, 96_000.0, f32::NAN, f32::INFINITY] {
        assert!(engine_create(rate).is_null(), "{rate}");
    }
    let none = std::ptr::null_mut();
    // SAFETY: null is allowed everywhere.
    unsafe {
        assert!(engine_microphone(none).is_null() && engine_far_end(none).is_null());
        assert!(engine_output(none).is_null() && engine_statistics(none).is_null());
        assert_eq!((engine_process(none, 128), engine_configure(none, 0)), (0, NO_ENGINE));
        engine_destroy(none);
    }
    let host = Host::new(48_000.0, 0);
    // SAFETY: live until `drop`.
    unsafe {
        assert_eq!(engine_configure(host.0, stages::ALL + 1), NO_STAGES);
        assert_eq!(engine_process(host.0, usize::MAX), engine_capacity());
    }
}
