//! The ops API over real HTTP: what it shows, what it does to the money, who may, and what its description says of it.

mod described;
mod desk;
mod document;
mod pages;
mod readme;
mod reads;
mod refused;
mod starting;
mod writes;
