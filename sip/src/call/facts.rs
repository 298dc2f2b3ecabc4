//! What the first INVITE of a call says beside who calls whom: how it got here, how it would like to ring, whether it
//! asks to be answered by itself.

use std::time::Duration;

use super::Remote;
use crate::scan::{Pieces, cut, decimal, unquote};
use crate::{Headers, NameAddr};

/// Longest text of a stranger that is kept, in characters.
const MAX_TEXT: usize = 256;

/// Longest address of a stranger that is kept, in bytes.
const MAX_ADDRESS: usize = 1_024;

/// Diversions that are kept.
const MAX_DIVERSIONS: usize = 8;

/// Longest pause before an automatic answer that is believed, in seconds.
const MAX_ANSWER_AFTER: u64 = 300;

/// What is known of a call beside its ends. All of it is what the other end or the network says, never markup; texts are
/// cut at 256 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// [`Call::remote`](super::Call::remote) is what the network asserts (RFC 3325), not what the other end says.
    pub asserted: bool,
    /// The caller does not want to be known (RFC 3323, RFC 3325 §9.3): its name and number, should the network tell
    /// them all the same, are not for others' eyes.
    pub privacy: bool,
    /// Whose calls these were before they came here, the last one first, 8 at most: `Diversion` (RFC 5806), else
    /// `History-Info` (RFC 7044).
    pub diversion: Vec<Remote>,
    /// How the call would like to ring (`Alert-Info`, RFC 3261 §20.4), as it stands there.
    pub alert_info: Option<String>,
    /// More on the caller (`Call-Info`, RFC 3261 §20.9), as it stands there.
    pub call_info: Option<String>,
    /// The caller asks that nobody needs to press a key (RFC 5373; `answer-after` and `info=alert-autoanswer`): after
    /// that time. Anyone can ask: it opens a microphone, so the driver asks its user beforehand.
    pub auto_answer: Option<Duration>,
    /// Who sent the caller here (RFC 3892).
    pub referred_by: Option<Remote>,
    /// What it is about (RFC 3261 §20.36).
    pub subject: Option<String>,
}

impl Facts {
    /// What the INVITE of a caller says.
    pub(crate) fn of(headers: &Headers) -> Facts {
        let text = |name: &str| headers.get(name).map(bounded).filter(|text| !text.is_empty());
        Facts {
            asserted: headers.get("P-Asserted-Identity").is_some(),
            privacy: is_private(headers),
            diversion: diversion(headers),
            alert_info: text("Alert-Info"),
            call_info: text("Call-Info"),
            auto_answer: answer_after(headers),
            referred_by: headers.get("Referred-By").and_then(remote),
            subject: text("Subject"),
        }
    }
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

fn remote(value: &str) -> Option<Remote> {
    NameAddr::from_wire(value).ok().filter(|_| value.len() <= MAX_ADDRESS).map(Remote::from)
}

fn is_private(headers: &Headers) -> bool {
    // RFC 3323 §4.2: what is wished is listed with semicolons; `none` and `critical` are no wishes to hide.
    let mut wishes = headers.get_all("Privacy").flat_map(|value| value.split([';', ',']));
    let hides = |wish: &str| ["id", "user", "header"].iter().any(|name| wish.trim().eq_ignore_ascii_case(name));
    // §4.1.1.3.
    let anonymous = |from: NameAddr| {
        from.uri.host.eq_ignore_ascii_case("anonymous.invalid")
            || from.uri.user.is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
    };
    wishes.any(hides) || headers.from().is_ok_and(anonymous)
}

fn diversion(headers: &Headers) -> Vec<Remote> {
    // RFC 5806 §4: each that diverts writes itself before those that did before it.
    let diverted: Vec<Remote> = headers.get_list("Diversion").filter_map(remote).take(MAX_DIVERSIONS).collect();
    if !diverted.is_empty() {
        return diverted;
    }
    let history: Vec<NameAddr> = headers.routes("History-Info");
    let mut diverted = Vec::new();
    for (at, entry) in history.iter().enumerate() {
        let reason = |headers: &String| headers.to_ascii_lowercase().contains("reason=");
        // RFC 7044 §10.2: why it went on stands with the address that it left; RFC 4458 §2: or, as a cause, with the one
        // that it went to. RFC 7044 §5: `mp` there says that the user changed with it.
        let left = entry.uri.headers.as_ref().is_some_and(reason)
            || history.get(at + 1).is_some_and(|next| next.uri.param("cause").is_some() || next.param("mp").is_some());
        if left {
            let uri = crate::Uri { headers: None, ..entry.uri.clone() };
            diverted.push(Remote { uri, display_name: entry.display_name.clone() });
        }
    }
    diverted.reverse();
    diverted.truncate(MAX_DIVERSIONS);
    diverted
}

fn answer_after(headers: &Headers) -> Option<Duration> {
    let auto = |value: &str| cut(value, b';').0.trim().eq_ignore_ascii_case("Auto");
    // RFC 5373 §4.
    if ["Answer-Mode", "Priv-Answer-Mode"].iter().any(|name| headers.get(name).is_some_and(auto)) {
        return Some(Duration::ZERO);
    }
    // What exchanges sent before there was an RFC, and still do.
    let elements = headers.get_list("Call-Info").chain(headers.get_list("Alert-Info"));
    for element in elements {
        let (mut wanted, mut after) = (false, 0);
        for piece in Pieces::new(element, b';') {
            let (name, value) = cut(piece, b'=');
            let (name, value) = (name.trim(), unquote(value.unwrap_or("").trim()));
            let number = || decimal(&value).unwrap_or(0);
            if name.eq_ignore_ascii_case("answer-after") {
                (wanted, after) = (true, number());
            } else if name.eq_ignore_ascii_case("info") && value.eq_ignore_ascii_case("alert-autoanswer") {
                wanted = true;
            } else if name.eq_ignore_ascii_case("delay") {
                after = number();
            }
        }
        if wanted {
            return Some(Duration::from_secs(after.min(MAX_ANSWER_AFTER)));
        }
    }
    None
}
