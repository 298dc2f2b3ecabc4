//! What the window shows, derived from the facts: which words, which buttons, in which state.
//!
//! Pure: no browser, no clock. The view draws a [`Model`] and nothing else, so what a user can see and press in
//! each state is decided, and tested, here.

use crate::request::Request;
use crate::state::{
    Call, CallState, Cause, Direction, EpochMillis, PhoneState, Problem, Registration, RegistrationState,
};
use crate::strings::{Lang, Sound, Text};

/// What the round button tells by colour and icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Not signed in.
    Offline,
    /// On the way to being signed in.
    Waiting,
    /// Signed in, no call.
    Ready,
    /// Cannot be signed in.
    Failed,
    /// A call goes out.
    Calling,
    /// A call comes in.
    Ringing,
    /// In a call.
    Talking,
}

impl Look {
    /// Value of the `data-look` attribute that the style sheet reads.
    pub fn name(self) -> &'static str {
        match self {
            Look::Offline => "offline",
            Look::Waiting => "waiting",
            Look::Ready => "ready",
            Look::Failed => "failed",
            Look::Calling => "calling",
            Look::Ringing => "ringing",
            Look::Talking => "talking",
        }
    }
}

/// How serious a sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to do.
    Plain,
    /// All is well.
    Good,
    /// Something did not work; the sentence says what to do.
    Bad,
}

impl Tone {
    /// Value of the `data-tone` attribute that the style sheet reads.
    pub fn name(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Bad => "bad",
        }
    }
}

/// The status line.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The sentence.
    pub text: String,
    /// Whom it is about: said by screen readers only, because the card shows it.
    pub spoken: String,
    /// Its weight.
    pub tone: Tone,
    /// Interrupts what a screen reader says: an incoming call, a failure.
    pub urgent: bool,
    /// Seconds in the call: counted from this moment, or the length of a call that is over.
    pub clock: Option<Clock>,
    /// When the next try to sign in begins.
    pub retry_at: Option<EpochMillis>,
}

/// What the clock beside the status shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// Runs since that time.
    Since(EpochMillis),
    /// Stands at that many milliseconds.
    Stopped(f64),
}

/// Whom the call is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name, or number when there is no name.
    pub name: String,
    /// Number, empty when it already stands in `name`.
    pub number: String,
    /// One or two letters for the round picture; empty when the name begins with no letter.
    pub initials: String,
}

/// One of the two big buttons.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The part's name (contract §5).
    pub part: &'static str,
    /// What stands on it.
    pub label: Text,
    /// What a click asks for; `None` disables it.
    pub request: Option<Request>,
}

/// A message that stays until it is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The sentence.
    pub text: Text,
    /// The button that helps, if one does; else the button only takes the notice away.
    pub action: (Text, Request),
}

/// What stands in the place of the call's card, for as long as the user wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// The card.
    #[default]
    Card,
    /// The keypad, for tones.
    Keypad,
    /// Field and keypad, for a second call.
    Call,
    /// Field and keypad, for whom the call is transferred to, or sent to before it is answered.
    Transfer,
}

/// A call beside the one that the window is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// [`Call::id`].
    pub id: String,
    /// Whom it is with.
    pub name: String,
    /// Where it stands.
    pub state: Text,
}

