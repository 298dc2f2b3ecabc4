//! The element's life in its page: coming, going, its markup, and what the page and the browser tell.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::PageTransitionEvent;

use super::Driver;
use super::sign_in::{self, Source};
use crate::account::Fallback;
use crate::clock::Timer;
use crate::instance::Instance;
use crate::js;
use crate::listener::Listener;
use crate::media::{devices, microphone};
use crate::names;
use crate::strings::Lang;
use crate::view::{Corner, Mode, View, ViewConfig};

impl Driver {
    /// The element is in the page. May be said again: moving it ends no call.
    pub fn connected(self: &Rc<Self>) {
        if self.phone.borrow().running {
            return;
        }
        self.phone.borrow_mut().running = true;
        if self.view.borrow().is_none() {
            let me = self.me.clone();
            let requests = Rc::new(move |request| {
                if let Some(driver) = me.upgrade() {
                    driver.request(request);
                }
            });
            // Without a view the phone still works for the page's scripts.
            if let Ok(view) = View::new(&self.host, &self.root, requests) {
                self.view.replace(Some(Rc::new(view)));
            }
        }
        self.listen();
        self.recall_devices();
        let driver = self.clone();
        spawn_local(async move {
            let granted = microphone::is_granted().await;
            driver.run(|phone, _| phone.granted |= granted);
        });
        let wanted = !self.host.has_attribute(names::NO_REGISTER);
        self.phone.borrow_mut().wanted = wanted;
        self.claim_instance();
    }

    /// The element left the page, for good unless it is back in the next task.
    pub fn disconnected(self: &Rc<Self>) {
        let driver = self.clone();
        let timer: Rc<RefCell<Option<Timer>>> = Rc::default();
        let kept = timer.clone();
        timer.replace(Timer::new(0, move || {
            kept.take();
            if !driver.host.is_connected() {
                driver.stop();
            }
        }));
    }

    /// An attribute changed.
    pub fn attribute_changed(self: &Rc<Self>, name: &str) {
        if !self.phone.borrow().running {
            return;
        }
        match name {
            names::MODE | names::CORNER | names::LANG => self.configure_view(),
            // The last three belong to scripts of their own.
            names::NO_REGISTER | names::CLICK_TO_CALL | names::SCAN_TEXT | names::LOOKUP_URL => {}
            // Looked at when a call comes or goes; the window shows them.
            names::CODECS | names::AUTO_ANSWER | names::DO_NOT_DISTURB => {
                self.share_attribute(name);
                self.run(|_, _| {});
            }
            names::PROCESSING
            | names::NOISE_SUPPRESSION
            | names::NO_ECHO_CANCELLATION
            | names::NO_NOISE_SUPPRESSION
            | names::NO_AUTO_GAIN => self.run(|phone, _| phone.use_processing()),
            names::JITTER_BUFFER => self.run(|phone, _| phone.use_jitter_buffer()),
            _ => self.reconfigure_soon(),
        }
    }

    /// The page's property `account`; `null` takes it away.
    pub fn set_account(self: &Rc<Self>, account: &JsValue) {
        let value = (!account.is_null() && !account.is_undefined()).then(|| Rc::new(js::read(account)));
        self.account.replace(value);
        self.reconfigure_soon();
    }

    /// The page's property `credentials`; anything but a function takes it away.
    pub fn set_credentials(self: &Rc<Self>, credentials: &JsValue) {
        self.credentials.replace(sign_in::callback(credentials));
        self.reconfigure_soon();
    }

    /// The user touched the page: sound may be allowed now.
    pub(super) fn gesture(self: &Rc<Self>) {
        self.gesture.borrow_mut().clear();
        self.tones.unlock();
        self.run(|phone, _| phone.play_all());
    }

    fn configure_view(&self) {
        let attribute = |name| self.host.get_attribute(name);
        let document = self.host.owner_document().and_then(|document| document.document_element());
        let document_lang = document.and_then(|root| root.get_attribute("lang"));
        let config = ViewConfig {
            mode: Mode::from_attribute(attribute(names::MODE).as_deref()),
            corner: Corner::from_attribute(attribute(names::CORNER).as_deref()),
            lang: Lang::choose(attribute(names::LANG).as_deref(), document_lang.as_deref()),
        };
        let view = self.view.borrow().clone();
        if let Some(view) = view {
            view.configure(&config);
        }
    }

    /// Several attributes are often set one after the other: look at them together.
    fn reconfigure_soon(self: &Rc<Self>) {
        if self.phone.borrow().running && !self.changed.replace(true) {
            let driver = self.clone();
            spawn_local(async move {
                if driver.phone.borrow().running && driver.changed.get() {
                    driver.configure();
                }
            });
        }
    }

