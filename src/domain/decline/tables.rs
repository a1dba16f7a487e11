//! The tables that declines are classified by: data, compiled in, replaceable by files, whole or row by row.

use super::told::told;
use super::{Decline, DeclineClass, MatchedBy, Reason};
use regex::Regex;
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
    codes: Codes,
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
    /// `None`: the text is known to be one that must not be acted on.
    meaning: Option<Meaning>,
    pattern: String,
    line: u64,
    compiled: OnceLock<Option<Regex>>,
}

const CODES: &str = "decline-codes";
const MESSAGES: &str = "decline-messages";
const ALIASES: &str = "decline-aliases";
const MORE_CODES: &str = "declines.more_codes_file";
const MORE_MESSAGES: &str = "declines.more_messages_file";
const MORE_ALIASES: &str = "declines.more_aliases_file";

/// Rows of a person's own, beside the tables or in place of single rows of them. Each is a table with the columns of
/// the one that it adds to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlay<'a> {
    pub codes: Option<&'a str>,
    /// Tried before all other rules, in their order.
    pub messages: Option<&'a str>,
    pub aliases: Option<&'a str>,
}

type Codes = HashMap<String, HashMap<String, Meaning>>;

impl DeclineTables {
    /// The tables that are compiled in.
    ///
    /// # Errors
    /// [`DeclineTableError`] names the table and the line.
    pub fn built_in() -> Result<Self, DeclineTableError> {
        // A test compiles these patterns; a start of the program need not.
        Self::read(
            include_str!("../../../config/decline-codes.csv"),
            include_str!("../../../config/decline-messages.csv"),
            include_str!("../../../config/decline-aliases.csv"),
        )
    }

    /// Reads the three tables, for instance a person's own, and compiles every pattern.
    ///
    /// # Errors
    /// [`DeclineTableError`] names the table and the line of the first class, reason, word or pattern that makes no
    /// sense, that stands twice, or that points at a table that is not there.
    pub fn parse(codes: &str, messages: &str, aliases: &str) -> Result<Self, DeclineTableError> {
        let tables = Self::read(codes, messages, aliases)?;
        tables.check_patterns()?;
        Ok(tables)
    }

    /// These tables with a person's rows over them: one code that is known better, one message that is now understood.
    ///
    /// # Errors
    /// As [`DeclineTables::parse`]; the setting that named the file stands in place of the table.
    pub fn overlaid(mut self, overlay: &Overlay<'_>) -> Result<Self, DeclineTableError> {
        for (provider, codes) in overlay.codes.map_or(Ok(Codes::new()), |text| read_codes(MORE_CODES, text))? {
            self.codes.entry(provider).or_default().extend(codes);
        }
        if let Some(text) = overlay.aliases {
            let more = read_aliases(MORE_ALIASES, text, &self.codes)?;
            self.aliases.extend(more);
        }
        if let Some(text) = overlay.messages {
            let mut rules = read_rules(MORE_MESSAGES, text)?;
            check_patterns(MORE_MESSAGES, &rules)?;
            rules.append(&mut self.rules);
            self.rules = rules;
        }
        Ok(self)
    }

    fn read(codes: &str, messages: &str, aliases: &str) -> Result<Self, DeclineTableError> {
        let codes = read_codes(CODES, codes)?;
        let aliases = read_aliases(ALIASES, aliases, &codes)?;
        Ok(Self { codes, aliases, rules: read_rules(MESSAGES, messages)? })
    }

    fn check_patterns(&self) -> Result<(), DeclineTableError> {
        check_patterns(MESSAGES, &self.rules)
    }

    /// Whether the tables know this code of this provider, under its own name or an older one.
    pub fn knows(&self, provider: Option<&str>, code: Option<&str>) -> bool {
        self.by_code(provider, code).is_some()
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
            pg_provider: provider.map(told),
            pg_code: code.map(told),
            pg_message: message.map(told),
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
        // The first rule that matches decides, also when it says "do not act": the merchant's limit is not the card's.
        self.rules.iter().find(matches)?.meaning.map(|meaning| (meaning, MatchedBy::Message))
    }
}

impl Rule {
    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.pattern).ok()).as_ref()
    }
}

fn check_patterns(table: &'static str, rules: &[Rule]) -> Result<(), DeclineTableError> {
    let bad = rules.iter().find(|rule| rule.regex().is_none());
    bad.map_or(Ok(()), |rule| Err(error(table, rule.line, format!("{:?} is not a regular expression", rule.pattern))))
}

