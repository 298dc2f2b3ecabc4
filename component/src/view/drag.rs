//! Moving the floating window: by mouse, pen and touch at its head, by arrow keys at its grip.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent, PointerEvent, Storage};

use super::dom;
use super::nodes::Nodes;
use super::place::{Place, Size};
use crate::listener::Listener;

/// The window's place and who may change it.
pub struct Drag {
    mover: Rc<Mover>,
    _listeners: [Listener; 7],
}

struct Mover {
    window: HtmlElement,
    /// Where the user put it, which may be off a screen that has become smaller; `None` is the place at the corner.
    wanted: Cell<Option<Place>>,
    /// Pointer that drags, and where on the window it took hold.
    hold: Cell<Option<(i32, Place)>>,
    /// Where the place is written down; empty when the window does not move.
    key: RefCell<String>,
}

impl Drag {
    /// Listens at the head, the grip and the screen's size.
    pub fn new(nodes: &Nodes) -> Drag {
        let mover = Rc::new(Mover {
            window: nodes.window.clone(),
            wanted: Cell::new(None),
            hold: Cell::new(None),
            key: RefCell::new(String::new()),
        });
        let on = |target: &web_sys::EventTarget, name, act: fn(&Mover, &web_sys::Event)| {
            let mover = mover.clone();
            Listener::new(target, name, move |event| act(&mover, &event))
        };
        let head = &nodes.head;
        let screen = web_sys::window().map(web_sys::EventTarget::from).unwrap_or_else(|| head.clone().into());
        let listeners = [
            on(head, "pointerdown", Mover::take),
            on(head, "pointermove", Mover::pull),
            on(head, "pointerup", Mover::release),
            on(head, "pointercancel", Mover::release),
            on(head, "lostpointercapture", Mover::release),
            on(&nodes.grip, "keydown", Mover::press),
            on(&screen, "resize", |mover, _| mover.show()),
        ];
        Drag { mover, _listeners: listeners }
    }

    /// Moves the window to the place remembered under `key`; `None` for a window that does not move.
    pub fn restore(&self, key: Option<String>) {
        let place =
            key.as_ref().and_then(|key| storage()?.get_item(key).ok()?).and_then(|text| Place::from_text(&text));
        self.mover.key.replace(key.unwrap_or_default());
        self.mover.wanted.set(place);
        self.mover.show();
    }

    /// Brings the window back on screen after it changed its size or was shown.
    pub fn keep_on_screen(&self) {
        self.mover.show();
    }
}

impl Mover {
    fn take(&self, event: &web_sys::Event) {
        let Some(event) = event.dyn_ref::<PointerEvent>() else { return };
        let on_button = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
            .is_some_and(|target| target.closest(".close").is_ok_and(|found| found.is_some()));
        if event.button() != 0 || on_button || self.key.borrow().is_empty() {
            return;
        }
        let at = self.place();
        let (x, y) = (f64::from(event.client_x()) - at.x, f64::from(event.client_y()) - at.y);
        self.hold.set(Some((event.pointer_id(), Place { x, y })));
        // The pointer may leave the head while it drags. Without capture (it is already gone) dragging ends by itself.
        if let Some(head) = event.current_target().and_then(|target| target.dyn_into::<Element>().ok()) {
            let _ = head.set_pointer_capture(event.pointer_id());
        }
    }

    fn pull(&self, event: &web_sys::Event) {
        let Some(event) = event.dyn_ref::<PointerEvent>() else { return };
        let Some((pointer, grip)) = self.hold.get() else { return };
        if pointer == event.pointer_id() {
            let at = Place { x: f64::from(event.client_x()) - grip.x, y: f64::from(event.client_y()) - grip.y };
            self.wanted.set(Some(at.clamp(self.size(), screen())));
            dom::flag(&self.window, "data-dragged", true);
            self.show();
        }
    }

    fn release(&self, _: &web_sys::Event) {
        if self.hold.take().is_some() {
            dom::flag(&self.window, "data-dragged", false);
            self.remember();
        }
    }

    fn press(&self, event: &web_sys::Event) {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return };
        if self.key.borrow().is_empty() || event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        let key = event.key();
        if key == "Home" {
            self.wanted.set(None);
        } else if let Some(place) = self.place().step(&key, event.shift_key()) {
            self.wanted.set(Some(place.clamp(self.size(), screen())));
        } else {
            return;
        }
        event.prevent_default();
        self.show();
        self.remember();
    }

    /// Puts the window where it is wanted, as far as the screen allows.
    fn show(&self) {
        let style = self.window.style();
        match self.wanted.get() {
            Some(wanted) => {
                let place = wanted.clamp(self.size(), screen());
                let pixels = |value: f64| [(value.round() as i32).to_string().as_str(), "px"].concat();
                let _ = style.set_property("--x", &pixels(place.x));
                let _ = style.set_property("--y", &pixels(place.y));
                dom::flag(&self.window, "data-placed", true);
            }
            None => dom::flag(&self.window, "data-placed", false),
        }
    }

    fn remember(&self) {
        let key = self.key.borrow();
        let Some(storage) = storage() else { return };
        // A full or forbidden store costs the memory of the place, nothing else.
        let _ = match self.wanted.get() {
            Some(place) => storage.set_item(&key, &place.to_text()),
            None => storage.remove_item(&key),
        };
    }

    fn place(&self) -> Place {
        Place { x: self.window.offset_left().into(), y: self.window.offset_top().into() }
    }

    fn size(&self) -> Size {
        Size { width: self.window.offset_width().into(), height: self.window.offset_height().into() }
    }
}

/// The visible page without its scroll bars.
fn screen() -> Size {
    let root = web_sys::window().and_then(|window| window.document()).and_then(|document| document.document_element());
    root.map_or(Size { width: 0.0, height: 0.0 }, |root| Size {
        width: root.client_width().into(),
        height: root.client_height().into(),
    })
}

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}
