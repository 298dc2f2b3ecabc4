//! Cards of calls: what the phone tells of one, and what the pages show.

use rusqlite::{Result, Row};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One call event of the phone, see its README.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) seq: u32,
    pub(crate) call: Snapshot,
}

/// The whole call, as each event tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) direction: String,
    #[serde(default, deserialize_with = "text")]
    pub(crate) from: String,
    #[serde(default, deserialize_with = "text")]
    pub(crate) to: String,
    pub(crate) started_at: String,
    pub(crate) answered_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    #[serde(default)]
    pub(crate) talk_seconds: u32,
    pub(crate) disposition: Option<String>,
    pub(crate) outcome: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) notes: String,
    pub(crate) recording_url: Option<String>,
    pub(crate) contact: Option<Value>,
}

/// `null` is no text.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Of notes, so many characters; of all else, so many.
const NOTES: usize = 10_000;
const WORDS: usize = 200;

impl Event {
    /// Reads one; what is wrong is said in words.
    pub(crate) fn read(value: &Value) -> std::result::Result<Event, String> {
        let mut event = Event::deserialize(value).map_err(|error| error.to_string())?;
        let call = &mut event.call;
        if event.seq == 0 || call.id.is_empty() || call.id.len() > WORDS {
            return Err("an event has a number from 1 on, and its call an id".into());
        }
        if !["inbound", "outbound"].contains(&call.direction.as_str()) {
            return Err("a call is inbound or outbound".into());
        }
        let ends = ["answered", "missed", "busy", "rejected", "cancelled", "failed", "interrupted"];
        if call.disposition.as_deref().is_some_and(|end| !ends.contains(&end)) {
            return Err("an unknown disposition".into());
        }
        let times = [Some(&call.started_at), call.answered_at.as_ref(), call.ended_at.as_ref()];
        if !times.into_iter().flatten().all(|time| is_time(time)) {
            return Err("times are of the form 2026-01-01T10:00:00.000Z".into());
        }
        shorten(&mut call.notes, NOTES);
        for text in [&mut call.from, &mut call.to].into_iter().chain(call.outcome.as_mut()) {
            shorten(text, WORDS);
        }
        // Shown as a link: nothing but what a browser may open.
        call.recording_url
            .take_if(|url| !url.starts_with("https://") && !url.starts_with("http://") || url.len() > 2_000);
        Ok(event)
    }
}

fn shorten(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
}

/// Of ISO 8601's forms, the one that JavaScript writes.
fn is_time(text: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| if *form == b'd' { byte.is_ascii_digit() } else { byte == *form })
}

impl Snapshot {
    /// The number at the far end.
    pub(crate) fn number(&self) -> &str {
        if self.direction == "inbound" { &self.from } else { &self.to }
    }

    /// Whom somebody has chosen.
    pub(crate) fn chosen(&self) -> Option<i64> {
        let contact = self.contact.as_ref().filter(|contact| contact["type"] == "contact")?;
        contact["id"].as_str()?.parse().ok()
    }
}

/// A card, as the pages have it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Card {
    pub(crate) id: i64,
    pub(crate) version: i64,
    pub(crate) direction: String,
    pub(crate) number: String,
    pub(crate) started_at: String,
    pub(crate) answered_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    pub(crate) talk_seconds: u32,
    /// `ringing`, `talking`, or how it ended.
    pub(crate) state: String,
    pub(crate) outcome: String,
    pub(crate) notes: String,
    pub(crate) recording_url: Option<String>,
    pub(crate) contact: Option<i64>,
    pub(crate) name: Option<String>,
}

impl Card {
    /// Of a row in the order of the fields.
    pub(crate) fn read(row: &Row<'_>) -> Result<Card> {
        let (answered_at, disposition): (Option<String>, Option<String>) = (row.get(5)?, row.get(8)?);
        let live = if answered_at.is_some() { "talking" } else { "ringing" };
        Ok(Card {
            id: row.get(0)?,
            version: row.get(1)?,
            direction: row.get(2)?,
            number: row.get(3)?,
            started_at: row.get(4)?,
            answered_at,
            ended_at: row.get(6)?,
            talk_seconds: row.get(7)?,
            state: disposition.unwrap_or_else(|| live.to_owned()),
            outcome: row.get(9)?,
            notes: row.get(10)?,
            recording_url: row.get(11)?,
            contact: row.get(12)?,
            name: row.get(13)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(change: impl FnOnce(&mut Value)) -> std::result::Result<Event, String> {
        let mut event = json!({ "id": "e", "seq": 1, "state": "ringing", "call": {
            "id": "c", "direction": "inbound", "from": "+7", "to": "1011", "startedAt": "2026-01-01T10:00:00.000Z",
            "answeredAt": null, "endedAt": null, "talkSeconds": 0, "disposition": null, "outcome": null, "notes": null,
            "recordingUrl": null, "contact": null } });
        change(&mut event);
        Event::read(&event)
    }

    #[test]
    fn what_a_phone_tells_is_read_and_what_is_none_is_refused() {
        assert_eq!(event(|_| ()).unwrap().call.number(), "+7");
        assert_eq!(event(|it| it["call"]["direction"] = "outbound".into()).unwrap().call.number(), "1011");
        for (field, value) in [
            ("direction", json!("up")),
            ("startedAt", json!("today")),
            ("endedAt", json!("2026-01-01 10:00")),
            ("disposition", json!("lost")),
            ("id", json!("")),
            ("talkSeconds", json!(-1)),
        ] {
            assert!(event(|it| it["call"][field] = value.clone()).is_err(), "{field} {value}");
        }
        assert!(event(|it| it["seq"] = 0.into()).is_err());
        assert!(event(|it| it["call"] = Value::Null).is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_links_are_links() {
        let long = event(|it| it["call"]["notes"] = "ж".repeat(20_000).into()).unwrap();
        assert_eq!(long.call.notes.chars().count(), NOTES);
        for (url, kept) in [("https://pbx/1.wav", true), ("javascript:alert(1)", false), ("file:///etc/passwd", false)]
        {
            let read = event(|it| it["call"]["recordingUrl"] = url.into()).unwrap();
            assert_eq!(read.call.recording_url.is_some(), kept, "{url}");
        }
    }
}
