//! The conditions of the checks, for rows in memory: as much of SQL as they use.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Whether `row` meets `condition`: terms with AND between them, each `column`, `NOT column`, `column IS [NOT] NULL`,
/// `column = value`, `column > value`, `column LIKE '%text%'`, or `true`.
pub fn holds(condition: &str, row: &Value) -> bool {
    condition.split(" AND ").all(|term| term_holds(term.trim(), row))
}

fn term_holds(term: &str, row: &Value) -> bool {
    let value = |column: &str| row.get(column).unwrap_or_else(|| panic!("no column {column} in {row}"));
    if term == "true" {
        true
    } else if let Some(column) = term.strip_suffix(" IS NOT NULL") {
        !value(column).is_null()
    } else if let Some(column) = term.strip_suffix(" IS NULL") {
        value(column).is_null()
    } else if let Some((column, pattern)) = term.split_once(" LIKE ") {
        value(column).as_str().is_some_and(|text| text.contains(text_of(pattern).trim_matches('%')))
    } else if let Some((column, wanted)) = term.split_once(" = ") {
        equals(value(column), wanted)
    } else if let Some((column, least)) = term.split_once(" > ") {
        value(column).as_i64() > least.parse().ok()
    } else if let Some(column) = term.strip_prefix("NOT ") {
        value(column) == &Value::Bool(false)
    } else {
        value(term) == &Value::Bool(true)
    }
}

fn equals(value: &Value, wanted: &str) -> bool {
    let Value::String(text) = value else { return value.as_i64().is_some_and(|number| wanted.parse() == Ok(number)) };
    let time = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let wanted = text_of(wanted);
    text == wanted || (time(text).is_some() && time(text) == time(wanted))
}

fn text_of(literal: &str) -> &str {
    literal.trim_matches('\'')
}

#[test]
fn conditions_mean_what_they_mean_in_sql() {
    let row = serde_json::json!({"a": "x", "n": 2, "b": false, "z": null, "t": "2026-01-30T15:00:00Z"});
    for met in ["true", "a = 'x' AND n = 2", "n > 1", "NOT b", "z IS NULL", "a IS NOT NULL", "a LIKE '%x%'"] {
        assert!(holds(met, &row), "{met}");
    }
    assert!(holds("t = '2026-01-30T15:00:00.000000Z'", &row));
    for unmet in ["a = 'y'", "a = 'x' AND n = 3", "n > 2", "b", "z IS NOT NULL", "a IS NULL", "a LIKE '%y%'", "z = 'x'"]
    {
        assert!(!holds(unmet, &row), "{unmet}");
    }
}
