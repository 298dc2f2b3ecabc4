//! Digest authentication, both sides: RFC 7616's computation, RFC 8760's choice among algorithms, RFC 3261 §22's use.
//!
//! No nonce and no client nonce is made here: entropy belongs to the caller.

use std::fmt;

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

use crate::scan::{check_text, trim};
use crate::value::{self, Challenge};
use crate::{Error, Param};

/// A hash algorithm of digest authentication (RFC 7616 §6.1). Ordered by strength, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, also what a challenge without `algorithm` means.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    const ALL: [Algorithm; 6] = [
        Algorithm::Md5,
        Algorithm::Md5Sess,
        Algorithm::Sha256,
        Algorithm::Sha256Sess,
        Algorithm::Sha512_256,
        Algorithm::Sha512_256Sess,
    ];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
            Algorithm::Sha512_256 => "SHA-512-256",
            Algorithm::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// The algorithm of that name, in any case.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// The one without `-sess`: the hash itself.
    fn hash(self) -> Algorithm {
        match self {
            Algorithm::Md5Sess => Algorithm::Md5,
            Algorithm::Sha256Sess => Algorithm::Sha256,
            Algorithm::Sha512_256Sess => Algorithm::Sha512_256,
            plain => plain,
        }
    }

    /// H(a:b:…) in small hexadecimal digits.
    fn digest(self, parts: &[&[u8]]) -> String {
        match self.hash() {
            Algorithm::Md5 => digest_of::<Md5>(parts),
            Algorithm::Sha256 => digest_of::<Sha256>(parts),
            _ => digest_of::<Sha512_256>(parts),
        }
    }
}

fn digest_of<D: Digest>(parts: &[&[u8]]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    let hash = hasher.finalize();
    let mut out = String::with_capacity(hash.len() * 2);
    for &byte in hash.iter() {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}

/// What proves who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself: answers every algorithm.
    Password(String),
    /// H(username:realm:password), for one hash and one realm: the password need not be known.
    Ha1 {
        /// The hash; its `-sess` variant is answered too.
        algorithm: Algorithm,
        /// Hexadecimal digits.
        value: String,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Password(_) => "Password(…)",
            Secret::Ha1 { .. } => "Ha1(…)",
        })
    }
}

impl Secret {
    /// Whether a challenge of that algorithm can be answered.
    fn answers(&self, wanted: Algorithm) -> bool {
        match self {
            Secret::Password(_) => true,
            Secret::Ha1 { algorithm, .. } => algorithm.hash() == wanted.hash(),
        }
    }

    /// HA1 of RFC 7616 §3.4.2, before `-sess`; `None` when it is one of another hash.
    fn ha1(&self, algorithm: Algorithm, username: &str, realm: &str) -> Option<String> {
        match self {
            Secret::Password(password) => {
                Some(algorithm.digest(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()]))
            }
            Secret::Ha1 { value, .. } => self.answers(algorithm).then(|| value.to_ascii_lowercase()),
        }
    }
}

/// Who we are to a registrar or a proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name in the server's user database.
    pub username: String,
    /// Its proof.
    pub secret: Secret,
}

/// Without the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What is protected (RFC 7616 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Qop {
    /// No `qop`: RFC 2069's form, without nonce count.
    None,
    Auth,
    /// The body too.
    AuthInt,
}

/// The algorithm and protection that answer a challenge; `None` when we have no answer.
fn answer_to(challenge: &Challenge) -> Option<(Algorithm, Qop)> {
    if !challenge.scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    challenge.param("nonce")?;
    challenge.param("realm")?;
    let algorithm = Algorithm::from_name(challenge.param("algorithm").unwrap_or("MD5"))?;
    let qop = match challenge.param("qop") {
        None => Qop::None,
        Some(list) => {
            let offers = |name: &str| list.split(',').any(|item| trim(item).eq_ignore_ascii_case(name));
            match (offers("auth"), offers("auth-int")) {
                (true, _) => Qop::Auth,
                (false, true) => Qop::AuthInt,
                // An empty list is a fault of some servers that mean the old form.
                (false, false) if trim(list).is_empty() => Qop::None,
                (false, false) => return None,
            }
        }
    };
    // A session key is made of the client nonce, which only goes with qop (RFC 7616 §3.4.2).
    let sess = algorithm != algorithm.hash();
    (!(sess && qop == Qop::None)).then_some((algorithm, qop))
}

