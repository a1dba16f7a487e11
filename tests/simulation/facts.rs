//! What an auditor is told: rows of the views, and what the API service itself did. Plain data, nobody's types.

/// All times in microseconds since 1970, all amounts in minor units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub renewals: Vec<Renewal>,
    pub subscriptions: Vec<Subscription>,
    pub payments: Vec<Payment>,
    /// Money that nobody can place yet: kept as it was seen, and shown to a person.
    pub unplaced: Vec<Unplaced>,
    /// Declines that customers were told of.
    pub declines: Vec<Told>,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Renewal {
    pub id: String,
    pub subscription_id: String,
    pub period_start: i64,
    pub period_end: Option<i64>,
    pub amount: Option<i64>,
    pub state: String,
    pub payment_id: String,
    /// Without those that a reconciliation brought back: they were made before the database lost them.
    pub attempt_count: i64,
    pub decline_count: i64,
    pub next_attempt_at: Option<i64>,
    /// Somebody answered its review with "paid": the money is the business's to keep, by their word.
    pub accepted_by_hand: bool,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Subscription {
    pub id: String,
    pub current_period_end: i64,
    pub cancel_at_period_end: bool,
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Payment {
    pub payment_id: String,
    pub amount: Option<i64>,
    pub verified: bool,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Unplaced {
    pub payment_id: String,
    pub amount: Option<i64>,
}

/// An event that a customer hears of.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Told {
    pub renewal_id: String,
    pub attempt_id: String,
    pub at: i64,
    /// What the payment gateway said; absent where the gateway itself knew the key no more.
    pub pg_code: Option<String>,
}

/// A charge in the gateway's ledger, with what its request said it was for.
#[derive(Clone, Debug)]
pub struct Charge {
    pub payment_id: String,
    pub amount: i64,
    pub at: i64,
    /// Subscription and period start; absent where the request did not say.
    pub purpose: Option<(String, i64)>,
    /// Whose card paid.
    pub payer: Payer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payer {
    /// The customer of this subscription.
    Customer(String),
    /// Somebody in a browser, under an id that is not theirs.
    Stranger,
}

/// A decline in the gateway's ledger.
#[derive(Clone, Debug)]
pub struct Decline {
    pub purpose: Option<(String, i64)>,
}

/// The gateway's own record.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub charges: Vec<Charge>,
    pub declines: Vec<Decline>,
    /// Refusals of a billing key that the gateway knows no more: declines without a transaction.
    pub refused_keys: Vec<Decline>,
    /// Sums given back, with their payment ids.
    pub given_back: Vec<(String, i64)>,
}
