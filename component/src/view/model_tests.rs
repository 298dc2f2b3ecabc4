//! Which words and buttons are shown in which state.

use super::*;
use crate::state::{Engine, Quality, Registration, Remote};

/// The model with the card where a call is.
fn model(state: &PhoneState, number: &str, lang: Lang) -> Model {
    super::model(state, number, Panel::Card, lang)
}

fn call(state: CallState) -> Call {
    let direction = if state == CallState::Incoming { Direction::Inbound } else { Direction::Outbound };
    let remote = Remote { number: "1002".into(), uri: "sip:1002@example.com".into(), name: "Bob Brown".into() };
    Call { sip_call_id: "x@y".into(), ..Call::new("c1".into(), direction, state, remote, 1_000.0) }
}

fn registered(calls: Vec<Call>) -> PhoneState {
    PhoneState {
        registration: Registration { state: RegistrationState::Registered, ..Registration::default() },
        calls,
        ..PhoneState::default()
    }
}

fn refused(state: RegistrationState, cause: Problem) -> PhoneState {
    PhoneState {
        registration: Registration { state, cause: Some(cause), ..Registration::default() },
        ..PhoneState::default()
    }
}

fn ended(cause: Cause, direction: Direction) -> PhoneState {
    PhoneState {
        last_ended: Some(Call { cause: Some(cause), direction, ..call(CallState::Ended) }),
        ..registered(vec![])
    }
}

/// Part and label of the two big buttons; a disabled one in brackets.
fn buttons(model: &Model) -> [String; 2] {
    [&model.green, &model.red].map(|action| {
        let name = format!("{} {}", action.part, Lang::En.text(action.label));
        if action.request.is_some() { name } else { format!("({name})") }
    })
}

#[test]
fn the_two_buttons_in_every_state() {
    let idle = ["(call Call)", "(hangup Hang up)"];
    assert_eq!(buttons(&model(&PhoneState::default(), "1002", Lang::En)), idle);
    assert_eq!(buttons(&model(&registered(vec![]), "", Lang::En)), idle);
    assert_eq!(buttons(&model(&registered(vec![]), "  ", Lang::En)), idle);
    assert_eq!(buttons(&model(&registered(vec![]), "1002", Lang::En)), ["call Call", "(hangup Hang up)"]);
    for (state, expected) in [
        (CallState::Dialing, ["(call Call)", "hangup Hang up"]),
        (CallState::Ringing, ["(call Call)", "hangup Hang up"]),
        (CallState::Early, ["(call Call)", "hangup Hang up"]),
        (CallState::Incoming, ["answer Answer", "decline Decline"]),
        (CallState::Answering, ["(call Call)", "hangup Hang up"]),
        (CallState::Active, ["(call Call)", "hangup Hang up"]),
        (CallState::Held, ["(call Call)", "hangup Hang up"]),
        (CallState::Ending, idle),
        (CallState::Ended, ["call Call", "(hangup Hang up)"]),
    ] {
        assert_eq!(buttons(&model(&registered(vec![call(state)]), "1002", Lang::En)), expected, "{state:?}");
    }
}

#[test]
fn the_buttons_ask_for_what_they_say() {
    let id = || "c1".to_owned();
    let idle = model(&registered(vec![]), " 1002 ", Lang::En);
    assert_eq!(idle.green.request, Some(Request::Call { number: "1002".into() }));
    let incoming = model(&registered(vec![call(CallState::Incoming)]), "", Lang::En);
    assert_eq!(incoming.green.request, Some(Request::Answer { call: id() }));
    assert_eq!(incoming.red.request, Some(Request::Decline { call: id() }));
    assert_eq!(incoming.mute, None);
    let active = model(&registered(vec![call(CallState::Active)]), "", Lang::En);
    assert_eq!(active.red.request, Some(Request::Hangup { call: id() }));
    assert_eq!(active.mute, Some(Request::Mute { call: id(), muted: true }));
    let muted = model(&registered(vec![Call { muted: true, ..call(CallState::Active) }]), "", Lang::En);
    assert_eq!(muted.mute, Some(Request::Mute { call: id(), muted: false }));
    assert!(muted.muted);
}

