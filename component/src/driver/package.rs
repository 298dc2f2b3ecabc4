//! The event packages that can be subscribed to: what is known of each, and how a page reads it.

use js_sys::{Array, Object};
use soft_phone_sip::dialog_info::DialogInfo;
use soft_phone_sip::message_summary::Summary;
use soft_phone_sip::presence::{Availability, Presence};
use soft_phone_sip::reg_event::RegInfo;
use soft_phone_sip::{Applied, Forks};
use wasm_bindgen::JsValue;

use crate::js;
use crate::state::Direction;
use crate::state::lamps::LampState;
use crate::xml;

/// What can be subscribed to, and what is known of it.
#[derive(Clone, Debug)]
pub(super) enum Package {
    Presence(Option<Presence>),
    Dialog(Forks<DialogInfo>),
    Mailbox(Forks<Summary>),
    Registrations(Option<RegInfo>),
}

impl Package {
    pub(super) fn from_name(name: &str) -> Option<Package> {
        match name {
            "presence" => Some(Package::Presence(None)),
            "dialog" => Some(Package::Dialog(Forks::default())),
            "message-summary" => Some(Package::Mailbox(Forks::default())),
            "reg" => Some(Package::Registrations(None)),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Package::Presence(_) => "presence",
            Package::Dialog(_) => "dialog",
            Package::Mailbox(_) => "message-summary",
            Package::Registrations(_) => "reg",
        }
    }

    pub(super) fn accept(&self) -> &'static str {
        match self {
            Package::Presence(_) => Presence::CONTENT_TYPE,
            Package::Dialog(_) => DialogInfo::CONTENT_TYPE,
            Package::Mailbox(_) => Summary::CONTENT_TYPE,
            Package::Registrations(_) => RegInfo::CONTENT_TYPE,
        }
    }

    /// About ourselves, unless somebody else is named.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Package::Mailbox(_) | Package::Registrations(_))
    }

    pub(super) fn forget(&mut self) {
        *self = Package::from_name(self.name()).unwrap_or(Package::Presence(None));
    }

    /// Takes over what one of the phones says; `None` when that is no document. Without a body that phone is gone, if there
    /// were several.
    pub(super) fn take(&mut self, fork: u32, body: Option<&[u8]>) -> Option<Applied> {
        let Some(body) = body else {
            match self {
                Package::Mailbox(known) if known.several() => known.forget(fork),
                Package::Dialog(known) if known.several() => known.forget(fork),
                _ => return None,
            }
            return Some(Applied::Done);
        };
        match self {
            Package::Presence(known) => *known = Some(Presence::read(&xml::parse(body)?).ok()?),
            Package::Mailbox(known) => known.set(fork, Summary::parse(body).ok()?),
            // A full one counts whatever its version is: NOTIFYs come in order (RFC 6665 §4.1.3), so a low one begins a
            // subscription that the agent has made anew.
            Package::Dialog(known) => match (known.get_mut(fork), DialogInfo::read(&xml::parse(body)?).ok()?) {
                (Some(known), news) if !news.full => return Some(known.apply(news)),
                (_, news) => known.set(fork, news),
            },
            Package::Registrations(known) => match (known, RegInfo::read(&xml::parse(body)?).ok()?) {
                (Some(known), news) if !news.full => return Some(known.apply(news)),
                (known, news) => *known = Some(news),
            },
        }
        Some(Applied::Done)
    }

    /// The `state` of `soft-phone-notify`; `null` while nothing is known.
    pub(super) fn to_js(&self) -> JsValue {
        match self {
            Package::Presence(Some(known)) => presence(known).into(),
            Package::Dialog(known) => known.merged().map_or(JsValue::NULL, |known| dialogs(&known).into()),
            Package::Mailbox(known) => known.merged().map_or(JsValue::NULL, |known| mailbox(&known).into()),
            Package::Registrations(Some(known)) => registrations(known).into(),
            _ => JsValue::NULL,
        }
    }
}

fn presence(known: &Presence) -> Object {
    let notes = known.notes.iter().chain(known.tuples.iter().flat_map(|tuple| &tuple.notes));
    js::object(&[
        ("status", js::text_or_null(known.availability().map(Availability::as_str))),
        ("note", js::text_or_null(notes.into_iter().next().map(String::as_str))),
        ("activities", known.activities.iter().map(|word| JsValue::from_str(word)).collect::<Array>().into()),
    ])
}

