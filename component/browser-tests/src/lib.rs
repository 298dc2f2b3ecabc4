//! Real browsers, real Asterisk, real audio.
