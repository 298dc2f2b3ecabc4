//! Keypad tones within the media (RFC 4733), sent by the browser's own `RTCDTMFSender`.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::RtcdtmfSender;

use super::{Inner, Report, Session};
use crate::js;
use crate::listener::Listener;

/// Length of a tone and of the pause behind it, ms: twice what ITU-T Q.24 asks a receiver to recognise.
const TONE_MS: (i32, i32) = (100, 80);

/// The tones of a page or a user, as the wire wants them: digits, `*`, `#`, A to D, and `,` for a pause of two seconds.
/// `None` when there is another character, or none at all.
pub fn normalise(tones: &str) -> Option<String> {
    let tones: String = tones.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
    let known = |c: char| matches!(c, '0'..='9' | 'A'..='D' | '*' | '#' | ',');
    (!tones.is_empty() && tones.len() <= 64 && tones.chars().all(known)).then_some(tones)
}

impl Session {
    /// Whether the far end takes tones within the media: its description lists `telephone-event` (RFC 4733 §2.5.1.1).
    pub fn takes_tones(&self) -> bool {
        let Some(description) = self.0.connection.remote_description() else { return false };
        let sdp = description.sdp();
        sdp.lines().any(|line| line.starts_with("a=rtpmap:") && line.contains(" telephone-event/"))
            && self.0.tone_sender().is_some()
    }

    /// Sends tones behind those that are being sent; [`Report::TonesSent`] follows when the last has been. False: the
    /// browser refuses, because nothing is being sent to the far end.
    pub fn send_tones(&self, tones: &str) -> bool {
        let Some(sender) = self.0.tone_sender() else { return false };
        if !self.0.tones_watched.replace(true) {
            let inner = Rc::downgrade(&self.0);
            let listener = Listener::new(&sender, "tonechange", move |event| {
                if let Some(inner) = inner.upgrade()
                    && js::get(&event, "tone").as_string().is_some_and(|tone| tone.is_empty())
                {
                    inner.tell(Report::TonesSent);
                }
            });
            self.0.listeners.borrow_mut().push(listener);
        }
        let all = [sender.tone_buffer().as_str(), tones].concat();
        // As a call by name: the generated binding does not catch what the browser throws.
        js::call(&sender, "insertDTMF", &[all.into(), TONE_MS.0.into(), TONE_MS.1.into()]).is_some()
    }
}

impl Inner {
    fn tone_sender(&self) -> Option<RtcdtmfSender> {
        let sender = self.transceiver()?.sender();
        sender.dtmf().filter(|sender| js::get(sender, "canInsertDTMF") != JsValue::FALSE)
    }
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn tones_are_digits_signs_and_four_letters() {
        assert_eq!(normalise("12 3*#a,d").as_deref(), Some("123*#A,D"));
        for bad in ["", " ", "12e", "1\r\n2", &"1".repeat(65)] {
            assert_eq!(normalise(bad), None, "{bad:?}");
        }
    }
}
