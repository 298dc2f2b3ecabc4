//! Two phones on a page and an embedded SIP server.
