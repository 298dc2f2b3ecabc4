//! JSON lines out: what each event of the agent says.

use serde_json::{Value, json};
use soft_phone_sip::{Agent, Body, Event, Facts, Remote};

/// An error that belongs to no event of the agent.
pub fn error(text: String) -> Value {
    json!({ "event": "error", "error": text })
}

/// What lives in the agent, and what was not understood.
pub fn status(agent: &Agent) -> Value {
    let [transactions, calls, timers, other] = agent.live();
    let counters = agent.counters();
    let list: Vec<Value> = agent
        .calls()
        .map(|call| {
            json!({
                "call": call.id().0,
                "state": call.state().as_str(),
                "callId": call.sip_call_id(),
                "remote": call.remote().uri.to_string(),
            })
        })
        .collect();
    json!({
        "registration": agent.registration().as_str(),
        "live": { "transactions": transactions, "calls": calls, "timers": timers, "other": other },
        "malformed": counters.malformed,
        "stray": counters.stray,
        "dropped": counters.dropped,
        "calls": list,
    })
}

/// One line for one event.
pub fn event(agent: &Agent, event: &Event) -> Value {
    // Every event has its own line; the last arm is for those that this tool does not know yet.
    #[allow(unreachable_patterns, reason = "an event that is new in the agent is printed before it is known here")]
    match event {
        Event::Registration { state, cause, status, reason, retry_at, expires } => json!({
            "event": "registration",
            "state": state.as_str(),
            "cause": cause.map(|cause| cause.as_str()),
            "status": status,
            "reason": reason,
            "retryAt": retry_at.map(|at| at.as_millis()),
            "expires": expires.map(|expires| expires.as_secs()),
        }),
        Event::Bindings { query, status } => json!({
            "event": "bindings",
            "query": query.0,
            "status": status,
            "contacts": agent.bindings().iter().map(|it| it.uri.to_string()).collect::<Vec<_>>(),
        }),
        Event::KeepAlive { flow, every } => {
            json!({ "event": "keepAlive", "flow": flow.0, "every": every.as_secs() })
        }
        Event::RegistrationRedirect { flow, target, permanent } => json!({
            "event": "registrationRedirect", "flow": flow.0, "target": target.to_string(), "permanent": permanent,
        }),
        Event::Incoming { call, offer } => {
            let known = agent.get(*call);
            json!({
                "event": "incoming",
                "call": call.0,
                "callId": known.map(|call| call.sip_call_id()),
                "remote": known.map(|call| call.remote().uri.to_string()),
                "name": known.and_then(|call| call.remote().display_name.clone()),
                "offer": offer.as_ref().map(body),
                "replaces": known.and_then(|call| call.replaces()).map(|call| call.0),
                "facts": known.map(|call| facts(call.facts())),
            })
        }
        Event::Progress { call, status, answer, fork } => json!({
            "event": "progress", "call": call.0, "status": status, "fork": fork, "answer": answer.as_ref().map(body),
        }),
        Event::Answered { call, answer, fork } => {
            json!({ "event": "answered", "call": call.0, "fork": fork, "answer": answer.as_ref().map(body) })
        }
        Event::Offer { call, offer } => {
            json!({ "event": "offer", "call": call.0, "offer": offer.as_ref().map(body) })
        }
        Event::Redirected { call, target } => {
            json!({ "event": "redirected", "call": call.0, "target": target.to_string() })
        }
        Event::OfferWithdrawn { call } => json!({ "event": "offerWithdrawn", "call": call.0 }),
        Event::Answer { call, answer } => json!({ "event": "answer", "call": call.0, "answer": body(answer) }),
        Event::State { call, state, previous } => json!({
            "event": "state", "call": call.0, "state": state.as_str(), "previous": previous.as_str(),
        }),
        Event::Ended { call, cause, status, reason } => json!({
            "event": "ended", "call": call.0, "cause": cause.as_str(), "status": status, "reason": reason,
        }),
        Event::TransferProgress { call, status, reason, done } => json!({
            "event": "transferProgress", "call": call.0, "status": status, "reason": reason, "done": done,
        }),
        Event::Transfer { call, transfer, target, replaces, referred_by } => json!({
            "event": "transfer",
            "call": call.0,
            "transfer": transfer.0,
            "target": target.uri.to_string(),
            "replaces": replaces,
            "referredBy": referred_by.as_ref().map(|by| by.uri.to_string()),
        }),
        Event::OfferFailed { call, status, reason } => {
            json!({ "event": "offerFailed", "call": call.0, "status": status, "reason": reason })
        }
        Event::RemoteHold { call, held } => json!({ "event": "remoteHold", "call": call.0, "held": held }),
        Event::Recover { call } => json!({ "event": "recover", "call": call.0 }),
        Event::Info { call, package, body: info } => {
            json!({ "event": "info", "call": call.0, "package": package, "body": body(info) })
        }
        Event::InfoAnswered { query, status } => {
            json!({ "event": "infoAnswered", "query": query.0, "status": status })
        }
        Event::Dtmf { call, tone, duration } => {
            json!({ "event": "dtmf", "call": call.0, "tone": tone.to_string(), "duration": duration })
        }
        Event::Message { from, call, body: text } => json!({
            "event": "message",
            "from": from.uri.to_string(),
            "name": from.display_name,
            "call": call.map(|call| call.0),
            "body": body(text),
        }),
        Event::MessageSent { query, status, reason } => {
            json!({ "event": "messageSent", "query": query.0, "status": status, "reason": reason })
        }
        Event::Subscription { subscription, state, status, reason, retry_at } => json!({
            "event": "subscription",
            "subscription": subscription.0,
            "state": state.as_str(),
            "status": status,
            "reason": reason,
            "retryAt": retry_at.map(|at| at.as_millis()),
        }),
        Event::Notify { subscription, fork, body: state } => json!({
            "event": "notify",
            "subscription": subscription.0,
            "fork": fork,
            "body": state.as_ref().map(body),
        }),
        Event::Unsolicited { package, body: state } => {
            json!({ "event": "unsolicited", "package": package, "body": body(state) })
        }
        Event::Publication { publication, state, status, retry_at } => json!({
            "event": "publication",
            "publication": publication.0,
            "state": state.as_str(),
            "status": status,
            "retryAt": retry_at.map(|at| at.as_millis()),
        }),
        Event::Options { query, status, allow } => {
            json!({ "event": "options", "query": query.0, "status": status, "allow": allow })
        }
        other => json!({ "event": "other", "text": format!("{other:?}") }),
    }
}

fn facts(facts: &Facts) -> Value {
    let address = |remote: &Remote| remote.uri.to_string();
    json!({
        "asserted": facts.asserted,
        "privacy": facts.privacy,
        "diversion": facts.diversion.iter().map(address).collect::<Vec<_>>(),
        "alertInfo": facts.alert_info,
        "callInfo": facts.call_info,
        "autoAnswer": facts.auto_answer.map(|after| after.as_secs()),
        "referredBy": facts.referred_by.as_ref().map(address),
        "subject": facts.subject,
    })
}

fn body(body: &Body) -> Value {
    json!({ "type": body.content_type, "text": String::from_utf8_lossy(&body.bytes) })
}
