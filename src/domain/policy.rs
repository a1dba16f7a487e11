//! The settings that decisions read: built once from the configuration, handed to every pure function.

use super::date::{TimeWindow, Zone};
use super::decline::DeclineTables;
use super::dunning::DunningPolicy;
use super::payment::ChannelType;
use super::payment_id::PaymentIdKey;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use std::sync::Arc;

/// What the business decided, in the domain's types.
#[derive(Clone)]
pub struct Policy {
    pub zone: Zone,
    /// Renewals are collected this many business days before the period ends.
    pub renew_before_days: u32,
    /// A period that is over for longer is not charged by surprise.
    pub max_overdue: TimeDelta,
    /// How long access goes on after the period's end while a renewal is being collected.
    pub grace: TimeDelta,
    /// Cancelled subscriptions are downgraded by the run that finds them, not at their period's end.
    pub downgrade_at_run: bool,
    /// The hours in which charges may start.
    pub window: TimeWindow,
    /// The hours in which nothing is sent, whatever the window says.
    pub quiet: TimeWindow,
    pub dunning: DunningPolicy,
    pub declines: Arc<DeclineTables>,
    pub payment_id_key: PaymentIdKey,
    pub store_id: String,
    pub channel_type: ChannelType,
    /// For billing keys that name no channel.
    pub channel_key: Option<String>,
    /// `PHYSICAL` or `DIGITAL`, where the payment gateway asks for it.
    pub product_type: Option<String>,
    pub locale: Option<String>,
    /// Money that turns up when nobody wants its period any more is given back; else a person looks.
    pub refund_late: bool,
    /// A charge that was under way when its customer cancelled is given back; else its period is kept.
    pub refund_late_cancel: bool,
    /// Claims of one renewal without a settle between them before a person must look.
    pub claims_unsettled_max: u32,
}

impl Policy {
    /// The instant before which periods must end to be due on `date`.
    pub fn due_before(&self, date: NaiveDate) -> DateTime<Utc> {
        let last = date.checked_add_days(Days::new(u64::from(self.renew_before_days))).unwrap_or(date);
        self.zone.start_of(last.succ_opt().unwrap_or(last))
    }

    /// When a period that ends at `period_end` becomes due: nothing is charged earlier.
    pub fn due_at(&self, period_end: DateTime<Utc>) -> DateTime<Utc> {
        let end = self.zone.date_of(period_end);
        let first = end.checked_sub_days(Days::new(u64::from(self.renew_before_days))).unwrap_or(end);
        self.zone.start_of(first)
    }

    /// Charges may start at this instant.
    pub fn is_open_at(&self, now: DateTime<Utc>) -> bool {
        self.window.contains(self.zone.time_of(now)) && !self.is_quiet_at(now)
    }

    /// Nothing is sent at this instant, whoever says so.
    pub fn is_quiet_at(&self, now: DateTime<Utc>) -> bool {
        self.quiet.contains(self.zone.time_of(now))
    }
}
