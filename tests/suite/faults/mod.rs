//! What can break around renewd, broken one by one: real processes, real databases, real files. `tests/FAULTS.md` says
//! which test is for which fault.

mod clocks;
mod database;
mod database_away;
mod database_tls;
mod pooler;
mod processes;
mod roles;
mod rows;
#[cfg(target_os = "linux")]
mod sqlite_disk;
#[cfg(target_os = "linux")]
mod sqlite_file;

use crate::crash::ground::{Ground, fill};
use crate::support::postgres::Template;
use std::time::Duration;

static FILLED: Template = Template::named("faults");

/// A database with a plan, its gateway, and runs on it; a charge is approved after `latency`.
async fn ground(name: &str, latency: Duration) -> Ground {
    let url = FILLED.database(name, async |url: String| fill(&url).await).await;
    Ground::on(url, latency).await
}
