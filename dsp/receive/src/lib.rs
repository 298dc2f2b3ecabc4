//! Jitter buffer and decoders as a plain C-ABI wasm module: no imports, so that an `AudioWorkletGlobalScope` can instantiate
//! it synchronously from a compiled module. Built with Opus and without.
//!
//! The host creates one receiver for a stream, names its codecs ([`receiver_codec`]), writes the payload of each packet to
//! [`receiver_payload`] and says so ([`receiver_insert`]), asks for the next samples ([`receiver_render`]), and reads
//! [`receiver_output`] and [`receiver_statistics`]. Times are milliseconds of one clock that never goes back, the one by
//! which samples are played. Memory is allocated by [`receiver_create`] and [`receiver_codec`], and while Opus conceals. The
//! pointers are what [`receiver_create`] gave; null is answered with null or an error, never with a trap.

mod receiver;

pub use receiver::Receiver;

use std::time::Duration;

use receiver::{CAPACITY, Header, LONGEST_PAYLOAD};
use soft_phone_dsp::host::ReceiveFigure;
use soft_phone_dsp::jitter::Reception;

/// The call was taken.
const OK: i32 = 0;
/// There is no receiver.
const NO_RECEIVER: i32 = -1;
/// There is no such codec, payload type or length.
const REFUSED: i32 = -2;
/// The packet is of no use: late, twice, malformed, of an unknown type.
const USELESS: i32 = 1;

/// A new receiver that plays at `sample_rate` Hz, one of [`soft_phone_dsp::SAMPLE_RATES`], and keeps `least_delay_ms` (0 to
/// 500) at least; null for others. Freed by [`receiver_destroy`].
#[unsafe(no_mangle)]
pub extern "C" fn receiver_create(sample_rate: f32, least_delay_ms: f32) -> *mut Receiver {
    Receiver::new(sample_rate, least_delay_ms)
        .map_or(std::ptr::null_mut(), |receiver| Box::into_raw(Box::new(receiver)))
}

/// Ends a receiver.
///
/// # Safety
/// `receiver` is null or came from [`receiver_create`], and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_destroy(receiver: *mut Receiver) {
    if !receiver.is_null() {
        // SAFETY: by the contract above it is the box that `receiver_create` leaked, given back once.
        drop(unsafe { Box::from_raw(receiver) });
    }
}

/// Packets of this payload type are of this [`soft_phone_dsp::host::Codec`] from now on; `rate`, Hz, counts for L16 only.
/// 0, or a negative number when there is none such.
///
/// # Safety
/// `receiver` is null or a live receiver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_codec(receiver: *mut Receiver, payload_type: u32, codec: u32, rate: u32) -> i32 {
    // SAFETY: null or live by the contract above.
    match unsafe { receiver.as_mut() } {
        Some(receiver) => {
            if receiver.add_codec(payload_type, codec, rate) {
                OK
            } else {
                REFUSED
            }
        }
        None => NO_RECEIVER,
    }
}

/// Where the host writes a packet's payload: [`receiver_payload_capacity`] bytes at most.
///
/// # Safety
/// `receiver` is null or a live receiver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_payload(receiver: *mut Receiver) -> *mut u8 {
    // SAFETY: null or live by the contract above.
    unsafe { receiver.as_mut() }.map_or(std::ptr::null_mut(), |receiver| receiver.payload.as_mut_ptr())
}

/// How many bytes of a payload there is room for.
#[unsafe(no_mangle)]
pub extern "C" fn receiver_payload_capacity() -> usize {
    LONGEST_PAYLOAD
}

/// Takes the packet whose payload are the first `length` bytes at [`receiver_payload`] and which came at `now_ms`. 0; 1 when
/// it is of no use; negative when there is no such thing.
///
/// # Safety
/// `receiver` is null or a live receiver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_insert(
    receiver: *mut Receiver,
    now_ms: f64,
    ssrc: u32,
    sequence: u32,
    timestamp: u32,
    payload_type: u32,
    length: usize,
) -> i32 {
    // SAFETY: null or live by the contract above.
    let Some(receiver) = (unsafe { receiver.as_mut() }) else { return NO_RECEIVER };
    let (Ok(sequence), Ok(payload_type)) = (u16::try_from(sequence), u8::try_from(payload_type)) else {
        return REFUSED;
    };
    match receiver.insert(time(now_ms), Header { ssrc, sequence, timestamp, payload_type }, length) {
        Some(Reception::Accepted) => OK,
        Some(_) => USELESS,
        None => REFUSED,
    }
}

/// Gives the next `samples` samples at [`receiver_output`], the first of which is played at `now_ms`; how many they are (at
/// most [`receiver_capacity`]).
///
/// # Safety
/// `receiver` is null or a live receiver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_render(receiver: *mut Receiver, now_ms: f64, samples: usize) -> usize {
    // SAFETY: null or live by the contract above.
    unsafe { receiver.as_mut() }.map_or(0, |receiver| receiver.render(time(now_ms), samples))
}

/// Where the host reads what is to be played (mono, within ±1.0).
///
/// # Safety
/// `receiver` is null or a live receiver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_output(receiver: *const Receiver) -> *const f32 {
    // SAFETY: null or live by the contract above.
    unsafe { receiver.as_ref() }.map_or(std::ptr::null(), |receiver| receiver.output.as_ptr())
}

/// How many samples one call of [`receiver_render`] gives at most.
#[unsafe(no_mangle)]
pub extern "C" fn receiver_capacity() -> usize {
    CAPACITY
}

/// Brings the statistics up to date and tells where they are: [`receiver_statistics_length`] numbers, each in the place that
/// [`ReceiveFigure`] gives it.
///
/// # Safety
/// `receiver` is null or a live receiver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn receiver_statistics(receiver: *mut Receiver) -> *const f32 {
    // SAFETY: null or live by the contract above.
    unsafe { receiver.as_mut() }.map_or(std::ptr::null(), |receiver| receiver.statistics().as_ptr())
}

/// How many statistics there are.
#[unsafe(no_mangle)]
pub extern "C" fn receiver_statistics_length() -> usize {
    ReceiveFigure::COUNT
}

/// A host's time; what is none counts as the beginning.
fn time(now_ms: f64) -> Duration {
    Duration::try_from_secs_f64(now_ms / 1_000.0).unwrap_or_default()
}

#[cfg(test)]
mod tests;
