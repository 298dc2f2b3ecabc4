//! Who a request comes from: digest authentication (RFC 3261 §22, RFC 7616, RFC 8760).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use soft_phone_sip::digest::{self, Secret};
use soft_phone_sip::value::Credentials;
use soft_phone_sip::{Challenge, Instant, Param, Request, Response, Uri};

use super::random::Random;
use super::reply::with;
use super::{DOMAIN, is_ours};

/// How long a nonce may be used; afterwards the client is asked again with `stale=true`.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// Nonces that are remembered; the oldest goes first, and its client is asked again.
const MAX_NONCES: usize = 1_024;

/// Offered in this order, strongest first (RFC 8760 §2.4).
const ALGORITHMS: [&str; 2] = ["SHA-256", "MD5"];

/// Which of the two header pairs of RFC 3261 §22 is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// 401, `WWW-Authenticate`, `Authorization`.
    Registrar,
    /// 407, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
}

impl Role {
    pub(super) fn status(self) -> u16 {
        match self {
            Role::Registrar => 401,
            Role::Proxy => 407,
        }
    }

    fn challenge(self) -> &'static str {
        match self {
            Role::Registrar => "WWW-Authenticate",
            Role::Proxy => "Proxy-Authenticate",
        }
    }

    fn credentials(self) -> &'static str {
        match self {
            Role::Registrar => "Authorization",
            Role::Proxy => "Proxy-Authorization",
        }
    }
}

/// What a request's credentials are worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The number of the user who sent it.
    User(String),
    /// No credentials for this realm.
    Missing,
    /// They are right, but their nonce is too old or its count was used before: ask again, the user need not.
    Stale,
    /// Unknown user or wrong password.
    Wrong,
    /// They are for another request (RFC 7616 §3.4.6).
    Malformed,
}

struct Nonce {
    expires: Instant,
    /// The highest count that was used.
    count: u32,
}

/// The users' secrets and the nonces that were given out.
pub(super) struct Authority {
    secrets: BTreeMap<String, Secret>,
    nonces: BTreeMap<String, Nonce>,
    /// The nonces by age: all live equally long, so the oldest expires first.
    by_age: VecDeque<String>,
}

impl Authority {
    /// `users`: number and password of each.
    pub(super) fn new(users: impl Iterator<Item = (String, String)>) -> Authority {
        let secrets = users.map(|(number, password)| (number, Secret::Password(password))).collect();
        Authority { secrets, nonces: BTreeMap::new(), by_age: VecDeque::new() }
    }

    /// Judges the credentials that `request` carries for `role`.
    pub(super) fn check(&mut self, now: Instant, role: Role, request: &Request) -> Verdict {
        let ours = request.headers.get_all(role.credentials()).filter_map(|value| value.parse().ok()).find(
            |credentials: &Credentials| {
                credentials.scheme.eq_ignore_ascii_case("Digest") && credentials.param("realm") == Some(DOMAIN)
            },
        );
        let Some(credentials) = ours else { return Verdict::Missing };
        let (Some(username), Some(nonce), Some(uri)) =
            (credentials.param("username"), credentials.param("nonce"), credentials.param("uri"))
        else {
            return Verdict::Malformed;
        };
        if !is_for(uri, &request.uri) {
            return Verdict::Malformed;
        }
        let offered = credentials.param("algorithm").unwrap_or("MD5");
        let Some(secret) = self.secrets.get(username) else { return Verdict::Wrong };
        // Without qop there is no count, hence no protection against replay.
        let Some(count) = credentials.param("nc").and_then(|text| u32::from_str_radix(text, 16).ok()) else {
            return Verdict::Wrong;
        };
        if credentials.param("qop").is_none()
            || !ALGORITHMS.iter().any(|name| name.eq_ignore_ascii_case(offered))
            || !digest::verify(&credentials, request.method.as_str(), &request.body, secret)
        {
            return Verdict::Wrong;
        }
        // RFC 7616 §3.3: `stale` is for who knows the password only.
        match self.nonces.get_mut(nonce) {
            Some(known) if known.expires > now && known.count < count => {
                known.count = count;
                Verdict::User(username.to_owned())
            }
            _ => Verdict::Stale,
        }
    }

