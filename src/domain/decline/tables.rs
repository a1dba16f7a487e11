//! The tables that declines are classified by: data, compiled in, replaceable by files.

use super::{Decline, DeclineClass, MatchedBy, Reason};
use regex::Regex;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The longest message that is kept, in characters.
const MESSAGE_MAX: usize = 256;

/// A table that cannot be read, by file and line.
#[derive(Debug, thiserror::Error)]
#[error("{table}, line {line}: {problem}")]
pub struct DeclineTableError {
    pub table: &'static str,
    pub line: u64,
    pub problem: String,
}

/// The classes and reasons of known codes, the older names of providers, and the rules on messages.
#[derive(Debug)]
pub struct DeclineTables {
    codes: HashMap<String, HashMap<String, Meaning>>,
    aliases: HashMap<String, String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meaning {
    class: DeclineClass,
    reason: Reason,
}

/// A rule on the message; compiled when it is first asked, because most declines are known by their code.
#[derive(Debug)]
struct Rule {
    meaning: Meaning,
    pattern: String,
    compiled: OnceLock<Option<Regex>>,
}

#[derive(Deserialize)]
struct CodeRow {
    pg_provider: String,
    pg_code: String,
    class: String,
    reason: String,
}

#[derive(Deserialize)]
struct AliasRow {
    pg_provider: String,
    use_table_of: String,
}

#[derive(Deserialize)]
struct RuleRow {
    class_or_drop: String,
    reason: String,
    regex_on_lowercased_text_without_whitespace: String,
    act_on_message: String,
}

impl DeclineTables {
    /// The tables that are compiled in.
    ///
    /// # Errors
    /// [`DeclineTableError`] names the table and the line.
    pub fn built_in() -> Result<Self, DeclineTableError> {
        Self::parse(
            include_str!("../../../config/decline-codes.csv"),
            include_str!("../../../config/decline-messages.csv"),
            include_str!("../../../config/decline-aliases.csv"),
        )
    }

    /// Reads the three tables.
    ///
    /// # Errors
    /// [`DeclineTableError`] names the table and the line of the first class, reason or pattern that makes no sense.
    pub fn parse(codes: &str, messages: &str, aliases: &str) -> Result<Self, DeclineTableError> {
        let mut tables = Self { codes: HashMap::new(), aliases: HashMap::new(), rules: Vec::new() };
        for (line, row) in rows::<CodeRow>("decline-codes", codes)? {
            let meaning = meaning("decline-codes", line, &row.class, &row.reason)?;
            tables.codes.entry(row.pg_provider).or_default().insert(row.pg_code, meaning);
        }
        for (_, row) in rows::<AliasRow>("decline-aliases", aliases)? {
            tables.aliases.insert(row.pg_provider, row.use_table_of);
        }
        for (line, row) in rows::<RuleRow>("decline-messages", messages)? {
            // Rules that may only annotate, and those about messages that are no charge, never act.
            if row.act_on_message == "yes" && row.class_or_drop != "drop" {
                let meaning = meaning("decline-messages", line, &row.class_or_drop, &row.reason)?;
                let pattern = row.regex_on_lowercased_text_without_whitespace;
                tables.rules.push(Rule { meaning, pattern, compiled: OnceLock::new() });
            }
        }
        Ok(tables)
    }

    /// Compiles every pattern: what a file of one's own is checked by before it is used.
    ///
    /// # Errors
    /// [`DeclineTableError`] with the first pattern that is none; its line counts acting rules only.
    pub fn check_patterns(&self) -> Result<(), DeclineTableError> {
        let bad = self.rules.iter().zip(1..).find(|(rule, _)| rule.regex().is_none());
        bad.map_or(Ok(()), |(rule, line)| {
            Err(error("decline-messages", line, format!("bad pattern {:?}", rule.pattern)))
        })
    }

    /// What a "no" means. Unknown texts are of class unknown: nothing is guessed.
    pub fn classify(&self, provider: Option<&str>, code: Option<&str>, message: Option<&str>) -> Decline {
        let (meaning, matched_by) = self
            .by_code(provider, code)
            .or_else(|| message.and_then(|message| self.by_message(message)))
            .unwrap_or((Meaning { class: DeclineClass::Unknown, reason: Reason::Unknown }, MatchedBy::Nothing));
        Decline {
            class: meaning.class,
            reason: meaning.reason,
            matched_by,
            pg_provider: provider.map(clean),
            pg_code: code.map(clean),
            pg_message: message.map(clean),
        }
    }

    fn by_code(&self, provider: Option<&str>, code: Option<&str>) -> Option<(Meaning, MatchedBy)> {
        let (provider, code) = (provider?, code?);
        let find = |name: &str| self.codes.get(name).and_then(|codes| codes.get(code)).copied();
        find(provider)
            .map(|meaning| (meaning, MatchedBy::Code))
            .or_else(|| find(self.aliases.get(provider)?).map(|meaning| (meaning, MatchedBy::Alias)))
    }

    fn by_message(&self, message: &str) -> Option<(Meaning, MatchedBy)> {
        let text: String = message.to_lowercase().chars().filter(|c| !c.is_whitespace()).take(MESSAGE_MAX).collect();
        let matches = |rule: &&Rule| rule.regex().is_some_and(|regex| regex.is_match(&text));
        self.rules.iter().find(matches).map(|rule| (rule.meaning, MatchedBy::Message))
    }
}

impl Rule {
    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.pattern).ok()).as_ref()
    }
}

