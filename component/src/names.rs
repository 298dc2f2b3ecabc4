//! Every name that a page may rely on: attributes, properties, methods, events, parts.
//!
//! The one list. The custom-elements manifest, the types and the class shim are tested against it.

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text; the property is `""` when the attribute is missing.
    Text,
    /// Present or not; the property is a boolean.
    Flag,
    /// One of these words, the first of which is the default; the property is always one of them.
    Choice(&'static [&'static str]),
}

/// An attribute and the property that reflects it.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// As in the markup.
    pub name: &'static str,
    /// As in scripts.
    pub property: &'static str,
    /// What it holds.
    pub kind: Kind,
}

const fn attribute(name: &'static str, property: &'static str, kind: Kind) -> Attribute {
    Attribute { name, property, kind }
}

/// GET of the account JSON.
pub const ACCOUNT_URL: &str = "account-url";
/// POST of call events.
pub const CALLS_URL: &str = "calls-url";
/// How call events are written.
pub const CALLS_STYLE: &str = "calls-style";
/// Notes after a call are required; its words are the outcomes to choose from.
pub const WRAP_UP: &str = "wrap-up";
/// GET of names and links for a number.
pub const LOOKUP_URL: &str = "lookup-url";
/// WebSocket URLs, space separated.
pub const SERVER: &str = "server";
/// Address of record.
pub const URI: &str = "uri";
/// Name shown to others.
pub const DISPLAY_NAME: &str = "display-name";
/// How the phone is drawn.
pub const MODE: &str = "mode";
/// Where the floating button stands.
pub const CORNER: &str = "corner";
/// Language of the window.
pub const LANG: &str = "lang";
/// Country of numbers that are written without one.
pub const COUNTRY: &str = "country";
/// Numbers on the page are called by a click.
pub const CLICK_TO_CALL: &str = "click-to-call";
/// Numbers in the page's words, too.
pub const SCAN_TEXT: &str = "scan-text";
/// Do not sign in by itself.
pub const NO_REGISTER: &str = "no-register";

/// Who processes the microphone's sound.
pub const PROCESSING: &str = "processing";
/// Who buffers and conceals what is received.
pub const JITTER_BUFFER: &str = "jitter-buffer";
/// No echo cancellation.
pub const NO_ECHO_CANCELLATION: &str = "no-echo-cancellation";
/// No noise suppression.
pub const NO_NOISE_SUPPRESSION: &str = "no-noise-suppression";
/// How much noise goes, and by which engine.
pub const NOISE_SUPPRESSION: &str = "noise-suppression";
/// No gain control.
pub const NO_AUTO_GAIN: &str = "no-auto-gain";
/// Codecs, best first.
pub const CODECS: &str = "codecs";
/// Answer every call at once.
pub const AUTO_ANSWER: &str = "auto-answer";
/// Refuse every call.
pub const DO_NOT_DISTURB: &str = "do-not-disturb";

/// Attributes that are the phone's, whichever of its tabs they are changed in; the others are each tab's own.
pub const SHARED: [&str; 3] = [CODECS, AUTO_ANSWER, DO_NOT_DISTURB];

/// All attributes, each observed.
pub const ATTRIBUTES: &[Attribute] = &[
    attribute(ACCOUNT_URL, "accountUrl", Kind::Text),
    attribute(CALLS_URL, "callsUrl", Kind::Text),
    attribute(CALLS_STYLE, "callsStyle", Kind::Choice(&["soft-phone", "form", "zammad"])),
    attribute(WRAP_UP, "wrapUp", Kind::Text),
    attribute(LOOKUP_URL, "lookupUrl", Kind::Text),
    attribute(SERVER, "server", Kind::Text),
    attribute(URI, "uri", Kind::Text),
    attribute(DISPLAY_NAME, "displayName", Kind::Text),
    attribute(MODE, "mode", Kind::Choice(&["floating", "inline", "popup", "headless"])),
    attribute(CORNER, "corner", Kind::Choice(&["bottom-right", "bottom-left", "top-right", "top-left"])),
    attribute(LANG, "lang", Kind::Text),
    attribute(COUNTRY, "country", Kind::Text),
    attribute(CLICK_TO_CALL, "clickToCall", Kind::Flag),
    attribute(SCAN_TEXT, "scanText", Kind::Flag),
    attribute(NO_REGISTER, "noRegister", Kind::Flag),
    attribute(CODECS, "codecs", Kind::Text),
    attribute(PROCESSING, "processing", Kind::Choice(&["auto", "rust", "browser", "off"])),
    attribute(JITTER_BUFFER, "jitterBuffer", Kind::Choice(&["auto", "rust", "browser"])),
    attribute(NOISE_SUPPRESSION, "noiseSuppression", Kind::Choice(&["moderate", "low", "high", "neural"])),
    attribute(NO_ECHO_CANCELLATION, "noEchoCancellation", Kind::Flag),
    attribute(NO_NOISE_SUPPRESSION, "noNoiseSuppression", Kind::Flag),
    attribute(NO_AUTO_GAIN, "noAutoGain", Kind::Flag),
    attribute(AUTO_ANSWER, "autoAnswer", Kind::Flag),
    attribute(DO_NOT_DISTURB, "doNotDisturb", Kind::Flag),
];

