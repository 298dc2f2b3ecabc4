//! The voice engine as a plain C-ABI wasm module: no imports, so that an `AudioWorkletGlobalScope` can instantiate it
//! synchronously from a compiled module.
//!
//! The host creates one engine for a microphone, switches stages on ([`engine_configure`]), writes a quantum of samples
//! to [`engine_microphone`] and [`engine_far_end`], calls [`engine_process`], and reads [`engine_output`] and
//! [`engine_statistics`]. The weights of the neural engine come later, if at all ([`engine_network`],
//! [`engine_network_written`]). Memory is allocated by these two and by [`engine_create`] only. The pointers are what
//! [`engine_create`] gave; null is answered with null or an error, never with a trap.

mod engine;

pub use engine::Engine;

use engine::CAPACITY;
use soft_phone_dsp::host::Figure;

/// The call was taken.
const OK: i32 = 0;
/// There is no engine.
const NO_ENGINE: i32 = -1;
/// The stages are none that there are.
const NO_STAGES: i32 = -2;
/// What was written is no network that this engine can run.
const NO_NETWORK: i32 = -3;

/// A new engine for `sample_rate` Hz with all stages off, or null when the rate is none of
/// [`soft_phone_dsp::SAMPLE_RATES`]. Freed by [`engine_destroy`].
#[unsafe(no_mangle)]
pub extern "C" fn engine_create(sample_rate: f32) -> *mut Engine {
    Engine::new(sample_rate).map_or(std::ptr::null_mut(), |engine| Box::into_raw(Box::new(engine)))
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

/// Runs these stages from now on, see [`soft_phone_dsp::host::stages`]; what stays on keeps what it has learnt. 0, or a
/// negative number when there is no such stage or no engine: then nothing has changed.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_configure(engine: *mut Engine, stages: u32) -> i32 {
    // SAFETY: null or live by the contract above.
    match unsafe { engine.as_mut() } {
        Some(engine) => {
            if engine.configure(stages) {
                OK
            } else {
                NO_STAGES
            }
        }
        None => NO_ENGINE,
    }
}

/// Where the host writes a file of weights of `bytes` bytes for the neural engine, all zero; null when that is more than
/// any has, or without an engine. Valid until [`engine_network_written`] or the next call of this.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_network(engine: *mut Engine, bytes: usize) -> *mut u8 {
    // SAFETY: null or live by the contract above.
    unsafe { engine.as_mut() }.and_then(|engine| engine.network_room(bytes)).unwrap_or(std::ptr::null_mut())
}

/// The file is written: from now on the stage `NEURAL` means the neural engine, also where it is configured already. 0, or a
/// negative number when it is no network: then nothing has changed.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_network_written(engine: *mut Engine) -> i32 {
    // SAFETY: null or live by the contract above.
    match unsafe { engine.as_mut() } {
        Some(engine) => {
            if engine.network_written() {
                OK
            } else {
                NO_NETWORK
            }
        }
        None => NO_ENGINE,
    }
}

/// Where the host writes what the microphone hears (mono, full scale ±1.0): [`engine_capacity`] samples at most.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_microphone(engine: *mut Engine) -> *mut f32 {
    // SAFETY: null or live by the contract above.
    unsafe { engine.as_mut() }.map_or(std::ptr::null_mut(), |engine| engine.microphone.as_mut_ptr())
}

/// Where the host writes what the loudspeaker plays at the same time (mono): as many samples as the microphone's.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_far_end(engine: *mut Engine) -> *mut f32 {
    // SAFETY: null or live by the contract above.
    unsafe { engine.as_mut() }.map_or(std::ptr::null_mut(), |engine| engine.far_end.as_mut_ptr())
}

/// Where the host reads what is to be sent (mono, within ±1.0): as many samples as were processed last.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_output(engine: *const Engine) -> *const f32 {
    // SAFETY: null or live by the contract above.
    unsafe { engine.as_ref() }.map_or(std::ptr::null(), |engine| engine.output.as_ptr())
}

/// How many samples the three buffers hold. A larger render quantum is handed over in pieces.
#[unsafe(no_mangle)]
pub extern "C" fn engine_capacity() -> usize {
    CAPACITY
}

/// Processes the first `samples` of the buffers, any number of them; gives back how many were taken (at most
/// [`engine_capacity`]).
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_process(engine: *mut Engine, samples: usize) -> usize {
    // SAFETY: null or live by the contract above.
    unsafe { engine.as_mut() }.map_or(0, |engine| engine.process(samples))
}

/// Brings the statistics up to date and tells where they are: [`engine_statistics_length`] numbers, each in the place
/// that [`Figure`] gives it, NaN where nothing is known.
///
/// # Safety
/// `engine` is null or a live engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_statistics(engine: *mut Engine) -> *const f32 {
    // SAFETY: null or live by the contract above.
    unsafe { engine.as_mut() }.map_or(std::ptr::null(), |engine| engine.statistics().as_ptr())
}

/// How many statistics there are.
#[unsafe(no_mangle)]
pub extern "C" fn engine_statistics_length() -> usize {
    Figure::COUNT
}

#[cfg(test)]
mod tests;
