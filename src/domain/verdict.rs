//! What a look-up says about an attempt: the only place that decides whether money was taken.

/// Proof that a look-up showed PAID and that everything matched the order. Only [`super::verdict`] can make one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified(super::settlement::PaymentRecord);

impl Verified {
    pub fn record(&self) -> &super::settlement::PaymentRecord {
        &self.0
    }
}
