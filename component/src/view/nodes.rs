//! The tree that the view draws on: built once, then only changed.

use wasm_bindgen::JsValue;
use web_sys::{Document, HtmlElement, HtmlInputElement};

use super::dom::{self, append, button, element, icon};
use super::icons;
use super::lamps::Lamps;
use super::messages::Messages;
use super::settings::Settings;
use crate::state::PhoneState;

/// The digits of the keypad and the letters below them (ITU-T E.161).
const KEYS: [(&str, &str); 12] = [
    ("1", ""),
    ("2", "ABC"),
    ("3", "DEF"),
    ("4", "GHI"),
    ("5", "JKL"),
    ("6", "MNO"),
    ("7", "PQRS"),
    ("8", "TUV"),
    ("9", "WXYZ"),
    ("*", ""),
    ("0", "+"),
    ("#", ""),
];

/// What stands between the head and the call, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Devices, codec, switches.
    Settings,
    /// Texts.
    Messages,
    /// Colleagues.
    Lamps,
}

/// Every node that changes. `data-do` on a button names what a click does.
pub struct Nodes {
    /// Holds all the rest; carries mode, corner, language and direction.
    pub root: HtmlElement,
    /// Part `button`.
    pub button: HtmlElement,
    /// Part `window`.
    pub window: HtmlElement,
    /// The window's head, by which it is dragged.
    pub head: HtmlElement,
    /// Takes the keys that move the window.
    pub grip: HtmlElement,
    /// Who is signed in.
    pub title: HtmlElement,
    /// Hides the window.
    pub close: HtmlElement,
    /// Part `status`.
    pub status: HtmlElement,
    /// The sentence in it.
    pub sentence: HtmlElement,
    /// Whom it is about, for screen readers.
    pub spoken: HtmlElement,
    /// The call's clock.
    pub clock: HtmlElement,
    /// When the next try begins.
    pub retry: HtmlElement,
    /// Helps to sign in.
    pub repair: HtmlElement,
    /// The message box.
    pub notice: HtmlElement,
    /// Its sentence.
    pub notice_text: HtmlElement,
    /// Its button.
    pub notice_button: HtmlElement,
    /// Field and keypad.
    pub dialer: HtmlElement,
    /// Part `number`.
    pub number: HtmlInputElement,
    /// Takes the last character away.
    pub erase: HtmlElement,
    /// Part `keypad`.
    pub keypad: HtmlElement,
    /// Field and its button.
    pub field: HtmlElement,
    /// In the field's place: the tones that were sent, and the way back.
    pub sent: HtmlElement,
    /// The tones.
    pub tones: HtmlElement,
    /// The other calls.
    pub lines: HtmlElement,
    /// Part `hold`.
    pub hold: HtmlElement,
    /// Part `transfer`.
    pub transfer: HtmlElement,
    /// Makes room for a second call.
    pub second: HtmlElement,
    /// Connects the far ends of two calls.
    pub connect: HtmlElement,
    /// Connects everybody.
    pub conference: HtmlElement,
    /// Back to the card.
    pub back: HtmlElement,
    /// Shows the keypad in a call.
    pub show_keypad: HtmlElement,
    /// Part `quality`.
    pub note: HtmlElement,
    /// Devices, do not disturb.
    pub settings: Settings,
    /// The buttons that open the next two, and the mailbox's.
    pub more: HtmlElement,
    /// Texts.
    pub messages: Messages,
    /// Colleagues and the mailbox.
    pub lamps: Lamps,
    /// Whom the call is with.
    pub card: HtmlElement,
    /// The first letters of the name.
    pub initials: HtmlElement,
    /// The name.
    pub name: HtmlElement,
    /// The number below it.
    pub peer_number: HtmlElement,
    /// Part `meter`.
    pub meter: HtmlElement,
    /// Part `mute`.
    pub mute: HtmlElement,
    /// What stands on it.
    pub mute_label: HtmlElement,
    /// Part `call` or `answer`.
    pub green: HtmlElement,
    /// What stands on it.
    pub green_label: HtmlElement,
    /// Part `hangup` or `decline`.
    pub red: HtmlElement,
    /// What stands on it.
    pub red_label: HtmlElement,
}

