//! Voice processing for the soft-phone: no allocation, lock or panic per frame.
