//! Everything that reads what others wrote, over made-up input: it never panics, and never believes more than was said.

mod calendar;
mod gateway;
mod import;
mod oracle;
mod settings;
mod signed;
mod webhook;
