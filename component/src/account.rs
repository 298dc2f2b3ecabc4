//! The account (contract §6): who signs in where. Checked field by field; no secret leaves this module but to `sip`.

pub mod load;

use std::fmt;

use soft_phone_sip::digest::{Algorithm, Credentials, Secret};
use soft_phone_sip::{NameAddr, Uri};

use crate::socket::url;
use crate::state::Problem;

/// A JSON value, read out of the browser's own parser.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null` or missing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Names and values, in order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A field of an object; `Null` when it is missing, or this is no object.
    pub fn field(&self, name: &str) -> &Value {
        match self {
            Value::Object(fields) => Fields(fields).get(name),
            _ => &Value::Null,
        }
    }
}

/// An ICE server, as `RTCPeerConnection` wants it.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN: a secret.
    pub credential: Option<String>,
}

/// The rules of an office's numbers; what it leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialPlan {
    /// ISO 3166 code of the country of numbers that are written without one.
    pub country: String,
    /// Dialled before numbers that are not the office's own: digits.
    pub out_prefix: String,
    /// Digits of the office's own numbers, at most; 0 to 15, as no number is longer (ITU-T E.164).
    pub extension_max_digits: Option<u8>,
    /// Emergency numbers: digits.
    pub emergency: Vec<String>,
}

/// Everything that is needed to sign in and to call.
#[derive(Clone, PartialEq)]
pub struct Account {
    /// WebSocket URLs, best first; not empty, each allowed.
    pub servers: Vec<String>,
    /// Address of record.
    pub uri: Uri,
    /// Name shown to others.
    pub display_name: Option<String>,
    /// Answers the server's challenges.
    pub credentials: Option<Credentials>,
    /// STUN and TURN.
    pub ice_servers: Vec<IceServer>,
    /// Send media through TURN only.
    pub relay_only: bool,
    /// When the credentials end, as written (ISO 8601).
    pub expires_at: Option<String>,
    /// The application's name for its user.
    pub user: Option<String>,
    /// How numbers are written and dialled where the user sits.
    pub dial_plan: DialPlan,
    /// What the application wants to see in requests that change something: a field's name and its value.
    pub csrf: Option<(String, String)>,
}

/// Without secrets.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("servers", &self.servers).field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// What the markup says; an account that leaves these out takes them from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// The attribute `server`.
    pub server: String,
    /// The attribute `uri`.
    pub uri: String,
    /// The attribute `display-name`.
    pub display_name: String,
    /// The attribute `country`.
    pub country: String,
}

/// Why an account cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What kind of fault.
    pub problem: Problem,
    /// The field at fault; empty when it is the whole.
    pub field: &'static str,
}

const fn invalid(field: &'static str) -> Invalid {
    Invalid { problem: Problem::AccountInvalid, field }
}

impl Account {
    /// Reads an account. Unknown fields are passed over.
    ///
    /// # Errors
    /// The first field that is missing, of the wrong type, or cannot be sent in a SIP message.
    pub fn read(value: &Value, fallback: &Fallback) -> Result<Account, Invalid> {
        let Value::Object(fields) = value else { return Err(invalid("")) };
        let fields = Fields(fields);
        match fields.get("version") {
            Value::Null => {}
            Value::Number(version) if *version == 1.0 => {}
            _ => return Err(invalid("version")),
        }
        let uri = fields.text("uri")?.unwrap_or(&fallback.uri);
        let uri = address(uri)?;
        let display_name = fields.text("displayName")?.unwrap_or(&fallback.display_name);
        let display_name = (!display_name.is_empty()).then(|| display_name.to_owned());
        NameAddr::new(display_name.as_deref(), uri.clone()).map_err(|_| invalid("displayName"))?;
        Ok(Account {
            servers: servers(fields.get("server"), &fallback.server)?,
            credentials: credentials(&fields, &uri)?,
            uri,
            display_name,
            ice_servers: ice_servers(fields.get("iceServers"))?,
            relay_only: match fields.text("iceTransportPolicy")? {
                None | Some("all") => false,
                Some("relay") => true,
                Some(_) => return Err(invalid("iceTransportPolicy")),
            },
            expires_at: fields.text("expiresAt")?.map(str::to_owned),
            user: user(fields.get("user"))?,
            dial_plan: dial_plan(fields.get("dialPlan"), &fallback.country)?,
            csrf: csrf(fields.get("csrf"))?,
        })
    }

