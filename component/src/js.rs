//! Small bridges to JavaScript: objects, properties, promises, errors.

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::account::Value;
use crate::failure::Failure;

/// Depth to which a page's object is read: an account has three levels.
const DEEPEST: u32 = 8;
/// Elements read of a list or object.
const WIDEST: u32 = 256;

/// An object literal.
pub fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        set(&object, name, value);
    }
    object
}

/// Sets a property of an object of ours.
pub fn set(object: &JsValue, name: &str, value: &JsValue) {
    // Fails only for what is no object, or a frozen one; ours are neither.
    let _ = Reflect::set(object, &JsValue::from_str(name), value);
}

/// A property; `undefined` when it cannot be read.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// Calls a method by its name: for those that not every browser has. `None` when it is missing or throws.
pub fn call(object: &JsValue, name: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let method = get(object, name).dyn_into::<Function>().ok()?;
    method.apply(object, &arguments.iter().collect::<Array>()).ok()
}

/// Text, or `null`.
pub fn text_or_null(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from_str)
}

/// A number, or `null`.
pub fn number_or_null(number: Option<f64>) -> JsValue {
    number.map_or(JsValue::NULL, JsValue::from_f64)
}

/// An SIP status, or `null`.
pub fn status_or_null(status: Option<u16>) -> JsValue {
    number_or_null(status.map(f64::from))
}

/// A time as `Date`, or `null`.
pub fn date_or_null(at: Option<f64>) -> JsValue {
    at.map_or(JsValue::NULL, |at| js_sys::Date::new(&JsValue::from_f64(at)).into())
}

/// A time in ISO 8601, or `null`.
pub fn iso_or_null(at: Option<f64>) -> JsValue {
    at.map_or(JsValue::NULL, |at| js_sys::Date::new(&JsValue::from_f64(at)).to_iso_string().into())
}

/// Reads a page's value; functions and symbols count as missing.
pub fn read(value: &JsValue) -> Value {
    read_to(value, DEEPEST)
}

fn read_to(value: &JsValue, depth: u32) -> Value {
    if let Some(text) = value.as_string() {
        Value::Text(text)
    } else if let Some(number) = value.as_f64() {
        Value::Number(number)
    } else if let Some(flag) = value.as_bool() {
        Value::Bool(flag)
    } else if depth == 0 {
        Value::Null
    } else if Array::is_array(value) {
        let list: &Array = value.unchecked_ref();
        Value::List((0..list.length().min(WIDEST)).map(|index| read_to(&list.get(index), depth - 1)).collect())
    } else if value.is_object() && !value.is_function() {
        let names = Object::keys(value.unchecked_ref::<Object>());
        let fields = (0..names.length().min(WIDEST)).filter_map(|index| {
            let name = names.get(index).as_string()?;
            let field = read_to(&get(value, &name), depth - 1);
            Some((name, field))
        });
        Value::Object(fields.collect())
    } else {
        Value::Null
    }
}

/// A promise and its two ends.
pub struct Deferred {
    resolve: Function,
    reject: Function,
}

impl Deferred {
    /// The promise goes to the page.
    pub fn new() -> (Deferred, Promise) {
        let mut ends = None;
        let promise = Promise::new(&mut |resolve, reject| ends = Some(Deferred { resolve, reject }));
        // The executor has run when the constructor returns (ECMAScript §27.2.3.1).
        let ends = ends.unwrap_or_else(|| Deferred { resolve: Function::default(), reject: Function::default() });
        (ends, promise)
    }

    /// Settles the promise. Runs no code of the page before the next microtask.
    pub fn settle(self, result: Result<JsValue, Failure>) {
        let _ = match result {
            Ok(value) => self.resolve.call1(&JsValue::UNDEFINED, &value),
            Err(failure) => self.reject.call1(&JsValue::UNDEFINED, &error(&failure)),
        };
    }
}

/// A rejected promise.
pub fn rejected(failure: &Failure) -> Promise {
    Promise::reject(&error(failure))
}

thread_local! {
    static ERROR_CLASS: std::cell::RefCell<Option<Function>> = const { std::cell::RefCell::new(None) };
}

/// Tells how to make a `SoftPhoneError`: `(code, message, sipStatus, sipReason) => error`.
pub fn set_error_maker(maker: Function) {
    ERROR_CLASS.with(|class| class.replace(Some(maker)));
}

/// The failure as a `SoftPhoneError`.
pub fn error(failure: &Failure) -> JsValue {
    let maker = ERROR_CLASS.with(|class| class.borrow().clone());
    let message = JsValue::from_str(&failure.message);
    let arguments = Array::of4(
        &failure.code.into(),
        &message,
        &status_or_null(failure.sip_status),
        &text_or_null(failure.sip_reason.as_deref()),
    );
    maker.and_then(|maker| maker.apply(&JsValue::UNDEFINED, &arguments).ok()).unwrap_or(message)
}
