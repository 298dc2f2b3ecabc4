//! The microphone: asked for early, let go on every way out.

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MediaStream, MediaStreamConstraints, MediaStreamTrack, PermissionState, PermissionStatus};

use super::devices;
use super::processing::Capture;
use crate::js;
use crate::state::Problem;

/// An open microphone; dropped, it is closed and the browser's indicator goes out.
pub struct Microphone {
    stream: MediaStream,
    capture: Capture,
}

impl Microphone {
    /// The stream, for the page and the level meter.
    pub fn stream(&self) -> &MediaStream {
        &self.stream
    }

    /// What the browser was asked to do to it.
    pub fn capture(&self) -> Capture {
        self.capture
    }

    /// Its one track.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.stream.get_audio_tracks().get(0).dyn_into().ok()
    }

    /// Cuts the sound off or lets it through; the track stays.
    pub fn set_enabled(&self, enabled: bool) {
        if let Some(track) = self.track() {
            track.set_enabled(enabled);
        }
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        for track in self.stream.get_tracks().iter() {
            track.unchecked_into::<MediaStreamTrack>().stop();
        }
    }
}

/// A request for the microphone that is under way; dropped before the answer, the microphone closes as soon as it opens.
pub struct Pending {
    promise: Promise,
    /// Listens from the start: a refusal that nobody listens to would be an error of the page.
    answer: JsFuture,
    answered: bool,
    capture: Capture,
}

/// Asks at once for the microphone `device`, the system's when it is empty; the answer is awaited later.
///
/// # Errors
/// [`Problem::Unsupported`] where there is no `mediaDevices`: no secure context.
pub fn ask(device: &str, capture: Capture) -> Result<Pending, Problem> {
    let devices = devices::all().ok_or(Problem::Unsupported)?;
    let audio = js::object(&[
        ("echoCancellation", capture.echo.into()),
        ("noiseSuppression", capture.noise.into()),
        ("autoGainControl", capture.gain.into()),
    ]);
    if !device.is_empty() {
        js::set(&audio, "deviceId", &js::object(&[("exact", device.into())]));
    }
    let constraints: MediaStreamConstraints = js::object(&[("audio", audio.into())]).unchecked_into();
    devices
        .get_user_media_with_constraints(&constraints)
        .map(|promise| Pending { answer: promise.clone().into(), promise, answered: false, capture })
        .map_err(|error| problem_of(&error))
}

impl Pending {
    /// Waits for the user's and the system's answer.
    ///
    /// # Errors
    /// What is wrong with the microphone, in the words of the contract.
    pub async fn ready(mut self) -> Result<Microphone, Problem> {
        let answer = (&mut self.answer).await;
        self.answered = true;
        opened(answer, self.capture)
    }
}

fn opened(answer: Result<JsValue, JsValue>, capture: Capture) -> Result<Microphone, Problem> {
    let stream = answer.map_err(|error| problem_of(&error))?;
    Ok(Microphone { stream: stream.unchecked_into(), capture })
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            let (promise, capture) = (self.promise.clone(), self.capture);
            spawn_local(async move { drop(opened(JsFuture::from(promise).await, capture)) });
        }
    }
}

/// Whether the user has allowed the microphone for good, so that asking shows no prompt. Browsers that cannot tell: no.
pub async fn is_granted() -> bool {
    let Some(permissions) = web_sys::window().and_then(|window| window.navigator().permissions().ok()) else {
        return false;
    };
    if permissions.is_undefined() {
        return false;
    }
    let Ok(query) = permissions.query(&js::object(&[("name", "microphone".into())])) else { return false };
    match JsFuture::from(query).await {
        Ok(status) => status.unchecked_into::<PermissionStatus>().state() == PermissionState::Granted,
        Err(_) => false,
    }
}

/// The names of `DOMException`s (Media Capture and Streams §10.2).
fn problem_of(error: &JsValue) -> Problem {
    match js::get(error, "name").as_string().as_deref() {
        Some("NotFoundError" | "OverconstrainedError") => Problem::MicrophoneMissing,
        Some("NotAllowedError" | "SecurityError") => Problem::MicrophoneDenied,
        Some("TypeError") => Problem::Unsupported,
        _ => Problem::MicrophoneBusy,
    }
}
