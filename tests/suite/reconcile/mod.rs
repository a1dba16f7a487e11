//! Reconciling: both ways, and after a backup was put back.

mod differences;
mod found;
mod ground;
mod restored;
mod suspicion;
