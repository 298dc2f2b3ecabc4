//! How loud the microphone is: `js/meter.js` runs the voice engine beside the call and never in its way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::MediaStream;

thread_local! {
    static LOADER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Tells how to load `meter.js` and attach a meter: `(stream, report) => Promise<release>`.
pub fn set_loader(loader: Function) {
    LOADER.replace(Some(loader));
}

/// The level of one microphone. Dropped, it lets go of the stream.
pub struct Meter {
    state: Rc<State>,
}

struct State {
    dropped: Cell<bool>,
    /// `None` until everything is loaded.
    release: RefCell<Option<Function>>,
    /// Kept alive for as long as it may be called.
    _report: Closure<dyn FnMut(JsValue)>,
}

impl Meter {
    /// Measures `stream`; `report` gets the level ten times a second, dBFS (RMS), −100 to 0. Where any part of the
    /// engine is missing there is no level, and the call goes on.
    pub fn attach(stream: &MediaStream, report: impl Fn(f32) + 'static) -> Meter {
        let report = Closure::<dyn FnMut(JsValue)>::new(move |level: JsValue| {
            if let Some(level) = level.as_f64() {
                report(level as f32);
            }
        });
        let loader = LOADER.with_borrow(Clone::clone);
        let attached = loader.and_then(|load| load.call2(&JsValue::UNDEFINED, stream, report.as_ref()).ok());
        let state = Rc::new(State { dropped: Cell::new(false), release: RefCell::new(None), _report: report });
        if let Some(attached) = attached {
            let state = state.clone();
            spawn_local(async move {
                if let Ok(release) = JsFuture::from(attached.unchecked_into::<Promise>()).await {
                    state.release.replace(Some(release.unchecked_into()));
                    state.release_if_dropped();
                }
            });
        }
        Meter { state }
    }
}

impl State {
    fn release_if_dropped(&self) {
        if self.dropped.get()
            && let Some(release) = self.release.take()
        {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.state.dropped.set(true);
        self.state.release_if_dropped();
    }
}
