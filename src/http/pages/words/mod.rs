//! Every word of the pages, in both languages side by side: one that is missing does not compile. What the engine and the
//! gateway say of their own (why something was refused, what a payment gateway wrote) is told as they said it, or as
//! [`said`] knows it in Korean.

pub mod said;
mod terms;
mod texts;

pub use terms::Terms;
pub use texts::Texts;

use std::ops::Deref;

/// One language.
#[derive(Debug)]
pub struct Words {
    texts: &'static Texts,
    terms: &'static Terms,
}

pub static EN: Words = Words { texts: &texts::EN, terms: &terms::EN };
pub static KO: Words = Words { texts: &texts::KO, terms: &terms::KO };

impl Deref for Words {
    type Target = Texts;

    fn deref(&self) -> &Texts {
        self.texts
    }
}

impl Words {
    /// What stands in the tables, as people call it.
    pub fn terms(&self) -> &'static Terms {
        self.terms
    }
}

/// So many of something; `{0}` is the number.
#[derive(Debug)]
pub struct Plural {
    one: &'static str,
    many: &'static str,
}

impl Plural {
    /// `shown` is the number as it is written.
    pub fn of(&self, number: i64, shown: &str) -> String {
        let text = if number == 1 { self.one } else { self.many };
        text.replace("{0}", shown)
    }
}

/// Words of the tables, and what people call them.
pub type Table = &'static [(&'static str, &'static str)];

/// What people call it; a word of another version stays as it is.
pub fn of(table: Table, word: &str) -> &str {
    table.iter().find(|(key, _)| *key == word).map_or(word, |(_, told)| told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action::ActionKind;
    use crate::domain::attempt::AttemptState;
    use crate::domain::decline::{DeclineClass, Reason};
    use crate::domain::event::EventKind;
    use crate::domain::renewal::State;

    #[test]
    fn every_word_of_the_tables_has_a_name_in_both_languages() {
        let words = |all: &[&'static str]| all.to_vec();
        for terms in [EN.terms(), KO.terms()] {
            for (table, all) in [
                (terms.states, State::ALL.iter().map(|state| state.as_str()).collect()),
                (terms.attempts, AttemptState::ALL.iter().map(|state| state.as_str()).collect()),
                (terms.decline_reasons, Reason::ALL.iter().map(|reason| reason.as_str()).collect()),
                (terms.decline_classes, DeclineClass::ALL.iter().map(|class| class.as_str()).collect()),
                (terms.actions, ActionKind::ALL.iter().map(|kind| kind.as_str()).collect()),
                (terms.events, EventKind::ALL.iter().map(|kind| kind.as_str()).collect()),
                (terms.refunds, words(&["wanted", "requested", "done", "failed"])),
                (terms.subscriptions, words(&["active", "past_due", "downgraded"])),
                (terms.run_statuses, words(&["running", "completed", "failed", "interrupted"])),
            ] {
                let all: Vec<&str> = all;
                let known: Vec<&str> = table.iter().map(|(key, _)| *key).collect();
                assert_eq!(all.iter().filter(|word| !known.contains(word)).collect::<Vec<_>>(), Vec::<&&str>::new());
            }
        }
    }

    #[test]
    fn numbers_choose_their_word_and_unknown_words_stay() {
        let plural = Plural { one: "{0} charge", many: "{0} charges" };
        assert_eq!((plural.of(1, "1"), plural.of(1_000, "1,000")), ("1 charge".to_owned(), "1,000 charges".to_owned()));
        assert_eq!(of(EN.terms().states, "of_tomorrow"), "of_tomorrow");
    }
}
