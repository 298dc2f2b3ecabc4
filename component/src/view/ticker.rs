//! A callback once a second, as long as its handle lives.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// Ticks until it is dropped. A hidden page may tick more slowly: take the time from the clock, do not count.
pub struct Ticker {
    id: i32,
    _callback: Closure<dyn FnMut()>,
}

impl Ticker {
    /// Begins to tick; `None` outside a window.
    pub fn new(callback: impl FnMut() + 'static) -> Option<Ticker> {
        let callback = Closure::<dyn FnMut()>::new(callback);
        let id = web_sys::window()?
            .set_interval_with_callback_and_timeout_and_arguments_0(callback.as_ref().unchecked_ref(), 1000)
            .ok()?;
        Some(Ticker { id, _callback: callback })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            window.clear_interval_with_handle(self.id);
        }
    }
}
