//! The call object that a page holds: stable for the life of the call, readable after it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::MediaStream;

use crate::driver::{Driver, output, quietly};
use crate::failure::{CLOSED, Failure};
use crate::js;
use crate::state::{Call, CallState, Problem};

/// What driver and page know of a call together.
pub struct Shared {
    /// The driver's own name for it.
    pub key: u64,
    /// As it stands.
    pub facts: RefCell<Call>,
    /// What we send, once the microphone is open.
    pub local: RefCell<Option<MediaStream>>,
    /// What we hear, once there is any.
    pub remote: RefCell<Option<MediaStream>>,
}

/// One call.
#[wasm_bindgen]
pub struct SoftPhoneCall {
    shared: Rc<Shared>,
    driver: Weak<Driver>,
}

impl SoftPhoneCall {
    /// The object of a call.
    pub fn new(shared: Rc<Shared>, driver: Weak<Driver>) -> SoftPhoneCall {
        SoftPhoneCall { shared, driver }
    }

    /// Has it done by whoever has the phone.
    fn ask(&self, method: &str, with: &[JsValue], request: impl FnOnce(&Rc<Driver>, u64) -> Promise) -> Promise {
        match self.driver.upgrade() {
            Some(driver) => {
                let asked = driver.elsewhere(Some(&self.id()), method, with);
                asked.unwrap_or_else(|| request(&driver, self.shared.key))
            }
            None => js::rejected(&Failure::new(CLOSED, "the phone is gone")),
        }
    }

    fn set_muted(&self, method: &str, muted: bool) {
        let Some(driver) = self.driver.upgrade() else { return };
        match driver.elsewhere(Some(&self.id()), method, &[]) {
            Some(asked) => quietly(asked),
            None => driver.mute(self.shared.key, muted),
        }
    }
}