#[test]
fn a_call_that_comes_in_can_be_sent_elsewhere() {
    let facts = registered(vec![call(CallState::Incoming)]);
    let card = model(&facts, "", Lang::En);
    assert_eq!(card.transfer.map(|text| Lang::En.text(text)), Some("Forward"));
    let asked = super::model(&facts, " 600 ", Panel::Transfer, Lang::En);
    assert_eq!(buttons(&asked), ["call Forward", "decline Decline"]);
    let request = Some(Request::Redirect { call: "c1".into(), target: "600".into() });
    assert_eq!(asked.green.request, request);
    assert_eq!(enter_request(&facts, "600", Panel::Transfer), request);
    assert_eq!(super::model(&facts, " ", Panel::Transfer, Lang::En).green.request, None);
    let active = model(&registered(vec![call(CallState::Active)]), "", Lang::En);
    assert_eq!(active.transfer.map(|text| Lang::En.text(text)), Some("Transfer"));
    assert_eq!(model(&registered(vec![call(CallState::Ringing)]), "", Lang::En).transfer, None);
}

#[test]
fn a_call_that_comes_in_goes_before_the_one_that_runs() {
    let second = Call { id: "c2".into(), ..call(CallState::Incoming) };
    let model = model(&registered(vec![call(CallState::Active), second]), "", Lang::En);
    assert_eq!(model.look, Look::Ringing);
    assert_eq!(model.green.request, Some(Request::Answer { call: "c2".into() }));
}

#[test]
fn enter_asks_when_not_signed_in_but_not_during_a_call() {
    let request = Some(Request::Call { number: "1002".into() });
    assert_eq!(enter_request(&PhoneState::default(), "1002", Panel::Card), request);
    assert_eq!(enter_request(&PhoneState::default(), " ", Panel::Card), None);
    assert_eq!(enter_request(&registered(vec![call(CallState::Active)]), "1002", Panel::Card), None);
}

#[test]
fn the_status_of_the_sign_in_in_words() {
    for (state, text, tone) in [
        (RegistrationState::Offline, "Not signed in", Tone::Plain),
        (RegistrationState::Connecting, "Connecting…", Tone::Plain),
        (RegistrationState::Registering, "Signing in…", Tone::Plain),
        (RegistrationState::Registered, "Ready for calls", Tone::Good),
        (RegistrationState::Unregistering, "Signing out…", Tone::Plain),
        (RegistrationState::Failed, "Signing in failed. Try again in a few minutes.", Tone::Bad),
    ] {
        let facts =
            PhoneState { registration: Registration { state, ..Registration::default() }, ..PhoneState::default() };
        let status = model(&facts, "", Lang::En).status;
        assert_eq!((status.text.as_str(), status.tone, status.urgent), (text, tone, tone == Tone::Bad));
    }
}

#[test]
fn a_problem_of_the_sign_in_is_told_with_its_remedy() {
    let facts = refused(RegistrationState::Failed, Problem::Unauthorized);
    let shown = model(&facts, "", Lang::En);
    assert_eq!(
        shown.status.text,
        "The phone server did not accept your user name or password. Ask your administrator to check them."
    );
    assert!(shown.status.urgent);
    assert_eq!(shown.look, Look::Failed);
    assert_eq!(shown.repair, Some((Text::TryAgain, Request::Register)));
    // Trying again cannot help where only the administrator can.
    assert_eq!(model(&refused(RegistrationState::Offline, Problem::NotConfigured), "", Lang::En).repair, None);
    assert_eq!(model(&PhoneState::default(), "", Lang::En).repair, Some((Text::SignIn, Request::Register)));
}