/// All that the window shows, except what the user typed and the microphone's level.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The round button.
    pub look: Look,
    /// What the round button is called; says the state too.
    pub button_label: String,
    /// Head of the window.
    pub title: String,
    /// The status line.
    pub status: Status,
    /// The card of the call; `None` shows the keypad.
    pub peer: Option<Peer>,
    /// **Call** or **Answer**.
    pub green: Action,
    /// **Hang up** or **Decline**.
    pub red: Action,
    /// Mute: what a click asks for (`None` disables it).
    pub mute: Option<Request>,
    /// The microphone is cut off.
    pub muted: bool,
    /// Hold: what a click asks for (`None` disables it).
    pub hold: Option<Request>,
    /// The far end is on hold.
    pub held: bool,
    /// The call can be transferred, or sent elsewhere: what that is called.
    pub transfer: Option<Text>,
    /// A second call can be made.
    pub second: bool,
    /// Connects the far ends of this call and of another.
    pub connect: Option<Request>,
    /// Connects everybody.
    pub conference: Option<Request>,
    /// The other calls.
    pub lines: Vec<Line>,
    /// What is shown in the call's place.
    pub panel: Panel,
    /// The call that keypad tones go to (`None` disables the keypad's button).
    pub tones_to: Option<String>,
    /// The tones that were sent.
    pub tones: String,
    /// How the call sounds; before that, who forwarded it here.
    pub note: String,
    /// Every call is refused.
    pub do_not_disturb: bool,
    /// Helps to sign in again, beside the status.
    pub repair: Option<(Text, Request)>,
    /// The message, if there is one.
    pub notice: Option<Notice>,
}

/// The model of these facts. `number` is what stands in the field, `panel` what the user wants to see.
pub fn model(state: &PhoneState, number: &str, panel: Panel, lang: Lang) -> Model {
    let call = current(state);
    let incoming = call.filter(|call| call.state == CallState::Incoming);
    let panel = call.map_or(Panel::Card, |call| possible(panel, call));
    let look = look(state, call);
    let status = status(state, call, lang);
    let button_label =
        [lang.text(if state.open { Text::ClosePhone } else { Text::OpenPhone }), ": ", &status.text].concat();
    let (green, red) = match (incoming, call) {
        (Some(call), _) => (
            match panel {
                Panel::Transfer => {
                    Action { part: "call", label: Text::Redirect, request: transfer_request(call, number) }
                }
                _ => Action {
                    part: "answer",
                    label: Text::Answer,
                    request: Some(Request::Answer { call: call.id.clone() }),
                },
            },
            Action { part: "decline", label: Text::Decline, request: Some(Request::Decline { call: call.id.clone() }) },
        ),
        (None, Some(call)) => (
            match panel {
                Panel::Card | Panel::Keypad => Action { part: "call", label: Text::Call, request: None },
                Panel::Call => Action { part: "call", label: Text::Call, request: call_request(state, number) },
                Panel::Transfer => {
                    Action { part: "call", label: Text::Transfer, request: transfer_request(call, number) }
                }
            },
            Action {
                part: "hangup",
                label: Text::HangUp,
                request: (call.state != CallState::Ending).then(|| Request::Hangup { call: call.id.clone() }),
            },
        ),
        (None, None) => (
            Action { part: "call", label: Text::Call, request: call_request(state, number) },
            Action { part: "hangup", label: Text::HangUp, request: None },
        ),
    };
    let muted = call.is_some_and(|call| call.muted);
    let standing = call.filter(|call| call.is_established());
    let others = || state.calls.iter().filter(|other| call.is_some_and(|call| call.id != other.id));
    let second = others().find(|other| other.is_established());
    let apart = standing.zip(second).filter(|(call, other)| !(call.in_conference && other.in_conference));
    Model {
        look,
        button_label,
        title: state.user.clone().filter(|user| !user.is_empty()).unwrap_or_else(|| lang.text(Text::Phone).to_owned()),
        status,
        peer: call.map(|call| peer(call, lang)),
        green,
        red,
        mute: call
            .filter(|call| matches!(call.state, CallState::Answering | CallState::Active | CallState::Held))
            .map(|call| Request::Mute { call: call.id.clone(), muted: !call.muted }),
        muted,
        hold: standing.map(|call| Request::Hold { call: call.id.clone(), held: call.state != CallState::Held }),
        held: call.is_some_and(|call| call.state == CallState::Held),
        transfer: incoming.map(|_| Text::Redirect).or(standing.map(|_| Text::Transfer)),
        second: standing.is_some(),
        connect: apart.map(|(call, other)| Request::TransferTo { call: other.id.clone(), other: call.id.clone() }),
        conference: apart.map(|_| Request::Conference),
        lines: others()
            .map(|other| Line {
                id: other.id.clone(),
                name: caller(other, lang).to_owned(),
                state: Text::InCall(other.state),
            })
            .collect(),
        panel,
        tones_to: call.filter(|call| takes_tones(call)).map(|call| call.id.clone()),
        tones: call.map(|call| call.tones.clone()).unwrap_or_default(),
        note: call.map(|call| note(state, call, lang)).unwrap_or_default(),
        do_not_disturb: state.do_not_disturb,
        // One way to sign in is enough: a notice may offer it already.
        repair: repair(state).filter(|_| call.is_none() && state.notice != Some(Problem::NotRegistered)),
        notice: state.notice.map(notice),
    }
}

