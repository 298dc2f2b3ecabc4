//! The <soft-phone> custom element.
