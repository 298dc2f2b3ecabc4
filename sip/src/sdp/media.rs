//! One medium: its `m=` line and codecs (RFC 8866 §5.14, §6.6; RFC 3551).

use std::ops::{Deref, DerefMut};

use super::Section;
use crate::Error;
use crate::scan::{append_decimal, cut, decimal};

/// The lines of one medium, the first of which is its `m=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media(Section);

/// A format of RTP and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codec<'a> {
    /// The payload type, as it stands in the `m=` line.
    pub format: &'a str,
    /// The encoding's name as it came: `opus`, `PCMA`, `telephone-event`. Case does not count.
    pub name: &'a str,
    /// Clock rate in Hz: 8,000 for G722 by an old mistake.
    pub clock: u32,
    /// Channels, 1 unless said.
    pub channels: u8,
}

/// Formats of a medium: RTP has 128 payload types, and each is looked up among all lines.
const MAX_FORMATS: usize = 256;

/// The payload types of telephones that need no `a=rtpmap` (RFC 3551 §6).
const STATIC: [(&str, &str); 6] =
    [("0", "PCMU"), ("3", "GSM"), ("8", "PCMA"), ("9", "G722"), ("13", "CN"), ("18", "G729")];

impl Deref for Media {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.0
    }
}

impl DerefMut for Media {
    fn deref_mut(&mut self) -> &mut Section {
        &mut self.0
    }
}

impl Media {
    /// A medium of an `m=` line.
    pub(super) fn read(line: &str) -> Result<Media, Error> {
        let media = Media(Section(vec![line.to_owned()]));
        let port = media.word(1).map_or("", |port| cut(port, b'/').0);
        if media.formats().nth(MAX_FORMATS).is_some() {
            return Err(Error::TooLong { what: "list of formats", limit: MAX_FORMATS });
        }
        let legal = decimal(port).is_some_and(|port| port <= 65_535) && media.word(2).is_some();
        if legal { Ok(media) } else { Err(Error::Malformed { what: "m= line" }) }
    }

    /// What it is: `audio`, `video`, `text`, `application`, `message`.
    pub fn kind(&self) -> &str {
        self.word(0).unwrap_or("")
    }

    /// The port; 0 refuses the medium (RFC 3264 §6), unless it hangs on another's transport (`a=bundle-only`).
    pub fn port(&self) -> u16 {
        let port = self.word(1).map_or("", |port| cut(port, b'/').0);
        decimal(port).and_then(|port| port.try_into().ok()).unwrap_or(0)
    }

    /// Sets the port; a count of ports (`/2`) goes.
    pub fn set_port(&mut self, port: u16) {
        let mut text = String::new();
        append_decimal(&mut text, u64::from(port));
        let rest: Vec<&str> = self.words().skip(2).collect();
        self.set_words(&text, &rest.join(" "));
    }

    /// The transport: `RTP/AVP`, `UDP/TLS/RTP/SAVPF`.
    pub fn protocol(&self) -> &str {
        self.word(2).unwrap_or("")
    }

    /// The formats, best first; payload types where the transport is RTP.
    pub fn formats(&self) -> impl Iterator<Item = &str> {
        self.words().skip(3)
    }

    /// What a format stands for: by its `a=rtpmap`, else by RFC 3551.
    pub fn codec<'a>(&'a self, format: &'a str) -> Option<Codec<'a>> {
        let mapped = self.attributes("rtpmap").find_map(|map| {
            let (known, encoding) = map.split_once(' ')?;
            (known == format).then_some(encoding.trim_start())
        });
        let Some(encoding) = mapped else {
            let (_, name) = STATIC.into_iter().find(|(known, _)| *known == format)?;
            return Some(Codec { format, name, clock: 8_000, channels: 1 });
        };
        let mut parts = encoding.split('/');
        let (name, clock) = (parts.next()?, parts.next()?);
        let channels = parts.next().and_then(|count| decimal(count)?.try_into().ok()).unwrap_or(1);
        Some(Codec { format, name, clock: decimal(clock)?.try_into().ok()?, channels })
    }

    /// The codecs of the formats, best first; formats that nothing is known of are left out.
    pub fn codecs(&self) -> impl Iterator<Item = Codec<'_>> {
        self.formats().filter_map(|format| self.codec(format))
    }

    /// Whether a codec of that name is there, in any case: `telephone-event`.
    pub fn has_codec(&self, name: &str) -> bool {
        self.codecs().any(|codec| codec.name.eq_ignore_ascii_case(name))
    }

    /// The parameters of a format, from its `a=fmtp`.
    pub fn parameters(&self, format: &str) -> Option<&str> {
        self.attributes("fmtp").find_map(|line| line.strip_prefix(format)?.strip_prefix(' '))
    }

    /// Puts the codecs of these names first, in this order; the others follow in theirs.
    pub fn prefer(&mut self, names: &[&str]) {
        let mut order: Vec<&str> = Vec::new();
        for name in names {
            for codec in self.codecs() {
                if codec.name.eq_ignore_ascii_case(name) && !order.contains(&codec.format) {
                    order.push(codec.format);
                }
            }
        }
        for format in self.formats() {
            if !order.contains(&format) {
                order.push(format);
            }
        }
        self.set_formats(&order.join(" "));
    }

    /// Takes a codec out, in any case of its name, with its attributes and with the formats that only carry it (`rtx`
    /// of RFC 4588, `red` of RFC 2198). Whether it was there; nothing happens when no format would be left.
    pub fn remove_codec(&mut self, name: &str) -> bool {
        let mut gone: Vec<String> = Vec::new();
        for codec in self.codecs().filter(|codec| codec.name.eq_ignore_ascii_case(name)) {
            gone.push(codec.format.to_owned());
        }
        let carriers = self.formats().filter(|format| {
            self.parameters(format).is_some_and(|parameters| {
                let carried =
                    parameters.strip_prefix("apt=").or_else(|| parameters.split_once('/').map(|(one, _)| one));
                carried.is_some_and(|carried| gone.iter().any(|format| format == carried))
            })
        });
        let carriers: Vec<String> = carriers.map(str::to_owned).collect();
        gone.extend(carriers);
        let is_gone = |format: &str| gone.iter().any(|gone| gone == format);
        let left: Vec<&str> = self.formats().filter(|format| !is_gone(format)).collect();
        if gone.is_empty() || left.is_empty() {
            return false;
        }
        self.set_formats(&left.join(" "));
        self.0.0.retain(|line| {
            let value = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
            !value.is_some_and(|value| is_gone(cut(value, b' ').0))
        });
        true
    }

    /// The name of the medium within the description (RFC 5888): what a browser calls `sdpMid`.
    pub fn mid(&self) -> Option<&str> {
        self.attribute("mid")
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.line('m').unwrap_or("").split_ascii_whitespace()
    }

    fn word(&self, place: usize) -> Option<&str> {
        self.words().nth(place)
    }

    fn set_formats(&mut self, formats: &str) {
        let rest = [self.protocol(), " ", formats].concat();
        let port = self.word(1).unwrap_or("0").to_owned();
        self.set_words(&port, &rest);
    }

    fn set_words(&mut self, port: &str, rest: &str) {
        let line = ["m=", self.kind(), " ", port, " ", rest].concat();
        self.0.set_line('m', line);
    }
}
