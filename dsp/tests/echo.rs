//! Echo cancellation over signals that are made here: how much goes, how soon, and what stays.

#[path = "support/signals.rs"]
mod signals;

use soft_phone_dsp::{AudioProcessor, Config, EchoCancellation};

/// Uniform noise, ±1, the same for a seed at all times.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// Noise in the shape of speech: syllables of 100 to 300 ms between pauses, more below 1 kHz than above.
fn speech(rate: u32, seconds: f32, seed: u64) -> Vec<f32> {
    let mut noise = Noise(seed);
    let (mut low, mut left, mut loud) = (0.0, 0, 0.0_f32);
    (0..(rate as f32 * seconds) as usize)
        .map(|_| {
            if left == 0 {
                left = (rate as f32 * (0.2 + 0.1 * noise.next())) as usize;
                loud = if noise.next() > -0.4 { 0.3 + 0.2 * noise.next() } else { 0.0 };
            }
            left -= 1;
            low += 0.3 * (noise.next() - low);
            loud * low
        })
        .collect()
}

/// A room that loses 60 dB in 0.3 s behind a delay, as an impulse response.
fn room(rate: u32, delay_ms: u32, gain: f32, seed: u64) -> Vec<f32> {
    let mut noise = Noise(seed);
    let delay = (rate * delay_ms / 1_000) as usize;
    let mut response = vec![0.0; delay + (rate / 5) as usize];
    for (k, tap) in response[delay..].iter_mut().enumerate() {
        let decay = 10_f32.powf(-3.0 * k as f32 / (0.3 * rate as f32));
        // A reflection in eight samples: a room all the same, and an eighth of the work.
        *tap = match k {
            0 => gain,
            _ if k % 8 == 0 => gain * decay * 0.34 * noise.next(),
            _ => 0.0,
        };
    }
    response
}

fn convolve(signal: &[f32], response: &[f32]) -> Vec<f32> {
    let taps: Vec<_> = response.iter().enumerate().filter(|(_, tap)| **tap != 0.0).collect();
    (0..signal.len())
        .map(|n| taps.iter().filter(|(k, _)| *k <= n).map(|(k, tap)| **tap * signal[n - k]).sum())
        .collect()
}

fn power(signal: &[f32]) -> f32 {
    signal.iter().map(|x| x * x).sum::<f32>() / signal.len().max(1) as f32
}

