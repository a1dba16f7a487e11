//! What a person asks for by hand, decided: facts in, a change or a refusal out. A person's word moves states; money moves
//! by the same steps as ever, and a period by a verified payment only.

pub mod refund;
pub mod resolve;
pub mod retry;

/// Why something that a person asked for is not done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// What stands against it, without a full stop.
    pub what: String,
    /// What that means for the money.
    pub money: String,
    /// What to do instead; one thing each.
    pub hints: Vec<String>,
    /// The same command may go through later, without anything being changed.
    pub may_turn: bool,
}

impl Refusal {
    pub fn new(what: impl Into<String>, money: &str) -> Self {
        Self { what: what.into(), money: money.to_owned(), hints: Vec::new(), may_turn: false }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same command may go through later.
    #[must_use]
    pub fn for_now(self) -> Self {
        Self { may_turn: true, ..self }
    }
}
