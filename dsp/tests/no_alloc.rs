//! Nothing in the audio path allocates: every per-block call runs under an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[cfg(feature = "network")]
use soft_phone_dsp::NoiseEngine;
use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, FrameAdapter, GainControl, HighPass, LevelMeter, NoiseLevel,
    NoiseSuppression, SAMPLE_RATES,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Heap operations of this thread while `work` runs.
fn heap_operations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

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
