//! What the phone knows: plain facts, apart from what draws them.
//!
//! The [`Driver`](crate) reports facts by changing a [`PhoneState`]; the view only reads it and sends
//! [`Request`](crate::request::Request)s back. Nothing here is optimistic: a call is `Active` when the peer said so.
//! Nothing here touches the browser, so it is tested natively.

pub mod lamps;
pub mod messages;

/// What the contract calls a call's direction, state and cause is what `sip` calls them.
pub use soft_phone_sip::{CallState, Cause, Direction};

use serde::{Deserialize, Serialize};
use soft_phone_sip::presence::Availability;

use self::lamps::{Lamp, Mailbox};
use self::messages::Messages;

/// Times are milliseconds since the Unix epoch, as JavaScript's `Date.now()` gives them.
pub type EpochMillis = f64;

/// State of the sign-in at the SIP server (contract §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistrationState {
    /// Not signed in, and not trying.
    #[default]
    Offline,
    /// The WebSocket is being opened.
    Connecting,
    /// REGISTER was sent.
    Registering,
    /// The registrar holds our binding.
    Registered,
    /// The binding is being removed.
    Unregistering,
    /// The registrar or the account refused; see [`Registration::cause`].
    Failed,
}

impl RegistrationState {
    /// The name the contract uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            RegistrationState::Offline => "offline",
            RegistrationState::Connecting => "connecting",
            RegistrationState::Registering => "registering",
            RegistrationState::Registered => "registered",
            RegistrationState::Unregistering => "unregistering",
            RegistrationState::Failed => "failed",
        }
    }
}

/// The sign-in as the page and the user see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Where it stands.
    pub state: RegistrationState,
    /// Why it failed or went offline.
    pub cause: Option<Problem>,
    /// Status of the registrar's last answer.
    pub sip_status: Option<u16>,
    /// WebSocket URL in use.
    pub server: Option<String>,
    /// When the next try begins, if one is planned.
    pub retry_at: Option<EpochMillis>,
}

/// Everything that can be told in words, where the user looks. One code, one sentence per language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// No `server`, `uri` or account yet.
    NotConfigured,
    /// The account URL answered with something that is not an account.
    AccountInvalid,
    /// The account URL answered 401: the user must sign in to the application.
    AccountSignIn,
    /// The account URL answered 404: this user has no phone.
    AccountMissing,
    /// The account URL could not be reached or answered 5xx.
    AccountUnreachable,
    /// A server URL that is not `wss://` (or `ws://` to loopback).
    ServerUrl,
    /// The server cannot be reached, or the connection was lost.
    Network,
    /// The server speaks WebSocket but no SIP.
    NotSip,
    /// The registrar refused user name or password.
    Unauthorized,
    /// The registrar answered with another error.
    RegistrarError,
    /// There is no microphone.
    MicrophoneMissing,
    /// The user or the page's policy forbids the microphone.
    MicrophoneDenied,
    /// The microphone is there but cannot be read, for example because another program holds it.
    MicrophoneBusy,
    /// The browser asks the user for the microphone; the far end does not hear us yet.
    MicrophoneWaits,
    /// The browser plays no sound before the user has clicked on the page.
    SoundBlocked,
    /// This browser lacks something the phone needs (WebRTC, WebSocket…).
    Unsupported,
    /// The number holds characters that cannot be dialled.
    NumberInvalid,
    /// Not signed in, so no call can be made.
    NotRegistered,
    /// Whom a call was to be transferred to did not take it.
    TransferFailed,
    /// A text is longer than what can be sent.
    MessageTooLong,
    /// The server takes no presence of ours.
    PresenceRefused,
    /// The browser opens no window for the phone.
    PopupBlocked,
}

impl Problem {
    /// Whether it is over when a microphone is open.
    pub const fn is_of_microphone(self) -> bool {
        use Problem::{MicrophoneBusy, MicrophoneDenied, MicrophoneMissing, MicrophoneWaits};
        matches!(self, MicrophoneBusy | MicrophoneDenied | MicrophoneMissing | MicrophoneWaits)
    }

