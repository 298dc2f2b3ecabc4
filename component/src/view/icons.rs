//! The drawings, as paths in a square of 24 units.

/// A handset that lies on its hooks: as drawn it hangs up, turned by 225° it calls.
pub const HANDSET: &str = "M12 8C8.1 8 4.9 9 2.6 10.9a1.7 1.7 0 0 0-.4 2.2l1.3 2.2c.4.7 1.2 1 2 .7l2.4-.9c.7-.2 1.1-.9 1.1-1.6v-1.6c1-.3 2-.4 3-.4s2 .1 3 .4v1.6c0 .7.4 1.4 1.1 1.6l2.4.9c.8.3 1.6 0 2-.7l1.3-2.2a1.7 1.7 0 0 0-.4-2.2C19.1 9 15.9 8 12 8Z";
/// A microphone.
pub const MICROPHONE: &str = "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM6 11a6 6 0 0 0 5 5.9V20H9v2h6v-2h-2v-3.1a6 6 0 0 0 5-5.9h-2a4 4 0 0 1-8 0H6Z";
/// The same, struck out.
pub const MICROPHONE_OFF: &str = "M4.4 3 3 4.4l6 6v.6a3 3 0 0 0 4.5 2.6l1.4 1.4A4 4 0 0 1 8 11H6a6 6 0 0 0 5 5.9V20H9v2h6v-2h-2v-3.1a6 6 0 0 0 3.3-1.5l3.3 3.3 1.4-1.4L4.4 3ZM12 3a3 3 0 0 0-2.9 2.2L15 11V6a3 3 0 0 0-3-3Zm4 8c0 .4-.1.8-.2 1.1l1.6 1.5c.4-.8.6-1.7.6-2.6h-2Z";
/// A cross.
pub const CROSS: &str =
    "m6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4 6.4 5Z";
/// An arrow that takes a character away.
pub const ERASE: &str = "M9 5h11a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H9l-7-7 7-7Zm.8 2-5 5 5 5H20V7H9.8ZM12 8.9l2.3 2.2 2.3-2.2 1.1 1.1L15.4 12l2.3 2.1-1.1 1.1-2.3-2.2-2.3 2.2-1.1-1.1 2.3-2.1-2.3-2.1L12 8.9Z";
/// Six dots: what can be dragged.
pub const GRIP: &str = "M9 5a1.6 1.6 0 1 0 .01 0ZM15 5a1.6 1.6 0 1 0 .01 0ZM9 10.4a1.6 1.6 0 1 0 .01 0ZM15 10.4a1.6 1.6 0 1 0 .01 0ZM9 15.8a1.6 1.6 0 1 0 .01 0ZM15 15.8a1.6 1.6 0 1 0 .01 0Z";
/// A person, for a caller without a name.
pub const PERSON: &str = "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4 20c0-3.6 3.6-6 8-6s8 2.4 8 6v.500H4V20Z";
/// Three sliders: settings.
pub const GEAR: &str = "M4 6h9v2H4V6Zm13 0h3v2h-3V6ZM4 11h3v2H4v-2Zm7 0h9v2h-9v-2ZM4 16h9v2H4v-2Zm13 0h3v2h-3v-2ZM13 4h3v6h-3V4ZM7 9h3v6H7V9Zm6 5h3v6h-3v-6Z";