    /// The name or number that the window's head shows.
    pub fn label(&self) -> String {
        match (&self.display_name, self.uri.user_text()) {
            (Some(name), _) => name.clone(),
            (None, Some(user)) => user.into_owned(),
            (None, None) => self.uri.host.clone(),
        }
    }
}

/// A SIP address of record: scheme `sip` or `sips` and a user.
fn address(text: &str) -> Result<Uri, Invalid> {
    if text.is_empty() {
        return Err(Invalid { problem: Problem::NotConfigured, field: "uri" });
    }
    let uri: Uri = text.parse().map_err(|_| invalid("uri"))?;
    if uri.is_sip() && uri.user.is_some() && uri.password.is_none() { Ok(uri) } else { Err(invalid("uri")) }
}

fn servers(value: &Value, fallback: &str) -> Result<Vec<String>, Invalid> {
    let listed: Vec<String> = match value {
        Value::Null => fallback.split_ascii_whitespace().map(str::to_owned).collect(),
        Value::Text(list) => list.split_ascii_whitespace().map(str::to_owned).collect(),
        Value::List(list) => list.iter().map(text).collect::<Option<_>>().ok_or(invalid("server"))?,
        _ => return Err(invalid("server")),
    };
    if listed.is_empty() {
        return Err(Invalid { problem: Problem::NotConfigured, field: "server" });
    }
    if listed.iter().all(|server| url::is_allowed(server)) {
        Ok(listed)
    } else {
        Err(Invalid { problem: Problem::ServerUrl, field: "server" })
    }
}

fn credentials(fields: &Fields<'_>, uri: &Uri) -> Result<Option<Credentials>, Invalid> {
    let username = match fields.text("username")? {
        Some(name) => name.to_owned(),
        None => uri.user_text().map(|user| user.into_owned()).unwrap_or_default(),
    };
    if username.contains(char::is_control) {
        return Err(invalid("username"));
    }
    let secret = match (fields.text("password")?, fields.text("ha1")?) {
        (Some(password), None) => Secret::Password(password.to_owned()),
        (_, Some(ha1)) => Secret::Ha1 { algorithm: algorithm_of(ha1)?, value: ha1.to_owned() },
        (None, None) => return Ok(None),
    };
    Ok(Some(Credentials { username, secret }))
}

/// The length tells MD5 from SHA-256; SHA-512-256 has SHA-256's length and no one hands it out as HA1.
fn algorithm_of(ha1: &str) -> Result<Algorithm, Invalid> {
    match ha1.len() {
        _ if !ha1.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(invalid("ha1")),
        32 => Ok(Algorithm::Md5),
        64 => Ok(Algorithm::Sha256),
        _ => Err(invalid("ha1")),
    }
}

fn ice_servers(value: &Value) -> Result<Vec<IceServer>, Invalid> {
    let list = match value {
        Value::Null => return Ok(Vec::new()),
        Value::List(list) => list,
        _ => return Err(invalid("iceServers")),
    };
    list.iter().map(ice_server).collect()
}

fn ice_server(value: &Value) -> Result<IceServer, Invalid> {
    let Value::Object(fields) = value else { return Err(invalid("iceServers")) };
    let fields = Fields(fields);
    let urls: Vec<String> = match fields.get("urls") {
        Value::Text(one) => vec![one.clone()],
        Value::List(list) => list.iter().map(text).collect::<Option<_>>().ok_or(invalid("iceServers"))?,
        _ => return Err(invalid("iceServers")),
    };
    let known = |url: &String| ["stun:", "stuns:", "turn:", "turns:"].iter().any(|scheme| url.starts_with(scheme));
    let (username, credential) = (fields.text("username")?, fields.text("credential")?);
    // RTCPeerConnection throws for a TURN server without them: tell it now rather than at the first call.
    let incomplete = urls.iter().any(|url| url.starts_with("turn")) && (username.is_none() || credential.is_none());
    if urls.is_empty() || !urls.iter().all(known) || incomplete {
        return Err(invalid("iceServers"));
    }
    Ok(IceServer { urls, username: username.map(str::to_owned), credential: credential.map(str::to_owned) })
}

fn user(value: &Value) -> Result<Option<String>, Invalid> {
    match value.field("id") {
        Value::Null => Ok(None),
        Value::Text(id) => Ok(Some(id.clone())),
        Value::Number(id) if id.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(id) => {
            // As a whole number: what prints any number takes 8 kB of the page.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, from 0 to 2^53")]
            let id = *id as u64;
            Ok(Some(id.to_string()))
        }
        _ => Err(invalid("user")),
    }
}