    /// The `code` of errors and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Problem::NotConfigured => "not-configured",
            Problem::AccountInvalid => "account-invalid",
            Problem::AccountSignIn => "account-sign-in",
            Problem::AccountMissing => "account-missing",
            Problem::AccountUnreachable => "account-unreachable",
            Problem::ServerUrl => "server-url",
            Problem::Network => "network",
            Problem::NotSip => "not-sip",
            Problem::Unauthorized => "unauthorized",
            Problem::RegistrarError => "registrar-error",
            Problem::MicrophoneMissing => "microphone-missing",
            Problem::MicrophoneDenied => "microphone-denied",
            Problem::MicrophoneBusy => "microphone-busy",
            Problem::MicrophoneWaits => "microphone-waits",
            Problem::SoundBlocked => "sound-blocked",
            Problem::Unsupported => "unsupported",
            Problem::NumberInvalid => "number-invalid",
            Problem::NotRegistered => "not-registered",
            Problem::TransferFailed => "transfer-failed",
            Problem::MessageTooLong => "message-too-long",
            Problem::PresenceRefused => "presence-refused",
            Problem::PopupBlocked => "popup-blocked",
        }
    }
}

/// The far end of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// What a person would dial or read: the user part of the URI, `+` kept.
    pub number: String,
    /// The SIP URI.
    pub uri: String,
    /// The display name, or empty.
    pub name: String,
}

/// Somebody whom the application knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The application's word for what it is, such as `Contacts`.
    pub kind: String,
    /// The application's name for it.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// Where the application shows it; empty when nowhere.
    pub url: String,
    /// Where it belongs; may be empty.
    pub company: String,
}

/// One call as page and window see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// A UUID of ours, stable for the life of the call.
    pub id: String,
    /// SIP's Call-ID header.
    pub sip_call_id: String,
    /// The far end as the application knows it.
    pub contact: Option<Contact>,
    /// Names of those who may be meant, while it is not known who of them it is.
    pub candidates: String,
    /// Who rang whom.
    pub direction: Direction,
    /// Where it stands.
    pub state: CallState,
    /// The far end.
    pub remote: Remote,
    /// When it was dialled or began to ring.
    pub started_at: EpochMillis,
    /// When it was answered.
    pub answered_at: Option<EpochMillis>,
    /// When it ended.
    pub ended_at: Option<EpochMillis>,
    /// Our microphone is cut off from this call.
    pub muted: bool,
    /// The far end has put us on hold.
    pub remote_held: bool,
    /// Packets find no way at the moment; another one is looked for.
    pub cut: bool,
    /// It is mixed with other calls.
    pub in_conference: bool,
    /// Whose call this was before it came here (Diversion, History-Info).
    pub forwarded_by: Option<String>,
    /// The call whose far end had us make this one.
    pub transferred_from: Option<String>,
    /// What the user wrote about it.
    pub notes: String,
    /// What it came to, in the words of the application.
    pub outcome: Option<String>,
    /// Keypad tones sent so far, for the window; the last [`TONES_KEPT`].
    pub tones: String,
    /// How it sounds, measured every two seconds.
    pub quality: Option<Quality>,
    /// Why it ended.
    pub cause: Option<Cause>,
    /// The SIP status behind the end.
    pub sip_status: Option<u16>,
    /// What went wrong on our side, told beside the cause (no microphone, permission denied…).
    pub problem: Option<Problem>,
}

impl Call {
    /// A call that begins now.
    pub fn new(id: String, direction: Direction, state: CallState, remote: Remote, started_at: EpochMillis) -> Call {
        Call {
            id,
            sip_call_id: String::new(),
            contact: None,
            candidates: String::new(),
            direction,
            state,
            remote,
            started_at,
            answered_at: None,
            ended_at: None,
            muted: false,
            remote_held: false,
            cut: false,
            in_conference: false,
            forwarded_by: None,
            transferred_from: None,
            notes: String::new(),
            outcome: None,
            tones: String::new(),
            quality: None,
            cause: None,
            sip_status: None,
            problem: None,
        }
    }

    /// Both ends have answered, whether or not one of them holds.
    pub fn is_established(&self) -> bool {
        matches!(self.state, CallState::Active | CallState::Held)
    }
}

/// Keypad tones of a call that the window remembers.
pub const TONES_KEPT: usize = 32;