#[test]
fn the_next_try_is_counted_down() {
    let mut facts = refused(RegistrationState::Offline, Problem::Network);
    facts.registration.retry_at = Some(5_000.0);
    assert_eq!(model(&facts, "", Lang::En).status.retry_at, Some(5_000.0));
    assert_eq!(seconds_until(5_000.0, 100.0), 5);
    assert_eq!(seconds_until(5_000.0, 6_000.0), 0);
    assert_eq!(seconds_until(f64::NAN, 0.0), 0);
}

#[test]
fn the_status_of_a_call_in_words() {
    for (state, text, urgent) in [
        (CallState::Dialing, "Calling…", false),
        (CallState::Ringing, "Ringing…", false),
        (CallState::Incoming, "Incoming call", true),
        (CallState::Active, "In a call", false),
        (CallState::Held, "On hold", false),
    ] {
        let status = model(&registered(vec![call(state)]), "", Lang::En).status;
        assert_eq!((status.text.as_str(), status.urgent), (text, urgent));
        assert_eq!(status.spoken, "Bob Brown");
    }
    let muted = Call { muted: true, ..call(CallState::Active) };
    assert_eq!(model(&registered(vec![muted]), "", Lang::Ru).status.text, "Ваш микрофон выключен");
}

#[test]
fn the_clock_runs_from_the_answer_and_stands_after_the_end() {
    let active = Call { answered_at: Some(2_000.0), ..call(CallState::Active) };
    assert_eq!(model(&registered(vec![active]), "", Lang::En).status.clock, Some(Clock::Since(2_000.0)));
    let over = Call { answered_at: Some(2_000.0), ended_at: Some(64_000.0), ..call(CallState::Ended) };
    let facts = PhoneState { last_ended: Some(over), ..registered(vec![]) };
    assert_eq!(model(&facts, "", Lang::En).status.clock, Some(Clock::Stopped(62_000.0)));
}

#[test]
fn the_end_of_a_call_in_words() {
    for (cause, direction, text, tone) in [
        (Cause::Busy, Direction::Outbound, "The line is busy. Try again a little later.", Tone::Bad),
        (Cause::NotFound, Direction::Outbound, "This number does not exist. Check it and call again.", Tone::Bad),
        (
            Cause::Unavailable,
            Direction::Outbound,
            "Nobody can be reached at this number now. Try again later.",
            Tone::Bad,
        ),
        (Cause::Missed, Direction::Inbound, "Missed call from Bob Brown", Tone::Bad),
        (Cause::Declined, Direction::Inbound, "You declined the call", Tone::Plain),
        (Cause::Declined, Direction::Outbound, "Your call was declined. Try again later.", Tone::Bad),
        (Cause::RemoteHangup, Direction::Outbound, "The other side hung up", Tone::Plain),
        (Cause::LocalHangup, Direction::Outbound, "You hung up", Tone::Plain),
    ] {
        let status = model(&ended(cause, direction), "", Lang::En).status;
        assert_eq!((status.text.as_str(), status.tone), (text, tone));
    }
}

#[test]
fn our_own_fault_goes_before_the_cause_of_the_end() {
    let mut facts = ended(Cause::MediaFailed, Direction::Outbound);
    if let Some(call) = &mut facts.last_ended {
        call.problem = Some(Problem::MicrophoneMissing);
    }
    let status = model(&facts, "", Lang::En).status;
    assert_eq!(status.text, "No microphone was found. Plug one in and try again.");
    assert!(status.urgent);
}

#[test]
fn a_notice_carries_the_button_that_helps() {
    let with = |problem| PhoneState { notice: Some(problem), ..registered(vec![]) };
    let action = |problem| model(&with(problem), "", Lang::En).notice.map(|notice| notice.action);
    assert_eq!(action(Problem::SoundBlocked), Some((Text::EnableSound, Request::UserGesture)));
    assert_eq!(action(Problem::NotRegistered), Some((Text::SignIn, Request::Register)));
    assert_eq!(action(Problem::NumberInvalid), Some((Text::Dismiss, Request::DismissNotice)));
    assert_eq!(model(&registered(vec![]), "", Lang::En).notice, None);
    let offline = PhoneState { notice: Some(Problem::NotRegistered), ..PhoneState::default() };
    assert_eq!(model(&offline, "", Lang::En).repair, None);
}

