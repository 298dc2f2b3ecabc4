//! The system's notification of an incoming call, for a page that is not in view.

use web_sys::{Notification, NotificationOptions, NotificationPermission};

use crate::listener::Listener;

/// A notification on the user's screen; gone when it is dropped.
pub struct IncomingNotice {
    notification: Notification,
    _click: Listener,
}

impl IncomingNotice {
    /// Shows one if the page is hidden and the user has allowed notifications before: nobody is asked in the middle
    /// of a call. `None` if there is nothing to show, or the browser only notifies from service workers.
    pub fn show(call: &str, title: &str, body: &str, on_click: impl Fn() + 'static) -> Option<IncomingNotice> {
        let window = web_sys::window()?;
        let known = js_sys::Reflect::has(&window, &"Notification".into()).unwrap_or(false);
        if !window.document()?.hidden() || !known || Notification::permission() != NotificationPermission::Granted {
            return None;
        }
        let options = NotificationOptions::new();
        options.set_body(body);
        // Two windows of one phone show one notification.
        options.set_tag(call);
        options.set_require_interaction(true);
        let notification = Notification::new_with_options(title, &options).ok()?;
        let click = Listener::new(&notification, "click", move |_| {
            // A browser may refuse to raise the window; the user then does it.
            let _ = window.focus();
            on_click();
        });
        Some(IncomingNotice { notification, _click: click })
    }
}

impl Drop for IncomingNotice {
    fn drop(&mut self) {
        self.notification.close();
    }
}
