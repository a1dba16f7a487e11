//! Money: a whole number of a currency's minor unit. No floating point, no rounding, no sum that wraps.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest amount, in minor units: what JSON numbers carry without loss.
pub const MINOR_MAX: i64 = 9_007_199_254_740_991;

/// ISO 4217 codes by the number of their decimals. Currencies that are not listed are refused.
const DECIMALS: [(u8, &str); 3] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY \
         COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS \
         INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR \
         MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD \
         SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
];

/// Why something is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("{0:?} is not a currency: expected an ISO 4217 code such as KRW")]
    Currency(String),
    #[error("the amount is {0}: expected 1 to {MINOR_MAX} in the currency's minor unit")]
    Amount(i64),
}

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

impl Currency {
    /// Reads an upper-case ISO 4217 code.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] for a code that is not in use.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::Currency(text.chars().take(8).collect());
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| unknown())?;
        let exponent = DECIMALS
            .iter()
            .find(|(_, codes)| codes.split_ascii_whitespace().any(|known| known == text))
            .map(|(exponent, _)| *exponent)
            .ok_or_else(unknown)?;
        Ok(Self { code, exponent })
    }

    /// `KRW`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("???")
    }

    /// Decimals between the minor and the major unit: 0 for KRW, 2 for USD.
    pub fn exponent(&self) -> u8 {
        self.exponent
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// An amount that can be charged: more than nothing, at most [`MINOR_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// `minor` in the currency's minor unit.
    ///
    /// # Errors
    /// [`MoneyError::Amount`] for zero, a negative number, or one that is too large.
    pub fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if (1..=MINOR_MAX).contains(&minor) { Ok(Self { minor, currency }) } else { Err(MoneyError::Amount(minor)) }
    }

    pub fn minor(&self) -> i64 {
        self.minor
    }

    pub fn currency(&self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_minor(self.minor, self.currency))
    }
}

/// A sum as people write it: `55,000 KRW`, `12.34 USD`, `-0.05 USD`.
pub fn format_minor(minor: i64, currency: Currency) -> String {
    let unit = 10_u64.pow(u32::from(currency.exponent));
    let absolute = minor.unsigned_abs();
    let sign = if minor < 0 { "-" } else { "" };
    let major = thousands(absolute / unit);
    match usize::from(currency.exponent) {
        0 => format!("{sign}{major} {currency}"),
        decimals => format!("{sign}{major}.{:0decimals$} {currency}", absolute % unit),
    }
}

/// `12345` → `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn currencies_are_those_in_use_with_their_decimals() {
        for (code, decimals) in [("KRW", 0), ("JPY", 0), ("VND", 0), ("USD", 2), ("EUR", 2), ("KWD", 3)] {
            assert_eq!(currency(code).exponent(), decimals, "{code}");
            assert_eq!(currency(code).code(), code);
        }
        for bad in ["", "krw", "KR", "WON", "KRWX", "원화원", "US D"] {
            assert!(Currency::parse(bad).is_err(), "{bad:?}");
        }
        let all: Vec<&str> = DECIMALS.iter().flat_map(|(_, codes)| codes.split_ascii_whitespace()).collect();
        let distinct: std::collections::BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len(), "no currency stands twice");
    }

    #[test]
    fn an_amount_is_more_than_nothing_and_fits_a_json_number() {
        for bad in [i64::MIN, -1, 0, MINOR_MAX + 1, i64::MAX] {
            assert_eq!(Money::new(bad, currency("KRW")), Err(MoneyError::Amount(bad)));
        }
        assert!(Money::new(1, currency("KRW")).is_ok());
        assert!(Money::new(MINOR_MAX, currency("KRW")).is_ok());
    }

    #[test]
    fn sums_read_as_people_write_them() {
        let cases = [
            (55_000, "KRW", "55,000 KRW"),
            (1234, "USD", "12.34 USD"),
            (5, "USD", "0.05 USD"),
            (-5, "USD", "-0.05 USD"),
            (1_234_567, "KWD", "1,234.567 KWD"),
            (0, "KRW", "0 KRW"),
            (i64::MIN, "KRW", "-9,223,372,036,854,775,808 KRW"),
        ];
        for (minor, code, text) in cases {
            assert_eq!(format_minor(minor, currency(code)), text);
        }
    }
}
