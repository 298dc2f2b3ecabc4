//! Session descriptions (RFC 8866) as lines: what is understood has a name here, and every other line stays where it
//! stands, byte for byte. `parse` and `to_string` give back what came in, up to the ends of lines (CRLF is written).
//!
//! ```
//! use soft_phone_sip::sdp::{Direction, Session};
//!
//! let mut offer = Session::parse("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\nx=new\r\n")?;
//! offer.set_direction(0, Direction::SendOnly);
//! offer.media_mut()[0].prefer(&["PCMA"]);
//! offer.bump_version()?;
//! assert_eq!(
//!     offer.to_string(),
//!     "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\nx=new\r\na=sendonly\r\n"
//! );
//! # Ok::<(), soft_phone_sip::Error>(())
//! ```
//!
//! RFC 8866 §5 has a reader turn away a description with a letter that it does not know. Here such a line stays: what
//! to make of it is left to who negotiates the media.

mod direction;
mod fragment;
mod ice;
mod media;
mod section;

use std::fmt;

pub use direction::Direction;
pub use fragment::{Fragment, Part};
pub use ice::Candidate;
pub use media::{Codec, Media};
pub use section::Section;

use crate::Error;
use crate::scan::{append_decimal, decimal};

/// Bounds of what is read: bytes in all, media, lines of one section. What passes one is refused, not cut.
const MAX_BYTES: usize = 65_536;
const MAX_MEDIA: usize = 64;
const MAX_LINES: usize = 512;

/// A session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    head: Section,
    media: Vec<Media>,
}