/// The call that the window is about: the one that comes in, else the one that the user chose, else the youngest that
/// lives.
pub fn current(state: &PhoneState) -> Option<&Call> {
    let live = || state.calls.iter().filter(|call| call.state != CallState::Ended);
    live()
        .find(|call| call.state == CallState::Incoming)
        .or_else(|| live().find(|call| state.front.as_ref() == Some(&call.id)))
        .or_else(|| live().next_back())
}

/// What the user wants to see, as far as the call has it.
fn possible(panel: Panel, call: &Call) -> Panel {
    match panel {
        Panel::Keypad if takes_tones(call) => panel,
        Panel::Call | Panel::Transfer if call.is_established() => panel,
        Panel::Transfer if call.state == CallState::Incoming => panel,
        _ => Panel::Card,
    }
}

/// Whether keypad tones can be sent: somebody, or a machine before the answer, hears us.
fn takes_tones(call: &Call) -> bool {
    matches!(call.state, CallState::Early | CallState::Active)
}

/// What stands below the number.
fn note(state: &PhoneState, call: &Call, lang: Lang) -> String {
    if call.cut {
        return String::new();
    }
    if call.is_established() && is_away(state) {
        return lang.text(Text::ServerAway).to_owned();
    }
    if let Some(by) = call.forwarded_by.as_ref().filter(|_| call.state == CallState::Incoming) {
        return lang.fill(Text::ForwardedBy, by);
    }
    let quality = call.quality.filter(|_| call.state == CallState::Active && !call.remote_held);
    // ITU-T G.107 Annex B gives the limits.
    let sound = quality.map(|quality| match quality.mos {
        mos if mos >= 4.0 => Sound::Good,
        mos if mos >= 3.6 => Sound::Fair,
        _ => Sound::Poor,
    });
    sound.map_or("", |sound| lang.text(Text::Sound(sound))).to_owned()
}

fn call_request(state: &PhoneState, number: &str) -> Option<Request> {
    let number = number.trim();
    let ready = state.registration.state == RegistrationState::Registered;
    (ready && !number.is_empty()).then(|| Request::Call { number: number.to_owned() })
}

fn transfer_request(call: &Call, number: &str) -> Option<Request> {
    let target = number.trim().to_owned();
    let call_id = || call.id.clone();
    match call.state {
        _ if target.is_empty() => None,
        CallState::Incoming => Some(Request::Redirect { call: call_id(), target }),
        _ => Some(Request::Transfer { call: call_id(), target }),
    }
}

/// `Enter` in the field: asks even when not signed in, so that the driver's refusal says why nothing happens.
pub fn enter_request(state: &PhoneState, number: &str, panel: Panel) -> Option<Request> {
    let call = current(state);
    let number = number.trim();
    match (call, panel) {
        _ if number.is_empty() => None,
        (Some(call), Panel::Transfer) => transfer_request(call, number),
        (Some(_), Panel::Card | Panel::Keypad) => None,
        (None, _) | (_, Panel::Call) => Some(Request::Call { number: number.to_owned() }),
    }
}

