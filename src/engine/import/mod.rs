//! Importing plans, customers, billing keys and subscriptions: every line is read and checked first, then all of them
//! are written in one transaction, or none.

mod documents;
mod lines;

use crate::domain::date::Zone;
use crate::store::{ImportBatch, ImportRefs, Store, StoreError};
use std::collections::BTreeMap;
use std::fmt;

pub use documents::documents;
pub use lines::{billing_key_id, key_problem, lines};

/// At most this many bad lines are named; the rest is counted.
const PROBLEMS_SHOWN: usize = 20;

/// One line that cannot be imported. Never quotes the line: it may hold a billing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineProblem {
    /// Counts from 1.
    pub line: usize,
    pub problem: String,
}

/// All that is wrong with an import; nothing of it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct BadLines(pub Vec<LineProblem>);

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bad line(s)", self.0.len())?;
        self.told().iter().try_for_each(|told| write!(f, "\n  {told}"))
    }
}

impl BadLines {
    /// A sentence for each of the first bad lines, and one for the rest.
    pub fn told(&self) -> Vec<String> {
        let shown = self.0.iter().take(PROBLEMS_SHOWN);
        let mut told: Vec<String> =
            shown.map(|LineProblem { line, problem }| format!("line {line}: {problem}")).collect();
        if let Some(more) = self.0.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
            told.push(format!("and {more} more"));
        }
        told
    }

    fn add(&mut self, line: usize, problem: impl Into<String>) {
        self.0.push(LineProblem { line, problem: problem.into() });
    }
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Lines(#[from] BadLines),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rows with the lines that they came from, and what they refer to.
#[derive(Debug, Default)]
pub struct Parsed {
    pub batch: ImportBatch,
    /// Lines that refer to a plan or customer, by its id.
    plan_refs: BTreeMap<String, usize>,
    customer_refs: BTreeMap<String, usize>,
    /// Lines that hold nothing to import (a customer on the free tier, for one).
    pub skipped: usize,
}

impl Parsed {
    /// All rows that are to be written.
    pub fn rows(&self) -> usize {
        let batch = &self.batch;
        batch.plans.len() + batch.customers.len() + batch.billing_keys.len() + batch.subscriptions.len()
    }
}

/// What was imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    pub plans: usize,
    pub customers: usize,
    pub billing_keys: usize,
    pub subscriptions: usize,
    pub skipped: usize,
}

/// Writes a parsed file, all or nothing.
///
/// # Errors
/// [`ImportError::Lines`] names every line that refers to a plan or customer that is neither in the file nor in the
/// database.
pub async fn write(store: &dyn Store, parsed: Parsed) -> Result<Imported, ImportError> {
    let own = ImportRefs {
        plans: parsed.batch.plans.iter().map(|plan| plan.id.clone()).collect(),
        customers: parsed.batch.customers.iter().map(|customer| customer.id.clone()).collect(),
    };
    let wanted = ImportRefs {
        plans: parsed.plan_refs.keys().filter(|id| !own.plans.contains(*id)).cloned().collect(),
        customers: parsed.customer_refs.keys().filter(|id| !own.customers.contains(*id)).cloned().collect(),
    };
    let known = store.known_ids(&wanted).await?;
    let mut bad = BadLines::default();
    for id in wanted.plans.difference(&known.plans) {
        bad.add(parsed.plan_refs[id], format!("there is no plan {id:?}"));
    }
    for id in wanted.customers.difference(&known.customers) {
        bad.add(parsed.customer_refs[id], format!("there is no customer {id:?}"));
    }
    if !bad.0.is_empty() {
        bad.0.sort_by_key(|problem| problem.line);
        return Err(bad.into());
    }
    let imported = Imported {
        plans: parsed.batch.plans.len(),
        customers: parsed.batch.customers.len(),
        billing_keys: parsed.batch.billing_keys.len(),
        subscriptions: parsed.batch.subscriptions.len(),
        skipped: parsed.skipped,
    };
    store.import(parsed.batch).await?;
    Ok(imported)
}

/// Everything that reading a file needs from outside.
#[derive(Clone, Copy, Debug)]
pub struct ImportSettings {
    pub zone: Zone,
}

/// What is wrong with a line's JSON, without the value that serde_json quotes: it may be a billing key or a card number
/// in the wrong place. Names of fields are kept where they look like names.
fn without_value(error: &serde_json::Error) -> String {
    let said = error.to_string().replace(" at line 1 column ", " at column ");
    // From the right: the value comes first, and may hold anything.
    let Some((wrong, expected)) = said.rsplit_once(", expected ") else { return said };
    let quoted = |c: char| matches!(c, '"' | '`');
    let kind = wrong.split(quoted).next().unwrap_or_default().trim_end();
    let name = wrong.strip_prefix("unknown field `").and_then(|name| name.strip_suffix('`'));
    match name.filter(|name| name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')) {
        Some(name) => format!("{kind} `{name}`, expected {expected}"),
        None => format!("{kind}, expected {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_json_is_told_without_its_value() {
        let said = |line: &str| {
            let zone = Zone::parse("Asia/Seoul").unwrap();
            lines(line, &ImportSettings { zone }).unwrap_err().0[0].problem.clone()
        };
        let number = said(r#"{"type":"billing_key","customer":"u","billing_key":4111111111111111}"#);
        assert_eq!(number, "not an import line: invalid type: integer, expected a string");
        let misplaced = said(r#"{"type":"customer","id":["billing-key-1, expected a string"]}"#);
        assert!(!misplaced.contains("billing-key-1"), "{misplaced}");
        let text = said(
            r#"{"type":"plan","id":"p","name":"P","amount":"key, expected i64","currency":"KRW","interval":"P1M","tier":"p","fallback_tier":"f","order_name":"o"}"#,
        );
        assert_eq!(text, "not an import line: invalid type: string, expected i64");
        assert!(said(r#"{"type":"customer","id":"u","mail":"x"}"#).contains("unknown field `mail`, expected one of"));
        assert!(!said(r#"{"type":"customer","id":"u","billing-key-1":"x"}"#).contains("billing-key-1"));
        assert!(!said(r#"{"type":"billing-key-1"}"#).contains("billing-key-1"));
    }
}
