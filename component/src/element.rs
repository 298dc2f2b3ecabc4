//! What the class shim (`js/element.js`) delegates to.

use std::rc::Rc;

use js_sys::{Array, Function, Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{HtmlElement, ShadowRootInit, ShadowRootMode};

use crate::driver::{Driver, output, quietly};
use crate::js;
use crate::media::graph;
use crate::names::{ATTRIBUTES, Kind};
use crate::xml;

/// One `<soft-phone>`.
#[wasm_bindgen]
pub struct Phone {
    driver: Rc<Driver>,
}

#[wasm_bindgen]
impl Phone {
    /// The phone of a new element; called by the element's constructor.
    ///
    /// # Errors
    /// The browser's exception when the element has a shadow root already.
    #[wasm_bindgen(constructor)]
    pub fn new(host: HtmlElement) -> Result<Phone, JsValue> {
        let root = host.attach_shadow(&ShadowRootInit::new(ShadowRootMode::Open))?;
        Ok(Phone { driver: Driver::new(host, root) })
    }

    /// `connectedCallback`.
    pub fn connected(&self) {
        self.driver.connected();
    }

    /// `disconnectedCallback`.
    pub fn disconnected(&self) {
        self.driver.disconnected();
    }

    /// `attributeChangedCallback`.
    pub fn changed(&self, name: &str) {
        self.driver.attribute_changed(name);
    }

    /// The property `account`.
    #[wasm_bindgen(js_name = setAccount)]
    pub fn set_account(&self, account: &JsValue) {
        self.driver.set_account(account);
    }

    /// The property `credentials`.
    #[wasm_bindgen(js_name = setCredentials)]
    pub fn set_credentials(&self, credentials: &JsValue) {
        self.driver.set_credentials(credentials);
    }

    /// Takes what the application's server is to learn: `(state, call) => void`.
    #[wasm_bindgen(js_name = setReporter)]
    pub fn set_reporter(&self, reporter: Function) {
        self.driver.set_reporter(reporter);
    }

    /// Takes what makes this phone one of several: `(key) => tabs | null`, see `js/tabs.js`.
    #[wasm_bindgen(js_name = setTabs)]
    pub fn set_tabs(&self, opener: Function) {
        self.driver.set_tabs(opener);
    }

    /// The property `leader`.
    pub fn leads(&self) -> bool {
        self.driver.leads()
    }

    /// This tab leads from now on.
    pub fn lead(&self) {
        self.driver.lead();
    }

    /// Another tab leads.
    pub fn follow(&self) {
        self.driver.begin_to_follow();
    }

    /// A window of the phone's own is to lead; false while that would lose something, unless it is `forced`.
    pub fn cede(&self, forced: bool) -> bool {
        self.driver.cede(forced)
    }

    /// The browser has opened no window for the phone.
    #[wasm_bindgen(js_name = popupBlocked)]
    pub fn popup_blocked(&self) {
        self.driver.popup_blocked();
    }

    /// So many others follow; one of them is new or has gone.
    pub fn followers(&self, count: u32) {
        self.driver.followers(count);
    }

    /// What the leader tells, as its [`crate::mirror`] has encoded it; empty where it is as before.
    pub fn hear(&self, state: &[u8], past: &[u8]) {
        self.driver.hear(state, past);
    }

    /// A call by its id; `undefined` for one that is not known.
    #[wasm_bindgen(js_name = callOf)]
    pub fn call_of(&self, id: &str) -> JsValue {
        self.driver.call_of(id)
    }

    /// An event that the leader has fired.
    pub fn replay(&self, name: &str, detail: Object) {
        self.driver.replay(name, detail);
    }

    /// What a follower's user has asked for in the window.
    pub fn perform(&self, request: &[u8]) {
        self.driver.perform(request);
    }

    /// A call that a follower's page has let pass.
    pub fn dialled(&self, target: &str, options: &JsValue, source: &str) -> Promise {
        self.driver.dialled(target, options, source)
    }

    /// Tells again what is known of what is subscribed to.
    #[wasm_bindgen(js_name = tellWatch)]
    pub fn tell_watch(&self, key: f64) {
        self.driver.tell_watch(key as u64);
    }

    /// Whose calls these are, how they are dialled, and what the application's server wants to see: `{user, number, plan,
    /// csrf: [name, value] | null}`, or `null` while there is no account.
    pub fn owner(&self) -> JsValue {
        self.driver.owner()
    }

    /// Asks the account's source again; false when it is one that knows nothing else.
    #[wasm_bindgen(js_name = askAgain)]
    pub fn ask_again(&self) -> bool {
        self.driver.ask_again()
    }

    /// The property `registration`.
    pub fn registration(&self) -> JsValue {
        self.driver.registration().into()
    }

    /// The property `calls`.
    pub fn calls(&self) -> Array {
        self.driver.calls()
    }

    /// The property `history`.
    pub fn history(&self) -> Array {
        self.driver.history()
    }

    /// The property `devices`.
    pub fn devices(&self) -> JsValue {
        self.driver.devices()
    }

    /// The property `devices`: any of `microphone`, `speaker`, `ringer`.
    #[wasm_bindgen(js_name = setDevices)]
    pub fn set_devices(&self, devices: &JsValue) {
        self.driver.set_devices(devices);
    }

    /// The method `register`.
    pub fn register(&self) -> Promise {
        self.driver.register()
    }

    /// The method `unregister`.
    pub fn unregister(&self) -> Promise {
        self.driver.unregister()
    }

    /// The method `call`.
    pub fn call(&self, target: &str, options: &JsValue) -> Promise {
        self.driver.call(target, options, "script")
    }

    /// A call to what a script of ours has read on the page: `target` is dialled, `number` is what listeners are told.
    #[wasm_bindgen(js_name = callFrom)]
    pub fn call_from(&self, target: &str, number: &str, source: &str) -> Promise {
        self.driver.call_from(target, number, source)
    }

    /// Who the far end of a call is: `{type, id, name, url, company}` or `null`, and the names of who else it may be.
    #[wasm_bindgen(js_name = setContact)]
    pub fn set_contact(&self, id: &str, contact: &JsValue, names: String) {
        match self.driver.elsewhere(None, "contact", &[id.into(), contact.clone(), names.as_str().into()]) {
            Some(asked) => quietly(asked),
            None => self.driver.set_contact(id, output::read_contact(contact), names),
        }
    }

    /// The methods `open` and `close`.
    pub fn show(&self, open: bool) {
        self.driver.show(open);
    }

    /// The method `dial`.
    pub fn dial(&self, number: &str) {
        self.driver.set_number(number);
    }

    /// The method `conference`.
    pub fn conference(&self, calls: &Array) -> Promise {
        self.driver.conference(calls)
    }

    /// The method `sendMessage`.
    #[wasm_bindgen(js_name = sendMessage)]
    pub fn send_message(&self, target: &str, text: &str) -> Promise {
        self.driver.send_message(target, text)
    }

    /// The method `subscribe`; the number is for `unsubscribe`.
    ///
    /// # Errors
    /// A `SoftPhoneError` for what cannot be subscribed to.
    pub fn subscribe(&self, target: &str, package: &str) -> Result<f64, JsValue> {
        self.driver.subscribe(target, package, false).map(|key| key as f64).map_err(|failure| js::error(&failure))
    }

    /// What `subscribe` has returned was called.
    pub fn unsubscribe(&self, key: f64) {
        self.driver.unsubscribe(key as u64);
    }

    /// The method `publish`.
    pub fn publish(&self, status: Option<String>, note: &str) -> Promise {
        self.driver.publish(status.as_deref(), note)
    }

    /// The method `diagnostics`.
    pub fn diagnostics(&self) -> JsValue {
        self.driver.diagnostics()
    }
}

/// The attributes for the class: `[name, property, kind]`, where kind is `"text"`, `"flag"` or the list of words.
#[wasm_bindgen(js_name = attributeTable)]
pub fn attribute_table() -> Array {
    let row = |attribute: &crate::names::Attribute| {
        let kind: JsValue = match attribute.kind {
            Kind::Text => "text".into(),
            Kind::Flag => "flag".into(),
            Kind::Choice(words) => words.iter().map(|&word| JsValue::from_str(word)).collect::<Array>().into(),
        };
        Array::of3(&attribute.name.into(), &attribute.property.into(), &kind)
    };
    ATTRIBUTES.iter().map(row).collect()
}

/// What only the module can do: make a `SoftPhoneError`, load the voice engine, parse XML.
#[wasm_bindgen(js_name = setUp)]
pub fn set_up(error_maker: Function, engine_loader: Function, xml_parser: Function) {
    js::set_error_maker(error_maker);
    graph::set_loader(engine_loader);
    xml::set_parser(xml_parser);
}
