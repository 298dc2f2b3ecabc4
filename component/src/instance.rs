//! Which phone this is, to the registrar: an URN that stays the same over reloads and restarts (RFC 5626 §4.1).
//!
//! A registrar that knows RFC 5626 keeps one binding for each instance: two tabs with one URN would take the calls from
//! each other, each time the other one refreshes. So the browser profile keeps a row of URNs, and each phone, in whatever
//! tab, takes the first that no other one has. A Web Lock says so: it ends with its page, also when that crashes, and the
//! page that is loaded next finds the same URN free. Where there are no Web Locks the URN is good for this page only.
//!
//! The URN is random and tells nobody anything but that this is the same phone.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Function, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::{clock, js};

/// Phones of one browser profile that are known again.
const PLACES: u32 = 16;

/// Keys of localStorage and names of locks; the number of the place follows.
const KEY: &str = "soft-phone-instance-";

const PREFIX: &str = "urn:uuid:";

/// An URN that no other phone has as long as this lives.
pub struct Instance {
    /// `urn:uuid:…`.
    pub urn: String,
    /// Ends the lock.
    release: Option<Function>,
}

impl Instance {
    /// Takes the first URN that is free.
    pub async fn claim() -> Instance {
        for place in 0..PLACES {
            let key = [KEY, place.to_string().as_str()].concat();
            match hold(&key).await.map(JsValue::dyn_into::<Function>) {
                Ok(Ok(release)) => return Instance { urn: remembered(&key), release: Some(release) },
                // Another phone's.
                Ok(Err(_)) => {}
                // No locks here: no secure context, or a sandboxed frame.
                Err(_) => break,
            }
        }
        Instance { urn: fresh(), release: None }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Takes the lock of that name, if it is free: the function that ends it, or `null`.
async fn hold(name: &str) -> Result<JsValue, JsValue> {
    let navigator = web_sys::window().map(|window| window.navigator());
    let locks = js::get(&navigator.into(), "locks");
    let request: Function = js::get(&locks, "request").dyn_into()?;
    let options = js::object(&[("ifAvailable", true.into())]);
    let outcome = Promise::new(&mut |resolve, reject| {
        let held = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let end = Rc::new(Cell::new(None));
            let kept = end.clone();
            // The lock is ours until this promise is settled.
            let until = Promise::new(&mut |release, _| kept.set(Some(release)));
            let end = end.take().filter(|_| !lock.is_null());
            let _ = resolve.call1(&JsValue::UNDEFINED, &end.clone().map_or(JsValue::NULL, JsValue::from));
            if end.is_some() { until.into() } else { JsValue::UNDEFINED }
        });
        let asked = request.call3(&locks, &JsValue::from_str(name), &options, &held);
        let refused = match asked.as_ref().map(|asked| js::get(asked, "then").dyn_into::<Function>()) {
            Ok(Ok(then)) => then.call2(asked.as_ref().unwrap_or(&JsValue::NULL), &JsValue::UNDEFINED, &reject),
            _ => reject.call0(&JsValue::UNDEFINED),
        };
        // Neither throws: they are the promise's own functions.
        drop(refused);
    });
    JsFuture::from(outcome).await
}

/// The URN that is kept under that key, from now on if there was none.
fn remembered(key: &str) -> String {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok()?);
    let kept = storage.as_ref().and_then(|storage| storage.get_item(key).ok()?);
    if let Some(urn) = kept.filter(|urn| is_urn(urn)) {
        return urn;
    }
    let urn = fresh();
    if let Some(storage) = storage {
        // A full or forbidden storage: then it is good for this page.
        let _ = storage.set_item(key, &urn);
    }
    urn
}

fn fresh() -> String {
    [PREFIX, clock::uuid().as_str()].concat()
}

/// What lies in the storage may have been written by anybody of this origin, and goes into a header.
fn is_urn(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|uuid| uuid.len() == 36 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::is_urn;

    #[test]
    fn only_urns_come_out_of_the_storage() {
        assert!(is_urn("urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"));
        for other in ["", "urn:uuid:", "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6x", "f81d4fae-7dec-41d0-a765"] {
            assert!(!is_urn(other), "{other}");
        }
        assert!(!is_urn("urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6b\">"));
    }
}