    /// `response` with one challenge for each algorithm, on one fresh nonce.
    pub(super) fn challenge(
        &mut self,
        now: Instant,
        random: &mut Random,
        role: Role,
        stale: bool,
        mut response: Response,
    ) -> Response {
        let nonce = self.issue(now, random);
        for algorithm in ALGORITHMS {
            let mut params = vec![
                param("realm", DOMAIN),
                param("nonce", &nonce),
                param("algorithm", algorithm),
                param("qop", "auth"),
            ];
            if stale {
                params.push(param("stale", "true"));
            }
            let challenge = Challenge { scheme: "Digest".to_owned(), params };
            response = with(response, role.challenge(), challenge.to_string());
        }
        response
    }

    /// Takes the credentials that were meant for this server off a request that goes on (RFC 3261 §22.3).
    pub(super) fn strip(role: Role, request: &mut Request) {
        let name = role.credentials();
        let others: Vec<String> = request
            .headers
            .get_all(name)
            .filter(|value| value.parse().is_ok_and(|other: Credentials| other.param("realm") != Some(DOMAIN)))
            .map(str::to_owned)
            .collect();
        request.headers.remove(name);
        for value in others {
            // It was a header's value a moment ago.
            let _ = request.headers.push(name, value);
        }
    }

    fn issue(&mut self, now: Instant, random: &mut Random) -> String {
        while let Some(oldest) = self.by_age.front() {
            let expired = self.nonces.get(oldest).is_none_or(|nonce| nonce.expires <= now);
            if !expired && self.by_age.len() < MAX_NONCES {
                break;
            }
            if let Some(oldest) = self.by_age.pop_front() {
                self.nonces.remove(&oldest);
            }
        }
        let nonce = random.token();
        self.nonces.insert(nonce.clone(), Nonce { expires: now + NONCE_LIFETIME, count: 0 });
        self.by_age.push_back(nonce.clone());
        nonce
    }
}

fn param(name: &str, value: &str) -> Param {
    Param { name: name.to_owned(), value: Some(value.to_owned()) }
}

/// Whether the digest's `uri` is the request's. Two names of this server are one: a phone may sign `sip:127.0.0.1`.
fn is_for(uri: &str, request: &Uri) -> bool {
    let Ok(uri) = uri.parse::<Uri>() else { return false };
    uri.equivalent(request) || (uri.user == request.user && is_ours(&uri.host) && is_ours(&request.host))
}