/// Properties of the element that reflect no attribute.
pub const PROPERTIES: &[&str] = &["account", "credentials", "registration", "calls", "history", "devices", "leader"];

/// Methods of the element.
pub const METHODS: &[&str] = &[
    "register",
    "unregister",
    "call",
    "open",
    "close",
    "dial",
    "conference",
    "sendMessage",
    "subscribe",
    "publish",
    "updateCall",
    "addNumbers",
    "diagnostics",
];

/// Properties of a call.
pub const CALL_PROPERTIES: &[&str] = &[
    "id",
    "sipCallId",
    "direction",
    "state",
    "remote",
    "startedAt",
    "answeredAt",
    "endedAt",
    "held",
    "remoteHeld",
    "muted",
    "quality",
    "cause",
    "localStream",
    "remoteStream",
];

/// Methods of a call.
pub const CALL_METHODS: &[&str] = &[
    "answer",
    "reject",
    "hangup",
    "mute",
    "unmute",
    "hold",
    "resume",
    "sendDtmf",
    "transfer",
    "transferTo",
    "redirect",
    "setVideo",
    "shareScreen",
    "note",
];

/// The sign-in moved: `{state, cause, sipStatus, server, retryAt}`.
pub const REGISTRATION: &str = "soft-phone-registration";
/// Somebody calls: `{call}`; cancelable.
pub const INCOMING: &str = "soft-phone-incoming";
/// A call moved: `{call, state, previous}`.
pub const CALL_CHANGE: &str = "soft-phone-call-change";
/// A call is over: `{call, record}`.
pub const CALL_END: &str = "soft-phone-call-end";
/// A call is about to be made: `{number, source}`; cancelable.
pub const DIAL: &str = "soft-phone-dial";
/// Who is calling, as the application says: `{call, candidates, contact}`.
pub const LOOKUP: &str = "soft-phone-lookup";
/// How a call sounds, every two seconds: `{call, mos, rttMs, jitterMs, lossPercent,
/// playoutDelayMs, concealedPercent, jitterBuffer, engine, noiseSuppression}`.
pub const QUALITY: &str = "soft-phone-quality";
/// Somebody has sent a text: `{from, contentType, body}`.
pub const MESSAGE: &str = "soft-phone-message";
/// What is subscribed to: `{package, target, state, subscription, sipStatus, reason, retryAt}`.
pub const NOTIFY: &str = "soft-phone-notify";
/// Something went wrong: `{code, message}`.
pub const ERROR: &str = "soft-phone-error";

/// All events.
pub const EVENTS: &[&str] =
    &[REGISTRATION, INCOMING, CALL_CHANGE, CALL_END, DIAL, LOOKUP, MESSAGE, NOTIFY, QUALITY, ERROR];

/// Parts of the window that a page may style with `::part()` (contract §5), those that exist so far.
pub const PARTS: &[&str] = &[
    "button", "window", "status", "number", "keypad", "call", "answer", "hangup", "decline", "mute", "hold",
    "transfer", "settings", "meter", "quality", "messages", "lamps", "wrap-up", "reports", "contacts",
];

/// CSS variables that a page may set.
pub const CSS_PROPERTIES: &[&str] = &[
    "--soft-phone-accent",
    "--soft-phone-bad",
    "--soft-phone-bad-surface",
    "--soft-phone-call",
    "--soft-phone-edge",
    "--soft-phone-font",
    "--soft-phone-gap",
    "--soft-phone-good",
    "--soft-phone-hangup",
    "--soft-phone-line",
    "--soft-phone-muted",
    "--soft-phone-pressed",
    "--soft-phone-radius",
    "--soft-phone-raised",
    "--soft-phone-shadow",
    "--soft-phone-surface",
    "--soft-phone-text",
    "--soft-phone-width",
    "--soft-phone-z-index",
];

#[cfg(test)]
mod tests;