impl Nodes {
    /// Hides the row of buttons for texts and colleagues while there is nothing to tell: the gear brings it back.
    pub fn fold(&self, state: &PhoneState) {
        let told = !state.messages.list.is_empty()
            || !state.lamps.is_empty()
            || state.mailbox.as_ref().is_some_and(|mailbox| mailbox.waiting);
        let open = self.settings.is_open() || self.messages.is_open() || self.lamps.is_open();
        let focused = self.more.matches(":focus-within").unwrap_or(false);
        dom::flag(&self.more, "hidden", !told && !open);
        if focused && !told && !open {
            // What is hidden loses the keyboard.
            let _ = self.settings.button.focus();
        }
    }

    /// Opens or closes one of the three sections below the head; the others close, so that the window fits the screen.
    pub fn unfold(&self, section: Section, open: bool) {
        if section == Section::Settings {
            self.settings.show(open);
        }
        if open {
            if section != Section::Settings {
                self.settings.show(false);
            }
            if section != Section::Messages {
                self.messages.show(false);
            }
            if section != Section::Lamps {
                self.lamps.show(false);
            }
        }
    }

    /// Builds the tree, not yet in the document.
    pub fn new(document: &Document) -> Result<Nodes, JsValue> {
        let box_ = |class: &str| element::<HtmlElement>(document, "div", &[("class", class)]);
        let span = |class: &str| element::<HtmlElement>(document, "span", &[("class", class)]);

        let root = box_("root")?;
        let fab = button(document, &[("class", "fab"), ("part", "button"), ("data-do", "toggle")])?;
        append(&fab, &[&icon(document, "handset", icons::HANDSET)?, &*span("badge")?])?;

        let head = box_("head")?;
        let grip = button(document, &[("class", "plain grip")])?;
        append(&grip, &[&icon(document, "", icons::GRIP)?])?;
        let title = box_("title")?;
        let close = button(document, &[("class", "plain close"), ("data-do", "close")])?;
        append(&close, &[&icon(document, "", icons::CROSS)?])?;
        let settings = Settings::new(document)?;
        append(&head, &[&grip, &*span("dot")?, &title, &settings.button, &close])?;

        let status = element::<HtmlElement>(
            document,
            "div",
            &[("class", "status"), ("part", "status"), ("role", "status"), ("aria-atomic", "false")],
        )?;
        let (sentence, spoken) = (span("sentence")?, span("spoken")?);
        // Inside the live region, but not live: no one wants every second read out.
        let clock: HtmlElement =
            element(document, "span", &[("class", "clock"), ("role", "timer"), ("aria-live", "off")])?;
        let retry: HtmlElement = element(document, "span", &[("class", "retry"), ("aria-live", "off")])?;
        // The spaces keep the words apart where the text is read without the looks.
        for part in [&sentence, &spoken, &clock, &retry] {
            append(&status, &[part])?;
            status.append_with_str_1(" ")?;
        }
        let repair = button(document, &[("class", "small"), ("data-do", "repair")])?;
        let say = box_("say")?;
        append(&say, &[&status, &repair])?;

        let notice: HtmlElement = element(document, "div", &[("class", "notice"), ("role", "alert")])?;
        let notice_text = span("sentence")?;
        let notice_button = button(document, &[("class", "small"), ("data-do", "notice")])?;
        append(&notice, &[&notice_text, &notice_button])?;

        let dialer = box_("dialer")?;
        let number: HtmlInputElement = element(
            document,
            "input",
            &[
                ("class", "number"),
                ("part", "number"),
                ("type", "tel"),
                ("dir", "ltr"),
                ("autocomplete", "off"),
                ("spellcheck", "false"),
                ("enterkeyhint", "go"),
                ("maxlength", "256"),
            ],
        )?;
        let erase = button(document, &[("class", "plain erase"), ("data-do", "erase")])?;
        append(&erase, &[&icon(document, "", icons::ERASE)?])?;
        let field = box_("field")?;
        append(&field, &[&number, &erase])?;
        let keypad: HtmlElement =
            element(document, "div", &[("class", "keypad"), ("part", "keypad"), ("role", "group"), ("dir", "ltr")])?;
        for (digit, letters) in KEYS {
            let key =
                button(document, &[("class", "key"), ("data-do", "key"), ("data-key", digit), ("aria-label", digit)])?;
            let (large, small) = (span("digit")?, span("letters")?);
            large.set_text_content(Some(digit));
            small.set_text_content(Some(letters));
            append(&key, &[&large, &small])?;
            append(&keypad, &[&key])?;
        }
        let (sent, tones) = (box_("sent")?, element::<HtmlElement>(document, "output", &[("class", "tones")])?);
        let back = button(document, &[("class", "small"), ("data-do", "back")])?;
        append(&sent, &[&tones, &back])?;
        append(&dialer, &[&field, &sent, &keypad])?;

        let card = box_("card")?;
        let portrait = box_("portrait")?;
        let initials = span("initials")?;
        append(&portrait, &[&initials, &icon(document, "person", icons::PERSON)?])?;
        let (name, peer_number) = (box_("name")?, box_("peer-number")?);
        peer_number.set_attribute("dir", "ltr")?;
        let meter: HtmlElement = element(
            document,
            "div",
            &[
                ("class", "meter"),
                ("part", "meter"),
                ("role", "meter"),
                ("aria-valuemin", "0"),
                ("aria-valuemax", "100"),
            ],
        )?;
        append(&meter, &[&*span("lit")?])?;
        let mute = button(document, &[("class", "tool mute"), ("part", "mute"), ("data-do", "mute")])?;
        let mute_label = span("label")?;
        append(
            &mute,
            &[&icon(document, "on", icons::MICROPHONE)?, &icon(document, "off", icons::MICROPHONE_OFF)?, &*mute_label],
        )?;
        let show_keypad = button(document, &[("class", "tool"), ("data-do", "keypad")])?;
        let tool = |action: &str| button(document, &[("class", "tool"), ("data-do", action)]);
        let (hold, transfer, second) = (tool("hold")?, tool("transfer")?, tool("second")?);
        hold.set_attribute("part", "hold")?;
        transfer.set_attribute("part", "transfer")?;
        let (connect, conference) = (tool("connect")?, tool("conference")?);
        let tools = box_("tools")?;
        append(&tools, &[&mute, &hold, &show_keypad, &transfer, &second, &connect, &conference])?;
        let lines: HtmlElement = element(document, "div", &[("class", "lines"), ("role", "group")])?;
        let note: HtmlElement = element(document, "div", &[("class", "sound"), ("part", "quality")])?;
        append(&card, &[&portrait, &name, &peer_number, &meter, &note, &tools])?;

        let stage = box_("stage")?;
        append(&stage, &[&dialer, &card])?;

        let big = |class: &str, action: &str| -> Result<(HtmlElement, HtmlElement), JsValue> {
            let button = button(document, &[("class", class), ("data-do", action)])?;
            let label = span("label")?;
            append(&button, &[&icon(document, "handset", icons::HANDSET)?, &*label])?;
            Ok((button, label))
        };
        let (green, green_label) = big("big green", "green")?;
        let (red, red_label) = big("big red", "red")?;
        let actions = box_("actions")?;
        append(&actions, &[&green, &red])?;

        let window: HtmlElement =
            element(document, "section", &[("class", "window"), ("part", "window"), ("tabindex", "-1")])?;
        let (messages, lamps) = (Messages::new(document)?, Lamps::new(document)?);
        let more = box_("more")?;
        append(&more, &[&messages.button, &lamps.button, &lamps.mailbox])?;
        append(
            &window,
            &[
                &head,
                &*say,
                &notice,
                &settings.section,
                &more,
                &messages.section,
                &lamps.section,
                &lines,
                &stage,
                &actions,
            ],
        )?;
        append(&root, &[&window, &fab])?;
        Ok(Nodes {
            root,
            button: fab,
            window,
            head,
            grip,
            title,
            close,
            status,
            sentence,
            spoken,
            clock,
            retry,
            repair,
            notice,
            notice_text,
            notice_button,
            dialer,
            number,
            erase,
            keypad,
            field,
            sent,
            tones,
            lines,
            hold,
            transfer,
            second,
            connect,
            conference,
            back,
            show_keypad,
            note,
            settings,
            more,
            messages,
            lamps,
            card,
            initials,
            name,
            peer_number,
            meter,
            mute,
            mute_label,
            green,
            green_label,
            red,
            red_label,
        })
    }
}
