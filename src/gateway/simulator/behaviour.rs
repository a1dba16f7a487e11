//! What goes wrong at the simulated gateway, for whom, and how often.
//!
//! A [`Rule`] brings one [`Trouble`] to some requests. Where no rule fits, the name of the billing key may ask for
//! trouble by itself ([`super::hints`]), so that a rehearsal needs no programming.

use super::hints;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One thing that goes wrong. The stages follow each other, and each request meets at most one trouble of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    // At the door: nothing has happened, and nothing will.
    /// The connection closes before the request is looked at.
    RequestLost,
    /// A proxy answers instead of the gateway.
    HtmlBefore {
        status: u16,
    },
    /// The gateway fails before it does anything.
    ErrorBefore {
        status: u16,
    },
    RateLimited {
        retry_after: Option<String>,
    },
    Unauthorized,
    Forbidden,
    Redirect {
        to: String,
    },
    /// The same request is said to be still in process.
    Outstanding,

    // While it is being approved.
    SlowApproval {
        millis: u64,
    },

    // What comes of it.
    /// A decline by name, in the words of the billing key's payment gateway ([`super::declines`]).
    Decline {
        name: String,
    },
    DeclineWith {
        code: String,
        message: String,
    },
    BillingKeyNotFound,
    BillingKeyDeleted,
    ChannelNotFound,
    InvalidRequest,
    SumOfParts,
    ScheduleExists,
    MaxTransactions,
    /// Somebody else has paid 1 won under this payment id.
    Squatted,
    /// Another amount is charged than was asked for.
    OtherAmount {
        total: i64,
    },
    OtherCurrency {
        currency: String,
    },
    OtherStore {
        store_id: String,
    },
    TestChannel,
    /// PAY_PENDING, and PAID or FAILED after so many seconds.
    Pending {
        secs: u32,
        then_paid: bool,
    },
    /// The same with READY.
    Ready {
        secs: u32,
        then_paid: bool,
    },
    /// FAILED, and PAID after so many seconds.
    LateApproval {
        secs: u32,
    },
    /// PAID, and CANCELLED after so many seconds.
    Cancelled {
        secs: u32,
    },
    /// PAID, and this much of it given back after so many seconds.
    PartlyCancelled {
        secs: u32,
        amount: i64,
    },
    /// A cancellation that is answered by this status and changes nothing.
    CancellationStays {
        status: String,
    },

    // What becomes of the answer.
    AnswerLost,
    Delay {
        millis: u64,
    },
    SlowBody {
        millis_a_byte: u64,
    },
    /// 200, and no sense.
    Garbage,
    Html {
        status: u16,
    },
    Error {
        status: u16,
    },
    HugeBody {
        bytes: usize,
    },
    CutBody {
        after_bytes: usize,
    },

    // What a look-up sees.
    /// 404, though there is a payment.
    Hidden,
    /// The payment as it was before its last change.
    Stale,
}

/// When in a request's life a trouble strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Door,
    Approval,
    Outcome,
    Answer,
    View,
}

/// What is asked of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    Charge,
    LookUp,
    List,
    Cancel,
    BillingKey,
    Schedules,
}

impl Trouble {
    pub fn stage(&self) -> Stage {
        match self {
            Self::RequestLost
            | Self::HtmlBefore { .. }
            | Self::ErrorBefore { .. }
            | Self::RateLimited { .. }
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Redirect { .. }
            | Self::Outstanding => Stage::Door,
            Self::SlowApproval { .. } => Stage::Approval,
            Self::AnswerLost
            | Self::Delay { .. }
            | Self::SlowBody { .. }
            | Self::Garbage
            | Self::Html { .. }
            | Self::Error { .. }
            | Self::HugeBody { .. }
            | Self::CutBody { .. } => Stage::Answer,
            Self::Hidden | Self::Stale => Stage::View,
            _ => Stage::Outcome,
        }
    }

    /// Where a trouble strikes when nothing else is said.
    fn home(&self) -> Route {
        match self {
            Self::CancellationStays { .. } => Route::Cancel,
            _ if self.stage() == Stage::View => Route::LookUp,
            _ => Route::Charge,
        }
    }
}

/// Whose requests a rule is about. The more special rule wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Payment(String),
    Subscription(String),
    BillingKey(String),
    Always,
}

/// A trouble, for whom, where, how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub when: When,
    pub trouble: Trouble,
    /// Which requests; absent, those where this trouble is at home (charges, or look-ups).
    #[serde(default)]
    pub on: Option<Route>,
    /// For the next so many such requests; absent, for all.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely, from 0 to 1; absent, certain. Drawn from the simulator's seed.
    #[serde(default)]
    pub chance: Option<f64>,
}

impl Rule {
    pub fn new(when: When, trouble: Trouble) -> Self {
        Self { when, trouble, on: None, times: None, chance: None }
    }

    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    pub fn on(self, route: Route) -> Self {
        Self { on: Some(route), ..self }
    }

    pub fn chance(self, chance: f64) -> Self {
        Self { chance: Some(chance), ..self }
    }

