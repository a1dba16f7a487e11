//! SQL as data: every statement by name, once for each database, and the values that it takes.

pub(crate) use crate::store::rows::stamp::{as_stamp, as_stamp_opt, stamp};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

/// One step's SQL in both dialects. Parameters are numbered and mean the same in both.
///
/// SQLite cannot change several tables in one statement, so there a file may hold several statements that share the
/// parameters and run in order.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// The name of its files.
    pub name: &'static str,
    pub postgres: &'static str,
    pub sqlite: &'static str,
}

macro_rules! statements {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(crate) const $name: Statement = Statement {
            name: $file,
            postgres: include_str!(concat!("../postgres/", $file, ".sql")),
            sqlite: include_str!(concat!("../sqlite/", $file, ".sql")),
        };)+

        /// Every statement there is: the conformance suite prepares each on each database.
        pub const ALL_STATEMENTS: &[Statement] = &[$($name),+];
    };
}

statements! {
    ACCESS_FACTS = "access_facts",
    ACCESS_RECORD = "access_record",
    ACT_CLOSE_ATTEMPT = "act_close_attempt",
    ACT_COMMAND = "act_command",
    ACT_LOCK = "act_lock",
    ACT_MARK = "act_mark",
    ACT_RECORD = "act_record",
    ACT_REFUND = "act_refund",
    ACTIONS_LATEST = "actions_latest",
    AT_RISK = "at_risk",
    ATTEMPT_UNREADABLE = "attempt_unreadable",
    BACKLOG_STATES = "backlog_states",
    BACKLOG_TIMES = "backlog_times",
    CASE_FACTS = "case_facts",
    CLAIM_FACTS = "claim_facts",
    CLAIM_KEY_TRIES = "claim_key_tries",
    CLAIM_KEYS = "claim_keys",
    CLAIM_RECORD = "claim_record",
    CHANNELS_OF = "channels_of",
    CLOCK = "clock",
    COVERAGE_DAYS = "coverage_days",
    COVERAGE_FIRST = "coverage_first",
    COVERAGE_RECORD = "coverage_record",
    DELIVERIES_LEFT = "deliveries_left",
    DELIVERIES_LIST = "deliveries_list",
    DELIVERIES_RECENT = "deliveries_recent",
    DELIVERY_CHANGE = "delivery_change",
    DELIVERY_CLAIM = "delivery_claim",
    DELIVERY_RECORD = "delivery_record",
    DUE_FACTS = "due_facts",
    DUE_COUNT = "due_count",
    DUE_NOW = "due_now",
    EVENTS_INSERT = "events_insert",
    GIVE_BACK = "give_back",
    HEALTH = "health",
    IMPORT_BILLING_KEYS = "import_billing_keys",
    IMPORT_CUSTOMERS = "import_customers",
    IMPORT_PLANS = "import_plans",
    IMPORT_SUBSCRIPTIONS = "import_subscriptions",
    INSTALLATION_CREATE = "installation_create",
    INSTALLATION_PIN = "installation_pin",
    INSTALLATION_READ = "installation_read",
    KEYS_GONE = "keys_gone",
    KEYLESS = "keyless",
    KEYS_BACK = "keys_back",
    KNOWN_IDS = "known_ids",
    KNOWN_PAYMENTS = "known_payments",
    LATE_FACTS = "late_facts",
    LATE_LOOK_AGAIN = "late_look_again",
    LOOK_AHEAD_FACTS = "look_ahead_facts",
    LOOK_AHEAD_RECORD = "look_ahead_record",
    NEEDS_PERSON = "needs_person",
    OBSERVE = "observe",
    OPEN_RENEWALS = "open_renewals",
    OUTBOX_FACTS = "outbox_facts",
    OUTBOX_ROUTE = "outbox_route",
    PLAN_RECORD = "plan_record",
    RECORDED_PAYMENTS = "recorded_payments",
    REFUND_FACTS = "refund_facts",
    REFUND_RECORD = "refund_record",
    RENEWALS_CHANGE = "renewals_change",
    RENEWALS_PAGE = "renewals_page",
    RUN_CLOSE = "run_close",
    RUN_OF_KEY = "run_of_key",
    RUN_OPEN = "run_open",
    RUN_READ = "run_read",
    RUNS_LATEST = "runs_latest",
    SCHEMA_APPLIED = "schema_applied",
    SCHEMA_EXISTS = "schema_exists",
    SETTLE_FACTS = "settle_facts",
    SETTLE_RECORD = "settle_record",
    SETTLE_WAKE = "settle_wake",
    SUBSCRIPTIONS_OF = "subscriptions_of",
    SWITCH_READ = "switch_read",
    SWITCH_SET = "switch_set",
    TAKE_OVER_FACTS = "take_over_facts",
    TAKE_OVER_RECORD = "take_over_record",
    TAKINGS = "takings",
    TIMELINE_ACTIONS = "timeline_actions",
    TIMELINE_ATTEMPTS = "timeline_attempts",
    TIMELINE_EVENTS = "timeline_events",
    TIMELINE_FIND = "timeline_find",
    TIMELINE_KEYS = "timeline_keys",
    TIMELINE_PAYMENTS = "timeline_payments",
    TIMELINE_REFUNDS = "timeline_refunds",
    TIMELINE_RENEWALS = "timeline_renewals",
    TIMELINE_SUBSCRIPTION = "timeline_subscription",
    UNSEEN_CODES = "unseen_codes",
    UNPLACED = "unplaced",
    WAITING_FACTS = "waiting_facts",
    WAKE = "wake",
    WEBHOOKS_CLAIM = "webhooks_claim",
    WEBHOOKS_FORGET = "webhooks_forget",
    WEBHOOKS_KEEP = "webhooks_keep",
    WEBHOOKS_RECORD = "webhooks_record",
}

/// A value handed to a statement. Ids, dates and JSON travel as text and are cast where they arrive.
#[derive(Clone)]
pub(crate) enum Param {
    Text(Option<String>),
    Int(i64),
    Time(Option<DateTime<Utc>>),
}

impl Param {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    pub(crate) fn maybe_text(text: Option<impl Into<String>>) -> Self {
        Self::Text(text.map(Into::into))
    }

    pub(crate) fn time(time: DateTime<Utc>) -> Self {
        Self::Time(Some(time))
    }

    pub(crate) fn date(date: NaiveDate) -> Self {
        Self::text(date.to_string())
    }

    /// Rows in bulk: one JSON array, however many there are.
    pub(crate) fn rows<T: Serialize>(rows: &[T]) -> Result<Self, serde_json::Error> {
        serde_json::to_string(rows).map(Self::text)
    }
}
