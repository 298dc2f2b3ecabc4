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

/// A request for the microphone that is under way; dropped before it is awaited, the microphone closes as soon as it opens.
pub struct Pending {
    answer: Promise,
    capture: Capture,
    awaited: bool,
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
        .map(|answer| Pending { answer, capture, awaited: false })
        .map_err(|error| problem_of(&error))
}

impl Pending {
    /// Waits for the user's and the system's answer.
    ///
    /// # Errors
    /// What is wrong with the microphone, in the words of the contract.
    pub async fn ready(mut self) -> Result<Microphone, Problem> {
        self.awaited = true;
        self.open().await
    }

    fn open(&self) -> impl Future<Output = Result<Microphone, Problem>> + use<> {
        let (answer, capture) = (JsFuture::from(self.answer.clone()), self.capture);
        async move {
            match answer.await {
                Ok(stream) => Ok(Microphone { stream: stream.unchecked_into(), capture }),
                Err(error) => Err(problem_of(&error)),
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.awaited {
            let opened = self.open();
            spawn_local(async move { drop(opened.await) });
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