#[test]
fn the_button_says_what_it_does_and_how_things_stand() {
    let mut facts = registered(vec![]);
    assert_eq!(model(&facts, "", Lang::En).button_label, "Open the phone: Ready for calls");
    facts.open = true;
    assert_eq!(model(&facts, "", Lang::Ru).button_label, "Закрыть телефон: Готов к звонкам");
}

#[test]
fn the_card_shows_name_number_and_initials() {
    let card = |name: &str, number: &str| {
        let remote = Remote { name: name.into(), number: number.into(), uri: String::new() };
        let peer = model(&registered(vec![Call { remote, ..call(CallState::Active) }]), "", Lang::En).peer;
        peer.map(|peer| (peer.name, peer.number, peer.initials)).unwrap_or_default()
    };
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(card("анна Мария петрова", "1002"), text("анна Мария петрова", "1002", "АП"));
    assert_eq!(card("", "+7 916"), text("+7 916", "", ""));
    assert_eq!(card("1002", "1002"), text("1002", "", ""));
    assert_eq!(card(" ", ""), text("Unknown caller", "", ""));
}

#[test]
fn durations_are_minutes_and_seconds() {
    for (millis, text) in [
        (0.0, "00:00"),
        (999.0, "00:00"),
        (61_000.0, "01:01"),
        (3_599_999.0, "59:59"),
        (3_600_000.0, "1:00:00"),
        (-5.0, "00:00"),
        (f64::NAN, "00:00"),
    ] {
        assert_eq!(duration(millis), text);
    }
}

#[test]
fn the_meter_is_dark_at_silence_and_full_at_loud_speech() {
    assert_eq!(meter(-100.0), 0.0);
    assert_eq!(meter(-60.0), 0.0);
    assert_eq!(meter(-33.0), 0.5);
    assert_eq!(meter(0.0), 1.0);
}

#[test]
fn the_keypad_is_there_while_somebody_listens() {
    for (state, there) in [
        (CallState::Dialing, false),
        (CallState::Ringing, false),
        (CallState::Early, true),
        (CallState::Incoming, false),
        (CallState::Answering, false),
        (CallState::Active, true),
        (CallState::Held, false),
        (CallState::Ending, false),
    ] {
        let shown = super::model(&registered(vec![call(state)]), "", Panel::Keypad, Lang::En);
        assert_eq!((shown.panel == Panel::Keypad, shown.tones_to.is_some()), (there, there), "{state:?}");
    }
}

#[test]
fn the_sound_of_a_call_in_words() {
    let quality = |mos| Quality {
        mos,
        rtt_ms: None,
        jitter_ms: 0.0,
        loss_percent: 0.0,
        playout_delay_ms: 0.0,
        concealed_percent: None,
        jitter_buffer: Engine::Browser,
        engine: Engine::Browser,
        noise_suppression: None,
    };
    for (mos, words) in [(4.4, "Good sound"), (3.9, "Fair sound"), (2.0, "Poor sound: check your network")] {
        let facts = registered(vec![Call { quality: Some(quality(mos)), ..call(CallState::Active) }]);
        assert_eq!(model(&facts, "", Lang::En).note, words);
    }
    let forwarded = Call { forwarded_by: Some("Anna".into()), ..call(CallState::Incoming) };
    assert_eq!(model(&registered(vec![forwarded]), "", Lang::En).note, "Forwarded by Anna");
    let on_hold = registered(vec![Call { remote_held: true, ..call(CallState::Active) }]);
    assert_eq!(model(&on_hold, "", Lang::En).status.text, "The other side has put you on hold");
}

