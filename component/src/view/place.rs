//! Where the floating window stands: kept on screen, and written down for the next page. Pure arithmetic.

/// The window's top left corner in CSS pixels, from the top left of the viewport, whatever the writing direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// Width and height in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Nearest distance of the window to the edge of the screen, CSS pixels.
pub const MARGIN: f64 = 8.0;
/// Step of an arrow key, and of an arrow key with Shift, CSS pixels.
pub const STEPS: (f64, f64) = (16.0, 64.0);

impl Place {
    /// The nearest place that keeps a window of this size on screen. Of a window that is larger than the screen
    /// the top left stays, because there the handle and the cross are.
    pub fn clamp(self, window: Size, screen: Size) -> Place {
        let within = |at: f64, window: f64, screen: f64| at.min(screen - window - MARGIN).max(MARGIN);
        Place { x: within(self.x, window.width, screen.width), y: within(self.y, window.height, screen.height) }
    }

    /// One press of an arrow key, or `None` for another key.
    pub fn step(self, key: &str, large: bool) -> Option<Place> {
        let step = if large { STEPS.1 } else { STEPS.0 };
        let (x, y) = match key {
            "ArrowLeft" => (-step, 0.0),
            "ArrowRight" => (step, 0.0),
            "ArrowUp" => (0.0, -step),
            "ArrowDown" => (0.0, step),
            _ => return None,
        };
        Some(Place { x: self.x + x, y: self.y + y })
    }

    /// "120,40", whole pixels.
    pub fn to_text(self) -> String {
        [(self.x.round() as i32).to_string(), (self.y.round() as i32).to_string()].join(",")
    }

    /// Reads [`Place::to_text`]'s form; `None` for anything else, since anyone can write to the store.
    pub fn from_text(text: &str) -> Option<Place> {
        let (x, y) = text.split_once(',')?;
        Some(Place { x: x.parse::<i32>().ok()?.into(), y: y.parse::<i32>().ok()?.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Size = Size { width: 320.0, height: 480.0 };
    const SCREEN: Size = Size { width: 1280.0, height: 800.0 };

    #[test]
    fn a_place_on_screen_is_kept() {
        let place = Place { x: 300.0, y: 200.0 };
        assert_eq!(place.clamp(WINDOW, SCREEN), place);
    }

    #[test]
    fn a_place_off_screen_moves_to_the_nearest_edge() {
        assert_eq!(Place { x: -50.0, y: 9_000.0 }.clamp(WINDOW, SCREEN), Place { x: 8.0, y: 312.0 });
        assert_eq!(Place { x: 9_000.0, y: -1.0 }.clamp(WINDOW, SCREEN), Place { x: 952.0, y: 8.0 });
    }

    #[test]
    fn a_window_larger_than_the_screen_keeps_its_handle_visible() {
        let screen = Size { width: 300.0, height: 200.0 };
        assert_eq!(Place { x: 40.0, y: 40.0 }.clamp(WINDOW, screen), Place { x: 8.0, y: 8.0 });
    }

    #[test]
    fn arrow_keys_move_by_a_step_and_by_a_large_one() {
        let place = Place { x: 100.0, y: 100.0 };
        assert_eq!(place.step("ArrowLeft", false), Some(Place { x: 84.0, y: 100.0 }));
        assert_eq!(place.step("ArrowDown", true), Some(Place { x: 100.0, y: 164.0 }));
        assert_eq!(place.step("Enter", false), None);
    }

    #[test]
    fn a_place_survives_being_written_down() {
        let place = Place { x: -12.4, y: 300.6 };
        assert_eq!(place.to_text(), "-12,301");
        assert_eq!(Place::from_text("-12,301"), Some(Place { x: -12.0, y: 301.0 }));
    }

    #[test]
    fn what_is_no_place_is_not_read() {
        for text in ["", "12", "a,b", "1,2,3", "NaN,inf", "99999999999,1"] {
            assert_eq!(Place::from_text(text), None, "{text}");
        }
    }
}
