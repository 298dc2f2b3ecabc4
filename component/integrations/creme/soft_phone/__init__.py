"""The phone in Creme CRM: a Django app with one middleware, see the README beside it. Apache-2.0 or MIT, as the phone."""
