//! What `renewd run --dry-run` prints: the plan in sums for people, or every subscription of it in one JSON document.

use super::error::{CliError, incomplete};
use super::figures::{local, sum, thousands};
use super::output::{Mode, Output};
use crate::app::App;
use crate::engine::Engine;
use crate::engine::preview::{Group, PlanLine, Preview};
use crate::engine::run::RunRequest;
use serde::Serialize;

/// Looks at the plan and prints it. Writes nothing anywhere else.
pub async fn show(engine: &Engine, request: &RunRequest, app: &App, output: &Output) -> Result<(), CliError> {
    if output.mode == Mode::Json {
        let mut document = Document::default();
        let preview = engine.preview(request, &mut |line| document.line(line, output)).await?;
        return document.end(&preview, output);
    }
    let preview = engine.preview(request, &mut |_| {}).await?;
    table(&preview, app, output)
}

/// One JSON document, printed while it is made: `renewals` first, line by line, and then the sums.
#[derive(Default)]
struct Document {
    lines: u64,
    problem: Option<CliError>,
}

impl Document {
    fn line(&mut self, line: &PlanLine, output: &Output) {
        if self.problem.is_some() {
            return;
        }
        let start = if self.lines == 0 { "{\"renewals\": [\n  " } else { ",\n  " };
        self.lines += 1;
        self.problem = json(line).and_then(|text| output.text(&format!("{start}{text}"))).err();
    }

    fn end(self, preview: &Preview, output: &Output) -> Result<(), CliError> {
        self.problem.map_or(Ok(()), Err)?;
        let sums = json(preview)?;
        let start = if self.lines == 0 { "{\"renewals\": [" } else { "" };
        output.line(&format!("{start}], {}", sums.trim_start_matches('{')))
    }
}

fn json(document: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(document).map_err(|error| incomplete("the plan cannot be written as JSON").because(error))
}

fn table(preview: &Preview, app: &App, output: &Output) -> Result<(), CliError> {
    output.heading(&format!(
        "plan for business date {}, at {}: nothing was charged, nothing was written",
        preview.business_date,
        local(preview.at, app.zone)
    ))?;
    if let Some(paused) = &preview.paused {
        output.heading(&format!("charging is paused {paused}: a run would charge nobody"))?;
    }
    let parts = [
        ("would be charged, by plan", &preview.charges),
        ("would wait", &preview.waiting),
        ("would not be charged", &preview.skipped),
    ];
    for (what, groups) in parts {
        output.table(&[what, "why", "channel", "renewals", "sum"], groups.iter().map(row))?;
    }
    for (currency, renewals, minor) in totals(&preview.charges) {
        output.heading(&format!("in all {} charges, {}", thousands(renewals), sum(&currency, minor)))?;
    }
    if preview.over_limit > 0 {
        output.heading(&format!("{} of them are over --limit and stay due", thousands(preview.over_limit)))?;
    }
    if !preview.missed.is_empty() {
        let dates: Vec<String> = preview.missed.iter().map(ToString::to_string).collect();
        output.heading(&format!("no run covered {}: this one takes them up", dates.join(", ")))?;
    }
    for tripped in &preview.brakes {
        output.heading(&format!("brake {} would hold all charging: {}", tripped.brake, tripped.why))?;
    }
    Ok(())
}

fn row(group: &Group) -> [String; 5] {
    [
        group.plan_id.clone(),
        group.reason.to_owned(),
        group.channel.clone().unwrap_or_default(),
        thousands(group.renewals),
        if group.currency.is_empty() { String::new() } else { sum(&group.currency, group.minor) },
    ]
}

/// Renewals and sums by currency.
fn totals(groups: &[Group]) -> Vec<(String, u64, i64)> {
    let mut totals: Vec<(String, u64, i64)> = Vec::new();
    for group in groups {
        match totals.iter_mut().find(|total| total.0 == group.currency) {
            Some((_, renewals, minor)) => {
                *renewals += group.renewals;
                *minor = minor.saturating_add(group.minor);
            }
            None => totals.push((group.currency.clone(), group.renewals, group.minor)),
        }
    }
    totals
}
