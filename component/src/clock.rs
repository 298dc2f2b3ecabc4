//! What the cores are not allowed to have: the time, timers, entropy.

use js_sys::Function;
use soft_phone_sip::Instant;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use crate::state::EpochMillis;

/// Monotonic time since the page was opened.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of µs, below 2^53")]
pub fn now() -> Instant {
    let millis = web_sys::window().and_then(|window| window.performance()).map_or(0.0, |clock| clock.now());
    Instant::from_micros((millis * 1000.0) as u64)
}

/// Wall-clock time.
pub fn epoch_millis() -> EpochMillis {
    js_sys::Date::now()
}

/// The wall-clock time of an instant of [`now`]'s.
#[allow(clippy::cast_precision_loss, reason = "milliseconds, far below 2^53")]
pub fn to_epoch(at: Instant) -> EpochMillis {
    let now = now();
    epoch_millis() + at.as_millis() as f64 - now.as_millis() as f64
}

/// Fills `bytes` from the browser's generator.
pub fn entropy(bytes: &mut [u8]) {
    if let Some(crypto) = web_sys::window().and_then(|window| window.crypto().ok()) {
        // Refused only for more than 65,536 bytes.
        let _ = crypto.get_random_values_with_u8_array(bytes);
    }
}

/// A random UUID (RFC 9562 version 4). `crypto.randomUUID` would need a secure context.
pub fn uuid() -> String {
    let mut bytes = [0; 16];
    entropy(&mut bytes);
    format_uuid(bytes)
}

fn format_uuid(mut bytes: [u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}

/// Runs once after a delay, unless it is dropped before.
pub struct Timer {
    handle: i32,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// The longest delay a browser takes; more would run at once.
    const LONGEST: u64 = 0x7fff_ffff;

    /// `None` when there is no window to set it in.
    pub fn new(millis: u64, run: impl FnMut() + 'static) -> Option<Timer> {
        Self::boxed(millis, Box::new(run))
    }

    /// Apart from [`Timer::new`], which is compiled once for each caller.
    #[allow(clippy::cast_possible_truncation, reason = "bounded by LONGEST")]
    fn boxed(millis: u64, run: Box<dyn FnMut()>) -> Option<Timer> {
        let callback = Closure::<dyn FnMut()>::new(run);
        let function: &Function = callback.as_ref().unchecked_ref();
        let handle = web_sys::window()?
            .set_timeout_with_callback_and_timeout_and_arguments_0(function, millis.min(Self::LONGEST) as i32)
            .ok()?;
        Some(Timer { handle, _callback: callback })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            window.clear_timeout_with_handle(self.handle);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_carries_version_and_variant() {
        assert_eq!(super::format_uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(super::format_uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }
}