/// How a call sounds (contract §4, `soft-phone-quality`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Mean opinion score, 1 to 4.5, by the E-model.
    pub mos: f64,
    /// There and back, ms; `None` until the far end has reported.
    pub rtt_ms: Option<f64>,
    /// Variation of the time that packets take, ms.
    pub jitter_ms: f64,
    /// Share of packets that did not arrive in the last two seconds.
    pub loss_percent: f64,
    /// How long what arrives waits for its turn, ms.
    pub playout_delay_ms: f64,
    /// Share of what was heard in the last two seconds that stood for what did not arrive in time; `None` where it is not
    /// known.
    pub concealed_percent: Option<f64>,
    /// Who buffers what is received.
    pub jitter_buffer: Engine,
    /// Who processes the microphone.
    pub engine: Engine,
    /// Who suppresses noise in it; `None`: nobody, or it is not known yet.
    pub noise_suppression: Option<Suppressor>,
}

/// Who suppresses noise in the microphone's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suppressor {
    /// Our network.
    Neural,
    /// Our statistics of the spectrum.
    Spectral,
    /// The browser.
    Browser,
}

impl Suppressor {
    /// As pages are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Suppressor::Neural => "neural",
            Suppressor::Spectral => "spectral",
            Suppressor::Browser => "browser",
        }
    }
}

/// Who cancels echo, suppresses noise and sets the level of the microphone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// The voice engine of this project.
    Rust,
    /// The browser, or nobody.
    #[default]
    Browser,
}

impl Engine {
    /// As in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Rust => "rust",
            Engine::Browser => "browser",
        }
    }
}

/// What sound or pictures come from or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    /// What we speak into.
    Microphone,
    /// Where the far end is heard.
    Speaker,
    /// Where the phone rings.
    Ringer,
}

impl DeviceKind {
    /// All of them, in the order of the window.
    pub const ALL: [DeviceKind; 3] = [DeviceKind::Microphone, DeviceKind::Speaker, DeviceKind::Ringer];

    /// The name the contract uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeviceKind::Microphone => "microphone",
            DeviceKind::Speaker => "speaker",
            DeviceKind::Ringer => "ringer",
        }
    }
}

/// A device as the browser lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The browser's name for it, different on each site.
    pub id: String,
    /// What the user calls it; empty before the microphone was allowed once.
    pub label: String,
}

/// What there is, and what is used; an empty name is the system's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Audio inputs.
    pub microphones: Vec<Device>,
    /// Audio outputs; empty where the browser does not list them.
    pub speakers: Vec<Device>,
    /// Video inputs.
    pub cameras: Vec<Device>,
    /// Chosen, in the order of [`DeviceKind::ALL`].
    pub chosen: [String; 3],
}

impl Devices {
    /// Those of a kind.
    pub fn list(&self, kind: DeviceKind) -> &[Device] {
        match kind {
            DeviceKind::Microphone => &self.microphones,
            DeviceKind::Speaker | DeviceKind::Ringer => &self.speakers,
        }
    }

    /// The chosen one of a kind, if it is plugged in; else empty, the system's default.
    pub fn used(&self, kind: DeviceKind) -> &str {
        let chosen = self.chosen[kind as usize].as_str();
        if self.list(kind).iter().any(|device| device.id == chosen) { chosen } else { "" }
    }
}

/// Everything that the window draws and the properties report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhoneState {
    /// Who we are, once an account is known: display name or number, for the window's head.
    pub user: Option<String>,
    /// The sign-in.
    pub registration: Registration,
    /// Live calls, oldest first.
    pub calls: Vec<Call>,
    /// [`Call::id`] of the call that the user speaks in, or chose last.
    pub front: Option<String>,
    /// Microphones, loudspeakers.
    pub devices: Devices,
    /// The last texts.
    pub messages: Messages,
    /// Those whose lines or presence are watched.
    pub lamps: Vec<Lamp>,
    /// The voice messages, once the server has told of them.
    pub mailbox: Option<Mailbox>,
    /// What we have told of ourselves.
    pub published: Option<Availability>,
    /// The call that ended last, shown until the next one begins or the user types.
    pub last_ended: Option<Call>,
    /// Every call is refused.
    pub do_not_disturb: bool,
    /// Every call is answered.
    pub auto_answer: bool,
    /// Calls from the window do not say who calls.
    pub anonymous: bool,
    /// The codecs that are offered first, as the attribute has them.
    pub codecs: String,
    /// Another tab has the phone.
    pub follows: bool,
    /// The floating window is shown.
    pub open: bool,
    /// What the user must be told now, besides registration and calls (sound blocked, number invalid…).
    pub notice: Option<Problem>,
    /// Microphone level in a call, dBFS (RMS), −100 to 0; `None` when nothing is measured.
    pub level_dbfs: Option<f32>,
}