/// A country that the account leaves out comes from the markup, where one that is none is nobody's: markup must not keep
/// anybody from signing in.
fn dial_plan(value: &Value, country: &str) -> Result<DialPlan, Invalid> {
    const AT_FAULT: Invalid = invalid("dialPlan");
    let is_country = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let country = Some(country.trim()).filter(|code| is_country(code)).unwrap_or_default();
    let mut plan = DialPlan { country: country.to_owned(), ..DialPlan::default() };
    let fields = match value {
        Value::Null => return Ok(plan),
        Value::Object(fields) => Fields(fields),
        _ => return Err(AT_FAULT),
    };
    if let Some(country) = fields.text("country").map_err(|_| AT_FAULT)? {
        plan.country = Some(country).filter(|code| is_country(code)).ok_or(AT_FAULT)?.to_owned();
    }
    if let Some(prefix) = fields.text("outPrefix").map_err(|_| AT_FAULT)? {
        plan.out_prefix = Some(prefix).filter(|prefix| is_digits(prefix)).ok_or(AT_FAULT)?.to_owned();
    }
    plan.extension_max_digits = match fields.get("extensionMaxDigits") {
        Value::Null => None,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, from 0 to 15")]
        Value::Number(most) if most.fract() == 0.0 && (0.0..=15.0).contains(most) => Some(*most as u8),
        _ => return Err(AT_FAULT),
    };
    plan.emergency = match fields.get("emergency") {
        Value::Null => Vec::new(),
        Value::List(list) => {
            let numbers = list.iter().map(|number| text(number).filter(|number| is_digits(number)));
            numbers.collect::<Option<_>>().ok_or(AT_FAULT)?
        }
        _ => return Err(AT_FAULT),
    };
    Ok(plan)
}

