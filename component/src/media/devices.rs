//! Which microphones and loudspeakers there are, and how a sound is sent to one of them.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlAudioElement, MediaDevices, Storage};

use crate::js;
use crate::state::{Device, Devices};

/// Devices of one kind that are listed.
const MOST: usize = 64;

/// The browser's `mediaDevices`; `None` in a page that is not served securely.
pub fn all() -> Option<MediaDevices> {
    let devices = web_sys::window()?.navigator().media_devices().ok()?;
    (!devices.is_undefined()).then_some(devices)
}

/// Lists them, none chosen. `None` where the browser refuses.
pub async fn list() -> Option<Devices> {
    let found = JsFuture::from(all()?.enumerate_devices().ok()?).await.ok()?;
    let mut devices = Devices::default();
    for info in found.unchecked_ref::<Array>().iter() {
        let text = |name| js::get(&info, name).as_string().unwrap_or_default();
        let list = match text("kind").as_str() {
            "audioinput" => &mut devices.microphones,
            "audiooutput" => &mut devices.speakers,
            "videoinput" => &mut devices.cameras,
            _ => continue,
        };
        let id = text("deviceId");
        // Without a name it cannot be chosen: the user has not allowed the microphone yet.
        if !id.is_empty() && list.len() < MOST {
            list.push(Device { id, label: text("label") });
        }
    }
    Some(devices)
}

/// Where the choice is kept: names that only this site's browser profile knows, nothing secret.
const KEY: &str = "soft-phone:devices";

/// The choice of an earlier visit.
pub fn remembered() -> [String; 3] {
    let text = storage().and_then(|storage| storage.get_item(KEY).ok()?).unwrap_or_default();
    let mut lines = text.split('\n').map(str::to_owned);
    [(); 3].map(|()| lines.next().unwrap_or_default())
}

/// Keeps the choice for the next visit.
pub fn remember(chosen: &[String; 3]) {
    if let Some(storage) = storage() {
        // A full or forbidden store costs the memory of the choice, nothing else.
        let _ = storage.set_item(KEY, &chosen.join("\n"));
    }
}

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// Sends what an element plays to the loudspeaker `id`, the system's when it is empty. Browsers that cannot, and
/// devices that are gone, leave it where it is.
pub fn route(audio: &HtmlAudioElement, id: &str) {
    if js::get(audio, "sinkId").as_string().is_none_or(|now| now == id) {
        return;
    }
    if let Some(promise) = js::call(audio, "setSinkId", &[id.into()]) {
        wasm_bindgen_futures::spawn_local(async move {
            let _ = JsFuture::from(promise.unchecked_into::<js_sys::Promise>()).await;
        });
    }
}

/// The names of the devices as a page reads them.
pub fn to_js(devices: &[Device]) -> JsValue {
    let each =
        |device: &Device| js::object(&[("id", device.id.as_str().into()), ("label", device.label.as_str().into())]);
    devices.iter().map(each).collect::<Array>().into()
}
