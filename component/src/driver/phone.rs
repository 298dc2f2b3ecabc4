//! Everything the driver holds behind its one borrow, and the drain that follows each change.

use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use soft_phone_sip::presence::Availability;
use soft_phone_sip::{Agent, Event, Flow, Instant, QueryId};

use wasm_bindgen::JsValue;

use super::Driver;
use super::calls::Entry;
use super::facts;
use super::lines::Conference;
use super::messages::Texts;
use super::output::{self, Output};
use super::presence::Watches;
use super::tabs::{Role, Tabs};
use crate::account::{Account, Fallback};
use crate::call::Shared;
use crate::clock;
use crate::diagnostics::Trace;
use crate::failure::Failure;
use crate::instance::Instance;
use crate::js::Deferred;
use crate::media::Settings;
use crate::media::processing::{Mode, Noise, Processing};
use crate::media::receive;
use crate::names;
use crate::record::Record;
use crate::socket::link::{self, Link};
use crate::socket::{Action, Phase, Plan, is_pong};
use crate::state::{Call, DeviceKind, Devices, EpochMillis, PhoneState, Problem, Registration, RegistrationState};

/// Why the registrar refused, as it said.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// Why.
    pub cause: Option<soft_phone_sip::Cause>,
    /// The final answer's status.
    pub status: Option<u16>,
    /// Its reason phrase.
    pub reason: Option<String>,
    /// When it is tried again.
    pub retry_at: Option<EpochMillis>,
}

/// A WebSocket and what was learnt about it.
pub struct Connection {
    /// The agent's name for it.
    pub flow: Flow,
    pub(super) link: Link,
    /// SIP came in on it.
    sip_seen: bool,
}

/// The phone: cores, calls, facts.
pub struct Phone {
    pub(super) me: Weak<Driver>,
    /// In the page and running.
    pub(super) running: bool,
    /// Somebody wants us to be signed in.
    pub(super) wanted: bool,
    pub(super) fallback: Fallback,
    pub(super) account: Option<Account>,
    pub(super) fault: Option<Problem>,
    /// The account's field that is at fault; empty when it is none.
    pub(super) fault_field: &'static str,
    pub(super) loading: bool,
    /// When the account is fetched again, by itself.
    pub(super) reload_at: Option<Instant>,
    /// What the account's source said in a call: it takes effect after it.
    pub(super) parting: Option<Result<Account, Problem>>,
    /// Fetches that failed since the last one that did not.
    pub(super) reloads: u32,
    /// The credentials were fetched anew for the refusal that stands.
    pub(super) asked_again: bool,
    /// Known while the phone runs, but for a moment at the beginning.
    pub(super) instance: Option<Instance>,
    /// The other tabs of this phone.
    pub(super) tabs: Tabs,
    pub(super) agent: Option<Agent>,
    pub(super) plan: Option<Plan>,
    pub(super) connection: Option<Connection>,
    next_flow: u64,
    pub(super) link_fault: Option<Problem>,
    pub(super) refusal: Refusal,
    pub(super) registration: Registration,
    pub(super) registering: Vec<Deferred>,
    pub(super) unregistering: Vec<Deferred>,
    pub(super) calls: Vec<Entry>,
    pub(super) next_call: u64,
    /// Calls that were left to the next page, as this page knows them, should the browser bring it back.
    pub(super) parked: Vec<(Rc<Shared>, JsValue)>,
    /// The call that the user speaks in, or chose last.
    pub(super) front: Option<u64>,
    pub(super) devices: Devices,
    /// Promises that wait for the answer to a request of ours.
    pub(super) queries: Vec<(QueryId, Deferred)>,
    pub(super) conference: Conference,
    /// When the statistics are looked at next.
    pub(super) sample_at: Option<Instant>,
    pub(super) texts: Texts,
    pub(super) watches: Watches,
    pub(super) history: VecDeque<Record>,
    pub(super) last_ended: Option<Call>,
    /// The busy tone ends then.
    pub(super) busy_until: Option<Instant>,
    pub(super) open: bool,
    pub(super) notice: Option<Problem>,
    pub(super) sound_blocked: bool,
    pub(super) granted: bool,
    /// The user wants calls from the window to be anonymous; for as long as the page stays.
    pub(super) anonymous: bool,
    /// The microphone's level as it was measured last.
    pub(super) level_dbfs: Option<f32>,
    pub(super) trace: Trace,
    pub(super) outputs: VecDeque<Output>,
}

