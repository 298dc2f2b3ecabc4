//! Signing in: which account, which agent, which connection, and the promises that wait for it.

use std::rc::Rc;
use std::time::Duration;

use js_sys::{Function, Promise};
use soft_phone_sip::{Config, Instant, Transport};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::Driver;
use super::calls::closed;
use super::phone::{Phone, Refusal};
use super::tabs::Role;
use crate::account::{Account, Invalid, Value, load};
use crate::clock;
use crate::failure::Failure;
use crate::handover::Handover;
use crate::js::{self, Deferred};
use crate::socket::{Plan, url};
use crate::state::{Problem, Registration, RegistrationState};

/// First and longest wait before an account URL that failed is asked again.
const RELOAD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));
/// Credentials that end are replaced that much before, ms.
const BEFORE_EXPIRY: f64 = 60_000.0;

/// Where the account comes from; the first that is there.
#[derive(Clone)]
pub enum Source {
    /// The property `account`.
    Given(Rc<Value>),
    /// The property `credentials`.
    Callback(Function),
    /// The attribute `account-url`.
    Url(String),
    /// The attributes alone: no password.
    Markup,
}

impl Source {
    /// Whether asking again may bring something else.
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Source::Callback(_) | Source::Url(_))
    }
}

/// Gets the account from its source, which may take a while, and gives it to the phone.
pub fn load_account(driver: &Rc<Driver>, source: Source) {
    if driver.phone.borrow().running && driver.phone.borrow().instance.is_none() {
        // At the beginning of the phone's life, which ends in a call of this.
        return;
    }
    let round = driver.round.get().wrapping_add(1);
    driver.round.set(round);
    match source {
        Source::Given(value) => driver.run(|phone, now| phone.read_account(now, &value, false)),
        Source::Markup => driver.run(|phone, now| phone.read_account(now, &Value::Object(Vec::new()), false)),
        Source::Callback(_) | Source::Url(_) => {
            driver.run(|phone, _| {
                phone.loading = true;
                phone.reload_at = None;
            });
            let driver = Rc::downgrade(driver);
            spawn_local(async move {
                let answer = match source {
                    Source::Callback(callback) => ask(&callback).await,
                    Source::Url(url) => load::fetch(&url).await,
                    Source::Given(_) | Source::Markup => return,
                };
                let Some(driver) = driver.upgrade().filter(|driver| driver.round.get() == round) else { return };
                // Getters of the page's object run here, with no borrow held.
                let value = answer.map(|answer| js::read(&answer));
                driver.run(|phone, now| {
                    phone.loading = false;
                    match value {
                        Ok(value) => phone.read_account(now, &value, true),
                        Err(problem) => {
                            phone.fault_field = "";
                            phone.refuse_account(now, problem);
                        }
                    }
                });
            });
        }
    }
}

/// Calls the page's function; it may return a promise or the account itself.
async fn ask(callback: &Function) -> Result<JsValue, Problem> {
    let answer = callback.call0(&JsValue::UNDEFINED).map_err(|_| Problem::AccountUnreachable)?;
    JsFuture::from(Promise::resolve(&answer)).await.map_err(|_| Problem::AccountUnreachable)
}

impl Phone {
    /// Takes an account. One that was `fetched` by the phone itself ends no call, whatever it says; a page that sets
    /// another one means it.
    pub(super) fn read_account(&mut self, now: Instant, value: &Value, fetched: bool) {
        self.loading = false;
        self.parting = None;
        match Account::read(value, &self.fallback) {
            Ok(account) => {
                self.notice.take_if(|notice| *notice == Problem::AccountSignIn);
                self.reloads = 0;
                self.reload_at = expiry(&account, now);
                if fetched && !self.calls.is_empty() && !self.is_same_phone(&account) {
                    self.parting = Some(Ok(account));
                } else {
                    self.take_account(now, account);
                }
            }
            Err(Invalid { problem, field }) => {
                self.fault_field = field;
                self.refuse_account(now, problem);
            }
        }
    }

