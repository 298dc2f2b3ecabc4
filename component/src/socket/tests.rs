//! The plan of the connection in virtual time: waits, servers, keep-alives, doubt.

use super::*;

const A: &str = "wss://a/";
const B: &str = "wss://b/";

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn plan(servers: &[&str]) -> Plan {
    Plan::new(servers.iter().map(|&s| s.to_owned()).collect(), 7)
}

fn actions(plan: &mut Plan) -> Vec<Action> {
    std::iter::from_fn(|| plan.poll_action()).collect()
}

fn opens(url: &str) -> Vec<Action> {
    vec![Action::Open(url.to_owned())]
}

#[test]
fn only_one_line_end_answers_a_keep_alive() {
    assert!(is_pong(b"\r\n"));
    for other in [&b"\r\n\r\n"[..], b"", b"\n", b"SIP/2.0 200 OK\r\n\r\n"] {
        assert!(!is_pong(other), "{other:?}");
    }
}

#[test]
fn the_next_server_is_tried_at_once_and_the_first_after_a_wait() {
    let mut plan = plan(&[A, B]);
    plan.start(at(0));
    assert_eq!(actions(&mut plan), opens(A));
    plan.handle_closed(at(5));
    assert_eq!(actions(&mut plan), opens(B));
    plan.handle_closed(at(9));
    let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
    assert!(until >= at(509) && until <= at(1009), "{until:?}");
    plan.handle_timeout(until);
    assert_eq!(actions(&mut plan), opens(A));
}

#[test]
fn the_wait_grows_to_a_minute_and_starts_anew_after_a_steady_connection() {
    let mut plan = plan(&[A]);
    let mut now = at(0);
    let mut longest = Duration::ZERO;
    plan.start(now);
    for _ in 0..12 {
        plan.handle_closed(now);
        let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
        longest = longest.max(until.saturating_duration_since(now));
        now = until;
        plan.handle_timeout(now);
    }
    assert!(longest > Duration::from_secs(30) && longest <= Duration::from_secs(60), "{longest:?}");
    plan.handle_opened(now);
    plan.handle_closed(now + STEADY_AFTER);
    let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
    assert!(until <= now + STEADY_AFTER + Duration::from_secs(1), "{until:?}");
}

#[test]
fn a_server_that_accepts_and_drops_is_not_hammered() {
    let mut plan = plan(&[A]);
    let mut now = at(0);
    plan.start(now);
    for _ in 0..8 {
        plan.handle_opened(now);
        plan.handle_closed(now);
        let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
        now = until;
        plan.handle_timeout(now);
    }
    assert!(now > at(60_000), "{now:?}");
}

#[test]
fn a_websocket_that_never_opens_is_given_up_after_ten_seconds() {
    let mut plan = plan(&[A, B]);
    plan.start(at(0));
    assert_eq!(plan.poll_timeout(), Some(at(10_000)));
    actions(&mut plan);
    plan.handle_timeout(at(10_000));
    assert_eq!(actions(&mut plan), [Action::Close, Action::Open(B.to_owned())]);
}

/// A connection that was just opened, and when its first keep-alive is due.
fn opened() -> (Plan, Instant) {
    let mut plan = plan(&[A]);
    plan.start(at(0));
    plan.handle_opened(at(0));
    actions(&mut plan);
    let ping = plan.poll_timeout().unwrap();
    assert!(ping >= at(25_000) && ping <= at(30_000), "{ping:?}");
    (plan, ping)
}

/// Nothing comes in after `action` is due: the connection is dropped when the deadline passes.
fn assert_silence_is_death(mut plan: Plan, due: Instant, action: Action) {
    plan.handle_timeout(due);
    assert_eq!(actions(&mut plan), [action]);
    assert_eq!(plan.poll_timeout(), Some(due + PONG_DEADLINE));
    plan.handle_timeout(due + PONG_DEADLINE);
    assert_eq!(actions(&mut plan), [Action::Close]);
    assert!(matches!(plan.phase(), Phase::Waiting { .. }));
}

#[test]
fn a_first_request_without_any_answer_ends_the_connection() {
    let (mut plan, _) = opened();
    plan.handle_sent(at(100));
    assert_eq!(plan.poll_timeout(), Some(at(100) + PONG_DEADLINE));
    plan.handle_timeout(at(100) + PONG_DEADLINE);
    assert_eq!(actions(&mut plan), [Action::Close]);
    assert!(matches!(plan.phase(), Phase::Waiting { .. }));

    let (mut plan, _) = opened();
    plan.handle_sent(at(100));
    plan.handle_sent(at(150));
    plan.handle_data(at(200), false);
    assert_eq!(plan.poll_timeout(), Some(at(100) + PONG_DEADLINE), "something else was answered");
    plan.handle_answered();
    plan.handle_sent(at(300));
    assert!(plan.poll_timeout() > Some(at(300) + PONG_DEADLINE), "later requests have deadlines of their own");
}

