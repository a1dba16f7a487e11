//! Messages that the gateway sends on its own: whether they are really its own.
//!
//! Pure: no HTTP, no clock. What does not live here: what a message leads to. It names a payment and proves nothing, so
//! all it may ever cause is a look-up.

pub mod notice;
pub mod signature;