impl Phone {
    pub(super) fn new(me: Weak<Driver>) -> Phone {
        Phone {
            me,
            running: false,
            wanted: false,
            fallback: Fallback::default(),
            account: None,
            fault: Some(Problem::NotConfigured),
            fault_field: "",
            loading: false,
            reload_at: None,
            parting: None,
            reloads: 0,
            asked_again: false,
            instance: None,
            tabs: Tabs::default(),
            agent: None,
            plan: None,
            connection: None,
            next_flow: 0,
            link_fault: None,
            refusal: Refusal::default(),
            registration: Registration::default(),
            registering: Vec::new(),
            unregistering: Vec::new(),
            calls: Vec::new(),
            next_call: 0,
            parked: Vec::new(),
            front: None,
            devices: Devices::default(),
            queries: Vec::new(),
            conference: Conference::default(),
            sample_at: None,
            texts: Texts::default(),
            watches: Watches::new(),
            history: VecDeque::new(),
            last_ended: None,
            busy_until: None,
            open: false,
            notice: None,
            sound_blocked: false,
            granted: false,
            anonymous: false,
            level_dbfs: None,
            trace: Trace::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Does everything that the last change asks for: connection, messages, events, facts.
    pub(super) fn drain(&mut self, now: Instant) {
        if let Some(plan) = &mut self.plan {
            plan.set_in_call(now, !self.calls.is_empty());
        }
        loop {
            if let Some(action) = self.plan.as_mut().and_then(Plan::poll_action) {
                self.act(now, action);
            } else if let Some(transmit) = self.agent.as_mut().and_then(Agent::poll_transmit) {
                self.trace.note(clock::epoch_millis(), true, &transmit.payload);
                if let Some(connection) = self.connection.as_ref().filter(|open| open.flow == transmit.flow) {
                    connection.link.send(&transmit.payload);
                    if let Some(plan) = &mut self.plan {
                        plan.handle_sent(now);
                    }
                }
            } else if let Some(event) = self.agent.as_mut().and_then(Agent::poll_event) {
                self.handle_event(now, event);
            } else {
                break;
            }
        }
        self.publish_registration();
    }

    /// When the driver is to come back by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [
            self.agent.as_ref().and_then(Agent::poll_timeout),
            self.plan.as_ref().and_then(Plan::poll_timeout),
            self.reload_at,
            self.busy_until,
            self.sample_at,
        ]
        .into_iter()
        .chain(self.calls.iter().flat_map(|entry| [entry.line.again_at, entry.repair.at, entry.answer_at]))
        .flatten()
        .min()
    }

