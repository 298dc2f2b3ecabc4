//! What the application's server is to learn of calls: handed to the page's script (`js/reports.js`), which keeps and
//! sends it.

use std::rc::Rc;

use js_sys::{Array, Function, Promise};
use wasm_bindgen::{JsCast, JsValue};

use super::output::{self, Output};
use super::phone::Phone;
use super::{Driver, sign_in};
use crate::call::Shared;
use crate::record::{Record, report_of};
use crate::state::{CallState, Contact};
use crate::{js, names};

impl Driver {
    /// Who takes the reports.
    pub fn set_reporter(&self, reporter: Function) {
        self.reporter.replace(Some(reporter));
    }

    /// Tells it; what settles once it is kept, where that is to be waited for.
    pub(super) fn report(&self, state: &str, call: &JsValue) -> Option<Promise> {
        let reporter = self.reporter.borrow().clone()?;
        // Ours, and it never throws: what goes wrong in it is told by an event.
        reporter.call2(&JsValue::UNDEFINED, &state.into(), call).ok()?.dyn_into().ok()
    }

    /// `{user, number, plan, csrf}` of the account, or `null`. The user is the application's name for it, else the address.
    pub fn owner(&self) -> JsValue {
        let phone = self.phone.borrow();
        let Some(account) = &phone.account else { return JsValue::NULL };
        let user = account.user.clone().unwrap_or_else(|| account.uri.to_string());
        let csrf = account.csrf.as_ref().map(|(name, value)| Array::of2(&name.into(), &value.into()).into());
        let plan = &account.dial_plan;
        let emergency: Array = plan.emergency.iter().map(|number| JsValue::from_str(number)).collect();
        let digits = plan.extension_max_digits.map(f64::from);
        let plan = js::object(&[
            ("country", plan.country.as_str().into()),
            ("outPrefix", plan.out_prefix.as_str().into()),
            ("extensionMaxDigits", js::number_or_null(digits)),
            ("emergency", emergency.into()),
        ]);
        js::object(&[
            ("user", user.into()),
            ("number", phone.own_number().into()),
            ("plan", plan.into()),
            ("csrf", csrf.unwrap_or(JsValue::NULL)),
        ])
        .into()
    }

    /// Who the far end of a call is, as the application has said: its one contact with this number, or the one that the
    /// user has picked; `names` are those of all who may be meant, while it is none.
    pub fn set_contact(self: &Rc<Self>, id: &str, contact: Option<Contact>, names: String) {
        self.run(|phone, _| phone.on_contact(id, contact, names));
    }

    /// Loads the account again; false when its source cannot bring anything else.
    pub fn ask_again(self: &Rc<Self>) -> bool {
        let source = self.source();
        let live = source.is_live();
        if live {
            sign_in::load_account(self, source);
        }
        live
    }

    /// Notes something about a call, live or over. `None` leaves what is there.
    pub fn note(self: &Rc<Self>, call: &Shared, notes: Option<String>, outcome: Option<String>) {
        let id = {
            let mut facts = call.facts.borrow_mut();
            facts.notes = notes.unwrap_or(std::mem::take(&mut facts.notes));
            facts.outcome = outcome.or(facts.outcome.take());
            facts.id.clone()
        };
        self.run(|phone, _| phone.on_note(&id, call));
    }
}

impl Phone {
    /// Our own number: the user part of the address of record.
    pub(super) fn own_number(&self) -> String {
        let account = self.account.as_ref();
        account.and_then(|account| account.uri.user_text()).unwrap_or_default().into_owned()
    }

    pub(super) fn report_move(&mut self, key: u64, previous: Option<CallState>, state: CallState) {
        if let Some(told) = report_of(previous, state) {
            self.report_call(key, told);
        }
    }

    pub(super) fn report_call(&mut self, key: u64, state: &'static str) {
        if let Some(entry) = self.entry(key) {
            let facts = entry.shared.facts.borrow().clone();
            let record = Record::new(facts, self.own_number());
            self.report(state, &record);
        }
    }

    /// Only where somebody wants to know.
    pub(super) fn report(&mut self, state: &'static str, record: &Record) {
        if !self.text_attribute(names::CALLS_URL).is_empty() {
            self.outputs.push_back(Output::Report { state, call: output::record(record).into() });
        }
    }

    /// The account is there, or another one, or the same with news.
    pub(super) fn report_account(&mut self) {
        self.outputs.push_back(Output::Report { state: "account", call: JsValue::NULL });
    }

    fn on_contact(&mut self, id: &str, contact: Option<Contact>, names: String) {
        if let Some(entry) = self.calls.iter().find(|entry| entry.id() == id) {
            let (key, state) = (entry.key, entry.state());
            {
                let mut facts = entry.shared.facts.borrow_mut();
                // Each tab asks by itself, and learns the same.
                if facts.contact == contact && facts.candidates == names {
                    return;
                }
                facts.contact = contact;
                facts.candidates = names;
            }
            return self.tell_change(key, state);
        }
        let over = self.last_ended.iter_mut().chain(self.history.iter_mut().map(|record| &mut record.call));
        for call in over.filter(|call| call.id == id) {
            call.contact = contact.clone();
        }
    }

    fn on_note(&mut self, id: &str, call: &Shared) {
        let facts = call.facts.borrow().clone();
        let kept = self.history.iter_mut().find(|record| record.call.id == id);
        let known = js::object(&[
            ("id", id.into()),
            ("notes", facts.notes.as_str().into()),
            ("outcome", js::text_or_null(facts.outcome.as_deref())),
        ]);
        if let Some(record) = kept {
            record.call.notes = facts.notes;
            record.call.outcome = facts.outcome;
        }
        self.outputs.push_back(Output::Report { state: "updated", call: known.into() });
    }
}
