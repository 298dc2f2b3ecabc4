//! What leaves the driver once its borrow has ended: events to the page, promises that settle.

use js_sys::{Array, Object};
use soft_phone_sip::{Agent, Binding, CallId, TransferId};
use wasm_bindgen::JsValue;

use crate::failure::Failure;
use crate::js::{self, Deferred};
use crate::record::Record;
use crate::state::{Call, Contact, Quality, Registration, Remote, Suppressor};

/// Something for the page, in the order in which it happened.
pub enum Output {
    /// An event at the element.
    Event {
        /// Its type.
        name: &'static str,
        /// Its detail.
        detail: Object,
    },
    /// A call comes in: unless a listener objects, the window opens.
    Incoming {
        /// The call object.
        call: JsValue,
        /// Answer it behind the event.
        answer: Option<u64>,
    },
    /// The far end of a call wants us to call somebody: unless a listener objects, we do.
    Transfer {
        /// The call whose far end asks.
        call: CallId,
        /// The transfer.
        transfer: TransferId,
        /// Whom, as a person reads it.
        number: String,
        /// Whom, as an address.
        target: String,
    },
    /// The application's server is to learn something: see [`crate::record::report_of`].
    Report {
        /// What.
        state: &'static str,
        /// Of which call; `null` when it is none.
        call: JsValue,
    },
    /// A promise settles.
    Settle {
        /// Its end.
        promise: Deferred,
        /// How.
        result: Result<JsValue, Failure>,
    },
}

/// The detail of `soft-phone-registration`.
pub fn registration(registration: &Registration) -> Object {
    js::object(&[
        ("state", registration.state.as_str().into()),
        ("cause", js::text_or_null(registration.cause.map(crate::state::Problem::as_str))),
        ("sipStatus", js::status_or_null(registration.sip_status)),
        ("server", js::text_or_null(registration.server.as_deref())),
        ("retryAt", js::date_or_null(registration.retry_at)),
    ])
}

/// Where the account's calls go, as the registrar says: this phone and the others.
pub fn contacts(agent: Option<&Agent>) -> JsValue {
    let contact = |binding: &Binding| {
        let seconds = binding.expires.map(|left| left.as_secs_f64());
        js::object(&[
            ("uri", binding.uri.to_string().into()),
            ("expires", js::number_or_null(seconds)),
            ("own", binding.ours.into()),
        ])
    };
    agent.into_iter().flat_map(Agent::bindings).map(contact).collect::<Array>().into()
}

/// The detail of `soft-phone-error`.
pub fn error(failure: &Failure) -> Object {
    js::object(&[("code", failure.code.into()), ("message", failure.message.as_str().into())])
}

/// Somebody else, as a page reads it.
pub fn remote(remote: &Remote) -> Object {
    js::object(&[
        ("number", remote.number.as_str().into()),
        ("uri", remote.uri.as_str().into()),
        ("name", remote.name.as_str().into()),
        ("contact", JsValue::NULL),
    ])
}

/// The far end of a call, as a page reads it.
pub fn far_end(call: &Call) -> Object {
    let object = remote(&call.remote);
    if let Some(contact) = &call.contact {
        let more = [("url", contact.url.as_str().into()), ("company", contact.company.as_str().into())];
        let contact = known(contact);
        more.iter().for_each(|(name, value)| js::set(&contact, name, value));
        js::set(&object, "contact", &contact);
    }
    object
}

fn known(contact: &Contact) -> Object {
    js::object(&[
        ("type", contact.kind.as_str().into()),
        ("id", contact.id.as_str().into()),
        ("name", contact.name.as_str().into()),
    ])
}

/// `{type, id, name, url, company}`, checked by the script that fetched it; `None` for anything but an object.
pub fn read_contact(contact: &JsValue) -> Option<Contact> {
    let text = |name| js::get(contact, name).as_string().unwrap_or_default();
    contact.is_object().then(|| Contact {
        kind: text("type"),
        id: text("id"),
        name: text("name"),
        url: text("url"),
        company: text("company"),
    })
}

/// How a call sounds: the property `quality`, and the detail of `soft-phone-quality` without its call.
pub fn quality(quality: &Quality) -> Object {
    js::object(&[
        ("mos", quality.mos.into()),
        ("rttMs", js::number_or_null(quality.rtt_ms)),
        ("jitterMs", quality.jitter_ms.into()),
        ("lossPercent", quality.loss_percent.into()),
        ("playoutDelayMs", quality.playout_delay_ms.into()),
        ("concealedPercent", js::number_or_null(quality.concealed_percent)),
        ("jitterBuffer", quality.jitter_buffer.as_str().into()),
        ("engine", quality.engine.as_str().into()),
        ("noiseSuppression", js::text_or_null(quality.noise_suppression.map(Suppressor::as_str))),
    ])
}

/// A record as contract §7 wants it.
pub fn record(record: &Record) -> Object {
    let call = &record.call;
    js::object(&[
        ("id", call.id.as_str().into()),
        ("sipCallId", call.sip_call_id.as_str().into()),
        ("direction", call.direction.as_str().into()),
        ("from", record.from().into()),
        ("to", record.to().into()),
        ("peerRaw", call.remote.number.as_str().into()),
        ("peerName", js::text_or_null((!call.remote.name.is_empty()).then_some(call.remote.name.as_str()))),
        ("startedAt", js::iso_or_null(Some(call.started_at))),
        ("answeredAt", js::iso_or_null(call.answered_at)),
        ("endedAt", js::iso_or_null(call.ended_at)),
        ("totalSeconds", record.total_seconds.into()),
        ("talkSeconds", record.talk_seconds.into()),
        ("disposition", js::text_or_null(record.disposition)),
        ("cause", js::text_or_null(call.cause.map(crate::state::Cause::as_str))),
        ("sipStatus", js::status_or_null(call.sip_status.or(call.answered_at.map(|_| 200)))),
        ("recordingUrl", JsValue::NULL),
        ("notes", call.notes.as_str().into()),
        ("outcome", js::text_or_null(call.outcome.as_deref())),
        ("transferredFrom", js::text_or_null(call.transferred_from.as_deref())),
        ("quality", call.quality.as_ref().map_or(JsValue::NULL, |told| quality(told).into())),
        ("contact", call.contact.as_ref().map_or(JsValue::NULL, |contact| known(contact).into())),
    ])
}