fn db(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

fn only_echo() -> Config {
    Config { echo: Some(EchoCancellation::default()), ..Config::OFF }
}

fn run(processor: &mut AudioProcessor, far: &[f32], mic: &[f32]) -> Vec<f32> {
    let frame = processor.frame_len();
    let mut out = vec![0.0; mic.len()];
    for ((far, mic), out) in far.chunks_exact(frame).zip(mic.chunks_exact(frame)).zip(out.chunks_exact_mut(frame)) {
        assert_eq!(processor.process_render(far), Ok(()));
        assert_eq!(processor.process_capture(mic, out), Ok(()));
    }
    out
}

#[test]
fn the_echo_goes_at_every_rate() {
    for rate in soft_phone_dsp::SAMPLE_RATES {
        let far = speech(rate, 4.0, 1);
        let mic = convolve(&far, &room(rate, 40, 0.5, 2));
        let mut processor = AudioProcessor::new(rate, only_echo()).unwrap();
        let out = run(&mut processor, &far, &mic);
        let (second, rate_hz) = (rate as usize, rate);
        let erle = db(power(&mic[2 * second..]) / power(&out[2 * second..]));
        assert!(erle > 36.0, "{erle} dB at {rate_hz} Hz");
        let stats = processor.stats();
        assert!(stats.erle_db > 30.0, "{stats:?}");
        // The linear filter works up to 8 kHz; this far end goes beyond.
        assert!(rate > 16_000 || stats.linear_erle_db > 15.0, "{stats:?}");
    }
}

#[test]
fn the_delay_is_found_from_0_to_500_ms() {
    let far = speech(16_000, 3.0, 3);
    for delay in [0, 5, 20, 75, 150, 290, 400, 500] {
        let mic = convolve(&far, &room(16_000, delay, 0.3, 4));
        let mut processor = AudioProcessor::new(16_000, only_echo()).unwrap();
        let out = run(&mut processor, &far, &mic);
        let found = processor.stats().delay_ms;
        assert!(found.is_some_and(|found| (found - delay as f32).abs() <= 15.0), "{delay} ms: {found:?}");
        let erle = db(power(&mic[32_000..]) / power(&out[32_000..]));
        assert!(erle > 30.0, "{erle} dB at {delay} ms");
    }
}

#[test]
fn a_jump_of_the_delay_is_followed() {
    let far = speech(16_000, 8.0, 5);
    let (before, after) = (room(16_000, 60, 0.4, 6), room(16_000, 180, 0.4, 6));
    let mut mic = convolve(&far, &before);
    mic[64_000..].copy_from_slice(&convolve(&far, &after)[64_000..]);
    let out = run(&mut AudioProcessor::new(16_000, only_echo()).unwrap(), &far, &mic);
    let erle = db(power(&mic[80_000..112_000]) / power(&out[80_000..112_000]));
    assert!(erle > 25.0, "seconds 1 to 3 behind the jump: {erle} dB");
}

#[test]
fn a_path_that_skips_is_followed_at_once() {
    // The buffer of a sound card loses 3 ms, and later has them back.
    let far = signals::voice(16_000, 10.0, -25.0);
    let [near, away] = [40, 43].map(|delay| convolve(&far, &room(16_000, delay, 0.4, 25)));
    let skips = [64_000, 112_000];
    let mic: Vec<f32> =
        (0..far.len()).map(|n| if (skips[0]..skips[1]).contains(&n) { away[n] } else { near[n] }).collect();
    let out = run(&mut AudioProcessor::new(16_000, only_echo()).unwrap(), &far, &mic);
    let erle = |from: usize, to: usize| db(power(&mic[from..to]) / power(&out[from..to]));
    for (skip, least) in skips.into_iter().zip([15.0, 5.0]) {
        let (first, then) = (erle(skip, skip + 8_000), erle(skip + 8_000, skip + 24_000));
        assert!(first > least && then > 40.0, "{first} dB in the first half second, then {then}");
    }
}

#[test]
fn clocks_that_run_apart_are_brought_together() {
    let far = speech(16_000, 12.0, 11);
    let echo = convolve(&far, &room(16_000, 60, 0.5, 12));
    for ppm in [-300.0, -100.0, 100.0, 300.0_f32] {
        // The echo on a clock that is faster by so much: more samples in the same time.
        let mic: Vec<f32> = (0..echo.len() - 8)
            .map(|n| {
                let at = n as f64 / (1.0 + f64::from(ppm) * 1e-6);
                let (whole, part) = (at as usize, at.fract());
                (-7_i32..=8)
                    .filter_map(|k| {
                        let x = f64::from(k) - part;
                        let sinc =
                            if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
                        let window = (std::f64::consts::FRAC_PI_2 * x / 8.5).cos().powi(2);
                        echo.get(whole.checked_add_signed(k as isize)?).map(|y| y * (sinc * window) as f32)
                    })
                    .sum()
            })
            .collect();
        let mut processor = AudioProcessor::new(16_000, only_echo()).unwrap();
        let out = run(&mut processor, &far, &mic);
        let stats = processor.stats();
        assert!((stats.drift_ppm - ppm).abs() < 15.0, "{} of {ppm} ppm", stats.drift_ppm);
        let (mic, out) = (&mic[128_000..190_000], &out[128_000..190_000]);
        let erle = db(power(mic) / power(out));
        assert!(erle > 32.0 && stats.linear_erle_db > 12.0, "{erle} dB at {ppm} ppm, {stats:?}");
    }
}

#[test]
fn the_near_end_is_heard_while_both_speak() {
    let (far, near) = (speech(16_000, 8.0, 7), speech(16_000, 8.0, 8));
    let echo = convolve(&far, &room(16_000, 50, 0.4, 9));
    let mic: Vec<f32> =
        echo.iter().zip(&near).enumerate().map(|(n, (e, x))| if n < 48_000 { *e } else { e + x }).collect();
    let mut processor = AudioProcessor::new(16_000, only_echo()).unwrap();
    let out = run(&mut processor, &far, &mic);
    let late = processor.latency();
    let (near, out) = (&near[64_000..112_000], &out[64_000 + late..112_000 + late]);
    let share = near.iter().zip(out).map(|(x, y)| x * y).sum::<f32>() / near.iter().map(|x| x * x).sum::<f32>();
    let wrong: f32 = near.iter().zip(out).map(|(x, y)| (y - share * x).powi(2)).sum::<f32>() / near.len() as f32;
    let ratio = db(share * share * power(near) / wrong);
    assert!(ratio > 7.0, "signal to distortion {ratio} dB");
    assert!(db(share * share) > -2.0, "near end lost {} dB", -db(share * share));
}

fn linear_only() -> Config {
    Config { echo: Some(EchoCancellation { suppress: false, ..EchoCancellation::default() }), ..Config::OFF }
}

#[test]
fn what_was_learnt_is_kept_while_both_speak() {
    let (far, near) = (speech(16_000, 10.0, 15), speech(16_000, 10.0, 16));
    let echo = convolve(&far, &room(16_000, 50, 0.4, 17));
    let both = |n: usize| n >= 64_000;
    let mic: Vec<f32> =
        echo.iter().zip(&near).enumerate().map(|(n, (e, x))| if both(n) { e + x } else { *e }).collect();
    let mut processor = AudioProcessor::new(16_000, linear_only()).unwrap();
    let late = processor.latency();
    let out = run(&mut processor, &far, &mic);
    let left = |range: std::ops::Range<usize>| {
        let left: Vec<f32> = range.clone().map(|n| out[n + late] - if both(n) { near[n] } else { 0.0 }).collect();
        db(power(&echo[range]) / power(&left))
    };
    let (alone, together) = (left(48_000..63_000), left(64_000..159_000));
    assert!(alone > 48.0, "{alone} dB before, {together} in double talk");
    assert!(together > 25.0, "{alone} dB before, {together} in double talk");
}

#[test]
fn the_echo_is_learnt_before_its_delay_is_known_and_stays_so() {
    let far = signals::voice(16_000, 2.0, -25.0);
    for (delay, seed) in [(60, 22), (110, 23), (160, 24)] {
        let mic = convolve(&far, &room(16_000, delay, 0.4, seed));
        let mut processor = AudioProcessor::new(16_000, linear_only()).unwrap();
        let mut out = vec![0.0; mic.len()];
        let mut found = None;
        for (t, ((far, mic), out)) in far.chunks(160).zip(mic.chunks(160)).zip(out.chunks_mut(160)).enumerate() {
            processor.process_render(far).unwrap();
            processor.process_capture(mic, out).unwrap();
            found = found.or(processor.stats().delay_ms.map(|_| t * 160));
        }
        let found = found.unwrap();
        let left = |from: usize, to: usize| db(power(&mic[from..to]) / power(&out[from..to]));
        let (before, behind) = (left(found - 3_200, found), left(found, found + 3_200));
        assert!(before > 4.0 && behind > 8.5, "{before}, then {behind} dB at {delay} ms");
    }
}

#[test]
fn noise_is_not_taken_for_an_echo() {
    // A line that is all but idle, and a room that is not: nothing of the one is in the other, once the far end has spoken.
    let far: Vec<f32> = speech(16_000, 12.0, 18)
        .iter()
        .zip(signals::noise(16_000, 12.0, -50.0, 19))
        .enumerate()
        .map(|(n, (speech, noise))| if (32_000..128_000).contains(&n) { noise } else { *speech })
        .collect();
    let hum = (0..far.len()).map(|n| 0.01 * (std::f32::consts::TAU * 150.0 * n as f32 / 16_000.0).sin());
    let room_noise: Vec<f32> =
        signals::noise(16_000, 12.0, -42.0, 20).iter().zip(hum).map(|(noise, hum)| noise + hum).collect();
    let echo = convolve(&far, &room(16_000, 50, 0.1, 21));
    let mic: Vec<f32> = echo.iter().zip(&room_noise).map(|(echo, noise)| echo + noise).collect();
    let out = run(&mut AudioProcessor::new(16_000, linear_only()).unwrap(), &far, &mic);
    for from in (32_000..mic.len() - 8_000).step_by(8_000) {
        let more = db(power(&out[from..from + 8_000]) / power(&mic[from..from + 8_000]));
        assert!(more < 0.5, "{more} dB louder at {} s", from / 16_000);
    }
}

#[test]
fn with_a_headset_the_near_end_passes_while_both_speak() {
    let (far, near) = (speech(16_000, 6.0, 13), speech(16_000, 6.0, 14));
    let mut processor = AudioProcessor::new(16_000, only_echo()).unwrap();
    let out = run(&mut processor, &far, &near);
    let late = processor.latency();
    // Two seconds of far end are what it takes to find out.
    for (n, (x, y)) in near.iter().zip(&out[late..]).enumerate().skip(48_000) {
        assert!((x - y).abs() < 1e-4, "sample {n}: {x} became {y}");
    }
}

#[test]
fn without_a_far_end_the_near_end_passes_untouched() {
    let near = speech(16_000, 3.0, 10);
    let silence = vec![0.0; near.len()];
    let mut processor = AudioProcessor::new(16_000, only_echo()).unwrap();
    let out = run(&mut processor, &silence, &near);
    let late = processor.latency();
    for (n, (x, y)) in near.iter().zip(&out[late..]).enumerate() {
        assert!((x - y).abs() < 1e-4, "sample {n}: {x} became {y}");
    }
}

#[test]
fn hostile_frames_do_no_harm() {
    let frames: [fn(usize) -> f32; 6] = [
        |_| f32::NAN,
        |_| f32::INFINITY,
        |n| if n % 2 == 0 { 1.0 } else { -1.0 },
        |_| f32::MAX,
        |_| 1e-38,
        |n| if n % 80 < 40 { 1.0 } else { -1.0 },
    ];
    for rate in soft_phone_dsp::SAMPLE_RATES {
        let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
        let frame = processor.frame_len();
        let mut out = vec![0.0; frame];
        for turn in 0..300_usize {
            let (far, near) = (frames[turn / 7 % 6], frames[turn / 11 % 6]);
            processor.process_render(&(0..frame).map(far).collect::<Vec<_>>()).unwrap();
            processor.process_capture(&(0..frame).map(near).collect::<Vec<_>>(), &mut out).unwrap();
            assert!(out.iter().all(|y| y.is_finite() && y.abs() <= 1.0), "{rate} Hz, turn {turn}");
        }
        assert!(processor.process_render(&out[1..]).is_err());
        assert!(processor.process_capture(&out[1..], &mut vec![0.0; frame]).is_err());
        assert!(processor.process_capture(&vec![0.0; frame], &mut out[1..]).is_err());
    }
    assert!(AudioProcessor::new(22_050, Config::default()).is_err());
}
