//! The attributes of ICE (RFC 8839) that the session or a medium may have.

use super::Section;
use crate::Error;
use crate::scan::decimal;

/// A candidate as far as it is read here (RFC 8839 §5.1): the first parts of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Same for candidates that are alike to the network.
    pub foundation: &'a str,
    /// 1 is RTP, 2 RTCP.
    pub component: u16,
    /// `UDP`, `TCP`, in any case.
    pub transport: &'a str,
    /// More is better.
    pub priority: u32,
    /// An IP address or a name, such as the `.local` ones that browsers hide addresses behind.
    pub address: &'a str,
    /// 9 for TCP that only connects.
    pub port: u16,
    /// `host`, `srflx`, `prflx`, `relay`.
    pub kind: &'a str,
}

impl<'a> Candidate<'a> {
    /// Reads `candidate:…`, with or without `a=` and that word before it.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &'a str) -> Result<Candidate<'a>, Error> {
        read(text).ok_or(Error::Malformed { what: "candidate" })
    }
}

fn read(text: &str) -> Option<Candidate<'_>> {
    let mut words = bare(text).split(' ');
    let (foundation, component, transport) = (words.next()?, words.next()?, words.next()?);
    let (priority, address, port) = (words.next()?, words.next()?, words.next()?);
    let (typ, kind) = (words.next()?, words.next()?);
    let legal = typ == "typ" && ![foundation, transport, address, kind].contains(&"");
    legal.then_some(Candidate {
        foundation,
        component: decimal(component)?.try_into().ok()?,
        transport,
        priority: decimal(priority)?.try_into().ok()?,
        address,
        port: decimal(port)?.try_into().ok()?,
        kind,
    })
}

fn bare(text: &str) -> &str {
    let text = text.strip_prefix("a=").unwrap_or(text);
    text.strip_prefix("candidate:").unwrap_or(text)
}

impl Section {
    /// `a=ice-ufrag`.
    pub fn ice_ufrag(&self) -> Option<&str> {
        self.attribute("ice-ufrag")
    }

    /// `a=ice-pwd`.
    pub fn ice_pwd(&self) -> Option<&str> {
        self.attribute("ice-pwd")
    }

    /// Sets user fragment and password.
    ///
    /// # Errors
    /// [`Error::Injection`].
    pub fn set_ice(&mut self, ufrag: &str, pwd: &str) -> Result<(), Error> {
        self.set("ice-ufrag", ufrag)?;
        self.set("ice-pwd", pwd)
    }

    /// What `a=ice-options` names.
    pub fn ice_options(&self) -> impl Iterator<Item = &str> {
        self.attributes("ice-options").flat_map(str::split_ascii_whitespace)
    }

    /// The role in DTLS (RFC 8842 §5): `actpass`, `active`, `passive`.
    pub fn setup(&self) -> Option<&str> {
        self.attribute("setup")
    }

    /// The candidates, each `candidate:…` as browsers take and give them.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        self.lines().filter_map(|line| line.strip_prefix("a=").filter(|line| line.starts_with("candidate:")))
    }

    /// Adds a candidate behind the others, before `a=end-of-candidates`; one that is there already is not added twice.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is none, [`Error::Injection`].
    pub fn add_candidate(&mut self, candidate: &str) -> Result<(), Error> {
        Candidate::parse(candidate)?;
        let value = bare(candidate);
        if self.attributes("candidate").any(|known| known == value) {
            return Ok(());
        }
        let ended = !self.has("candidate") && self.remove("end-of-candidates").is_some();
        self.add("candidate", value)?;
        if ended { self.set_end_of_candidates() } else { Ok(()) }
    }

    /// Removes every candidate, and that they are all.
    pub fn remove_candidates(&mut self) {
        self.remove("candidate");
        self.remove("end-of-candidates");
    }

    /// Whether no candidate will follow (RFC 8840 §8.2).
    pub fn end_of_candidates(&self) -> bool {
        self.has("end-of-candidates")
    }

    /// Says that no candidate will follow.
    ///
    /// # Errors
    /// None today.
    pub fn set_end_of_candidates(&mut self) -> Result<(), Error> {
        self.set("end-of-candidates", "")
    }
}
