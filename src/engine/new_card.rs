//! A customer gives a new card by their link: asked of the gateway, kept with its record, and charged at the next look.
//!
//! Nothing is charged here: a new key makes what waits for it due, by the same rule as a key that the API service writes.

use super::Engine;
use super::import::{billing_key_id, key_problem};
use crate::domain::action::{ActionKind, Hand, NewAction};
use crate::domain::charge::BillingKey;
use crate::domain::ids::{ActionId, CustomerId, SubscriptionId};
use crate::domain::payment::ChannelType;
use crate::domain::renewal::State;
use crate::gateway::{GatewayError, IssuedKey, KeyChannel};
use crate::store::act::{Act, Doing};
use crate::store::read::{RenewalRow, Timeline};
use crate::store::{BillingKeyRow, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

/// Who gives it, as it is recorded.
const ACTOR: &str = "customer";

/// What a new card would be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CardOffer {
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    /// The renewal that is open, if one is.
    pub due: Option<DueSum>,
    pub access_until: DateTime<Utc>,
}

/// A sum that is charged as soon as there is a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DueSum {
    /// Minor units.
    pub amount: i64,
    pub currency: String,
}

/// Why a card was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NewCardError {
    /// The subscription is not there, or over: a card would pay for nothing.
    #[error("this subscription is over, or was cancelled: it needs no card")]
    NotNeeded,
    /// The gateway does not have it as issued, or it is no key at all.
    #[error("this card cannot be charged: {0}")]
    NotIssued(&'static str),
    /// It was issued for somebody else, or for nobody.
    #[error("this card was not issued for the customer of this subscription")]
    OtherCustomer,
    /// It cannot be charged through channels of the kind that is set.
    #[error("this card was issued on a {0} channel only, or on none")]
    OtherChannel(&'static str),
    /// Nothing is known: it can be given again.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// What a new card of this subscription's customer would be for.
    ///
    /// # Errors
    /// [`NewCardError::NotNeeded`] above all.
    pub async fn card_offer(&self, subscription: &SubscriptionId) -> Result<CardOffer, NewCardError> {
        let found = self.store.timeline(subscription.as_str()).await?;
        found.as_ref().and_then(|timeline| offer(timeline, subscription)).ok_or(NewCardError::NotNeeded)
    }

    /// Takes a new card: afterwards it is the one that is charged.
    ///
    /// # Errors
    /// [`NewCardError`]; nothing was written then.
    pub async fn take_new_card(
        &self,
        subscription: &SubscriptionId,
        key: BillingKey,
    ) -> Result<CardOffer, NewCardError> {
        if let Some(problem) = key_problem(key.expose()) {
            return Err(NewCardError::NotIssued(problem));
        }
        let offer = self.card_offer(subscription).await?;
        let issued = self.gateway.issued_key(&key).await?.ok_or(NewCardError::NotIssued("it is not issued"))?;
        let channel = usable_channel(&issued, &offer.customer_id, self.policy.channel_type)?.clone();
        let row = BillingKeyRow {
            id: billing_key_id(key.expose()),
            customer_id: offer.customer_id.0.clone(),
            billing_key: key,
            channel_key: channel.key,
            pg_provider: channel.pg_provider,
        };
        let hand = Hand::of(ACTOR).because("a new card, by the customer's link");
        let mut action = NewAction::new(ActionId(self.new_id()), ActionKind::NewCard, &hand, self.store.now().await?)
            .with(json!({ "billing_key_id": row.id, "pg_provider": row.pg_provider }));
        action.subscription_id = Some(subscription.clone());
        self.store.act(&Act { action, doing: Doing::NewKey(row), events: Vec::new() }).await?;
        tracing::info!(subscription.id = %subscription, "subscription {subscription} has a new card, given by its customer");
        Ok(offer)
    }
}

/// `None` for a subscription that no card would pay for, and for a link that is somebody else's id.
fn offer(timeline: &Timeline, subscription: &SubscriptionId) -> Option<CardOffer> {
    let access = &timeline.subscription;
    let renews = matches!(access.status.as_str(), "active" | "past_due") && !access.cancel_at_period_end;
    if access.subscription_id != subscription.as_str() || !renews {
        return None;
    }
    let is_next = |renewal: &&RenewalRow| renewal.period_start == access.current_period_end;
    let open = timeline.renewals.iter().find(is_next).filter(|renewal| renewal.state == State::Due.as_str());
    let due = open.and_then(|renewal| Some(DueSum { amount: renewal.amount?, currency: renewal.currency.clone()? }));
    Some(CardOffer {
        subscription_id: subscription.clone(),
        customer_id: CustomerId(access.customer_id.clone()),
        due,
        access_until: access.access_until,
    })
}

/// The channel that the key is charged through, if it is this customer's and may take money.
fn usable_channel<'k>(
    issued: &'k IssuedKey,
    customer: &CustomerId,
    wanted: ChannelType,
) -> Result<&'k KeyChannel, NewCardError> {
    if issued.customer_id.as_ref() != Some(customer) {
        return Err(NewCardError::OtherCustomer);
    }
    let other = match wanted {
        ChannelType::Live => ChannelType::Test,
        ChannelType::Test => ChannelType::Live,
    };
    let found = issued.channels.iter().find(|channel| channel.channel_type == Some(wanted));
    found.ok_or(NewCardError::OtherChannel(other.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(customer: Option<&str>, channels: &[Option<ChannelType>]) -> IssuedKey {
        let channel = |(number, channel_type): (usize, &Option<ChannelType>)| KeyChannel {
            key: Some(format!("channel-key-{number}")),
            pg_provider: None,
            channel_type: *channel_type,
        };
        IssuedKey {
            customer_id: customer.map(CustomerId::from),
            channels: channels.iter().enumerate().map(channel).collect(),
        }
    }

    fn chosen(issued: &IssuedKey) -> Result<Option<String>, String> {
        usable_channel(issued, &"user_1".into(), ChannelType::Live)
            .map(|channel| channel.key.clone())
            .map_err(|err| err.to_string())
    }

    #[test]
    fn a_card_of_somebody_else_or_of_nobody_is_refused() {
        for customer in [None, Some(""), Some("user_2"), Some("USER_1")] {
            let said = chosen(&issued(customer, &[Some(ChannelType::Live)])).unwrap_err();
            assert!(said.contains("not issued for the customer"), "{customer:?}: {said}");
        }
    }

    #[test]
    fn a_card_is_charged_through_a_channel_of_the_kind_that_is_set() {
        let both = [None, Some(ChannelType::Test), Some(ChannelType::Live)];
        assert_eq!(chosen(&issued(Some("user_1"), &both)), Ok(Some("channel-key-2".to_owned())));
        for channels in [&both[..2], &both[..1], &[]] {
            assert!(chosen(&issued(Some("user_1"), channels)).unwrap_err().contains("TEST channel only"));
        }
    }
}
