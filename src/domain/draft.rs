//! A settlement on its way: the transition is taken first, the details follow, and the events are written last,
//! from what is then known.

use super::attempt::AttemptState;
use super::charge::Attempt;
use super::date::first_allowed;
use super::decline::Decline;
use super::event::{EventKind, NewEvent};
use super::ids::EventId;
use super::payment_id;
use super::refund::{NewRefund, RefundReason};
use super::renewal::{Effects, Event, Illegal, State, transition};
use super::settle::Settling;
use super::settlement::{AttemptRecord, PaymentRecord, PeriodMove, Settlement};
use super::verdict::Verified;
use super::waiting::late_look_up;
use chrono::TimeDelta;
use serde_json::{Value, json};

/// The least time between an attempt and the next one under another payment id: late approvals come within a day.
const SERIES_APART: TimeDelta = TimeDelta::hours(24);

/// The longest note or reason that is kept, in characters.
const TEXT_MAX: usize = 256;

pub(super) struct Draft<'a> {
    attempt: &'a Attempt,
    from: State,
    to: State,
    effects: Effects,
    at: &'a Settling<'a>,
    note: Option<String>,
    decline: Option<(&'a Decline, Option<&'a str>)>,
    review_reason: Option<String>,
}

impl<'a> Draft<'a> {
    /// Takes the transition; everything else is detail.
    pub fn new(attempt: &'a Attempt, from: State, event: Event, at: &'a Settling<'a>) -> Result<Self, Illegal> {
        let (to, effects) = transition(from, event)?;
        Ok(Self { attempt, from, to, effects, at, note: None, decline: None, review_reason: None })
    }

    /// What was learned, for the timeline.
    pub fn note(mut self, note: &str) -> Self {
        self.note = Some(cut(note));
        self
    }

    /// The gateway's no, and the transaction that it was said under.
    pub fn decline(mut self, decline: &'a Decline, transaction_id: Option<&'a str>) -> Self {
        self.decline = Some((decline, transaction_id));
        self
    }

    /// Why a person must look.
    pub fn review(mut self, reason: String) -> Self {
        self.review_reason = Some(cut(&reason));
        self
    }

    /// Finishes with money that is not as ordered, or no longer there: recorded, and worth nothing to the period.
    pub fn money(self, record: &PaymentRecord) -> Settlement {
        self.finish(|settled| {
            settled.payment = Some(record.clone());
            settled.attempt.transaction_id = record.transaction_id.clone();
            settled.perishable = false;
        })
    }

    /// Finishes as paid: the period moves with the proof.
    pub fn paid(self, proof: &Verified) -> Settlement {
        let renewal = &self.attempt.renewal;
        let period = PeriodMove::paid_by(proof, renewal.plan_id.clone(), renewal.period_start, renewal.period_end);
        let moves = self.effects.moves_period;
        self.finish(|settled| {
            let record = proof.record();
            settled.attempt.transaction_id = record.transaction_id.clone();
            settled.attempt.pg_provider = record.pg_provider.clone().or(settled.attempt.pg_provider.take());
            settled.payment = Some(record.clone());
            settled.period = moves.then_some(period);
            settled.perishable = false;
        })
    }

    /// Finishes as paid for nothing: the period stays where it is, and the money is given back.
    pub fn given_back(self, proof: &Verified, reason: RefundReason) -> Settlement {
        let refund = NewRefund::of(self.attempt, reason);
        let mut settled = self.note(reason.told_gateway()).money(proof.record());
        settled.refund = Some(refund);
        settled
    }

    /// Finishes as due again under the next payment id; the one that is given up is still looked up for 30 days.
    pub fn next_series(self) -> Settlement {
        let renewal = &self.attempt.renewal;
        let policy = self.at.policy;
        let series = renewal.series.saturating_add(1);
        let next = payment_id::derive(
            &policy.payment_id_key,
            &policy.store_id,
            &renewal.subscription_id,
            renewal.period_start,
            series,
        );
        let retired = renewal.payment_id.clone();
        // A day after the attempt, and where more than that has passed already, as soon as charges may start.
        let earliest = (self.attempt.started_at + SERIES_APART).max(self.at.now);
        let next_attempt_at = first_allowed(earliest, policy.zone, &policy.window, &policy.quiet);
        self.finish(|settled| {
            settled.series = series;
            settled.payment_id = next;
            settled.retired_payment_id = Some(retired);
            settled.next_attempt_at = next_attempt_at;
            // The wait is ours: nobody is cut off before it is over.
            settled.access_until = next_attempt_at
                .map_or(settled.access_until, |next| settled.access_until.max(next + TimeDelta::days(1)));
        })
    }