    /// No account, or none that can be used. Calls that go on are left alone.
    fn refuse_account(&mut self, now: Instant, problem: Problem) {
        let works = self.registration.state == RegistrationState::Registered || !self.calls.is_empty();
        let lasts = match problem {
            Problem::AccountUnreachable => self.account.is_some(),
            // The application's session is over; the registrar's word still stands.
            Problem::AccountSignIn => self.account.is_some() && works,
            _ => false,
        };
        if lasts || problem == Problem::AccountUnreachable {
            let (first, longest) = RELOAD;
            self.reload_at = Some(now + first.saturating_mul(1 << self.reloads.min(6)).min(longest));
            self.reloads += 1;
        }
        if lasts {
            // What worked so far goes on working.
            if problem == Problem::AccountSignIn {
                self.notify(problem);
            }
        } else if self.calls.is_empty() {
            self.fault = Some(problem);
            self.leave(now);
        } else {
            self.notify(problem);
            self.parting = Some(Err(problem));
        }
    }

    /// What the account's source has said while calls went on.
    pub(super) fn part(&mut self, now: Instant) {
        match self.parting.take_if(|_| self.calls.is_empty()) {
            Some(Ok(account)) => self.take_account(now, account),
            Some(Err(problem)) => {
                self.fault = Some(problem);
                self.leave(now);
            }
            None => return,
        }
        self.drain(now);
    }

    /// Somebody is back at the page: perhaps from signing in to the application.
    pub(super) fn wants_account(&self) -> bool {
        let wanting = self.fault == Some(Problem::AccountSignIn) || self.notice == Some(Problem::AccountSignIn);
        wanting && !self.loading
    }

    fn is_same_phone(&self, account: &Account) -> bool {
        self.account.as_ref().is_some_and(|old| {
            old.servers == account.servers && old.uri == account.uri && old.display_name == account.display_name
        })
    }

    fn take_account(&mut self, now: Instant, account: Account) {
        self.fault = None;
        self.fault_field = "";
        let same_phone = self.is_same_phone(&account);
        let same_secret = self.account.as_ref().is_some_and(|old| old.credentials == account.credentials);
        if same_phone && (self.agent.is_some() || self.tabs.role != Role::Alone) {
            if !same_secret && let Some(agent) = &mut self.agent {
                agent.set_credentials(now, account.credentials.clone());
            }
            self.account = Some(account);
            self.report_account();
            return;
        }
        self.leave(now);
        self.account = Some(account);
        if !self.meet_others() {
            self.lead(now);
        }
        self.report_account();
    }

    /// Makes the agent of the account and connects it; `left` is what another tab has told of the phone that goes on.
    pub(super) fn start(&mut self, now: Instant, left: Option<Handover>) {
        let Some(account) = &self.account else { return };
        let mut seed = [0; 32];
        clock::entropy(&mut seed);
        let mut spread = [0; 8];
        clock::entropy(&mut spread);
        let secure = account.servers.first().is_some_and(|server| url::is_secure(server));
        let mut config = Config::new(account.uri.clone(), if secure { Transport::Wss } else { Transport::Ws });
        config.display_name = account.display_name.clone();
        config.instance_id = self.instance.as_ref().map(|instance| instance.urn.clone());
        config.credentials = account.credentials.clone();
        config.trickle = true;
        let mut plan = Plan::new(account.servers.clone(), u64::from_le_bytes(spread));
        if !self.begin(now, &config, seed, left) {
            self.account = None;
            self.fault = Some(Problem::AccountInvalid);
            return self.quit();
        }
        if let Some(agent) = self.agent.as_mut().filter(|_| self.wanted) {
            // Without a connection it only notes the wish.
            let _ = agent.register(now);
        }
        plan.start(now);
        self.plan = Some(plan);
        self.report_account();
    }