fn rows<T: for<'de> Deserialize<'de>>(table: &'static str, text: &str) -> Result<Vec<(u64, T)>, DeclineTableError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().cloned().map_err(|err| error(table, 1, err.to_string()))?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|err| error(table, err.position().map_or(0, csv::Position::line), err.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.deserialize(Some(&headers)).map_err(|err| error(table, line, err.to_string()))?));
    }
    Ok(rows)
}

fn meaning(table: &'static str, line: u64, class: &str, reason: &str) -> Result<Meaning, DeclineTableError> {
    let class = DeclineClass::parse(class).ok_or_else(|| error(table, line, format!("{class:?} is not a class")))?;
    let reason = Reason::parse(reason).ok_or_else(|| error(table, line, format!("{reason:?} is not a reason")))?;
    Ok(Meaning { class, reason })
}

fn error(table: &'static str, line: u64, problem: String) -> DeclineTableError {
    DeclineTableError { table, line, problem }
}

/// What others wrote, safe for a log line and a table cell.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn tables() -> &'static DeclineTables {
        static TABLES: OnceLock<DeclineTables> = OnceLock::new();
        TABLES.get_or_init(|| DeclineTables::built_in().unwrap())
    }

    fn class_of(provider: &str, code: &str) -> (DeclineClass, Reason, MatchedBy) {
        let decline = tables().classify(Some(provider), Some(code), None);
        (decline.class, decline.reason, decline.matched_by)
    }

    #[test]
    fn every_row_is_read() {
        let tables = tables();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for meaning in tables.codes.values().flat_map(HashMap::values) {
            *counts.entry(meaning.class.as_str()).or_default() += 1;
        }
        let expected = [("config", 1680), ("hard", 508), ("soft", 227), ("transient", 560), ("unknown", 2042)];
        assert_eq!(counts, BTreeMap::from(expected));
        assert_eq!(tables.rules.len(), 20, "rules that may act");
        tables.check_patterns().unwrap();
        for target in tables.aliases.values() {
            assert!(tables.codes.contains_key(target), "{target} has no table");
        }
    }

    #[test]
    fn a_code_means_what_its_own_provider_says() {
        assert_eq!(class_of("KCP_V2", "CC10"), (DeclineClass::Soft, Reason::InsufficientFunds, MatchedBy::Code));
        assert_eq!(class_of("KCP", "CC10"), (DeclineClass::Soft, Reason::InsufficientFunds, MatchedBy::Alias));
        assert_ne!(class_of("KICC_V2", "8311").1, class_of("KAKAOPAY", "8311").1, "one code, two meanings");
        assert_eq!(class_of("SMARTRO_V2", "CC10"), (DeclineClass::Unknown, Reason::Unknown, MatchedBy::Nothing));
    }

    #[test]
    fn an_unseen_code_is_told_by_a_message_that_may_act_and_by_no_other() {
        let classify = |message| tables().classify(Some("SMARTRO_V2"), Some("X1"), Some(message));
        let funds = classify("잔액 부족");
        assert_eq!(
            (funds.class, funds.reason, funds.matched_by),
            (DeclineClass::Soft, Reason::InsufficientFunds, MatchedBy::Message)
        );
        assert_eq!(classify("INSUFFICIENT balance").reason, Reason::InsufficientFunds);
        // A rule on requests matches this text, and may not act.
        assert_eq!(classify("파라미터 오류").matched_by, MatchedBy::Nothing);
        assert_eq!(classify("파라미터 오류").class, DeclineClass::Unknown);
    }

    #[test]
    fn what_may_be_a_success_is_no_decline() {
        let duplicate = tables().classify(Some("TOSSPAYMENTS"), Some("ALREADY_PROCESSED_PAYMENT"), None);
        assert!(duplicate.is_uncertain() && !duplicate.stops_channel() && !duplicate.needs_person());
    }

    #[test]
    fn a_cancel_that_failed_needs_a_person_under_every_name_of_its_provider() {
        for provider in ["KCP_V2", "KCP", "KCP_BILLING"] {
            assert!(tables().classify(Some(provider), Some("9048"), None).needs_person(), "{provider}");
        }
        assert!(!tables().classify(Some("INICIS_V2"), Some("9048"), None).needs_person());
    }

    #[test]
    fn a_bad_line_is_named() {
        let codes = "pg_provider,pg_code,class,reason\nA,1,soft,insufficient_funds\nA,2,sofd,insufficient_funds\n";
        let rules = "class_or_drop,reason,regex_on_lowercased_text_without_whitespace,act_on_message\n";
        let err = DeclineTables::parse(codes, rules, "pg_provider,use_table_of\n").unwrap_err();
        assert_eq!(err.to_string(), "decline-codes, line 3: \"sofd\" is not a class");
    }

    proptest! {
        #[test]
        fn any_text_is_classified_without_control_characters(provider in ".*", code in ".*", message in "[\\s\\S]{0,600}") {
            let decline = tables().classify(Some(&provider), Some(&code), Some(&message));
            for text in [&decline.pg_provider, &decline.pg_code, &decline.pg_message].into_iter().flatten() {
                prop_assert!(text.chars().count() <= MESSAGE_MAX && !text.chars().any(char::is_control));
            }
        }
    }
}