#[test]
fn a_call_without_a_way_says_whether_it_waits_for_the_network() {
    let away = |state, cause, cut| PhoneState {
        registration: Registration { state, cause, ..Registration::default() },
        ..registered(vec![Call { cut, ..call(CallState::Active) }])
    };
    let told = |facts: &PhoneState| {
        let model = model(facts, "", Lang::En);
        (model.status.text, model.status.tone, model.status.urgent, model.note)
    };
    let waits = ("The network is away. The call waits until it is back.".to_owned(), Tone::Bad, true, String::new());
    assert_eq!(told(&away(RegistrationState::Offline, Some(Problem::Network), true)), waits);
    assert_eq!(told(&away(RegistrationState::Connecting, None, true)), waits);
    let interrupted =
        ("The sound is interrupted. It is being connected again…".to_owned(), Tone::Bad, true, String::new());
    assert_eq!(told(&away(RegistrationState::Registered, None, true)), interrupted);
    let alone = "No connection to the phone server. You can go on speaking.".to_owned();
    assert_eq!(
        told(&away(RegistrationState::Offline, Some(Problem::Network), false)),
        ("In a call".to_owned(), Tone::Good, false, alone)
    );
    // Not signed in as nobody wants it: no fault of the network.
    assert_eq!(told(&away(RegistrationState::Offline, None, false)).3, "");
}

#[test]
fn the_panels_of_a_call_dial_and_transfer() {
    let facts = registered(vec![call(CallState::Active)]);
    let number = || "1003".to_owned();
    let second = super::model(&facts, "1003", Panel::Call, Lang::En);
    assert_eq!(buttons(&second), ["call Call", "hangup Hang up"]);
    assert_eq!(second.green.request, Some(Request::Call { number: number() }));
    let transfer = super::model(&facts, "1003", Panel::Transfer, Lang::En);
    let request = Some(Request::Transfer { call: "c1".into(), target: number() });
    assert_eq!(buttons(&transfer), ["call Transfer", "hangup Hang up"]);
    assert_eq!((&transfer.green.request, &enter_request(&facts, "1003", Panel::Transfer)), (&request, &request));
    assert_eq!(enter_request(&facts, "1003", Panel::Call), Some(Request::Call { number: number() }));
    let ringing = registered(vec![call(CallState::Ringing)]);
    assert_eq!(super::model(&ringing, "1003", Panel::Transfer, Lang::En).panel, Panel::Card);
}

#[test]
fn hold_is_offered_while_a_call_stands() {
    let held = |held| Some(Request::Hold { call: "c1".into(), held });
    for (state, request) in [
        (CallState::Ringing, None),
        (CallState::Active, held(true)),
        (CallState::Held, held(false)),
        (CallState::Ending, None),
    ] {
        let shown = model(&registered(vec![call(state)]), "", Lang::En);
        assert_eq!((shown.hold, shown.held), (request, state == CallState::Held), "{state:?}");
    }
}

#[test]
fn two_calls_can_be_switched_connected_and_joined() {
    let second = Call { id: "c2".into(), ..call(CallState::Active) };
    let mut facts = registered(vec![call(CallState::Held), second]);
    facts.front = Some("c2".into());
    let shown = model(&facts, "", Lang::En);
    let line = Line { id: "c1".into(), name: "Bob Brown".into(), state: Text::InCall(CallState::Held) };
    assert_eq!(shown.lines, [line]);
    assert_eq!(shown.connect, Some(Request::TransferTo { call: "c1".into(), other: "c2".into() }));
    assert_eq!(shown.conference, Some(Request::Conference));
    facts.front = Some("c1".into());
    assert_eq!(model(&facts, "", Lang::En).lines[0].id, "c2");
    for call in &mut facts.calls {
        call.in_conference = true;
        call.state = CallState::Active;
    }
    let joined = model(&facts, "", Lang::En);
    assert_eq!((joined.conference, joined.connect, joined.status.text.as_str()), (None, None, "In a conference"));
    let one = registered(vec![call(CallState::Active)]);
    assert_eq!((model(&one, "", Lang::En).lines.len(), model(&one, "", Lang::En).conference), (0, None));
}
