//! One thing that was looked at: how it stands, what that means for the money, what to do.

use super::super::error::{CliError, incomplete, usage};
use serde::{Serialize, Serializer};

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// It did not answer: it may be well in a minute.
    Unreachable,
    /// A person must change something.
    Wrong,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unreachable | Self::Wrong => "fails",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One line of the doctor's report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    pub check: &'static str,
    pub result: Verdict,
    pub found: String,
    /// What it means for the money, unless it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<&'static str>,
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Check {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, result: Verdict::Ok, found: found.into(), money: None, todo: None }
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        Self::advised(check, Verdict::Warning, found.into(), advice)
    }

    pub(super) fn unreachable(check: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        Self::advised(check, Verdict::Unreachable, found.into(), advice)
    }

    pub(super) fn wrong(check: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        Self::advised(check, Verdict::Wrong, found.into(), advice)
    }

    fn advised(check: &'static str, result: Verdict, found: String, advice: Advice) -> Self {
        Self { check, result, found, money: Some(advice.money), todo: Some(advice.todo) }
    }
}

/// What goes with everything that is not well.
pub(super) struct Advice {
    pub money: &'static str,
    pub todo: String,
}

/// `money` in the words of the error texts, `todo` as something that a person does.
pub(super) fn advice(money: &'static str, todo: impl Into<String>) -> Advice {
    Advice { money, todo: todo.into() }
}

pub(super) const NOTHING_CHARGED: &str = "nothing is charged until this is mended; what is due stays due";

/// The exit code: what a person must change weighs more than what may pass.
pub(super) fn verdict(checks: &[Check]) -> Result<(), CliError> {
    let failing: Vec<&str> =
        checks.iter().filter(|one| one.result >= Verdict::Unreachable).map(|one| one.check).collect();
    let what = format!("{} of {} checks fail: {}", failing.len(), checks.len(), failing.join(", "));
    match checks.iter().map(|one| one.result).max() {
        Some(Verdict::Wrong) => Err(usage(what).hint("do what each of them says, then: renewd doctor")),
        Some(Verdict::Unreachable) => Err(incomplete(what).hint("see that it is up and may be reached from here")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_must_change_weighs_more_than_what_may_pass() {
        let worst = |checks: &[Check]| verdict(checks).map_err(|error| error.kind.exit_code());
        let (ok, warning) = (Check::ok("a", ""), Check::warning("b", "", advice("", "")));
        let (away, wrong) = (Check::unreachable("c", "", advice("", "")), Check::wrong("d", "", advice("", "")));
        assert_eq!(worst(&[ok.clone(), warning.clone()]), Ok(()));
        assert_eq!(worst(&[ok, away.clone(), warning]), Err(1));
        assert_eq!(worst(&[wrong, away]), Err(2));
    }
}
