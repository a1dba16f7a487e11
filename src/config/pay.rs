//! `[pay]`: the page on which customers give a new card.

use super::{BaseUrl, text};
use serde::Deserialize;
use std::time::Duration;

/// `[pay]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// `None`: there is no such page.
    #[serde(deserialize_with = "text::optional")]
    pub base_url: Option<BaseUrl>,
    #[serde(deserialize_with = "text::duration")]
    pub link_valid: Duration,
    /// For people; may be empty while there is no page.
    pub shop: String,
    /// `None`: that of `[gateway]`.
    #[serde(deserialize_with = "text::optional")]
    pub channel_key: Option<String>,
    pub method: IssueMethod,
    pub ask_contact: bool,
    pub sdk_url: BaseUrl,
}

/// What a billing key is issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IssueMethod {
    Card,
    EasyPay,
    Mobile,
    Paypal,
}

impl IssueMethod {
    /// The browser SDK's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "CARD",
            Self::EasyPay => "EASY_PAY",
            Self::Mobile => "MOBILE",
            Self::Paypal => "PAYPAL",
        }
    }
}
