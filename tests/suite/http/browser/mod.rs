//! The pages as people meet them: in a browser, on a desk and on a phone, by day and by night, with a mouse and without.
//! Each test leaves its pictures in target/screenshots.

mod driver;
mod hands;
mod looking;
mod new_card;
mod scene;
