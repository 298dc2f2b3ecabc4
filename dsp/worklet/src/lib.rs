//! The voice engine as a plain C-ABI wasm module: no imports, so that an `AudioWorkletGlobalScope` can instantiate it
//! synchronously from a compiled module.
//!
//! The host creates one engine, writes a quantum of samples to [`engine_input`], calls [`engine_process`] and reads
//! figures. Memory is allocated by [`engine_create`] only. The pointers are what [`engine_create`] gave; null is
//! answered with null, 0 or the floor, never with a trap.

use soft_phone_dsp::{FLOOR_DBFS, LevelMeter};

/// Most samples that one [`engine_process`] takes. A larger render quantum is handed over in pieces.
const CAPACITY: usize = 1_024;

/// Everything that one microphone needs.
pub struct Engine {
    input: [f32; CAPACITY],
    meter: LevelMeter,
}

/// A new engine for `sample_rate` Hz, or null when the rate is unusable. Freed by [`engine_destroy`].
#[unsafe(no_mangle)]
pub extern "C" fn engine_create(sample_rate: f32) -> *mut Engine {
    match LevelMeter::new(sample_rate) {
        Some(meter) => Box::into_raw(Box::new(Engine { input: [0.0; CAPACITY], meter })),
        None => std::ptr::null_mut(),
    }
}

/// Ends an engine.
///
/// # Safety
/// `engine` is null or came from [`engine_create`], and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_destroy(engine: *mut Engine) {
    if !engine.is_null() {
        // SAFETY: by the contract above it is the box that `engine_create` leaked, given back once.
        drop(unsafe { Box::from_raw(engine) });
    }
}

/// Where the host writes samples (mono, full scale ±1.0): [`engine_capacity`] of them at most.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_input(engine: *mut Engine) -> *mut f32 {
    // SAFETY: null or live by the contract above.
    match unsafe { engine.as_mut() } {
        Some(engine) => engine.input.as_mut_ptr(),
        None => std::ptr::null_mut(),
    }
}

/// How many samples [`engine_input`] holds.
#[unsafe(no_mangle)]
pub extern "C" fn engine_capacity() -> usize {
    CAPACITY
}

/// Processes the first `samples` of the input; gives back how many were taken (at most [`engine_capacity`]).
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_process(engine: *mut Engine, samples: usize) -> usize {
    // SAFETY: null or live by the contract above.
    let Some(engine) = (unsafe { engine.as_mut() }) else { return 0 };
    let taken = samples.min(CAPACITY);
    engine.meter.process(&engine.input[..taken]);
    taken
}

/// Level of the microphone, dBFS (RMS over about 100 ms), from −100 to 0.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_level_dbfs(engine: *const Engine) -> f32 {
    // SAFETY: null or live by the contract above.
    match unsafe { engine.as_ref() } {
        Some(engine) => engine.meter.level_dbfs(),
        None => FLOOR_DBFS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_can_drive_it() {
        let engine = engine_create(48_000.0);
        assert!(!engine.is_null());
        // SAFETY: `engine` is live until `engine_destroy`, and the slice is as long as `engine_capacity` says.
        unsafe {
            let input = std::slice::from_raw_parts_mut(engine_input(engine), engine_capacity());
            input.fill(0.1);
            for _ in 0..100 {
                assert_eq!(engine_process(engine, 128), 128);
                assert_eq!(engine_process(engine, usize::MAX), engine_capacity());
            }
            let level = engine_level_dbfs(engine);
            assert!((level + 20.0).abs() < 0.1, "{level}");
            engine_destroy(engine);
        }
    }

    #[test]
    fn null_and_bad_rates_do_no_harm() {
        let none = engine_create(f32::NAN);
        assert!(none.is_null());
        // SAFETY: null is allowed everywhere.
        unsafe {
            assert!(engine_input(none).is_null());
            assert_eq!(engine_process(none, 128), 0);
            assert_eq!(engine_level_dbfs(none), FLOOR_DBFS);
            engine_destroy(none);
        }
    }
}