#[cfg(test)]
mod tests {
    use soft_phone_sip::digest::{Client, Credentials as Login, choose};
    use soft_phone_sip::{Message, parse};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn request(uri: &str) -> Request {
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:1001@soft-phone.test>;tag=1\r\nTo: <sip:1001@soft-phone.test>\r\nCall-ID: 1\r\n\
             CSeq: 1 REGISTER\r\n\r\n"
        );
        match parse(text.as_bytes()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a response"),
        }
    }

    struct Phone {
        client: Client,
        login: Login,
    }

    impl Phone {
        fn new(password: &str) -> Phone {
            let secret = Secret::Password(password.into());
            Phone { client: Client::new(), login: Login { username: "1001".into(), secret } }
        }

        fn sign(&mut self, request: &Request, challenge: &Challenge) -> Request {
            let uri = request.uri.to_string();
            let value = self.client.authorize(challenge, &self.login, "REGISTER", &uri, b"", "cnonce").unwrap();
            let mut signed = request.clone();
            signed.headers.set("Authorization", value).unwrap();
            signed
        }
    }

    fn setup() -> (Authority, Random) {
        (Authority::new([("1001".to_owned(), "secret".to_owned())].into_iter()), Random::new([7; 32]))
    }

    fn challenges(authority: &mut Authority, random: &mut Random, now: Instant, stale: bool) -> Vec<Challenge> {
        let response = reply_to(random);
        let response = authority.challenge(now, random, Role::Registrar, stale, response);
        response.headers.get_all("WWW-Authenticate").map(|value| value.parse().unwrap()).collect()
    }

    fn reply_to(random: &mut Random) -> Response {
        super::super::reply::reply(random, &request("sip:soft-phone.test"), 401)
    }

    #[test]
    fn offers_sha_256_then_md5_on_one_nonce() {
        let (mut authority, mut random) = setup();
        let offered = challenges(&mut authority, &mut random, Instant::ZERO, false);
        let algorithms: Vec<_> = offered.iter().map(|challenge| challenge.param("algorithm")).collect();
        assert_eq!(algorithms, [Some("SHA-256"), Some("MD5")]);
        assert_eq!(offered[0].param("nonce"), offered[1].param("nonce"));
        assert_eq!(offered[0].param("nonce").map(str::len), Some(32));
        assert!(offered.iter().all(|challenge| challenge.param("stale").is_none()));
    }

    #[test]
    fn both_algorithms_let_the_user_in() {
        let (mut authority, mut random) = setup();
        let request = request("sip:soft-phone.test");
        for index in [0, 1] {
            let offered = challenges(&mut authority, &mut random, Instant::ZERO, false);
            let signed = Phone::new("secret").sign(&request, &offered[index]);
            assert_eq!(authority.check(Instant::ZERO, Role::Registrar, &signed), Verdict::User("1001".into()));
        }
    }

    #[test]
    fn what_is_not_proved_is_wrong() {
        let (mut authority, mut random) = setup();
        let plain = request("sip:soft-phone.test");
        assert_eq!(authority.check(Instant::ZERO, Role::Registrar, &plain), Verdict::Missing);
        let offered = challenges(&mut authority, &mut random, Instant::ZERO, false);
        let best = choose(offered.iter(), &Secret::Password(String::new())).unwrap();
        let signed = Phone::new("guess").sign(&plain, best);
        assert_eq!(authority.check(Instant::ZERO, Role::Registrar, &signed), Verdict::Wrong);
        assert_eq!(authority.check(Instant::ZERO, Role::Proxy, &signed), Verdict::Missing);
        let mut other = Phone::new("secret");
        other.login.username = "1009".into();
        let signed = other.sign(&plain, best);
        assert_eq!(authority.check(Instant::ZERO, Role::Registrar, &signed), Verdict::Wrong);
        let mut without_qop = best.clone();
        without_qop.params.retain(|param| param.name != "qop");
        let signed = Phone::new("secret").sign(&plain, &without_qop);
        assert_eq!(authority.check(Instant::ZERO, Role::Registrar, &signed), Verdict::Wrong);
    }

    #[test]
    fn credentials_are_for_one_uri() {
        let (mut authority, mut random) = setup();
        let offered = challenges(&mut authority, &mut random, Instant::ZERO, false);
        let mut signed = Phone::new("secret").sign(&request("sip:1002@soft-phone.test"), &offered[0]);
        signed.uri = "sip:600@soft-phone.test".parse().unwrap();
        assert_eq!(authority.check(Instant::ZERO, Role::Registrar, &signed), Verdict::Malformed);
    }

    #[test]
    fn a_count_is_good_once_and_a_nonce_for_five_minutes() {
        let (mut authority, mut random) = setup();
        let plain = request("sip:soft-phone.test");
        let offered = challenges(&mut authority, &mut random, Instant::ZERO, false);
        let mut phone = Phone::new("secret");
        let first = phone.sign(&plain, &offered[0]);
        let second = phone.sign(&plain, &offered[0]);
        let third = phone.sign(&plain, &offered[0]);
        let mut check = |at, request: &Request| authority.check(Instant::ZERO + at, Role::Registrar, request);
        assert_eq!(check(SECOND, &first), Verdict::User("1001".into()));
        assert_eq!(check(SECOND, &first), Verdict::Stale);
        assert_eq!(check(NONCE_LIFETIME - SECOND, &second), Verdict::User("1001".into()));
        assert_eq!(check(NONCE_LIFETIME, &third), Verdict::Stale);
    }

    #[test]
    fn nonces_are_bounded() {
        let (mut authority, mut random) = setup();
        for _ in 0..3 * MAX_NONCES {
            authority.issue(Instant::ZERO, &mut random);
        }
        assert_eq!((authority.nonces.len(), authority.by_age.len()), (MAX_NONCES, MAX_NONCES));
        authority.issue(Instant::ZERO + NONCE_LIFETIME, &mut random);
        assert_eq!((authority.nonces.len(), authority.by_age.len()), (1, 1));
    }

    #[test]
    fn only_our_credentials_are_taken_off() {
        let (mut authority, mut random) = setup();
        let offered = challenges(&mut authority, &mut random, Instant::ZERO, false);
        let mut signed = Phone::new("secret").sign(&request("sip:soft-phone.test"), &offered[0]);
        let other = r#"Digest username="a", realm="elsewhere", nonce="n", uri="sip:b", response="r""#;
        signed.headers.push("Authorization", other).unwrap();
        Authority::strip(Role::Registrar, &mut signed);
        assert_eq!(signed.headers.get_all("Authorization").collect::<Vec<_>>(), [other]);
    }
}
