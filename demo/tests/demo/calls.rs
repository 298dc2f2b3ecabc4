//! Phones on real WebSockets. What the server does in detail is tested in virtual time; this is the way there and back.

use soft_phone_sip::{Body, CallOptions, Cause, Event, RegistrationState};

use crate::phone::Phone;
use crate::site::Site;

#[tokio::test]
async fn two_phones_register_call_and_hang_up() {
    let mut site = Site::start().await;
    let mut alice = Phone::registered(site.addr, "1001").await;
    let mut bob = Phone::registered(site.addr, "1002").await;
    let now = alice.now();
    let call = alice.agent.call(now, "1002", Body::sdp("offer"), CallOptions::default()).unwrap();
    let (_, incoming) = tokio::join!(
        alice.until(|event| matches!(event, Event::Progress { status: 180, .. })),
        bob.until(|event| matches!(event, Event::Incoming { .. }))
    );
    let Event::Incoming { call: incoming, offer } = incoming else { unreachable!() };
    assert_eq!(offer, Some(Body::sdp("offer")));
    let now = bob.now();
    bob.agent.answer(now, incoming, Body::sdp("answer")).unwrap();
    let (answered, _) = tokio::join!(
        alice.until(|event| matches!(event, Event::Answered { .. })),
        bob.until(|event| matches!(event, Event::Answered { .. }))
    );
    let Event::Answered { answer, .. } = answered else { unreachable!() };
    assert_eq!(answer, Some(Body::sdp("answer")));
    let now = alice.now();
    alice.agent.hangup(now, call).unwrap();
    tokio::join!(
        alice.until(|event| matches!(event, Event::Ended { cause: Cause::LocalHangup, .. })),
        bob.until(|event| matches!(event, Event::Ended { cause: Cause::RemoteHangup, .. }))
    );
    site.shutdown().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let site = Site::start().await;
    let mut phone = Phone::connect(site.addr, "1001", "guess").await;
    let now = phone.now();
    phone.agent.register(now).unwrap();
    let failed = |event: &Event| matches!(event, Event::Registration { state: RegistrationState::Failed, .. });
    let event = phone.until(failed).await;
    assert!(matches!(event, Event::Registration { cause: Some(Cause::Unauthorized), .. }), "{event:?}");
}

#[tokio::test]
async fn numbers_that_lead_nowhere() {
    let site = Site::start().await;
    let mut phone = Phone::registered(site.addr, "1001").await;
    for (target, expected) in [("602", 486), ("999", 404), ("1002", 480)] {
        let now = phone.now();
        phone.agent.call(now, target, Body::sdp("offer"), CallOptions::default()).unwrap();
        let event = phone.until(|event| matches!(event, Event::Ended { .. })).await;
        assert!(
            matches!(event, Event::Ended { status: Some(status), .. } if status == expected),
            "{target}: {event:?}"
        );
    }
    let now = phone.now();
    let call = phone.agent.call(now, "603", Body::sdp("offer"), CallOptions::default()).unwrap();
    phone.until(|event| matches!(event, Event::Progress { status: 180, .. })).await;
    let now = phone.now();
    phone.agent.hangup(now, call).unwrap();
    phone.until(|event| matches!(event, Event::Ended { cause: Cause::Cancelled, .. })).await;
}
