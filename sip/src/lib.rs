//! A sans-IO SIP user agent: no clock, no entropy, no socket.