fn read_codes(table: &'static str, text: &str) -> Result<Codes, DeclineTableError> {
    let mut codes = Codes::new();
    each_row(table, text, ["pg_provider", "pg_code", "class", "reason"], |line, [provider, code, class, reason]| {
        let meaning = meaning(table, line, class, reason)?;
        if !codes.contains_key(provider) {
            codes.insert(provider.to_owned(), HashMap::new());
        }
        match codes.get_mut(provider).and_then(|known| known.insert(code.to_owned(), meaning)) {
            None => Ok(()),
            Some(_) => Err(error(table, line, format!("{provider} {code} stands twice"))),
        }
    })?;
    Ok(codes)
}

fn read_aliases(table: &'static str, text: &str, codes: &Codes) -> Result<HashMap<String, String>, DeclineTableError> {
    let mut aliases = HashMap::new();
    each_row(table, text, ["pg_provider", "use_table_of"], |line, [provider, target]| {
        if !codes.contains_key(target) {
            return Err(error(table, line, format!("{target:?} has no table of codes")));
        }
        aliases.insert(provider.to_owned(), target.to_owned());
        Ok(())
    })?;
    Ok(aliases)
}

fn read_rules(table: &'static str, text: &str) -> Result<Vec<Rule>, DeclineTableError> {
    const COLUMNS: [&str; 4] =
        ["class_or_drop", "reason", "regex_on_lowercased_text_without_whitespace", "act_on_message"];
    let mut rules = Vec::new();
    each_row(table, text, COLUMNS, |line, [class, reason, pattern, act]| {
        let acts = match act {
            "yes" => true,
            "no" => false,
            other => return Err(error(table, line, format!("{other:?} is neither yes nor no"))),
        };
        // `drop` is for texts that are about no charge; their reasons are outside the vocabulary.
        let meaning = match class {
            "drop" => None,
            class => Some(meaning(table, line, class, reason)?),
        };
        let pattern = pattern.to_owned();
        rules.push(Rule { meaning: meaning.filter(|_| acts), pattern, line, compiled: OnceLock::new() });
        Ok(())
    })?;
    Ok(rules)
}

/// Hands the named columns of every row to `take`. One record is used for all rows: five thousand are read at every
/// start of the program.
fn each_row<const N: usize>(
    table: &'static str,
    text: &str,
    columns: [&str; N],
    mut take: impl FnMut(u64, [&str; N]) -> Result<(), DeclineTableError>,
) -> Result<(), DeclineTableError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|err| error(table, 1, err.to_string()))?;
    let mut indices = [0; N];
    for (index, column) in indices.iter_mut().zip(columns) {
        let found = headers.iter().position(|header| header == column);
        *index = found.ok_or_else(|| error(table, 1, format!("there is no column {column}")))?;
    }
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                take(line, indices.map(|index| record.get(index).unwrap_or_default()))?;
            }
            Err(err) => return Err(error(table, err.position().map_or(line, csv::Position::line), err.to_string())),
        }
    }
}

fn meaning(table: &'static str, line: u64, class: &str, reason: &str) -> Result<Meaning, DeclineTableError> {
    let class = DeclineClass::parse(class).ok_or_else(|| error(table, line, format!("{class:?} is not a class")))?;
    let reason = Reason::parse(reason).ok_or_else(|| error(table, line, format!("{reason:?} is not a reason")))?;
    Ok(Meaning { class, reason })
}

