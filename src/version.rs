//! Which renewd this is: told wherever somebody asks what is running.

/// As it was released.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, with `-changed` where its sources were not that commit's; `unknown` in a build that
/// is no release, and where there was no repository.
pub const COMMIT: &str = env!("BUILD_OF_RENEWD_COMMIT");

/// The day that it was built on, in UTC; `unknown` in a build that is no release.
pub const BUILT: &str = env!("BUILD_OF_RENEWD_DATE");

/// All of it, for people: `0.1.0 (commit 0123456789ab, built 2026-01-30)`.
pub const WHOLE: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("BUILD_OF_RENEWD_COMMIT"),
    ", built ",
    env!("BUILD_OF_RENEWD_DATE"),
    ")"
);
