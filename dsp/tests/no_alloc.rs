//! Nothing in the audio path allocates: every per-block call runs under an allocator that counts.

#[path = "support/counting.rs"]
mod counting;

use std::time::Duration;

use counting::heap_operations;
#[cfg(feature = "network")]
use soft_phone_dsp::NoiseEngine;
use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::codec::{ComfortNoise, Decoder, G711, G722, L16, Red};
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, Packet};
use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, FrameAdapter, GainControl, HighPass, LevelMeter, NoiseLevel,
    NoiseSuppression, SAMPLE_RATES,
};

#[test]
fn the_counter_counts() {
    assert!(heap_operations(|| drop(std::hint::black_box(vec![0_u8; 64]))) >= 2);
}

#[test]
fn the_level_meter_touches_no_heap() {
    let mut meter = LevelMeter::new(48_000.0).unwrap();
    let block = [0.25_f32; 128];
    let operations = heap_operations(|| {
        for _ in 0..1_000 {
            meter.process(&block);
            std::hint::black_box(meter.level_dbfs());
        }
        meter.reset();
    });
    assert_eq!(operations, 0);
}

#[cfg(feature = "network")]
#[test]
fn the_neural_engine_touches_no_heap() {
    let noise = NoiseSuppression { engine: NoiseEngine::Neural, ..NoiseSuppression::default() };
    for rate in SAMPLE_RATES {
        let mut processor = AudioProcessor::new(rate, Config { noise: Some(noise), ..Config::OFF }).unwrap();
        let (near, mut out) = (vec![0.1; processor.frame_len()], vec![0.0; processor.frame_len()]);
        let operations = heap_operations(|| {
            for _ in 0..100 {
                processor.process_render(&near).unwrap();
                processor.process_capture(&near, &mut out).unwrap();
            }
        });
        assert_eq!(operations, 0, "{rate} Hz");
    }
}

#[test]
fn the_whole_chain_touches_no_heap() {
    for rate in SAMPLE_RATES {
        let mut adapter = FrameAdapter::new(AudioProcessor::new(rate, Config::default()).unwrap(), 128);
        let (mut near, mut out) = ([0.0_f32; 128], [0.0_f32; 128]);
        let mut state = 1_u32;
        let operations = heap_operations(|| {
            // Silence, noise and silence again: every path of every stage.
            for block in 0..600 {
                for sample in &mut near {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *sample = if block / 200 == 1 { state as f32 / u32::MAX as f32 * 4.0 - 2.0 } else { 0.0 };
                }
                adapter.process(&near, &near, &mut out).unwrap();
                std::hint::black_box(adapter.processor().stats());
            }
        });
        assert_eq!(operations, 0, "{rate} Hz");
    }
}

/// Every combination of stages, with what they can be set to without another size.
fn combinations() -> Vec<Config> {
    let high_passes = [None, Some(HighPass::default()), Some(HighPass { cutoff_hz: 120.0 })];
    let echoes =
        [None, Some(EchoCancellation::default()), Some(EchoCancellation { suppress: false, ..Default::default() })];
    let levels = [None, Some(NoiseLevel::Low), Some(NoiseLevel::High)];
    let gains = [None, Some(GainControl::default()), Some(GainControl { target_dbfs: -18.0, ..Default::default() })];
    let mut all = Vec::new();
    for high_pass in high_passes {
        for echo in echoes {
            for level in levels {
                let noise = level.map(|level| NoiseSuppression { level, ..NoiseSuppression::default() });
                all.extend(gains.map(|gain| Config { high_pass, echo, noise, gain }));
            }
        }
    }
    all
}

#[test]
fn switching_stages_and_forgetting_touch_no_heap() {
    let all = combinations();
    for rate in SAMPLE_RATES {
        let mut processor = AudioProcessor::new(rate, Config::default()).unwrap();
        let (near, mut out) = (vec![0.1; processor.frame_len()], vec![0.0; processor.frame_len()]);
        let operations = heap_operations(|| {
            // Steps of 31 meet each of the 81 once, in an order in which stages come and go together.
            for index in 0..all.len() {
                processor.set_config(all[index * 31 % all.len()].clone()).unwrap();
                if index % 7 == 0 {
                    processor.reset();
                }
                processor.process_render(&near).unwrap();
                processor.process_capture(&near, &mut out).unwrap();
            }
        });
        assert_eq!(operations, 0, "{rate} Hz");
    }
}

