//! Bodies of notifications: read within their bounds, applied on one another, and ours read by ourselves.

use soft_phone_sip::Applied;
use soft_phone_sip::dialog_info::{DialogInfo, Line};
use soft_phone_sip::message_summary::Summary;
use soft_phone_sip::presence::{Availability, Presence};
use soft_phone_sip::reg_event::RegInfo;

use crate::targets::hold;

/// Lists of a document.
const LONGEST: usize = 128;

pub fn presence(input: &[u8], case: u64) -> Result<bool, String> {
    if case.is_multiple_of(8) {
        ours(input)?;
    }
    let Ok(presence) = Presence::parse(input) else { return Ok(false) };
    hold(presence.tuples.len() <= LONGEST && presence.notes.len() <= LONGEST, "a list without a bound")?;
    presence.availability();
    Ok(true)
}

fn ours(input: &[u8]) -> Result<(), String> {
    // Whatever the input, text of it comes back out of a document of ours, but for what XML cannot hold.
    let text = String::from_utf8_lossy(&input[..input.len().min(400)]).into_owned();
    let ours = Presence::to_body(&text, "t1", Availability::Busy, Some(&text));
    let again = Presence::parse(&ours.bytes).map_err(|error| format!("our own presence is refused: {error}"))?;
    hold(again.availability() == Some(Availability::Busy), "our own presence says something else")?;
    let kept = |text: &str| -> String { text.chars().filter(|char| !char.is_whitespace() && *char >= ' ').collect() };
    let plain = text.chars().filter(|char| !['\u{fffe}', '\u{ffff}'].contains(char)).collect::<String>();
    hold(kept(&again.entity) == kept(&plain), "the entity does not come back")
}

pub fn dialogs(input: &[u8], _: u64) -> Result<bool, String> {
    let Ok(read) = DialogInfo::parse(input) else { return Ok(false) };
    hold(read.dialogs.len() <= LONGEST, "dialogs without a bound")?;
    let mut known = read.clone();
    hold(known.apply(read.clone()) == Applied::Stale, "a document is news to itself")?;
    hold(known == read, "a stale document has changed something")?;
    for version in [1u32, 1, 7] {
        let next = DialogInfo { version: known.version.saturating_add(version), ..read.clone() };
        let before = known.version;
        let applied = known.apply(next);
        hold((applied == Applied::Stale) == (known.version == before), "a version is taken or it is not")?;
        hold(known.dialogs.len() <= LONGEST, "dialogs without a bound")?;
    }
    let rings = known.line() == Line::Ringing;
    hold(rings || known.pickup().is_none(), "what does not ring is picked up")?;
    Ok(true)
}

pub fn mailbox(input: &[u8], _: u64) -> Result<bool, String> {
    let Ok(summary) = Summary::parse(input) else { return Ok(false) };
    hold(summary.account.as_ref().is_none_or(|account| !account.contains('\n')), "an account of two lines")?;
    Ok(true)
}

pub fn registrations(input: &[u8], _: u64) -> Result<bool, String> {
    let Ok(read) = RegInfo::parse(input) else { return Ok(false) };
    let mut known = read.clone();
    hold(known.apply(read.clone()) == Applied::Stale && known == read, "a document is news to itself")?;
    for version in [1u32, 1, 7] {
        known.apply(RegInfo { version: known.version.saturating_add(version), ..read.clone() });
        let contacts = known.registrations.iter().map(|it| it.contacts.len()).max().unwrap_or(0);
        hold(known.registrations.len() <= LONGEST && contacts <= LONGEST, "a list without a bound")?;
    }
    Ok(true)
}