fn look(state: &PhoneState, call: Option<&Call>) -> Look {
    if let Some(call) = call {
        return match call.state {
            CallState::Incoming => Look::Ringing,
            CallState::Dialing | CallState::Ringing | CallState::Early => Look::Calling,
            CallState::Answering | CallState::Active | CallState::Held | CallState::Ending | CallState::Ended => {
                Look::Talking
            }
        };
    }
    match state.registration.state {
        RegistrationState::Offline if state.registration.cause.is_some() => Look::Failed,
        RegistrationState::Offline => Look::Offline,
        RegistrationState::Connecting | RegistrationState::Registering | RegistrationState::Unregistering => {
            Look::Waiting
        }
        RegistrationState::Registered => Look::Ready,
        RegistrationState::Failed => Look::Failed,
    }
}

fn status(state: &PhoneState, call: Option<&Call>, lang: Lang) -> Status {
    if let Some(call) = call {
        return call_status(state, call, lang);
    }
    if let Some(call) = &state.last_ended {
        return ended_status(call, lang);
    }
    let registration = &state.registration;
    let (text, tone) = match (registration.state, registration.cause) {
        (RegistrationState::Registered, _) => (Text::Registration(RegistrationState::Registered), Tone::Good),
        (RegistrationState::Offline | RegistrationState::Failed, Some(problem)) => (Text::Problem(problem), Tone::Bad),
        (RegistrationState::Failed, None) => (Text::Registration(RegistrationState::Failed), Tone::Bad),
        // A lost connection that is being tried again stays in words until the phone works.
        (RegistrationState::Connecting, Some(problem)) => (Text::Problem(problem), Tone::Bad),
        (other, _) => (Text::Registration(other), Tone::Plain),
    };
    Status {
        text: lang.text(text).to_owned(),
        spoken: String::new(),
        tone,
        urgent: tone == Tone::Bad,
        clock: None,
        retry_at: if tone == Tone::Bad { registration.retry_at } else { None },
    }
}

/// The connection to the server was lost.
fn is_away(state: &PhoneState) -> bool {
    let Registration { state, cause, .. } = &state.registration;
    match state {
        RegistrationState::Connecting => true,
        RegistrationState::Offline => *cause == Some(Problem::Network),
        _ => false,
    }
}

fn call_status(state: &PhoneState, call: &Call, lang: Lang) -> Status {
    let incoming = call.state == CallState::Incoming;
    let cut = call.cut && call.is_established();
    let text = match call.state {
        _ if cut && is_away(state) => Text::CallWaits,
        _ if cut => Text::SoundInterrupted,
        CallState::Active if call.in_conference => Text::InConference,
        CallState::Active if call.remote_held => Text::RemoteHeld,
        CallState::Active if call.muted => Text::Muted,
        state => Text::InCall(state),
    };
    Status {
        text: lang.text(text).to_owned(),
        spoken: caller(call, lang).to_owned(),
        tone: if cut {
            Tone::Bad
        } else if incoming || (call.state == CallState::Active && !call.muted && !call.remote_held) {
            Tone::Good
        } else {
            Tone::Plain
        },
        urgent: incoming || cut,
        clock: call.answered_at.filter(|_| call.state != CallState::Answering).map(Clock::Since),
        retry_at: None,
    }
}

fn ended_status(call: &Call, lang: Lang) -> Status {
    let cause = call.cause.unwrap_or(Cause::LocalHangup);
    let quiet = matches!(
        (cause, call.direction),
        (Cause::AnsweredElsewhere | Cause::Cancelled | Cause::RemoteHangup | Cause::LocalHangup, _)
            | (Cause::Declined | Cause::Busy | Cause::NoAnswer, Direction::Inbound)
    ) && call.problem.is_none();
    let clock = match (call.answered_at, call.ended_at) {
        (Some(from), Some(to)) => Some(Clock::Stopped(to - from)),
        _ => None,
    };
    Status {
        // Our own side's fault is the one that the user can mend.
        text: match call.problem {
            Some(problem) => lang.text(Text::Problem(problem)).to_owned(),
            None => lang.fill(Text::Ended(cause, call.direction), caller(call, lang)),
        },
        spoken: String::new(),
        tone: if quiet { Tone::Plain } else { Tone::Bad },
        urgent: !quiet,
        clock,
        retry_at: None,
    }
}