impl Session {
    /// Reads a description: lines of a letter, `=` and text, `v=0` first. Lines may end in a bare LF, empty ones may
    /// follow the last.
    ///
    /// # Errors
    /// [`Error::Malformed`] for text that is no description; [`Error::TooLong`] past 64 KiB, 64 media, 256 formats
    /// of one or 512 lines of one section.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Session, Error> {
        let (head, media) = read(text.as_ref())?;
        if head.lines().next() != Some("v=0") {
            return Err(Error::Malformed { what: "session description" });
        }
        Ok(Session { head, media })
    }

    /// The lines before the first `m=`.
    pub fn head(&self) -> &Section {
        &self.head
    }

    /// The lines before the first `m=`, to change their attributes.
    pub fn head_mut(&mut self) -> &mut Section {
        &mut self.head
    }

    /// The media, in order.
    pub fn media(&self) -> &[Media] {
        &self.media
    }

    /// The media, to change them.
    pub fn media_mut(&mut self) -> &mut [Media] {
        &mut self.media
    }

    /// The index of the first media of that kind (`audio`, `video`) that is not refused.
    pub fn find(&self, kind: &str) -> Option<usize> {
        self.media.iter().position(|media| media.kind() == kind && media.port() != 0)
    }

    /// The media with that `a=mid` (RFC 5888).
    pub fn by_mid(&self, mid: &str) -> Option<usize> {
        self.media.iter().position(|media| media.mid() == Some(mid))
    }

    /// The value of an attribute of a medium, else of the session: for what one says for all media (`setup`,
    /// `fingerprint`, `ice-ufrag`, `ice-options`).
    pub fn inherited(&self, media: usize, name: &str) -> Option<&str> {
        self.media.get(media).and_then(|media| media.attribute(name)).or_else(|| self.head.attribute(name))
    }

    /// Where media is sent to: the address of the `c=` line of a medium, else of the session. A multicast address comes
    /// with its TTL and count.
    pub fn address(&self, media: usize) -> Option<&str> {
        let own = self.media.get(media).and_then(|media| media.line('c'));
        own.or_else(|| self.head.line('c'))?.split_ascii_whitespace().nth(2)
    }

    /// The direction of a medium as the writer of the description sees it: its own attribute, else the session's, else
    /// both ways (RFC 3264 §6.1).
    ///
    /// An address of 0.0.0.0 says that its writer wants to receive nothing (the hold of RFC 2543; RFC 3264 §8.4). With
    /// ICE it only says that there is no candidate yet (RFC 8840 §4.1.1), as browsers write it in every offer.
    pub fn direction(&self, media: usize) -> Direction {
        let own = self.media.get(media).and_then(|media| Direction::of(media));
        let said = own.or_else(|| Direction::of(&self.head)).unwrap_or_default();
        let old_hold = self.address(media) == Some("0.0.0.0") && self.inherited(media, "ice-ufrag").is_none();
        if old_hold { said.without_receiving() } else { said }
    }

    /// Says the direction of a medium in an attribute of its own, in the place of the one that was there.
    pub fn set_direction(&mut self, media: usize, direction: Direction) {
        if let Some(media) = self.media.get_mut(media) {
            direction.put(media);
        }
    }

    /// Says the same direction of every medium that is not refused.
    pub fn set_directions(&mut self, direction: Direction) {
        for media in self.media.iter_mut().filter(|media| media.port() != 0) {
            direction.put(media);
        }
    }

    /// The direction of the voice: of the first audio that is not refused.
    pub fn audio_direction(&self) -> Option<Direction> {
        self.find("audio").map(|audio| self.direction(audio))
    }

    /// User fragment and password of a medium, its own or the session's (RFC 8839 §5.4).
    pub fn ice(&self, media: usize) -> Option<(&str, &str)> {
        Some((self.inherited(media, "ice-ufrag")?, self.inherited(media, "ice-pwd")?))
    }

    /// Whether `a=ice-options` of a medium or of the session names `option`: `trickle`, `ice2` (RFC 8839 §5.6).
    pub fn has_ice_option(&self, option: &str) -> bool {
        let named = |section: &Section| section.ice_options().any(|named| named == option);
        named(&self.head) || self.media.iter().any(|media| named(media))
    }

    /// Adds an option to `a=ice-options` of the session, when no part of the description has it.
    ///
    /// # Errors
    /// [`Error::Injection`] when it holds a control character.
    pub fn add_ice_option(&mut self, option: &str) -> Result<(), Error> {
        if self.has_ice_option(option) {
            return Ok(());
        }
        let value = match self.head.attribute("ice-options") {
            Some(before) => [before, " ", option].concat(),
            None => option.to_owned(),
        };
        self.head.set("ice-options", &value)
    }

    /// The `mid`s that share one transport (RFC 9143 §7): those of `a=group:BUNDLE`.
    pub fn bundle(&self) -> impl Iterator<Item = &str> {
        let group = self.head.attributes("group").find_map(|group| group.strip_prefix("BUNDLE"));
        group.unwrap_or("").split_ascii_whitespace()
    }

    /// The version in the `o=` line: a description that differs from the one before has the next (RFC 3264 §8).
    pub fn version(&self) -> Option<u64> {
        decimal(self.head.line('o')?.split(' ').nth(2)?)
    }

    /// Sets the version in the `o=` line.
    ///
    /// # Errors
    /// [`Error::Malformed`] when there is no legal `o=` line.
    pub fn set_version(&mut self, version: u64) -> Result<(), Error> {
        const FAULT: Error = Error::Malformed { what: "o= line" };
        let old = self.head.line('o').ok_or(FAULT)?;
        let mut words = old.splitn(4, ' ');
        let (Some(user), Some(id), Some(_), Some(rest)) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(FAULT);
        };
        let mut line = ["o=", user, " ", id, " "].concat();
        append_decimal(&mut line, version);
        line.push(' ');
        line.push_str(rest);
        self.head.set_line('o', line);
        Ok(())
    }

    /// Raises the version in the `o=` line by one.
    ///
    /// # Errors
    /// As [`Session::set_version`]; also when the version is no number or the last.
    pub fn bump_version(&mut self) -> Result<(), Error> {
        let next = self.version().and_then(|version| version.checked_add(1));
        self.set_version(next.ok_or(Error::Malformed { what: "o= line" })?)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(&self.head, &self.media))
    }
}

/// Cuts text into the lines before the first `m=` and the media.
fn read(bytes: &[u8]) -> Result<(Section, Vec<Media>), Error> {
    const FAULT: Error = Error::Malformed { what: "session description" };
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLong { what: "session description", limit: MAX_BYTES });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| FAULT)?;
    let mut head = Section::default();
    let mut media: Vec<Media> = Vec::new();
    let mut over = false;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            over = true;
            continue;
        }
        // RFC 8866 §9: a letter, `=`, and text without NUL, CR and LF.
        let typed = matches!(line.as_bytes(), [letter, b'=', ..] if letter.is_ascii_alphabetic());
        if over || !typed || line.bytes().any(|byte| matches!(byte, b'\0' | b'\r')) {
            return Err(FAULT);
        }
        if line.starts_with("m=") {
            if media.len() == MAX_MEDIA {
                return Err(Error::TooLong { what: "list of media", limit: MAX_MEDIA });
            }
            media.push(Media::read(line)?);
            continue;
        }
        let section: &mut Section = match media.last_mut() {
            Some(media) => media,
            None => &mut head,
        };
        section.push_read(line)?;
    }
    Ok((head, media))
}

fn write(head: &Section, media: &[Media]) -> String {
    let mut out = String::with_capacity(2_048);
    head.append(&mut out);
    for media in media {
        media.append(&mut out);
    }
    out
}
