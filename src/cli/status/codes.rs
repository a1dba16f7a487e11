//! `renewd status --codes`

use crate::app::App;
use crate::cli::error::CliError;
use crate::cli::figures::{local, thousands};
use crate::cli::output::{Mode, Output};
use crate::store::Store;
use crate::store::read::UnseenCode;
use chrono::TimeDelta;

/// So many codes are shown, the most frequent first.
const CODES_MAX: u32 = 200;

pub(super) async fn run(days: u16, store: &dyn Store, app: &App, output: &Output) -> Result<(), CliError> {
    let since = store.now().await? - TimeDelta::days(i64::from(days));
    let tables = app.decline_tables()?;
    let mut codes = store.unseen_codes(since, CODES_MAX).await?;
    // What somebody classified since then needs nobody any more.
    codes.retain(|code| !tables.knows(code.pg_provider.as_deref(), code.pg_code.as_deref()));
    if output.mode == Mode::Json {
        return output.json(&codes);
    }
    if codes.is_empty() {
        return output.heading(&format!("the decline tables knew every code of the last {days} days"));
    }
    let headers = ["provider", "code", "attempts", "treated as", "message", "last seen"];
    output.table(&headers, codes.iter().map(|code| row(code, app)))?;
    output.heading("classify them: a row each in declines.more_codes_file, pg_provider,pg_code,class,reason")
}

fn row(code: &UnseenCode, app: &App) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let messages = match (&code.message, &code.other_message) {
        (Some(one), Some(other)) if one != other => format!("{one}; {other}"),
        (one, _) => text(one),
    };
    vec![
        text(&code.pg_provider),
        text(&code.pg_code),
        thousands(u64::try_from(code.attempts).unwrap_or(0)),
        format!("{} ({}, by {})", code.decline_class, code.decline_reason, code.matched_by),
        messages,
        local(code.last_seen, app.zone),
    ]
}