#[wasm_bindgen]
impl SoftPhoneCall {
    /// A UUID of ours.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> String {
        self.shared.facts.borrow().id.clone()
    }

    /// SIP's Call-ID; empty until the INVITE is sent.
    #[wasm_bindgen(getter, js_name = sipCallId)]
    pub fn sip_call_id(&self) -> String {
        self.shared.facts.borrow().sip_call_id.clone()
    }

    /// `inbound` or `outbound`.
    #[wasm_bindgen(getter)]
    pub fn direction(&self) -> JsValue {
        self.shared.facts.borrow().direction.as_str().into()
    }

    /// The state of contract §4.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> JsValue {
        self.shared.facts.borrow().state.as_str().into()
    }

    /// `{number, uri, name, contact}`.
    #[wasm_bindgen(getter)]
    pub fn remote(&self) -> JsValue {
        output::far_end(&self.shared.facts.borrow()).into()
    }

    /// A `Date`.
    #[wasm_bindgen(getter, js_name = startedAt)]
    pub fn started_at(&self) -> JsValue {
        js::date_or_null(Some(self.shared.facts.borrow().started_at))
    }

    /// A `Date`, or `null`.
    #[wasm_bindgen(getter, js_name = answeredAt)]
    pub fn answered_at(&self) -> JsValue {
        js::date_or_null(self.shared.facts.borrow().answered_at)
    }

    /// A `Date`, or `null`.
    #[wasm_bindgen(getter, js_name = endedAt)]
    pub fn ended_at(&self) -> JsValue {
        js::date_or_null(self.shared.facts.borrow().ended_at)
    }

    /// The microphone is cut off from this call.
    #[wasm_bindgen(getter)]
    pub fn muted(&self) -> bool {
        self.shared.facts.borrow().muted
    }

    /// We have put it on hold.
    #[wasm_bindgen(getter)]
    pub fn held(&self) -> bool {
        self.shared.facts.borrow().state == CallState::Held
    }

    /// The far end has put us on hold.
    #[wasm_bindgen(getter, js_name = remoteHeld)]
    pub fn remote_held(&self) -> bool {
        self.shared.facts.borrow().remote_held
    }

    /// `{mos, rttMs, jitterMs, lossPercent, playoutDelayMs, engine}` as measured last, or `null`.
    #[wasm_bindgen(getter)]
    pub fn quality(&self) -> JsValue {
        self.shared.facts.borrow().quality.as_ref().map_or(JsValue::NULL, |told| output::quality(told).into())
    }

    /// Why it ended, or `null`.
    #[wasm_bindgen(getter)]
    pub fn cause(&self) -> JsValue {
        js::text_or_null(self.shared.facts.borrow().cause.map(crate::state::Cause::as_str))
    }

    /// The microphone's stream, or `null`.
    #[wasm_bindgen(getter, js_name = localStream)]
    pub fn local_stream(&self) -> JsValue {
        self.shared.local.borrow().as_ref().map_or(JsValue::NULL, Into::into)
    }

    /// The far end's stream, or `null`.
    #[wasm_bindgen(getter, js_name = remoteStream)]
    pub fn remote_stream(&self) -> JsValue {
        self.shared.remote.borrow().as_ref().map_or(JsValue::NULL, Into::into)
    }

    /// Answers; settles when both can speak.
    pub fn answer(&self) -> Promise {
        self.ask("answer", &[], Driver::answer)
    }

    /// Refuses a call that comes in, with 486 unless told otherwise; settles when it is over.
    pub fn reject(&self, status: Option<u16>) -> Promise {
        let status = status.unwrap_or(486);
        self.ask("reject", &[status.into()], |driver, key| driver.reject(key, status))
    }

    /// Ends the call in whatever state it is; settles when it is over.
    pub fn hangup(&self) -> Promise {
        self.ask("hangup", &[], Driver::hangup)
    }

    /// Cuts the microphone off.
    pub fn mute(&self) {
        self.set_muted("mute", true);
    }

    /// Lets the microphone through.
    pub fn unmute(&self) {
        self.set_muted("unmute", false);
    }

    /// Sends keypad tones, `{transport: "rtp" | "info"}`; settles when the last has been sent.
    #[wasm_bindgen(js_name = sendDtmf)]
    pub fn send_dtmf(&self, tones: &JsValue, options: &JsValue) -> Promise {
        let tones = tones.as_string().or_else(|| tones.as_f64().map(|digits| (digits as u64).to_string()));
        let transport = js::get(options, "transport").as_string();
        let (tones, chosen) =
            (tones.unwrap_or_default(), js::object(&[("transport", js::text_or_null(transport.as_deref()))]));
        let with = [tones.as_str().into(), chosen.into()];
        self.ask("sendDtmf", &with, |driver, key| driver.send_dtmf(key, &tones, transport.as_deref()))
    }

    /// Puts the far end on hold; settles when it has agreed.
    pub fn hold(&self) -> Promise {
        self.ask("hold", &[], Driver::hold)
    }

    /// Takes the far end back from hold, and puts another call that is spoken in on hold.
    pub fn resume(&self) -> Promise {
        self.ask("resume", &[], Driver::resume)
    }

    /// Has the far end call `target`; settles when it was answered there, and this call is over.
    pub fn transfer(&self, target: &str) -> Promise {
        self.ask("transfer", &[target.into()], |driver, key| driver.transfer(key, target))
    }

    /// Connects the far end with that of another call; settles as `transfer` does.
    #[wasm_bindgen(js_name = transferTo)]
    pub fn transfer_to(&self, call: &JsValue) -> Promise {
        self.ask("transferTo", std::slice::from_ref(call), |driver, key| driver.transfer_to(key, call))
    }

    /// Sends a call that comes in to `target` (302); settles when it is over here.
    pub fn redirect(&self, target: &str) -> Promise {
        self.ask("redirect", &[target.into()], |driver, key| driver.redirect(key, target))
    }

    /// Says something about the call, also after it: in its record, and to the application's server.
    pub fn note(&self, text: &JsValue, disposition: &JsValue) {
        let Some(driver) = self.driver.upgrade() else { return };
        match driver.elsewhere(Some(&self.id()), "note", &[text.clone(), disposition.clone()]) {
            Some(asked) => quietly(asked),
            None => driver.note(&self.shared, text.as_string(), disposition.as_string()),
        }
    }

    /// Pictures in a call: not there yet.
    #[wasm_bindgen(js_name = setVideo)]
    pub fn set_video(&self, _on: bool) -> Promise {
        no_video()
    }

    /// The screen in a call: not there yet.
    #[wasm_bindgen(js_name = shareScreen)]
    pub fn share_screen(&self, _on: bool) -> Promise {
        no_video()
    }
}

fn no_video() -> Promise {
    js::rejected(&Failure::new(Problem::Unsupported.as_str(), "this phone carries voice only"))
}