fn error(table: &'static str, line: u64, problem: String) -> DeclineTableError {
    DeclineTableError { table, line, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(tables.rules.len(), 95);
        assert_eq!(tables.rules.iter().filter(|rule| rule.meaning.is_some()).count(), 20, "rules that may act");
        tables.check_patterns().unwrap();
        for target in tables.aliases.values() {
            assert!(tables.codes.contains_key(target), "{target} has no table");
        }
    }

    #[test]
    fn no_provider_has_lost_a_row() {
        let mut counts: Vec<(&str, usize)> =
            tables().codes.iter().map(|(name, codes)| (name.as_str(), codes.len())).collect();
        counts.sort_unstable();
        let expected = [
            ("DANAL", 172),
            ("DANAL_TPAY", 1030),
            ("EXIMBAY_V2", 22),
            ("INICIS_V2", 1198),
            ("KAKAOPAY", 939),
            ("KCP_V2", 423),
            ("KICC_V2", 9),
            ("KSNET", 6),
            ("MOBILIANS", 83),
            ("NAVERPAY", 12),
            ("NICE_V2", 301),
            ("PAYPAL_V2", 157),
            ("TOSSPAYMENTS", 101),
            ("UPLUS", 564),
        ];
        assert_eq!(counts, expected);
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
    fn the_first_rule_that_knows_a_message_decides_even_if_it_says_to_do_nothing() {
        let classify = |message| tables().classify(None, None, Some(message));
        // Each of these also holds the words of a later rule that would act.
        for merchants_or_unclear in [
            "가맹점 한도 초과",
            "비밀번호 오류 횟수 초과",
            "계좌 잔액부족 또는 해지계좌",
            "포인트 한도초과",
            "일시정지카드",
        ] {
            let decline = classify(merchants_or_unclear);
            assert_eq!(
                (decline.class, decline.matched_by),
                (DeclineClass::Unknown, MatchedBy::Nothing),
                "{merchants_or_unclear}"
            );
        }
        for (message, class, reason) in [
            ("한도초과", DeclineClass::Soft, Reason::OverLimit),
            ("통장 잔액 부족", DeclineClass::Soft, Reason::InsufficientFunds),
            ("유효기간 만료", DeclineClass::Hard, Reason::CardExpired),
            ("도난 카드", DeclineClass::Hard, Reason::LostOrStolen),
            ("거래정지 카드", DeclineClass::Hard, Reason::SuspendedCard),
            ("카드사 점검 중", DeclineClass::Transient, Reason::IssuerUnavailable),
            ("중복된 주문번호", DeclineClass::Unknown, Reason::DuplicateOrder),
        ] {
            let decline = classify(message);
            assert_eq!(
                (decline.class, decline.reason, decline.matched_by),
                (class, reason, MatchedBy::Message),
                "{message}"
            );
        }
    }

    #[test]
    fn no_message_stops_a_channel() {
        for rule in &tables().rules {
            assert!(rule.meaning.is_none_or(|meaning| meaning.class != DeclineClass::Config), "line {}", rule.line);
        }
    }

    #[test]
    fn what_may_be_a_success_is_no_decline() {
        let duplicate = tables().classify(Some("TOSSPAYMENTS"), Some("ALREADY_PROCESSED_PAYMENT"), None);
        assert!(duplicate.is_uncertain() && !duplicate.stops_channel() && !duplicate.needs_person());
    }

    #[test]
    fn a_cancel_that_failed_needs_a_person_under_every_name_of_its_provider() {
        let tables = tables();
        let older_names = tables.aliases.iter().filter(|(_, table)| *table == "KCP_V2").map(|(name, _)| name.as_str());
        let names: Vec<&str> = older_names.chain(["KCP_V2"]).collect();
        assert_eq!(names.len(), 5);
        for provider in names {
            let decline = tables.classify(Some(provider), Some("9048"), None);
            assert!(decline.needs_person() && !decline.is_uncertain(), "{provider}: nobody waits for a look-up first");
        }
        for other in ["INICIS_V2", "KAKAOPAY"] {
            assert!(!tables.classify(Some(other), Some("9048"), None).needs_person(), "{other}");
        }
        // 9047: the same, and the cancel worked. To be looked up, like every time-out.
        assert!(tables.classify(Some("KCP_V2"), Some("9047"), None).is_uncertain());
    }

    #[test]
    fn a_bad_line_is_named() {
        const CODE: &str = "pg_provider,pg_code,class,reason\nA,1,soft,over_limit\n";
        const RULE: &str = "class_or_drop,reason,regex_on_lowercased_text_without_whitespace,act_on_message\n";
        const ALIAS: &str = "pg_provider,use_table_of\n";
        assert!(DeclineTables::parse(CODE, RULE, ALIAS).is_ok());
        for (code, rule, alias, expected) in [
            ("A,2,sofd,over_limit", "", "", "decline-codes, line 3: \"sofd\" is not a class"),
            ("A,2,soft,over", "", "", "decline-codes, line 3: \"over\" is not a reason"),
            ("A,1,hard,card_expired", "", "", "decline-codes, line 3: A 1 stands twice"),
            ("A,2", "", "", "decline-codes, line 3: "),
            ("", "soft,over_limit,[,yes", "", "decline-messages, line 2: \"[\" is not a regular expression"),
            ("", "drop,not_charge,ok,no\nsoft,over_limit,(,no", "", "decline-messages, line 3: \"(\""),
            ("", "soft,over_limit,x,maybe", "", "decline-messages, line 2: \"maybe\" is neither yes nor no"),
            ("", "drip,over_limit,x,yes", "", "decline-messages, line 2: \"drip\" is not a class"),
            ("A,\"", "", "", "decline-codes, line 3: "),
            ("", "", "B,C", "decline-aliases, line 2: \"C\" has no table of codes"),
        ] {
            let err =
                DeclineTables::parse(&format!("{CODE}{code}"), &format!("{RULE}{rule}"), &format!("{ALIAS}{alias}"))
                    .unwrap_err()
                    .to_string();
            assert!(err.starts_with(expected), "{err}");
        }
        let err = DeclineTables::parse("pg_provider,code,class,reason\n", RULE, ALIAS).unwrap_err();
        assert_eq!(err.to_string(), "decline-codes, line 1: there is no column pg_code");
    }

    #[test]
    fn a_rule_about_no_charge_never_acts() {
        let rules = "class_or_drop,reason,regex_on_lowercased_text_without_whitespace,act_on_message\n\
                     drop,not_charge,refund,yes\nsoft,over_limit,limit,yes\n";
        let tables = DeclineTables::parse("pg_provider,pg_code,class,reason\n", rules, "pg_provider,use_table_of\n");
        let matched = |message| tables.as_ref().unwrap().classify(None, None, Some(message)).matched_by;
        assert_eq!((matched("refund limit"), matched("limit")), (MatchedBy::Nothing, MatchedBy::Message));
    }

    const CODE_COLUMNS: &str = "pg_provider,pg_code,class,reason\n";
    const RULE_COLUMNS: &str = "class_or_drop,reason,regex_on_lowercased_text_without_whitespace,act_on_message\n";
    const ALIAS_COLUMNS: &str = "pg_provider,use_table_of\n";

    #[test]
    fn single_rows_are_added_and_replaced_and_the_others_stay() {
        let codes = format!("{CODE_COLUMNS}KCP_V2,CC10,hard,card_expired\nNEW_PG,X1,soft,over_limit\n");
        let messages = format!("{RULE_COLUMNS}hard,lost_or_stolen,잔액부족,yes\n");
        let aliases = format!("{ALIAS_COLUMNS}OLD_PG,NEW_PG\nKCP,INICIS_V2\n");
        let overlay = Overlay { codes: Some(&codes), messages: Some(&messages), aliases: Some(&aliases) };
        let tables = DeclineTables::built_in().unwrap().overlaid(&overlay).unwrap();
        let class = |provider, code| tables.classify(Some(provider), Some(code), None);
        assert_eq!(class("KCP_V2", "CC10").reason, Reason::CardExpired, "replaced");
        assert_eq!(class("KCP_V2", "CC61"), super::tests::tables().classify(Some("KCP_V2"), Some("CC61"), None));
        assert_eq!(class("NEW_PG", "X1").reason, Reason::OverLimit, "added");
        assert_eq!(class("OLD_PG", "X1").matched_by, MatchedBy::Alias, "an alias of a table that was added");
        assert_eq!(class("KCP", "CC10").matched_by, MatchedBy::Nothing, "an alias of its own");
        let by_message = tables.classify(Some("SMARTRO_V2"), Some("?"), Some("잔액 부족"));
        assert_eq!((by_message.class, by_message.matched_by), (DeclineClass::Hard, MatchedBy::Message), "asked first");
        assert_eq!(tables.classify(None, None, Some("한도초과")).reason, Reason::OverLimit, "the others still stand");
        assert!(tables.knows(Some("OLD_PG"), Some("X1")) && !tables.knows(Some("OLD_PG"), Some("X2")));
    }

    #[test]
    fn a_bad_row_of_a_persons_own_is_named_by_its_setting() {
        let refusal = |overlay: &Overlay<'_>| {
            DeclineTables::built_in().unwrap().overlaid(overlay).map(|_| ()).unwrap_err().to_string()
        };
        let codes = format!("{CODE_COLUMNS}A,1,sofd,over_limit\n");
        let messages = format!("{RULE_COLUMNS}soft,over_limit,[,yes\n");
        let aliases = format!("{ALIAS_COLUMNS}A,NOBODY\n");
        for (overlay, expected) in [
            (Overlay { codes: Some(&codes), ..Overlay::default() }, "declines.more_codes_file, line 2: \"sofd\""),
            (Overlay { messages: Some(&messages), ..Overlay::default() }, "declines.more_messages_file, line 2: \"[\""),
            (
                Overlay { aliases: Some(&aliases), ..Overlay::default() },
                "declines.more_aliases_file, line 2: \"NOBODY\"",
            ),
        ] {
            let told = refusal(&overlay);
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