#[cfg(feature = "network")]
#[test]
fn switching_between_the_engines_touches_no_heap() {
    let with = |engine| Config {
        noise: Some(NoiseSuppression { engine, ..NoiseSuppression::default() }),
        ..Config::default()
    };
    let mut processor = AudioProcessor::new(48_000, with(NoiseEngine::Neural)).unwrap();
    let (near, mut out) = ([0.1; 480], [0.0; 480]);
    let operations = heap_operations(|| {
        for config in [with(NoiseEngine::Spectral), Config::OFF, with(NoiseEngine::Neural)] {
            processor.set_config(config).unwrap();
            processor.process_render(&near).unwrap();
            processor.process_capture(&near, &mut out).unwrap();
        }
        processor.reset();
    });
    assert_eq!(operations, 0);
}

#[test]
fn decoders_touch_no_heap() {
    let mut decoders: [Box<dyn Decoder>; 4] = [
        Box::new(G711::new(Law::Mu)),
        Box::new(G711::new(Law::A)),
        Box::new(G722::new()),
        Box::new(L16::new(48_000).unwrap()),
    ];
    let (mut noise, mut out) = (ComfortNoise::new(), [0.0; 960]);
    let payload: [u8; 320] = std::array::from_fn(|at| at as u8);
    let operations = heap_operations(|| {
        for decoder in &mut decoders {
            assert!(decoder.decode(&payload, &mut out).is_ok());
            assert!(decoder.decode(&[], &mut out).is_err() && decoder.recover(&payload, &mut out).is_err());
            assert!(!decoder.conceal(&mut out));
            decoder.reset();
        }
        noise.update(&payload[..11]).unwrap();
        noise.generate(&mut out);
        noise.reset();
        let red = Red::parse(&[0x80, 0, 0, 2, 0, 1, 2, 3]).unwrap();
        assert_eq!(red.blocks().map(|block| block.payload.len()).sum::<usize>(), 3);
    });
    assert_eq!(operations, 0);
}

#[test]
fn the_jitter_buffer_touches_no_heap() {
    for rate in SAMPLE_RATES {
        let mut buffer = JitterBuffer::new(rate, JitterConfig::default()).unwrap();
        buffer.set_decoder(0, Box::new(G711::new(Law::Mu))).unwrap();
        buffer.set_decoder(9, Box::new(G722::new())).unwrap();
        buffer.set_comfort_noise(13, 8_000);
        buffer.set_redundancy(63);
        let mut out = vec![0.0; buffer.frame_len()];
        let payload = [0x3C; 160];
        // A copy of 20 ms before the same as itself.
        let mut redundant = [0x3C; 5 + 320];
        redundant[..5].copy_from_slice(&[0x80, 2, 0x80, 160, 0]);
        let mut state = 1_u32;
        let operations = heap_operations(|| {
            // Losses, jitter, doubles, pauses, copies, another codec, another stream: every path.
            for tick in 0..3_000_u32 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let now = Duration::from_millis(u64::from(tick) * 10);
                for _ in 0..state >> 30 {
                    let k = tick / 2 + (state >> 8) % 4;
                    let (payload_type, payload): (_, &[u8]) = match tick / 500 % 2 {
                        0 if state & 0x700 == 0 => (13, &payload[..1 + (state % 12) as usize]),
                        0 if state & 0x800 == 0 => (63, &redundant),
                        0 => (0, &payload[..if state & 64 == 0 { 160 } else { (state % 161) as usize }]),
                        _ => (9, &payload),
                    };
                    let packet =
                        Packet { ssrc: tick / 1_500, sequence: k as u16, timestamp: k * 160, payload_type, payload };
                    std::hint::black_box(buffer.insert(now, packet));
                }
                buffer.pull(now, &mut out).unwrap();
                std::hint::black_box(buffer.stats());
            }
        });
        assert_eq!(operations, 0, "{rate} Hz");
        let stats = buffer.stats();
        assert!(stats.concealed_share > 0.0 && stats.stretched_share > 0.0 && stats.restarts > 0, "{stats:?}");
        assert!(stats.recovered > 0, "{stats:?}");
    }
}
