//! How many messages wait in a mailbox: `application/simple-message-summary` (RFC 3842).

use crate::Error;

/// Lines of a summary; headers of single messages may follow, and are not looked at.
const MAX_LINES: usize = 64;

/// A mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Something new is there.
    pub waiting: bool,
    /// The URI to call to hear it.
    pub account: Option<String>,
    /// Voice messages; zeros when the summary does not count.
    pub voice: Counts,
    /// Fax, pager, text and multimedia messages together.
    pub other: Counts,
}

/// Messages of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not heard yet.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
    /// Urgent ones among the new.
    pub urgent_new: u32,
    /// Urgent ones among the old.
    pub urgent_old: u32,
}

impl Summary {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/simple-message-summary";

    /// Reads a body (RFC 3842 §5.2).
    ///
    /// # Errors
    /// [`Error::Malformed`] without its first line, which says whether messages wait, or for counts that are none.
    pub fn parse(body: &[u8]) -> Result<Summary, Error> {
        let malformed = Error::Malformed { what: "message summary" };
        let text = std::str::from_utf8(body).map_err(|_| malformed.clone())?;
        let mut summary = Summary::default();
        let mut status = None;
        for line in text.lines().take(MAX_LINES) {
            if line.trim().is_empty() {
                // §5.2: what follows is about single messages. Empty lines at the front are some servers' own.
                if status.is_some() {
                    break;
                }
                continue;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("Messages-Waiting") {
                status = Some(value.eq_ignore_ascii_case("yes"));
            } else if name.eq_ignore_ascii_case("Message-Account") {
                summary.account = Some(value.to_owned()).filter(|account| !account.is_empty());
            } else if name.eq_ignore_ascii_case("Voice-Message") {
                summary.voice = Counts::parse(value).ok_or(malformed.clone())?;
            } else if ["Fax-Message", "Pager-Message", "Multimedia-Message", "Text-Message"]
                .iter()
                .any(|kind| name.eq_ignore_ascii_case(kind))
            {
                summary.other.add(Counts::parse(value).ok_or(malformed.clone())?);
            }
        }
        summary.waiting = status.ok_or(malformed)?;
        Ok(summary)
    }
}

impl Counts {
    /// `new/old` and perhaps `(urgent new/urgent old)`.
    fn parse(text: &str) -> Option<Counts> {
        let (all, urgent) = match text.split_once('(') {
            Some((all, urgent)) => (all, urgent.trim_end().strip_suffix(')')?),
            None => (text, "0/0"),
        };
        let pair = |text: &str| {
            let (new, old) = text.split_once('/')?;
            Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
        };
        let ((new, old), (urgent_new, urgent_old)) = (pair(all)?, pair(urgent)?);
        Some(Counts { new, old, urgent_new, urgent_old })
    }

    pub(crate) fn add(&mut self, more: Counts) {
        self.new = self.new.saturating_add(more.new);
        self.old = self.old.saturating_add(more.old);
        self.urgent_new = self.urgent_new.saturating_add(more.urgent_new);
        self.urgent_old = self.urgent_old.saturating_add(more.urgent_old);
    }
}