fn csrf(value: &Value) -> Result<Option<(String, String)>, Invalid> {
    if *value == Value::Null {
        return Ok(None);
    }
    match (value.field("name"), value.field("value")) {
        // The value goes into a header of HTTP.
        (Value::Text(name), Value::Text(value)) if !name.is_empty() && !value.contains(char::is_control) => {
            Ok(Some((name.clone(), value.clone())))
        }
        _ => Err(invalid("csrf")),
    }
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

struct Fields<'a>(&'a [(String, Value)]);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> &'a Value {
        self.0.iter().find(|(key, _)| key == name).map_or(&Value::Null, |(_, value)| value)
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, Invalid> {
        match self.get(name) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(invalid(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            serde_json::Value::Number(n) => Value::Number(n.as_f64().unwrap()),
            serde_json::Value::String(s) => Value::Text(s.clone()),
            serde_json::Value::Array(list) => Value::List(list.iter().map(value).collect()),
            serde_json::Value::Object(map) => {
                Value::Object(map.iter().map(|(name, field)| (name.clone(), value(field))).collect())
            }
        }
    }

    fn read(json: &str) -> Result<Account, Invalid> {
        Account::read(&value(&serde_json::from_str(json).unwrap()), &Fallback::default())
    }

    fn full() -> serde_json::Value {
        serde_json::json!({
            "version": 1, "server": ["wss://pbx.example.com/ws", "wss://b.example.com/ws"],
            "uri": "sip:1001@example.com", "username": "auth-1001", "password": "secret", "ha1": null,
            "displayName": "Alice \"A\"", "expiresAt": "2026-01-01T10:00:00Z",
            "iceServers": [{"urls": "stun:s.example.com"},
                {"urls": ["turn:t.example.com"], "username": "u", "credential": "c"}],
            "iceTransportPolicy": "relay", "dialPlan": {"country": "RU", "outPrefix": "9", "extensionMaxDigits": 5, "emergency": ["112"]}, "somethingNew": {"a": [1]},
            "user": {"id": "7", "name": "Alice"}, "csrf": {"name": "__vtrftk", "value": "sid:0a1b"}
        })
    }

    #[test]
    fn the_contracts_example_is_read_whole() {
        let account = read(&full().to_string()).unwrap();
        assert_eq!(account.servers, ["wss://pbx.example.com/ws", "wss://b.example.com/ws"]);
        assert_eq!(account.uri.to_string(), "sip:1001@example.com");
        let credentials = account.credentials.clone().unwrap();
        assert_eq!(credentials.username, "auth-1001");
        assert_eq!(credentials.secret, Secret::Password("secret".to_owned()));
        assert_eq!(account.label(), "Alice \"A\"");
        assert_eq!(account.ice_servers.len(), 2);
        assert!(account.relay_only);
        assert_eq!(account.user.as_deref(), Some("7"));
        assert_eq!(account.csrf, Some(("__vtrftk".to_owned(), "sid:0a1b".to_owned())));
        let plan = DialPlan {
            country: "RU".to_owned(),
            out_prefix: "9".to_owned(),
            extension_max_digits: Some(5),
            emergency: vec!["112".to_owned()],
        };
        assert_eq!(account.dial_plan, plan);
        assert!(!format!("{account:?}").contains("secret"));
    }

    #[test]
    fn each_fault_names_its_field() {
        for (field, fault, problem) in [
            ("version", serde_json::json!(2), Problem::AccountInvalid),
            ("version", serde_json::json!("1"), Problem::AccountInvalid),
            ("server", serde_json::json!(7), Problem::AccountInvalid),
            ("server", serde_json::json!([7]), Problem::AccountInvalid),
            ("server", serde_json::json!([]), Problem::NotConfigured),
            ("server", serde_json::json!(["ws://pbx.example.com/ws"]), Problem::ServerUrl),
            ("uri", serde_json::json!("1001"), Problem::AccountInvalid),
            ("uri", serde_json::json!("sip:example.com"), Problem::AccountInvalid),
            ("uri", serde_json::json!("tel:+7916"), Problem::AccountInvalid),
            ("uri", serde_json::json!("sip:a@b\r\nX-Evil: 1"), Problem::AccountInvalid),
            ("uri", serde_json::json!(null), Problem::NotConfigured),
            ("username", serde_json::json!("a\r\nb"), Problem::AccountInvalid),
            ("password", serde_json::json!(1234), Problem::AccountInvalid),
            ("ha1", serde_json::json!("xyz"), Problem::AccountInvalid),
            ("displayName", serde_json::json!("A\r\nX-Evil: 1"), Problem::AccountInvalid),
            ("iceServers", serde_json::json!([{"urls": "http://x"}]), Problem::AccountInvalid),
            ("iceServers", serde_json::json!([{"urls": "turn:x"}]), Problem::AccountInvalid),
            ("iceTransportPolicy", serde_json::json!("none"), Problem::AccountInvalid),
            ("user", serde_json::json!({"id": [7]}), Problem::AccountInvalid),
            ("user", serde_json::json!({"id": 7.5}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!("RU"), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"country": "Russia"}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"outPrefix": "9,"}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"outPrefix": 9}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"extensionMaxDigits": 2.5}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"extensionMaxDigits": -1}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"emergency": [112]}), Problem::AccountInvalid),
            ("dialPlan", serde_json::json!({"emergency": "112"}), Problem::AccountInvalid),
            ("csrf", serde_json::json!("0a1b"), Problem::AccountInvalid),
            ("csrf", serde_json::json!({"name": "", "value": "x"}), Problem::AccountInvalid),
            ("csrf", serde_json::json!({"name": "t", "value": "x\r\nX-Evil: 1"}), Problem::AccountInvalid),
        ] {
            let mut json = full();
            json[field] = fault.clone();
            assert_eq!(read(&json.to_string()).unwrap_err(), Invalid { problem, field }, "{fault}");
        }
        assert_eq!(read("[]").unwrap_err(), invalid(""));
    }

    #[test]
    fn what_the_account_leaves_out_comes_from_the_markup() {
        let fallback = Fallback {
            server: "wss://a/ wss://b/".to_owned(),
            uri: "sip:7@x".to_owned(),
            display_name: "Seven".to_owned(),
            country: "kz".to_owned(),
        };
        let account = Account::read(&Value::Object(vec![]), &fallback).unwrap();
        assert_eq!(account.servers, ["wss://a/", "wss://b/"]);
        assert_eq!((account.uri.to_string().as_str(), account.label().as_str()), ("sip:7@x", "Seven"));
        assert!(account.credentials.is_none());
        assert_eq!(account.dial_plan.country, "kz");
        let nowhere = Fallback { country: "Kazakhstan".to_owned(), ..fallback };
        assert_eq!(Account::read(&Value::Object(vec![]), &nowhere).unwrap().dial_plan, DialPlan::default());
    }

    #[test]
    fn an_ha1_is_taken_by_its_length() {
        let mut json = full();
        json["password"] = serde_json::Value::Null;
        json["ha1"] = serde_json::json!("0123456789abcdef0123456789abcdef");
        let account = read(&json.to_string()).unwrap();
        assert!(matches!(account.credentials.unwrap().secret, Secret::Ha1 { algorithm: Algorithm::Md5, .. }));
    }
}
