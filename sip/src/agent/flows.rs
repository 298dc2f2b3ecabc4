//! The connections: which there are, and which one a message takes (RFC 5626 §4.2, §4.3; RFC 3608 §5).

use super::auth::Tried;
use super::{Agent, Pending, Purpose};
use crate::message::{Request, Response};
use crate::registration::Binding;
use crate::transaction::Flow;
use crate::{CallState, Error, Event, Instant, Method, QueryId, RegistrationState};

impl Agent {
    /// A connection is there: the one to use from now on. A registration that is wanted is made, or renewed, on it, and
    /// a BYE that could not leave does.
    pub fn handle_connected(&mut self, now: Instant, flow: Flow) {
        self.handle_connected_as(now, flow, 1);
    }

    /// The same for one of several connections: `reg_id` (RFC 5626 §4.2) says which, from 1, the one that is preferred,
    /// to [`Config::flows`](super::Config::flows); any other number means the last. It takes the place of the connection
    /// that had this number.
    ///
    /// Where the registrar keeps a binding for each flow, all are registered; else only the first that works, and the
    /// others stand by.
    pub fn handle_connected_as(&mut self, now: Instant, flow: Flow, reg_id: u8) {
        let slot = usize::from(reg_id.max(1)).min(self.registrations.slots.len()) - 1;
        self.registrations.slots[slot].flow = Some(flow);
        self.flow = self.registrations.flow();
        self.registration_connected(now, slot);
        for call in self.calls.keys(|call| call.owes_bye) {
            self.send_bye(now, call);
        }
        self.recover();
        self.ring_on(now);
        self.resume_notifies(now);
        self.send_infos(now);
        self.send_messages(now);
        self.resume_subscriptions(now);
        self.resume_publications(now);
        self.drain(now);
    }

    /// A connection is gone. What runs on it fails with [`Cause::Network`](crate::Cause::Network); established calls
    /// stay, and go on over another connection when there is one; so do those that ring, for 20 s.
    pub fn handle_disconnected(&mut self, now: Instant, flow: Flow) {
        if let Some(slot) = self.registrations.slots.iter().position(|slot| slot.flow == Some(flow)) {
            self.registrations.slots[slot].flow = None;
            self.flow = self.registrations.flow();
            self.registration_disconnected(now, slot);
        }
        self.layer.handle_flow_closed(now, flow);
        self.drain(now);
        self.recover();
        self.ring_on(now);
        // Over another connection, if there is one.
        self.resume_subscriptions(now);
        self.resume_publications(now);
        self.drain(now);
    }

    /// The calls whose connection is gone go on over the one for new requests.
    fn recover(&mut self) {
        if self.flow.is_none() {
            return;
        }
        for id in self.calls.keys(|call| matches!(call.state, CallState::Active | CallState::Held)) {
            let lost = self.calls.get(id).is_some_and(|call| !call.flow.is_some_and(|flow| self.is_live(flow)));
            if let Some(call) = self.calls.get_mut(id).filter(|_| lost) {
                call.flow = self.flow;
                self.events.push_back(Event::Recover { call: id });
            }
        }
    }

    /// The connections with the number and the registration of each, the preferred one first.
    pub fn flows(&self) -> impl Iterator<Item = (u8, Option<Flow>, RegistrationState)> {
        (1..).zip(&self.registrations.slots).map(|(reg_id, slot)| (reg_id, slot.flow, slot.state))
    }

    /// Every contact of the account, as the registrar listed them in its last answer: this phone and the others. Empty
    /// when not registered; 64 at most.
    pub fn bindings(&self) -> &[Binding] {
        &self.registrations.bindings
    }

    /// Asks the registrar for the account's contacts without changing any (RFC 3261 §10.2.3); [`Event::Bindings`] answers,
    /// and [`Agent::bindings`] has them then.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::TooLong`] for too many transactions.
    pub fn query_bindings(&mut self, now: Instant) -> Result<QueryId, Error> {
        let (call_id, tag) = (self.entropy.token(), self.entropy.token());
        let identity = &self.identity;
        let registrar = self.registrations.registrar.as_ref().unwrap_or(&identity.domain).clone();
        let request = identity.request(Method::Register, registrar, &identity.name, &call_id, &tag, 1);
        let query = QueryId(self.take_id());
        self.send_request(now, Pending { purpose: Purpose::Bindings(query), request, tried: Tried::default() })?;
        Ok(query)
    }

    /// The answer to it; `None`: none came.
    pub(super) fn on_bindings(&mut self, query: QueryId, response: Option<&Response>) {
        if let Some(response) = response.filter(|response| (200..300).contains(&response.status)) {
            self.registrations.bindings = self.identity.bindings(response);
        }
        self.events.push_back(Event::Bindings { query, status: response.map(|response| response.status) });
    }

    /// Whether messages can leave on that connection.
    pub(super) fn is_live(&self, flow: Flow) -> bool {
        self.registrations.slots.iter().any(|slot| slot.flow == Some(flow))
    }

    /// That connection while it lives, else the one for new requests.
    pub(super) fn live_or_now(&self, flow: Flow) -> Flow {
        if self.is_live(flow) { flow } else { self.flow.unwrap_or(flow) }
    }

    /// The connection that a request of ours takes: REGISTER the one that it is for, a dialog its own as long as that
    /// lives.
    pub(super) fn flow_of(&self, pending: &Pending) -> Option<Flow> {
        if let Purpose::Register { slot, .. } = pending.purpose {
            return self.registrations.slots[slot].flow;
        }
        if let Purpose::Subscribe(id) = pending.purpose
            && let Some(own) = self.subscriptions.get(id).and_then(|it| it.flow).filter(|flow| self.is_live(*flow))
        {
            return Some(own);
        }
        if self.registrations.slots.len() > 1 && in_dialog(&pending.request) {
            let own = self.calls.find(|call| call.sip_call_id == pending.request.call_id());
            let own = own.and_then(|id| self.calls.get(id)?.flow);
            if let Some(own) = own.filter(|flow| self.is_live(*flow)) {
                return Some(own);
            }
        }
        self.flow
    }

    /// RFC 3608 §5: a request outside a dialog passes the proxies that the registrar named.
    pub(super) fn preload(&self, request: &mut Request, flow: Flow) {
        if request.method == Method::Register || in_dialog(request) {
            return;
        }
        if let Some(slot) = self.registrations.slots.iter().find(|slot| slot.flow == Some(flow)) {
            for route in &slot.routes {
                request.headers.push_parsed("Route", route.to_string());
            }
        }
    }
}

fn in_dialog(request: &Request) -> bool {
    request.to().is_ok_and(|to| to.tag().is_some())
}
