//! Candidates that follow a description: `application/trickle-ice-sdpfrag` (RFC 8840 §9), the body of an INFO.

use std::fmt;

use super::{Media, Section, Session, read, write};
use crate::Error;

/// A piece of a description: candidates and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    head: Section,
    parts: Vec<Media>,
}

/// What a fragment says of one medium.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The medium's `a=mid`.
    pub mid: &'a str,
    /// User fragment and password, its own or the fragment's: candidates of another generation are of no use
    /// (RFC 8838 §11).
    pub ice: Option<(&'a str, &'a str)>,
    /// Its other lines.
    lines: &'a Section,
    /// No candidate follows in any medium.
    all_ended: bool,
}

impl<'a> Part<'a> {
    /// The candidates, each `candidate:…` as browsers take and give them.
    pub fn candidates(&self) -> impl Iterator<Item = &'a str> {
        self.lines.candidates()
    }

    /// Whether no candidate will follow.
    pub fn end_of_candidates(&self) -> bool {
        self.all_ended || self.lines.end_of_candidates()
    }
}

impl Fragment {
    /// The media type of a fragment.
    pub const CONTENT_TYPE: &'static str = "application/trickle-ice-sdpfrag";
    /// The INFO package that carries it (RFC 8840 §10).
    pub const PACKAGE: &'static str = "trickle-ice";

    /// A fragment without candidates for the session described: its user fragment and password (those of the first
    /// medium that has them), and its bundle.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the description has no ICE.
    pub fn new(session: &Session) -> Result<Fragment, Error> {
        let ice = (0..session.media().len()).find_map(|media| session.ice(media));
        let (ufrag, pwd) = ice.ok_or(Error::Malformed { what: "session description without ICE" })?;
        let mut head = Section::default();
        if let Some(group) = session.head().attributes("group").find(|group| group.starts_with("BUNDLE")) {
            head.set("group", group)?;
        }
        head.set("ice-pwd", pwd)?;
        head.set("ice-ufrag", ufrag)?;
        Ok(Fragment { head, parts: Vec::new() })
    }

    /// Adds a candidate of the medium `media` of `session`, with that medium's `m=` line as RFC 8840 §9.2 has it:
    /// port 9, the first format.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the candidate is none, or the medium is not there or has no `mid`.
    pub fn add_candidate(&mut self, session: &Session, media: usize, candidate: &str) -> Result<(), Error> {
        self.part(session, media)?.add_candidate(candidate)
    }

    /// Says that no candidate of that medium follows. It stands in the last fragment, which repeats the candidates
    /// that the other side may have missed.
    ///
    /// # Errors
    /// As [`Fragment::add_candidate`].
    pub fn end_candidates(&mut self, session: &Session, media: usize) -> Result<(), Error> {
        self.part(session, media)?.set_end_of_candidates()
    }

    /// Reads a fragment.
    ///
    /// # Errors
    /// As [`Session::parse`]; also when a medium has no `mid`.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Fragment, Error> {
        let (head, parts) = read(text.as_ref())?;
        if parts.iter().any(|part| part.mid().is_none()) {
            return Err(Error::Malformed { what: "candidates without a=mid" });
        }
        Ok(Fragment { head, parts })
    }

    /// What it says, medium by medium.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.parts.iter().map(|part| {
            let inherited = |name| part.attribute(name).or_else(|| self.head.attribute(name));
            Part {
                mid: part.mid().unwrap_or(""),
                ice: inherited("ice-ufrag").zip(inherited("ice-pwd")),
                lines: part,
                all_ended: self.head.end_of_candidates(),
            }
        })
    }

    fn part(&mut self, session: &Session, media: usize) -> Result<&mut Media, Error> {
        const FAULT: Error = Error::Malformed { what: "medium of a candidate" };
        let media = session.media().get(media).ok_or(FAULT)?;
        let mid = media.mid().ok_or(FAULT)?;
        let place = match self.parts.iter().position(|part| part.mid() == Some(mid)) {
            Some(place) => place,
            None => {
                let format = media.formats().next().unwrap_or("0");
                let line = ["m=", media.kind(), " 9 ", media.protocol(), " ", format].concat();
                let mut part = Media::read(&line)?;
                part.set("mid", mid)?;
                self.parts.push(part);
                self.parts.len() - 1
            }
        };
        self.parts.get_mut(place).ok_or(FAULT)
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(&self.head, &self.parts))
    }
}