    /// Finishes with the details that `fill` sets; negative and perishable unless it says otherwise.
    pub fn finish(self, fill: impl FnOnce(&mut Settlement)) -> Settlement {
        let renewal = &self.attempt.renewal;
        let mut settled = Settlement {
            renewal_id: renewal.id,
            subscription_id: renewal.subscription_id.clone(),
            lease_epoch: self.attempt.lease_epoch,
            perishable: true,
            attempt: self.attempt_record(),
            state: self.to,
            next_attempt_at: None,
            next_look_up_at: None,
            waits_for_key: false,
            unknown_since: None,
            look_ups: 0,
            declined: false,
            first_declined_at: renewal.first_declined_at,
            review_reason: self.review_reason.clone(),
            access_until: renewal.access_until,
            payment_id: renewal.payment_id.clone(),
            series: renewal.series,
            retired_payment_id: None,
            payment: None,
            refund: None,
            period: None,
            key_unusable: None,
            events: Vec::new(),
            if_canceled: None,
        };
        fill(&mut settled);
        if settled.state == State::Review && settled.payment.is_none() {
            // A person decides, but the money of an earlier send can still turn up, and then it must be seen.
            settled.next_look_up_at = late_look_up(State::Review, self.at.now);
        }
        settled.events = self.effects.tells.iter().map(|kind| self.event(*kind, &settled)).collect();
        settled
    }

    fn attempt_record(&self) -> AttemptRecord {
        let decline = self.decline.map(|(decline, _)| decline);
        AttemptRecord {
            attempt_id: self.attempt.id,
            state: self.effects.attempt.unwrap_or(AttemptState::Open),
            transaction_id: self.decline.and_then(|(_, id)| id.map(str::to_owned)),
            pg_provider: decline
                .and_then(|decline| decline.pg_provider.clone())
                .or_else(|| self.attempt.pg_provider.clone()),
            pg_code: decline.and_then(|decline| decline.pg_code.clone()),
            pg_message: decline.and_then(|decline| decline.pg_message.clone()),
            class: decline.map(|decline| decline.class),
            reason: decline.map(|decline| decline.reason),
            matched_by: decline.map(|decline| decline.matched_by),
            note: self.note.clone().or_else(|| self.review_reason.clone()),
        }
    }

    fn event(&self, kind: EventKind, settled: &Settlement) -> NewEvent {
        let renewal = &self.attempt.renewal;
        let subject = (&renewal.subscription_id, renewal.id, Some(self.attempt.id));
        let id = EventId((self.at.new_id)());
        let mut event = NewEvent::of_renewal(id, kind, subject, self.payload(settled), self.at.now);
        match self.from {
            State::Charging | State::Unknown => {}
            // What is found out during a review is told although the review itself was.
            State::Review => event.dedupe = format!("{}:{}", event.dedupe, renewal.payment_id),
            // And what turns up after an end although the same was told before it.
            ended => event.dedupe = format!("{}:{}:{}", event.dedupe, ended.as_str(), renewal.payment_id),
        }
        event
    }

    fn payload(&self, settled: &Settlement) -> Value {
        let renewal = &self.attempt.renewal;
        let access_until = settled
            .period
            .as_ref()
            .map_or_else(|| settled.state.access_until(renewal.period_start, settled.access_until), PeriodMove::to);
        json!({
            "amount": renewal.amount.minor(),
            "currency": renewal.amount.currency().code(),
            "payment_id": renewal.payment_id,
            "attempt": self.attempt.number,
            "period_start": renewal.period_start,
            "period_end": renewal.period_end,
            "access_until": access_until,
            "next_attempt_at": settled.next_attempt_at,
            "decline_class": settled.attempt.class,
            "decline_reason": settled.attempt.reason,
            "pg_code": settled.attempt.pg_code,
            "pg_message": settled.attempt.pg_message,
            "review_reason": settled.review_reason,
            "reason": settled.review_reason.as_deref().or(settled.attempt.reason.map(|reason| reason.as_str())),
        })
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}