/// The strongest challenge that `secret` can answer; of equally strong ones the first, which the server prefers
/// (RFC 8760 §2.4). The weaker ones are there for others: answering them would let whoever can remove a header from
/// the response choose the hash.
pub fn choose<'a>(challenges: impl Iterator<Item = &'a Challenge>, secret: &Secret) -> Option<&'a Challenge> {
    let mut best: Option<(Algorithm, &Challenge)> = None;
    for challenge in challenges {
        let Some((algorithm, _)) = answer_to(challenge) else { continue };
        if secret.answers(algorithm) && best.is_none_or(|(strongest, _)| algorithm.hash() > strongest.hash()) {
            best = Some((algorithm, challenge));
        }
    }
    best.map(|(_, challenge)| challenge)
}

/// [`choose`] for each realm of a response, in the order in which they appear: several proxies on a path may each ask
/// (RFC 3261 §22.3).
pub fn choose_each_realm<'a>(challenges: &'a [Challenge], secret: &Secret) -> Vec<&'a Challenge> {
    let mut realms: Vec<&str> = Vec::new();
    for realm in challenges.iter().filter_map(|challenge| challenge.param("realm")) {
        if !realms.contains(&realm) {
            realms.push(realm);
        }
    }
    let of_realm = |realm: &&str| choose(challenges.iter().filter(|c| c.param("realm") == Some(realm)), secret);
    realms.iter().filter_map(of_realm).collect()
}

/// Answers the challenges of one protection space and counts the uses of its nonce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    nonce: String,
    count: u32,
}

impl Client {
    /// No nonce used yet.
    pub fn new() -> Client {
        Client::default()
    }

    /// The nonce that was answered last; empty before the first one.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The value of an `Authorization` or `Proxy-Authorization` header that answers `challenge`.
    ///
    /// `uri` is the Request-URI as it is written, `cnonce` fresh random text. A nonce that was used before gets the next
    /// nonce count; a new one starts at 1 (RFC 7616 §3.4).
    ///
    /// # Errors
    /// [`Error::Malformed`] for a challenge that cannot be answered (see [`choose`]); [`Error::Injection`] for a username
    /// with control characters.
    #[allow(clippy::too_many_arguments, reason = "RFC 7616's own inputs; a struct would only rename them")]
    pub fn authorize(
        &mut self,
        challenge: &Challenge,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        body: &[u8],
        cnonce: &str,
    ) -> Result<String, Error> {
        let unanswerable = Error::Malformed { what: "challenge" };
        check_text("username", &credentials.username)?;
        let Some((algorithm, qop)) = answer_to(challenge) else { return Err(unanswerable) };
        let (realm, nonce) = (challenge.param("realm").unwrap_or(""), challenge.param("nonce").unwrap_or(""));
        if self.nonce != nonce {
            nonce.clone_into(&mut self.nonce);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        let nc = format!("{:08x}", self.count);
        let Some(ha1) = credentials.secret.ha1(algorithm, &credentials.username, realm) else {
            return Err(unanswerable);
        };
        let inputs = Inputs { algorithm, qop, nonce, nc: &nc, cnonce, method, uri, body };
        let response = inputs.response(ha1);

        let mut params = Vec::with_capacity(11);
        let mut push = |name: &str, value: &str| {
            params.push(Param { name: name.to_owned(), value: Some(value.to_owned()) });
        };
        push("username", &credentials.username);
        push("realm", realm);
        push("nonce", nonce);
        push("uri", uri);
        push("response", &response);
        // A challenge without `algorithm` is answered without: some old servers know no such parameter.
        if challenge.param("algorithm").is_some() {
            push("algorithm", algorithm.as_str());
        }
        if qop != Qop::None {
            push("qop", if qop == Qop::Auth { "auth" } else { "auth-int" });
            push("nc", &nc);
            push("cnonce", cnonce);
        }
        if let Some(opaque) = challenge.param("opaque") {
            push("opaque", opaque);
        }
        Ok(value::Credentials { scheme: "Digest".to_owned(), params }.to_string())
    }
}

/// What goes into a response beside HA1 (RFC 7616 §3.4.1).
struct Inputs<'a> {
    algorithm: Algorithm,
    qop: Qop,
    nonce: &'a str,
    nc: &'a str,
    cnonce: &'a str,
    method: &'a str,
    uri: &'a str,
    body: &'a [u8],
}

