//! What the broken input is made of: the messages, descriptions and bodies of `tests/data`, whole or by the line, as each
//! target reads them.

use std::path::Path;

/// Which of the fixtures a target's input is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corpus {
    /// Whole SIP messages.
    Messages,
    /// First lines and header lines.
    Lines,
    /// Challenges and credentials.
    Challenges,
    /// Session descriptions and fragments of them.
    Descriptions,
    /// Presence documents.
    Presence,
    /// Documents about dialogs.
    Dialogs,
    /// Summaries of mailboxes.
    Mailboxes,
    /// Documents about registrations.
    Registrations,
}

/// All of them, in the order in which [`Pieces`] keeps them.
const ALL: [Corpus; 8] = [
    Corpus::Messages,
    Corpus::Lines,
    Corpus::Challenges,
    Corpus::Descriptions,
    Corpus::Presence,
    Corpus::Dialogs,
    Corpus::Mailboxes,
    Corpus::Registrations,
];

/// Every algorithm and quality of protection, beside the few challenges that the fixtures have.
const CHALLENGES: &[&str] = &[
    "Digest realm=\"atlanta.com\", domain=\"sip:boxesbybob.com\", qop=\"auth\", nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", \
     opaque=\"\", stale=FALSE, algorithm=MD5",
    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
    "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, userhash=true, charset=UTF-8, \
     nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\"",
    "Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", algorithm=MD5-sess, qop=\"auth-int\", stale=true",
    "Digest realm=\"a\", nonce=\"n\", algorithm=SHA-256-sess, qop=auth",
    "Digest realm=\"old\", nonce=\"n\"",
    "Basic realm=\"other\"",
    "Digest username=\"alice\", realm=\"atlanta.com\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", uri=\"sip:atlanta.com\", \
     response=\"7587245234b3434cc3412213e5f113a5432\"",
    "Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm=\"api@example.org\", uri=\"/doe.json\", algorithm=SHA-512-256, \
     nonce=\"n\", nc=00000001, cnonce=\"c\", qop=auth, response=\"ae66e67d\", opaque=\"o\", userhash=false",
];

/// Fixtures of one kind.
#[derive(Default)]
pub struct Pieces {
    pub wholes: Vec<Vec<u8>>,
    /// Start of each line of each whole, for cuts that keep lines whole.
    pub lines: Vec<Vec<usize>>,
}

impl Pieces {
    fn add(&mut self, whole: &[u8]) {
        let after = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        self.lines.push(std::iter::once(0).chain(after).collect());
        self.wholes.push(whole.to_vec());
    }
}

/// All fixtures.
pub struct Fixtures(Vec<Pieces>);

impl Fixtures {
    /// Reads `tests/data`, in the order of the names in it.
    ///
    /// # Errors
    /// When a file cannot be read, or there is none of a kind.
    pub fn read() -> Result<Fixtures, String> {
        let mut paths = Vec::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), &mut paths).map_err(|e| e.to_string())?;
        paths.sort();
        let mut fixtures = Fixtures(ALL.iter().map(|_| Pieces::default()).collect());
        for path in paths {
            let content = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            fixtures.sort_in(&path, &content);
        }
        for challenge in CHALLENGES {
            fixtures.add(Corpus::Challenges, challenge.as_bytes());
        }
        match ALL.iter().find(|corpus| fixtures.of(**corpus).wholes.is_empty()) {
            Some(corpus) => Err(format!("no fixtures of {corpus:?} in tests/data")),
            None => Ok(fixtures),
        }
    }

    pub fn of(&self, corpus: Corpus) -> &Pieces {
        &self.0[corpus as usize]
    }

    fn add(&mut self, corpus: Corpus, whole: &[u8]) {
        self.0[corpus as usize].add(whole);
    }

    fn sort_in(&mut self, path: &Path, content: &[u8]) {
        let text = String::from_utf8_lossy(content);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("dat") => {
                self.add(Corpus::Messages, content);
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                for line in head.split("\r\n") {
                    self.add(Corpus::Lines, line.as_bytes());
                    let (name, value) = line.split_once(": ").unwrap_or((line, ""));
                    if name.ends_with("Authenticate") || name.ends_with("Authorization") {
                        self.add(Corpus::Challenges, value.as_bytes());
                    }
                }
                if body.starts_with("v=0") {
                    self.add(Corpus::Descriptions, body.as_bytes());
                }
            }
            Some("sdp") => self.add(Corpus::Descriptions, content),
            Some("txt") => self.add(Corpus::Mailboxes, content),
            Some("xml") if text.contains("<presence") => self.add(Corpus::Presence, content),
            Some("xml") if text.contains("<dialog-info") => self.add(Corpus::Dialogs, content),
            Some("xml") if text.contains("<reginfo") => self.add(Corpus::Registrations, content),
            _ => {}
        }
    }
}

fn collect(folder: &Path, paths: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