fn dialogs(known: &DialogInfo) -> Object {
    let text = |text: &Option<String>| js::text_or_null(text.as_deref());
    let list = known.dialogs.iter().map(|dialog| {
        js::object(&[
            ("id", dialog.id.as_str().into()),
            ("state", dialog.state.as_str().into()),
            ("direction", js::text_or_null(dialog.direction.map(Direction::as_str))),
            ("callId", text(&dialog.call_id)),
            ("localTag", text(&dialog.local_tag)),
            ("remoteTag", text(&dialog.remote_tag)),
            ("remoteUri", text(&dialog.remote.identity)),
            ("remoteName", text(&dialog.remote.name)),
        ])
    });
    js::object(&[("status", LampState::from(known).as_str().into()), ("dialogs", list.collect::<Array>().into())])
}

/// A mailbox, as a page reads it.
pub(super) fn mailbox(known: &Summary) -> Object {
    js::object(&[
        ("waiting", known.waiting.into()),
        ("account", js::text_or_null(known.account.as_deref())),
        ("new", known.voice.new.into()),
        ("old", known.voice.old.into()),
        ("urgentNew", known.voice.urgent_new.into()),
        ("urgentOld", known.voice.urgent_old.into()),
    ])
}

fn registrations(known: &RegInfo) -> Object {
    let contacts = known.registrations.iter().flat_map(|registration| {
        registration.contacts.iter().filter(|contact| contact.active).map(|contact| {
            js::object(&[
                ("aor", registration.aor.as_str().into()),
                ("uri", contact.uri.as_str().into()),
                ("name", js::text_or_null(contact.name.as_deref())),
                ("expires", js::number_or_null(contact.expires.map(f64::from))),
            ])
        })
    });
    js::object(&[("contacts", contacts.collect::<Array>().into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogs(version: u32, state: &str, dialog: &str) -> String {
        format!("<dialog-info version='{version}' state='{state}' entity='sip:a@b'>{dialog}</dialog-info>")
    }

    fn lamp(package: &Package) -> LampState {
        match package {
            Package::Dialog(known) => known.merged().as_ref().map_or(LampState::Unknown, LampState::from),
            _ => LampState::Unknown,
        }
    }

    #[test]
    fn a_lamp_follows_and_begins_anew_with_a_new_subscription() {
        let mut package = Package::from_name("dialog").unwrap();
        let early = "<dialog id='1' direction='recipient'><state>early</state></dialog>";
        let confirmed = "<dialog id='1' direction='recipient'><state>confirmed</state></dialog>";
        for (version, state, dialog, applied, shown) in [
            (4, "full", early, Applied::Done, LampState::Ringing),
            (5, "partial", confirmed, Applied::Done, LampState::Busy),
            (5, "partial", early, Applied::Stale, LampState::Busy),
            (0, "full", "", Applied::Done, LampState::Free),
            (1, "partial", early, Applied::Done, LampState::Ringing),
            (7, "partial", confirmed, Applied::Gap, LampState::Busy),
        ] {
            let document = dialogs(version, state, dialog);
            assert_eq!(package.take(0, Some(document.as_bytes())), Some(applied), "{document}");
            assert_eq!(lamp(&package), shown, "{document}");
        }
        assert_eq!(package.take(0, Some(b"<nonsense/>")), None);
        assert_eq!(lamp(&package), LampState::Busy, "nonsense changes nothing");
        package.forget();
        assert_eq!((lamp(&package), package.name()), (LampState::Unknown, "dialog"));
    }

    #[test]
    fn each_package_knows_its_name_and_type() {
        for (name, accept, own) in [
            ("presence", "application/pidf+xml", false),
            ("dialog", "application/dialog-info+xml", false),
            ("message-summary", "application/simple-message-summary", true),
            ("reg", "application/reginfo+xml", true),
        ] {
            let package = Package::from_name(name).unwrap();
            assert_eq!((package.name(), package.accept(), package.is_own()), (name, accept, own));
        }
        assert!(Package::from_name("refer").is_none());
    }
}