impl Inputs<'_> {
    fn response(&self, mut ha1: String) -> String {
        let hash = self.algorithm;
        let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
        if hash != hash.hash() {
            ha1 = hash.digest(&[ha1.as_bytes(), nonce, cnonce]);
        }
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        // RFC 7616 §3.4.3
        let ha2 = match self.qop {
            Qop::AuthInt => hash.digest(&[method, uri, hash.digest(&[self.body]).as_bytes()]),
            Qop::Auth | Qop::None => hash.digest(&[method, uri]),
        };
        let (ha1, ha2) = (ha1.as_bytes(), ha2.as_bytes());
        match self.qop {
            Qop::None => hash.digest(&[ha1, nonce, ha2]),
            Qop::Auth => hash.digest(&[ha1, nonce, self.nc.as_bytes(), cnonce, b"auth", ha2]),
            Qop::AuthInt => hash.digest(&[ha1, nonce, self.nc.as_bytes(), cnonce, b"auth-int", ha2]),
        }
    }
}

/// Whether `authorization` proves knowledge of `secret` for this method and body.
///
/// The user name, realm, nonce, count and URI are taken from the header: that they are the server's own, fresh and those
/// of the request is for the server to check.
pub fn verify(authorization: &value::Credentials, method: &str, body: &[u8], secret: &Secret) -> bool {
    let param = |name: &str| authorization.param(name);
    let qop = match param("qop") {
        None => Qop::None,
        Some(name) if name.eq_ignore_ascii_case("auth") => Qop::Auth,
        Some(name) if name.eq_ignore_ascii_case("auth-int") => Qop::AuthInt,
        Some(_) => return false,
    };
    let (Some(username), Some(realm), Some(nonce), Some(uri), Some(response)) =
        (param("username"), param("realm"), param("nonce"), param("uri"), param("response"))
    else {
        return false;
    };
    let Some(algorithm) = Algorithm::from_name(param("algorithm").unwrap_or("MD5")) else { return false };
    let (nc, cnonce) = (param("nc").unwrap_or(""), param("cnonce").unwrap_or(""));
    if !authorization.scheme.eq_ignore_ascii_case("Digest")
        || (qop != Qop::None && (nc.len() != 8 || cnonce.is_empty()))
    {
        return false;
    }
    let Some(ha1) = secret.ha1(algorithm, username, realm) else { return false };
    let wanted = Inputs { algorithm, qop, nonce, nc, cnonce, method, uri, body }.response(ha1);
    same(wanted.as_bytes(), response.to_ascii_lowercase().as_bytes())
}

/// What a server says after it took our answer (`Authentication-Info`, RFC 7616 §3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The nonce to answer from now on.
    pub next_nonce: Option<String>,
    /// Whether the server proves that it knows the secret too; `None`: it does not try.
    pub proven: Option<bool>,
}

impl Info {
    /// Reads the header's value. `sent` are the credentials that the response is about, `body` is the response's.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLong`], [`Error::Injection`].
    pub fn read(text: &str, sent: &value::Credentials, body: &[u8], secret: &Secret) -> Result<Info, Error> {
        check_text("authentication header", text)?;
        let params = value::read_params(text)?;
        let param = |name: &str| Param::find(&params, name).flatten();
        let proves = |rspauth: &str| {
            // "The values MUST be the ones for the client request to which this message is the response."
            let same_as_sent = |name: &str| param(name).is_none_or(|value| sent.param(name) == Some(value));
            let ours = same_as_sent("cnonce") && same_as_sent("nc");
            let qop = Param { name: "qop".to_owned(), value: param("qop").or(sent.param("qop")).map(str::to_owned) };
            let response = Param { name: "response".to_owned(), value: Some(rspauth.to_owned()) };
            let mut params = sent.params.clone();
            params.retain(|param| param.name != "qop" && param.name != "response");
            params.extend(qop.value.is_some().then_some(qop));
            params.push(response);
            // As our own proof, but without a method.
            ours && verify(&value::Credentials { scheme: sent.scheme.clone(), params }, "", body, secret)
        };
        Ok(Info {
            proven: param("rspauth").map(proves),
            next_nonce: param("nextnonce").filter(|nonce| !nonce.is_empty()).map(str::to_owned),
        })
    }
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}