/// What a click can do about the sign-in. Nothing when only the administrator can help.
fn repair(state: &PhoneState) -> Option<(Text, Request)> {
    if state.last_ended.is_some() {
        return None;
    }
    let registration = &state.registration;
    match (registration.state, registration.cause) {
        (RegistrationState::Offline, None) => Some((Text::SignIn, Request::Register)),
        (
            RegistrationState::Offline | RegistrationState::Failed,
            Some(Problem::NotConfigured | Problem::ServerUrl | Problem::Unsupported),
        ) => None,
        (RegistrationState::Offline | RegistrationState::Failed, _) => Some((Text::TryAgain, Request::Register)),
        (RegistrationState::Connecting, Some(_)) if registration.retry_at.is_some() => {
            Some((Text::TryAgain, Request::Register))
        }
        _ => None,
    }
}

fn notice(problem: Problem) -> Notice {
    let action = match problem {
        Problem::SoundBlocked => (Text::EnableSound, Request::UserGesture),
        Problem::NotRegistered => (Text::SignIn, Request::Register),
        _ => (Text::Dismiss, Request::DismissNotice),
    };
    Notice { text: Text::Problem(problem), action }
}

/// The far end's name, as the application knows it, else as the far end says.
fn name(call: &Call) -> &str {
    call.contact
        .as_ref()
        .map(|contact| contact.name.trim())
        .filter(|name| !name.is_empty())
        .unwrap_or(call.remote.name.trim())
}

/// The far end in one word: name, else number, else a stand-in.
pub fn caller(call: &Call, lang: Lang) -> &str {
    match (name(call), call.remote.number.trim()) {
        ("", "") => lang.text(Text::UnknownCaller),
        ("", number) => number,
        (name, _) => name,
    }
}

fn peer(call: &Call, lang: Lang) -> Peer {
    let name = caller(call, lang).to_owned();
    let number = call.remote.number.trim();
    Peer {
        number: if number == name { String::new() } else { number.to_owned() },
        initials: initials(self::name(call)),
        name,
    }
}

/// First letters of the first and the last word: "Anna Maria Petrova" gives "AP".
fn initials(name: &str) -> String {
    let mut letters =
        name.split_whitespace().filter_map(|word| word.chars().next()).filter(|letter| letter.is_alphabetic());
    let first = letters.next();
    let last = letters.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// `mm:ss`, and `h:mm:ss` from an hour on. Negative and broken input count as zero.
pub fn duration(millis: f64) -> String {
    let seconds = (millis.max(0.0) / 1000.0) as u32;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let two = |value: u32| if value < 10 { ["0", &value.to_string()].concat() } else { value.to_string() };
    let rest = [two(minutes).as_str(), ":", &two(seconds)].concat();
    if hours > 0 { [hours.to_string().as_str(), ":", &rest].concat() } else { rest }
}

/// Whole seconds until `at`, rounded up; 0 when it is past. Bounded to a day.
pub fn seconds_until(at: EpochMillis, now: EpochMillis) -> u32 {
    ((at - now) / 1000.0).ceil().clamp(0.0, 86_400.0) as u32
}

/// The share of the meter that is lit, 0 to 1: −60 dBFS and less is dark, −6 dBFS and more is full.
pub fn meter(level_dbfs: f32) -> f32 {
    ((level_dbfs + 60.0) / 54.0).clamp(0.0, 1.0)
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
