//! Nothing in the audio path allocates: every per-block call runs under an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use soft_phone_dsp::{AudioProcessor, Config, FrameAdapter, LevelMeter, SAMPLE_RATES};
#[cfg(feature = "network")]
use soft_phone_dsp::{NoiseEngine, NoiseSuppression};

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