#[test]
fn a_server_that_answers_keep_alives_must_go_on_to() {
    let (mut plan, ping) = opened();
    plan.handle_timeout(ping);
    assert_eq!(actions(&mut plan), [Action::Ping]);
    plan.handle_data(ping, true);
    let second = plan.poll_timeout().unwrap();
    assert!(second >= ping + PING_AFTER.0, "{second:?}");
    assert_silence_is_death(plan, second, Action::Ping);
}

#[test]
fn a_server_that_ignores_keep_alives_is_asked_something_it_must_answer() {
    let (mut plan, ping) = opened();
    plan.handle_timeout(ping);
    assert_eq!(actions(&mut plan), [Action::Ping]);
    // No answer, no deadline: the next thing is the next keep-alive.
    let second = plan.poll_timeout().unwrap();
    assert!(second >= ping + PING_AFTER.0, "{second:?}");
    plan.handle_timeout(second);
    assert_eq!(actions(&mut plan), [Action::Probe]);
    plan.handle_data(second, false);
    let third = plan.poll_timeout().unwrap();
    assert!(third >= second + PING_AFTER.0, "{third:?}");
    assert_silence_is_death(plan, third, Action::Probe);
}

#[test]
fn the_servers_flow_timer_brings_keep_alives_forward_but_never_back() {
    for (every, earliest, latest) in [(10, 8_000, 10_000), (600, 25_000, 30_000), (0, 5_000, 5_000)] {
        let (mut plan, _) = opened();
        plan.handle_flow_timer(at(0), Duration::from_secs(every));
        for round in 0..20 {
            let now = plan.poll_timeout().unwrap();
            let before = if round == 0 { at(0) } else { at(100_000 * round) };
            let pause = now.saturating_duration_since(before).as_millis();
            assert!((earliest..=latest).contains(&pause), "{every} s: {pause} ms");
            plan.handle_data(at(100_000 * (round + 1)), true);
        }
    }
    // The next connection has its own.
    let (mut plan, _) = opened();
    plan.handle_flow_timer(at(0), Duration::from_secs(10));
    plan.handle_closed(at(1));
    let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
    plan.handle_timeout(until);
    plan.handle_opened(until);
    assert!(plan.poll_timeout().unwrap() >= until + PING_AFTER.0);
}

#[test]
fn keep_alives_that_come_faster_than_their_deadline_do_not_put_it_off() {
    let (mut plan, _) = opened();
    plan.handle_flow_timer(at(0), Duration::from_secs(5));
    plan.handle_timeout(at(5_000));
    plan.handle_data(at(5_010), true);
    plan.handle_timeout(at(10_010));
    plan.handle_timeout(at(15_010));
    assert_eq!(actions(&mut plan), [Action::Ping, Action::Ping, Action::Ping]);
    plan.handle_timeout(at(20_010));
    assert_eq!(actions(&mut plan), [Action::Close]);
}

#[test]
fn the_network_coming_back_ends_the_wait() {
    let mut plan = plan(&[A]);
    plan.start(at(0));
    plan.handle_closed(at(0));
    actions(&mut plan);
    plan.handle_online(at(100));
    assert_eq!(actions(&mut plan), opens(A));
}

#[test]
fn somebody_who_waits_ends_a_wait_and_nothing_else() {
    let mut plan = plan(&[A]);
    plan.start(at(0));
    actions(&mut plan);
    plan.retry(at(5_000));
    assert_eq!(actions(&mut plan), []);
    plan.handle_closed(at(5_000));
    plan.retry(at(5_100));
    assert_eq!(actions(&mut plan), opens(A));
    plan.handle_opened(at(5_200));
    plan.retry(at(5_300));
    assert_eq!((actions(&mut plan), plan.phase()), (vec![], Phase::Open));
}

#[test]
fn a_try_that_was_begun_before_the_network_came_is_begun_anew() {
    let mut plan = plan(&[A]);
    plan.start(at(0));
    plan.handle_online(at(499));
    assert_eq!(actions(&mut plan), opens(A), "that one was begun just now");
    plan.handle_online(at(4_000));
    assert_eq!(actions(&mut plan), [Action::Close, Action::Open(A.to_owned())]);
    assert_eq!(plan.poll_timeout(), Some(at(14_000)));
}

#[test]
fn a_connection_in_doubt_has_two_seconds_to_answer() {
    let (mut plan, _) = opened();
    plan.handle_doubt(at(1_000));
    assert_eq!(actions(&mut plan), [Action::Probe]);
    assert_eq!(plan.poll_timeout(), Some(at(3_000)));
    plan.handle_doubt(at(2_000));
    assert_eq!(actions(&mut plan), [], "it is asked already");
    plan.handle_data(at(2_500), false);
    plan.handle_timeout(at(3_000));
    assert_eq!((actions(&mut plan), plan.phase()), (vec![], Phase::Open), "it lives");
    plan.handle_online(at(4_000));
    assert_eq!(actions(&mut plan), [Action::Probe]);
    plan.handle_timeout(at(6_000));
    assert_eq!(actions(&mut plan), [Action::Close, Action::Open(A.to_owned())], "and no wait");
    plan.handle_closed(at(6_000));
    assert!(matches!(plan.phase(), Phase::Waiting { .. }));
}

