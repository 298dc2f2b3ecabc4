//! Every sentence that the window says, in every language it speaks.
//!
//! A sentence is named by [`Text`]; each language answers with an exhaustive `match`, so that a sentence which
//! lacks a translation does not compile. A place for a value is written `%`. Nothing else in the crate holds
//! words that a user reads.

mod en;
mod ru;

use soft_phone_sip::presence::Availability;

use crate::state::lamps::LampState;
use crate::state::{CallState, Cause, DeviceKind, Direction, Problem, RegistrationState};

/// A language of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English, the fallback.
    #[default]
    En,
    /// Russian.
    Ru,
}

impl Lang {
    /// All of them, in the order of the contract.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Ru];

    /// The language of a BCP 47 tag: its first subtag, whatever the case. `None` when the window does not speak it.
    pub fn from_tag(tag: &str) -> Option<Lang> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Lang::ALL.into_iter().find(|lang| primary.eq_ignore_ascii_case(lang.tag()))
    }

    /// The element's own `lang`, else the document's, else English.
    pub fn choose(own: Option<&str>, document: Option<&str>) -> Lang {
        own.and_then(Lang::from_tag).or_else(|| document.and_then(Lang::from_tag)).unwrap_or_default()
    }

    /// The BCP 47 tag, for the `lang` attribute.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Ru => "ru",
        }
    }

    /// The direction of the script, for the `dir` attribute.
    pub fn direction(self) -> &'static str {
        match self {
            Lang::En | Lang::Ru => "ltr",
        }
    }

    /// The sentence in this language, its `%` not filled.
    pub fn text(self, text: Text) -> &'static str {
        match self {
            Lang::En => en::text(text),
            Lang::Ru => ru::text(text),
        }
    }

    /// The sentence in this language with `value` in the place of `%`.
    pub fn fill(self, text: Text, value: &str) -> String {
        let pattern = self.text(text);
        match pattern.split_once('%') {
            Some((before, after)) => [before, value, after].concat(),
            None => pattern.to_owned(),
        }
    }

    /// "Trying again in 5 seconds", in the right form of the noun. Above 90 seconds it counts minutes, rounded up.
    pub fn retry_in(self, seconds: u32) -> String {
        let (count, minutes) = if seconds > 90 { (seconds.div_ceil(60), true) } else { (seconds, false) };
        let form = match self {
            Lang::En => en::plural(count),
            Lang::Ru => ru::plural(count),
        };
        let text = if minutes { Text::RetryMinutes(form) } else { Text::RetrySeconds(form) };
        self.fill(text, &count.to_string())
    }
}

/// How a call sounds, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// MOS of 4 and more: users are satisfied (ITU-T G.107, Annex B).
    Good,
    /// 3.6 and more: some users are dissatisfied.
    Fair,
    /// Less.
    Poor,
}

/// The form of a noun after a number (CLDR's plural categories, as far as these languages use them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plural {
    /// 1 second, 21 секунду.
    One,
    /// 2 секунды.
    Few,
    /// 5 seconds, 5 секунд.
    Many,
}