    fn fits(&self, route: Route, stage: Stage) -> bool {
        self.trouble.stage() == stage && self.on.unwrap_or_else(|| self.trouble.home()) == route
    }
}

/// Whom a request is about, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub payment_id: Option<String>,
    pub subscription: Option<String>,
    pub billing_key: Option<String>,
}

impl Subject {
    fn conditions(&self) -> impl Iterator<Item = When> {
        let of = |text: &Option<String>, when: fn(String) -> When| text.clone().map(when);
        let special = [
            of(&self.payment_id, When::Payment),
            of(&self.subscription, When::Subscription),
            of(&self.billing_key, When::BillingKey),
        ];
        special.into_iter().flatten().chain([When::Always])
    }
}

/// All rules, and how often each billing key's own hint has struck.
#[derive(Debug)]
pub struct Behaviour {
    rules: HashMap<When, Vec<Rule>>,
    hints_used: HashMap<String, u32>,
    random: fastrand::Rng,
}

impl Behaviour {
    pub fn new(seed: u64) -> Self {
        Self { rules: HashMap::new(), hints_used: HashMap::new(), random: fastrand::Rng::with_seed(seed) }
    }

    pub fn add(&mut self, rule: Rule) {
        self.rules.entry(rule.when.clone()).or_default().push(rule);
    }

    pub fn clear(&mut self) {
        self.rules.clear();
        self.hints_used.clear();
    }

    /// The trouble that meets this request at this stage; a limited rule is used up by it.
    pub fn take(&mut self, route: Route, stage: Stage, subject: &Subject) -> Option<Trouble> {
        if !self.rules.is_empty() {
            for when in subject.conditions() {
                if let Some(trouble) = self.take_rule(&when, route, stage) {
                    return Some(trouble);
                }
            }
        }
        self.take_hint(route, stage, subject.billing_key.as_deref()?)
    }

    fn take_rule(&mut self, when: &When, route: Route, stage: Stage) -> Option<Trouble> {
        for rule in self.rules.get_mut(when)? {
            if !rule.fits(route, stage) || rule.times == Some(0) {
                continue;
            }
            if rule.chance.is_some_and(|chance| self.random.f64() >= chance) {
                continue;
            }
            rule.times = rule.times.map(|left| left - 1);
            return Some(rule.trouble.clone());
        }
        None
    }

    fn take_hint(&mut self, route: Route, stage: Stage, key: &str) -> Option<Trouble> {
        let hint = hints::read(key)?;
        if hint.trouble.stage() != stage || hint.trouble.home() != route {
            return None;
        }
        if let Some(times) = hint.times {
            let used = self.hints_used.entry(key.to_owned()).or_default();
            if *used >= times {
                return None;
            }
            *used += 1;
        }
        Some(hint.trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(key: &str) -> Subject {
        Subject { payment_id: Some("p1".into()), subscription: Some("s1".into()), billing_key: Some(key.into()) }
    }

    #[test]
    fn the_more_special_rule_wins_until_it_is_used_up() {
        let mut behaviour = Behaviour::new(1);
        behaviour.add(Rule::new(When::Always, Trouble::Unauthorized));
        behaviour.add(Rule::new(When::Payment("p1".into()), Trouble::RequestLost).times(1));
        let mut take = || behaviour.take(Route::Charge, Stage::Door, &subject("k"));
        assert_eq!(take(), Some(Trouble::RequestLost));
        assert_eq!(take(), Some(Trouble::Unauthorized));
    }

    #[test]
    fn a_trouble_strikes_only_where_it_is_at_home_or_sent() {
        let mut behaviour = Behaviour::new(1);
        behaviour.add(Rule::new(When::Always, Trouble::Forbidden).on(Route::LookUp));
        behaviour.add(Rule::new(When::Always, Trouble::Stale));
        let s = subject("k");
        assert_eq!(behaviour.take(Route::Charge, Stage::Door, &s), None);
        assert_eq!(behaviour.take(Route::LookUp, Stage::Door, &s), Some(Trouble::Forbidden));
        assert_eq!(behaviour.take(Route::LookUp, Stage::View, &s), Some(Trouble::Stale));
        assert_eq!(behaviour.take(Route::Charge, Stage::View, &s), None);
    }

    #[test]
    fn a_key_named_once_fails_once() {
        let mut behaviour = Behaviour::new(1);
        let mut take = |key| behaviour.take(Route::Charge, Stage::Outcome, &subject(key));
        assert!(take("bk-1-insufficient-once").is_some());
        assert!(take("bk-1-insufficient-once").is_none());
        assert!(take("bk-2-insufficient-once").is_some());
    }

    #[test]
    fn chance_follows_the_seed() {
        let hits = |seed| {
            let mut behaviour = Behaviour::new(seed);
            behaviour.add(Rule::new(When::Always, Trouble::AnswerLost).chance(0.3));
            (0..1000).map(|_| behaviour.take(Route::Charge, Stage::Answer, &subject("k")).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(hits(7), hits(7));
        assert_ne!(hits(7), hits(8));
        let count = hits(7).iter().filter(|hit| **hit).count();
        assert!((230..370).contains(&count), "{count}");
    }
}