#[test]
fn doubt_brings_the_deadline_of_a_keep_alive_forward_and_asks_as_the_server_answers() {
    let (mut plan, ping) = opened();
    plan.handle_timeout(ping);
    plan.handle_data(ping, true);
    let second = plan.poll_timeout().unwrap();
    plan.handle_timeout(second);
    assert_eq!(actions(&mut plan), [Action::Ping, Action::Ping]);
    plan.handle_doubt(second);
    assert_eq!((actions(&mut plan), plan.poll_timeout()), (vec![Action::Ping], Some(second + DOUBT_DEADLINE)));
}

#[test]
fn a_deadline_that_passed_asleep_is_set_once_more_and_not_twice() {
    let (mut plan, _) = opened();
    plan.handle_sent(at(100));
    plan.handle_timeout(at(600_000));
    assert_eq!((actions(&mut plan), plan.phase()), (vec![Action::Probe], Phase::Open));
    assert_eq!(plan.poll_timeout(), Some(at(602_000)));
    // A hidden page is woken once a minute only: late again, and nothing has come.
    plan.handle_timeout(at(660_000));
    assert_eq!(actions(&mut plan), [Action::Close, Action::Open(A.to_owned())]);
}

/// When the tries begin and how long each may take, while no server answers for so many of them.
fn tries(plan: &mut Plan, count: usize) -> Vec<(u64, u64)> {
    let mut now = at(0);
    plan.start(now);
    plan.handle_opened(now);
    plan.handle_closed(now);
    let mut tries = Vec::new();
    for _ in 0..count {
        let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
        plan.handle_timeout(until);
        assert_eq!(plan.phase(), Phase::Opening);
        let pause = until.saturating_duration_since(now).as_millis();
        now = plan.poll_timeout().unwrap();
        let longest = now.saturating_duration_since(until).as_millis();
        plan.handle_timeout(now);
        tries.push((u64::try_from(pause).unwrap(), u64::try_from(longest).unwrap()));
    }
    tries
}

#[test]
fn in_a_call_the_server_is_tried_every_few_seconds_and_some_tries_have_time() {
    let mut plan = plan(&[A]);
    plan.set_in_call(at(0), true);
    let tries = tries(&mut plan, 12);
    assert!(tries.iter().all(|(pause, _)| (500..=2_000).contains(pause)), "{tries:?}");
    let longest: Vec<u64> = tries.iter().map(|(_, longest)| *longest).collect();
    assert_eq!(longest, [4_000, 10_000, 4_000].repeat(4));
}

#[test]
fn without_a_call_the_server_is_spared() {
    let mut plan = plan(&[A]);
    let tries = tries(&mut plan, 12);
    assert!(tries[6..].iter().all(|(pause, _)| (30_000..=60_000).contains(pause)), "{tries:?}");
    assert!(tries.iter().all(|(_, longest)| *longest == 10_000), "{tries:?}");
}

#[test]
fn a_call_shortens_the_wait_that_there_is() {
    let mut plan = plan(&[A]);
    tries(&mut plan, 8);
    let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
    let now = until - Duration::from_secs(20);
    plan.set_in_call(now, true);
    assert_eq!(plan.phase(), Phase::Waiting { until: now + BACK_OFF_IN_CALL });
}

#[test]
fn a_substitute_is_left_for_the_first_server() {
    let mut plan = plan(&[A, B]);
    plan.start(at(0));
    plan.handle_closed(at(0));
    plan.handle_opened(at(0));
    actions(&mut plan);
    assert!(!plan.wants_to_return(at(119_999)));
    assert!(plan.wants_to_return(at(120_000)));
    plan.return_to_first(at(120_000));
    assert_eq!(actions(&mut plan), [Action::Close, Action::Open(A.to_owned())]);
}

#[test]
fn a_server_without_sip_is_left_like_one_that_cannot_be_reached() {
    let mut plan = plan(&[A, B]);
    plan.start(at(0));
    plan.handle_opened(at(1));
    actions(&mut plan);
    plan.give_up_server(at(2));
    assert_eq!(actions(&mut plan), [Action::Close, Action::Open(B.to_owned())]);
    plan.give_up_server(at(3));
    assert_eq!(actions(&mut plan), [Action::Close]);
    assert!(matches!(plan.phase(), Phase::Waiting { .. }));
}

#[test]
fn stopping_closes_and_forgets() {
    let mut plan = plan(&[A]);
    plan.start(at(0));
    plan.handle_opened(at(0));
    actions(&mut plan);
    plan.stop();
    assert_eq!((actions(&mut plan), plan.phase(), plan.poll_timeout()), (vec![Action::Close], Phase::Idle, None));
}