/// The name of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// What the window is called when nobody is signed in.
    Phone,
    /// The round button: opens the window.
    OpenPhone,
    /// The round button and the cross: hides the window.
    ClosePhone,
    /// The handle by which the window is moved.
    MoveWindow,
    /// Label of the number field.
    Number,
    /// Shown in the empty number field.
    NumberHint,
    /// Takes the last digit away.
    Erase,
    /// Label of the group of digits.
    Keypad,
    /// The green button.
    Call,
    /// The red button.
    HangUp,
    /// The green button while a call comes in.
    Answer,
    /// The red button while a call comes in.
    Decline,
    /// Cuts off the microphone; pressed means it is cut off.
    Mute,
    /// Puts the call on hold; pressed means that it is.
    Hold,
    /// Asks whom to transfer the call to, and transfers it.
    Transfer,
    /// Asks where to send the call that comes in, and sends it there.
    Redirect,
    /// A second call beside this one.
    NewCall,
    /// Connects the far ends of two calls, and leaves.
    ConnectBoth,
    /// Speaks with everybody at once.
    Conference,
    /// In a conference.
    InConference,
    /// Label of the list of the other calls.
    OtherCalls,
    /// Shows the keypad in a call.
    ShowKeypad,
    /// Back from a panel to the call.
    Back,
    /// Label of the tones that were sent.
    TonesSent,
    /// Opens and closes the settings.
    Settings,
    /// Label of a choice of device.
    Device(DeviceKind),
    /// The first choice of each device.
    SystemDevice,
    /// A device that has no name yet: takes its number.
    UnnamedDevice,
    /// Refuses every call.
    DoNotDisturb,
    /// Answers every call.
    AutoAnswer,
    /// Calls without saying who calls.
    HideNumber,
    /// Label of the choice of codec.
    PreferredCodec,
    /// Its first choice.
    AnyCodec,
    /// Signs out.
    SignOut,
    /// How the call sounds.
    Sound(Sound),
    /// The far end has put us on hold.
    RemoteHeld,
    /// Packets find no way, and there is no server to find another one by.
    CallWaits,
    /// Packets find no way; another one is looked for.
    SoundInterrupted,
    /// In a call that goes on without the server.
    ServerAway,
    /// Label of the level meter.
    MicrophoneLevel,
    /// Label of the call's clock.
    Duration,
    /// Takes a notice away.
    Dismiss,
    /// Asks to sign in again, now.
    TryAgain,
    /// Signs in.
    SignIn,
    /// Lets the browser play sound.
    EnableSound,
    /// Stands for the name of a caller who sends none.
    UnknownCaller,
    /// State of the sign-in, when no cause is known.
    Registration(RegistrationState),
    /// State of a call.
    InCall(CallState),
    /// In a call with the microphone cut off.
    Muted,
    /// What went wrong and what to do next.
    Problem(Problem),
    /// Why a call ended, and what to do next. `Missed` takes the caller.
    Ended(Cause, Direction),
    /// Takes who forwarded the call here.
    ForwardedBy,
    /// Title of the notification: takes the caller.
    IsCalling,
    /// Body of the notification.
    IncomingBody,
    /// Takes the number of seconds until the next try.
    RetrySeconds(Plural),
    /// Takes the number of minutes until the next try.
    RetryMinutes(Plural),
    /// The next try begins now.
    RetryNow,
    /// Opens and closes the texts.
    Messages,
    /// The same; takes the number of unread ones.
    MessagesUnread,
    /// Label of the field for whom a text is.
    MessageTo,
    /// Label of the field for the text.
    MessageText,
    /// Sends it.
    Send,
    /// Before a text that came: takes the name.
    MessageFrom,
    /// Before a text of our own: takes the name.
    MessageYou,
    /// Behind a text that is on its way.
    MessageSending,
    /// Behind a text that was not delivered.
    NotDelivered(Cause),
    /// Opens and closes the lamps.
    Colleagues,
    /// Label of the field for whom to watch.
    WatchHint,
    /// Label of the choice between the next two.
    WatchKind,
    /// Whether somebody is in a call.
    WatchLine,
    /// Whether somebody can be reached.
    WatchPresence,
    /// Adds a lamp.
    Watch,
    /// Takes a lamp away: takes whose it is.
    Unwatch,
    /// What a lamp shows.
    Lamp(LampState),
    /// Label of the choice of our own presence.
    OwnStatus,
    /// Our own presence; `None` when others are not told.
    Status(Option<Availability>),
    /// Voice messages wait, nobody knows how many.
    MailboxNew,
    /// Voice messages wait: takes their number.
    MailboxCount,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_by_its_first_part() {
        assert_eq!(Lang::from_tag("ru-RU"), Some(Lang::Ru));
        assert_eq!(Lang::from_tag(" EN_gb "), Some(Lang::En));
        assert_eq!(Lang::from_tag("rue"), None);
        assert_eq!(Lang::from_tag(""), None);
    }

    #[test]
    fn the_language_falls_back_to_the_document_then_to_english() {
        assert_eq!(Lang::choose(Some("ru"), Some("en")), Lang::Ru);
        assert_eq!(Lang::choose(Some("xx"), Some("ru-RU")), Lang::Ru);
        assert_eq!(Lang::choose(None, None), Lang::En);
    }

    #[test]
    fn the_retry_is_told_in_the_right_form() {
        for (seconds, en, ru) in [
            (1, "Next try in 1 second.", "Следующая попытка через 1 секунду."),
            (2, "Next try in 2 seconds.", "Следующая попытка через 2 секунды."),
            (5, "Next try in 5 seconds.", "Следующая попытка через 5 секунд."),
            (12, "Next try in 12 seconds.", "Следующая попытка через 12 секунд."),
            (11, "Next try in 11 seconds.", "Следующая попытка через 11 секунд."),
            (21, "Next try in 21 seconds.", "Следующая попытка через 21 секунду."),
            (90, "Next try in 90 seconds.", "Следующая попытка через 90 секунд."),
            (91, "Next try in 2 minutes.", "Следующая попытка через 2 минуты."),
            (1_800, "Next try in 30 minutes.", "Следующая попытка через 30 минут."),
        ] {
            assert_eq!(Lang::En.retry_in(seconds), en);
            assert_eq!(Lang::Ru.retry_in(seconds), ru);
        }
    }

    #[test]
    fn only_the_sentences_that_take_a_value_have_a_place_for_it() {
        for lang in Lang::ALL {
            for text in
                [Text::IsCalling, Text::ForwardedBy, Text::RetrySeconds(Plural::Few), Text::RetryMinutes(Plural::One)]
            {
                assert_eq!(lang.text(text).matches('%').count(), 1, "{text:?}");
            }
            assert!(lang.text(Text::Ended(Cause::Missed, Direction::Inbound)).contains('%'));
            assert!(!lang.text(Text::Problem(Problem::Network)).contains('%'));
        }
        assert_eq!(Lang::Ru.fill(Text::IsCalling, "Анна"), "Вам звонит Анна");
        assert_eq!(Lang::En.fill(Text::Call, "ignored"), "Call");
    }
}