    /// Finds out which phone this is, and then configures it.
    fn claim_instance(self: &Rc<Self>) {
        self.configure_view();
        let driver = self.clone();
        let round = self.round.get();
        spawn_local(async move {
            let instance = Instance::claim().await;
            // The phone may have left meanwhile, or come back and been faster.
            let is_wanted = driver.round.get() == round && driver.phone.borrow().instance.is_none();
            if is_wanted && driver.phone.borrow().running {
                driver.phone.borrow_mut().instance = Some(instance);
                driver.configure();
            }
        });
    }

    fn configure(self: &Rc<Self>) {
        self.changed.set(false);
        self.configure_view();
        let attribute = |name| self.host.get_attribute(name).unwrap_or_default();
        let fallback = Fallback {
            server: attribute(names::SERVER),
            uri: attribute(names::URI),
            display_name: attribute(names::DISPLAY_NAME),
            country: attribute(names::COUNTRY),
        };
        let mut phone = self.phone.borrow_mut();
        phone.fallback = fallback;
        // Other credentials may be refused and asked for again, too.
        phone.asked_again = false;
        drop(phone);
        sign_in::load_account(self, self.source());
    }

    pub(super) fn source(&self) -> Source {
        if let Some(account) = &*self.account.borrow() {
            return Source::Given(account.clone());
        }
        if let Some(callback) = &*self.credentials.borrow() {
            return Source::Callback(callback.clone());
        }
        match self.host.get_attribute(names::ACCOUNT_URL).filter(|url| !url.trim().is_empty()) {
            Some(url) => Source::Url(url),
            None => Source::Markup,
        }
    }

    fn listen(self: &Rc<Self>) {
        let Some(window) = web_sys::window() else { return };
        let on = |name, act: fn(&Rc<Driver>, &web_sys::Event)| {
            let me = self.me.clone();
            Listener::new(&window, name, move |event| {
                if let Some(driver) = me.upgrade() {
                    act(&driver, &event);
                }
            })
        };
        let plugged = devices::all().map(|devices| {
            let me = self.me.clone();
            Listener::new(&devices, "devicechange", move |_| {
                if let Some(driver) = me.upgrade() {
                    driver.list_devices();
                }
            })
        });
        self.listeners.replace(vec![
            // Not `unload`: it would keep the page out of the back/forward cache.
            on("pagehide", |driver, _| {
                driver.run(|phone, now| phone.hand_over(now));
                driver.leave();
            }),
            on("pageshow", |driver, event| {
                if event.unchecked_ref::<PageTransitionEvent>().persisted() {
                    driver.claim_instance();
                }
            }),
            on("focus", |driver, _| {
                let source = driver.source();
                if driver.phone.borrow().wants_account() && source.is_live() {
                    sign_in::load_account(driver, source);
                }
            }),
        ]);
        self.listeners.borrow_mut().extend(plugged.into_iter().chain(self.watch_network()));
    }

    /// Unregisters and hangs up, now, but for what was left to the next page.
    fn leave(self: &Rc<Self>) {
        self.round.set(self.round.get().wrapping_add(1));
        self.run(|phone, now| {
            phone.loading = false;
            phone.reload_at = None;
            phone.leave(now);
            phone.fault = None;
            // The page that comes next is the same phone.
            phone.instance = None;
        });
        self.deliver_now();
    }

    fn stop(self: &Rc<Self>) {
        if !self.phone.borrow().running {
            return;
        }
        self.run(|phone, now| {
            if phone.tabs.has_heirs() {
                phone.hand_over(now);
            }
        });
        self.leave();
        self.phone.borrow_mut().running = false;
        self.listeners.take();
        self.gesture.take();
        self.view.take();
        self.drawn.take();
        self.tones.set(None);
    }

    /// A click or a key anywhere on the page lets sound through.
    pub(super) fn wait_for_gesture(self: &Rc<Self>, wait: bool) {
        if wait != self.gesture.borrow().is_empty() {
            return;
        }
        let window = web_sys::window().filter(|_| wait);
        let listeners = window.map(|window| {
            ["pointerup", "keydown"].map(|name| {
                let me = self.me.clone();
                Listener::new(&window, name, move |_| {
                    if let Some(driver) = me.upgrade() {
                        driver.gesture();
                    }
                })
            })
        });
        self.gesture.replace(listeners.into_iter().flatten().collect());
    }
}