    /// Lets what is due happen.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(agent) = &mut self.agent {
            agent.handle_timeout(now);
        }
        if let Some(plan) = &mut self.plan {
            if plan.wants_to_return(now) && self.calls.is_empty() {
                plan.return_to_first(now);
            } else {
                plan.handle_timeout(now);
            }
        }
        if self.busy_until.is_some_and(|until| now >= until) {
            self.busy_until = None;
        }
        self.pursue_again(now);
        self.repair_due(now);
        self.answer_due(now);
        if self.sample_at.take_if(|at| now >= *at).is_some() {
            self.sample();
        }
    }

    fn act(&mut self, now: Instant, action: Action) {
        match action {
            Action::Close => self.disconnect(now),
            Action::Ping => {
                if let Some(connection) = &self.connection {
                    connection.link.send(b"\r\n\r\n");
                }
            }
            Action::Probe => {
                if let (Some(agent), Some(account)) = (&mut self.agent, &self.account) {
                    // Whatever the answer is: that there is one is what counts.
                    let _ = agent.options(now, &format!("sip:{}", account.uri.host));
                }
            }
            Action::Open(url) => {
                self.disconnect(now);
                let flow = Flow(self.next_flow);
                self.next_flow += 1;
                let me = self.me.clone();
                let report = Rc::new(move |report| {
                    if let Some(driver) = me.upgrade() {
                        driver.run(|phone, now| phone.handle_link(now, flow, report));
                    }
                });
                match Link::open(&url, report) {
                    Ok(link) => self.connection = Some(Connection { flow, link, sip_seen: false }),
                    Err(_) => {
                        self.link_fault = Some(Problem::ServerUrl);
                        if let Some(plan) = &mut self.plan {
                            plan.handle_closed(now);
                        }
                    }
                }
            }
        }
    }

    fn disconnect(&mut self, now: Instant) {
        if let Some(connection) = self.connection.take()
            && let Some(agent) = &mut self.agent
        {
            agent.handle_disconnected(now, connection.flow);
        }
    }

    fn handle_link(&mut self, now: Instant, flow: Flow, report: link::Report) {
        let Some(connection) = self.connection.as_mut().filter(|open| open.flow == flow) else { return };
        let Some(plan) = &mut self.plan else { return };
        match report {
            link::Report::Opened { sip: true } => {
                plan.handle_opened(now);
                if let Some(agent) = &mut self.agent {
                    agent.handle_connected(now, flow);
                }
            }
            // RFC 7118 §4.1: without the subprotocol there is no SIP.
            link::Report::Opened { sip: false } => {
                self.link_fault = Some(Problem::NotSip);
                plan.give_up_server(now);
            }
            link::Report::Closed => {
                self.disconnect(now);
                if let Some(plan) = &mut self.plan {
                    plan.handle_closed(now);
                }
            }
            link::Report::Data(bytes) => {
                plan.handle_data(now, is_pong(&bytes));
                if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                    return;
                }
                self.trace.note(clock::epoch_millis(), false, &bytes);
                connection.sip_seen |= is_sip(&bytes);
                if !connection.sip_seen {
                    self.link_fault = Some(Problem::NotSip);
                    plan.give_up_server(now);
                } else if let Some(agent) = &mut self.agent {
                    self.link_fault = None;
                    agent.handle_input(now, flow, &bytes);
                    if agent.registration() != soft_phone_sip::RegistrationState::Registering {
                        plan.handle_answered();
                    }
                }
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Registration { state, cause, status, reason, retry_at, expires: _ } => {
                self.refusal = Refusal { cause, status, reason, retry_at: retry_at.map(clock::to_epoch) };
                if state == soft_phone_sip::RegistrationState::Registered {
                    self.asked_again = false;
                    self.watch_all(now);
                } else if state == soft_phone_sip::RegistrationState::Failed
                    && cause == Some(soft_phone_sip::Cause::Unauthorized)
                {
                    self.ask_for_credentials();
                }
            }
            Event::KeepAlive { every, .. } => {
                if let Some(plan) = &mut self.plan {
                    plan.handle_flow_timer(now, every);
                }
            }
            // Only the servers of the account are spoken to, whatever one of them says: perhaps the next one is meant.
            Event::RegistrationRedirect { .. } => {
                if let Some(plan) = &mut self.plan {
                    plan.give_up_server(now);
                }
            }
            Event::Incoming { call, offer } => self.on_incoming(now, call, offer),
            Event::Progress { call, answer, fork, .. } => {
                self.on_progress(call, fork, answer);
                self.send_candidates(now, call);
            }
            Event::Answered { call, answer, fork } => {
                self.on_answered(now, call, fork, answer);
                self.send_candidates(now, call);
            }
            Event::Offer { call, offer } => self.on_offer(now, call, offer),
            Event::Answer { call, answer } => self.on_answer(call, answer),
            Event::State { call, state, .. } => self.on_state(call, state),
            Event::Ended { call, cause, status, reason } => self.on_ended(now, call, cause, status, reason),
            // A re-INVITE is answered at once, so nothing is left to take back; OPTIONS is not sent.
            Event::OfferWithdrawn { .. } | Event::Options { .. } | Event::Bindings { .. } => {}
            Event::OfferFailed { call, status, reason } => self.on_offer_failed(call, status, reason),
            Event::RemoteHold { call, held } => self.on_remote_hold(call, held),
            Event::Redirected { call, target } => self.on_redirected(call, target),
            Event::Recover { call } => self.on_recover(now, call),
            Event::Transfer { call, transfer, target, .. } => self.on_transfer(call, transfer, &target),
            Event::TransferProgress { call, status, reason, done: true } => {
                self.on_transfer_progress(call, status, reason);
            }
            Event::InfoAnswered { query, status } => self.on_query(query, status),
            Event::Message { from, body, .. } => self.on_message(&from, &body),
            Event::MessageSent { query, status, reason } => self.on_message_sent(query, status, reason),
            Event::Subscription { subscription, state, status, reason, retry_at } => {
                self.on_subscription(subscription, state, status, reason, retry_at.map(clock::to_epoch));
            }
            Event::Notify { subscription, fork, body } => self.on_notify(now, subscription, fork, body.as_ref()),
            Event::Unsolicited { body, .. } => self.on_unsolicited(&body),
            Event::Publication { publication, state, status, .. } => self.on_publication(publication, state, status),
            Event::Info { call, package, body } => self.on_info(call, package.as_deref(), &body),
            // Keys that the far end presses are for machines.
            Event::TransferProgress { .. } | Event::Dtmf { .. } => {}
        }
    }

    /// Compares the facts of the sign-in with those told last, and tells what is new.
    fn publish_registration(&mut self) {
        if self.tabs.role == Role::Following {
            return;
        }
        let phase = self.plan.as_ref().map_or(Phase::Idle, Plan::phase);
        let registered = self.agent.as_ref().map_or(soft_phone_sip::RegistrationState::Offline, Agent::registration);
        let (state, cause) = facts::registration(&facts::Inputs {
            fault: self.fault,
            // Asking again is nobody's business while all is well.
            loading: self.loading && registered != soft_phone_sip::RegistrationState::Registered
                || self.tabs.role == Role::Joining,
            wanted: self.wanted,
            phase,
            link_fault: self.link_fault,
            agent: registered,
            cause: self.refusal.cause,
        });
        let refused = matches!(phase, Phase::Open) && state == RegistrationState::Failed && self.fault.is_none();
        let retry_at = match phase {
            Phase::Waiting { until } if self.fault.is_none() => Some(clock::to_epoch(until).round()),
            _ if refused => self.refusal.retry_at,
            _ if self.fault.is_some() => self.reload_at.map(|at| clock::to_epoch(at).round()),
            _ => None,
        };
        let told = Registration {
            state,
            cause,
            sip_status: self.refusal.status.filter(|_| refused || state == RegistrationState::Registered),
            server: self.plan.as_ref().and_then(Plan::server).map(str::to_owned),
            retry_at,
        };
        let before = self.registration.cause;
        let problem =
            told.cause.filter(|cause| before != Some(*cause) && *cause != Problem::NotConfigured && self.running);
        if self.take_registration(told)
            && let Some(problem) = problem
        {
            let mut failure = Failure::from(problem);
            if self.fault == Some(problem) && !self.fault_field.is_empty() {
                failure.message = [failure.message.as_str(), ": see its field ", self.fault_field].concat();
            }
            self.tell_error(&failure);
        }
    }

    /// The sign-in stands like this; false when that is no news.
    pub(super) fn take_registration(&mut self, told: Registration) -> bool {
        self.settle_registration(&told);
        // The wall clock may move under the time of the next try; that alone is no news.
        let news = Registration { retry_at: self.registration.retry_at, ..told.clone() } != self.registration;
        if !news && told.retry_at.is_some() == self.registration.retry_at.is_some() {
            return false;
        }
        self.outputs.push_back(Output::Event { name: names::REGISTRATION, detail: output::registration(&told) });
        self.registration = told;
        true
    }

    pub(super) fn tell_error(&mut self, failure: &Failure) {
        self.outputs.push_back(Output::Event { name: names::ERROR, detail: output::error(failure) });
    }

    /// Tells the user something, in the window and by an event.
    pub(super) fn notify(&mut self, problem: Problem) {
        if self.notice != Some(problem) {
            self.notice = Some(problem);
            self.tell_error(&problem.into());
        }
    }

    /// What the window draws.
    pub(super) fn snapshot(&self) -> PhoneState {
        let heard = self.tabs.heard.as_ref();
        PhoneState {
            user: self.account.as_ref().map(Account::label),
            registration: self.registration.clone(),
            calls: self.calls.iter().map(|entry| entry.shared.facts.borrow().clone()).collect(),
            front: self.calls.iter().find(|entry| Some(entry.key) == self.front).map(Entry::id),
            devices: self.devices.clone(),
            messages: self.texts.known.clone(),
            lamps: heard.map_or_else(|| self.watches.lamps(), |heard| heard.lamps.clone()),
            mailbox: heard.map_or_else(|| self.watches.mailbox(), |heard| heard.mailbox.clone()),
            published: match heard {
                Some(heard) => heard.published.as_deref().and_then(Availability::from_word),
                None => self.watches.own(),
            },
            follows: self.tabs.role == Role::Following,
            last_ended: self.last_ended.clone(),
            do_not_disturb: self.has_flag(names::DO_NOT_DISTURB),
            auto_answer: self.has_flag(names::AUTO_ANSWER),
            anonymous: self.anonymous,
            codecs: self.text_attribute(names::CODECS),
            open: self.open,
            notice: self.notice.or(self.sound_blocked.then_some(Problem::SoundBlocked)),
            level_dbfs: self.level_dbfs.filter(|_| self.calls.iter().any(Entry::is_measured)),
        }
    }

    pub(super) fn media_settings(&self, driver: &Driver) -> Settings {
        let account = self.account.as_ref();
        Settings {
            ice_servers: account.map(|account| account.ice_servers.clone()).unwrap_or_default(),
            relay_only: account.is_some_and(|account| account.relay_only),
            granted: self.granted,
            microphone: self.devices.used(DeviceKind::Microphone).to_owned(),
            speaker: self.devices.used(DeviceKind::Speaker).to_owned(),
            codecs: self.text_attribute(names::CODECS),
            processing: self.processing(),
            jitter_buffer: self.jitter_buffer(),
            root: driver.root.clone(),
        }
    }

    /// Who the attribute says is to buffer what is received.
    pub(super) fn jitter_buffer(&self) -> receive::Mode {
        receive::Mode::from_attribute(Some(&self.text_attribute(names::JITTER_BUFFER)))
    }

    /// What the attributes say is to be done to the microphone's sound.
    pub(super) fn processing(&self) -> Processing {
        Processing {
            mode: Mode::from_attribute(Some(&self.text_attribute(names::PROCESSING))),
            no_echo: self.has_flag(names::NO_ECHO_CANCELLATION),
            no_noise: self.has_flag(names::NO_NOISE_SUPPRESSION),
            noise: Noise::from_attribute(&self.text_attribute(names::NOISE_SUPPRESSION)),
            no_gain: self.has_flag(names::NO_AUTO_GAIN),
        }
    }
}

/// Whether the first line is SIP's: a request ends with the version, a response begins with it.
fn is_sip(message: &[u8]) -> bool {
    let line = message.split(|&byte| byte == b'\n').find(|line| !line.is_empty() && *line != b"\r").unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line).to_ascii_uppercase();
    line.starts_with(b"SIP/2.0 ") || line.ends_with(b" SIP/2.0")
}

#[cfg(test)]
mod tests {
    use super::is_sip;

    #[test]
    fn sip_is_known_by_its_first_line() {
        assert!(is_sip(b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n"));
        assert!(is_sip(b"\r\nINVITE sip:a@b SIP/2.0\r\n"));
        assert!(!is_sip(b"{\"hello\":1}"));
        assert!(!is_sip(b"HTTP/1.1 200 OK\r\n"));
        assert!(!is_sip(b""));
    }
}