    /// Signs out and hangs up at once; what can still be sent is sent.
    pub(super) fn leave(&mut self, now: Instant) {
        self.parting = None;
        self.quit();
        if let Some(agent) = &mut self.agent {
            agent.shutdown(now);
        }
        self.drain(now);
        self.abandon_calls(now);
        self.forget_messages();
        self.forget_subscriptions();
        if let Some(plan) = &mut self.plan {
            plan.stop();
        }
        self.agent = None;
        self.plan = None;
        self.connection = None;
        self.account = None;
        self.link_fault = None;
        self.refusal = Refusal::default();
    }

    /// The registrar refused what we know: the source may know better. Once for each refusal.
    pub(super) fn ask_for_credentials(&mut self) {
        let Some(driver) = self.me.upgrade() else { return };
        let source = driver.source();
        if self.asked_again || !source.is_live() {
            return;
        }
        self.asked_again = true;
        self.loading = true;
        // Later, as the page's function must not run within our borrow.
        spawn_local(async move { load_account(&driver, source) });
    }

    pub(super) fn register(&mut self, now: Instant, promise: Deferred) {
        self.wanted = true;
        self.asked_again = false;
        if self.registration.state == RegistrationState::Registered {
            return self.settle(promise, Ok(JsValue::UNDEFINED));
        }
        self.registering.push(promise);
        if let Some(agent) = &mut self.agent {
            // Refused when the table of transactions is full: then one is under way.
            let _ = agent.register(now);
        }
        if let Some(plan) = &mut self.plan {
            plan.retry(now);
        }
        // An account that failed is asked for again, unless that is going on.
        if self.fault.is_some()
            && !self.loading
            && let Some(driver) = self.me.upgrade()
        {
            let source = driver.source();
            if source.is_live() {
                self.loading = true;
            }
            spawn_local(async move { load_account(&driver, source) });
        }
    }

    pub(super) fn unregister(&mut self, now: Instant, promise: Deferred) {
        self.wanted = false;
        self.unregistering.push(promise);
        if let Some(agent) = &mut self.agent {
            let _ = agent.unregister(now);
        }
    }

    /// Settles the promises that the new facts decide.
    pub(super) fn settle_registration(&mut self, told: &Registration) {
        let failed = match told.state {
            RegistrationState::Registered => None,
            RegistrationState::Failed => Some(told.cause.unwrap_or(Problem::RegistrarError)),
            RegistrationState::Offline if !self.wanted => None,
            RegistrationState::Offline => told.cause,
            _ => return,
        };
        let waiting = std::mem::take(&mut self.registering);
        for promise in waiting {
            let result = match (told.state, failed) {
                (RegistrationState::Registered, _) => Ok(JsValue::UNDEFINED),
                (_, Some(problem)) => {
                    Err(Failure::from(problem).with_sip(self.refusal.status, self.refusal.reason.clone()))
                }
                (_, None) => {
                    // Offline without a cause: not begun yet, or signed out meanwhile.
                    if self.wanted {
                        self.registering.push(promise);
                        continue;
                    }
                    Err(closed())
                }
            };
            self.settle(promise, result);
        }
        if told.state != RegistrationState::Registered || self.wanted {
            for promise in std::mem::take(&mut self.unregistering) {
                self.settle(promise, Ok(JsValue::UNDEFINED));
            }
        }
    }
}

/// When credentials that end are to be replaced.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and bounded by `as`")]
fn expiry(account: &Account, now: Instant) -> Option<Instant> {
    let at = js_sys::Date::parse(account.expires_at.as_deref()?);
    let left = at - clock::epoch_millis() - BEFORE_EXPIRY;
    // NaN for what is no date. Never sooner than in ten seconds: an account that is born old must not be a storm.
    left.is_finite().then(|| now + Duration::from_millis(left.max(10_000.0) as u64))
}

/// The property `credentials`, if it is a function.
pub fn callback(value: &JsValue) -> Option<Function> {
    value.dyn_ref::<Function>().cloned()
}
