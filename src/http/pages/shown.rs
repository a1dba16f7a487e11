//! Figures as people read them.

use crate::domain::money::{Currency, format_minor, thousands};

/// Currencies that everybody writes with a sign; the others have their code behind them.
const SIGNS: [(&str, &str); 4] = [("KRW", "₩"), ("USD", "$"), ("EUR", "€"), ("JPY", "¥")];

/// A sum in minor units: `₩55,000`, `$12.34`, `12.34 CHF`.
pub fn sum(currency: &str, minor: i64) -> String {
    let Ok(known) = Currency::parse(currency) else { return format!("{minor} {currency}") };
    let text = format_minor(minor, known);
    let sign = SIGNS.iter().find(|(code, _)| *code == currency);
    let Some(((_, sign), digits)) = sign.zip(text.split_whitespace().next()) else { return text };
    match digits.strip_prefix('-') {
        Some(digits) => format!("−{sign}{digits}"),
        None => format!("{sign}{digits}"),
    }
}

/// A sum that may not be known.
pub fn maybe_sum(currency: Option<&str>, minor: Option<i64>) -> String {
    currency.zip(minor).map_or_else(|| "–".to_owned(), |(currency, minor)| sum(currency, minor))
}

/// `12,345`.
pub fn count(number: i64) -> String {
    thousands(number.unsigned_abs())
}

/// A share in whole percent; `None` of nothing.
pub fn percent(part: i64, whole: i64) -> Option<String> {
    (whole > 0).then(|| format!("{}%", (part.saturating_mul(100) + whole / 2) / whole))
}

/// For a query or a path: everything but letters, digits and `-._~` as `%XX`.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `{0}`, `{1}` and so on in a text of [`super::words`], filled.
pub fn fill(text: &str, parts: &[&str]) -> String {
    parts.iter().enumerate().fold(text.to_owned(), |text, (at, part)| text.replace(&format!("{{{at}}}"), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_as_people_write_them() {
        assert_eq!(sum("KRW", 55_000), "₩55,000");
        assert_eq!(sum("USD", 1_234), "$12.34");
        assert_eq!(sum("KRW", -900), "−₩900");
        assert_eq!(sum("CHF", 1_234), "12.34 CHF");
        assert_eq!(sum("???", 5), "5 ???");
        assert_eq!(maybe_sum(None, Some(5)), "–");
    }

    #[test]
    fn shares_are_rounded_and_of_nothing_there_is_none() {
        assert_eq!(percent(1, 3), Some("33%".to_owned()));
        assert_eq!(percent(1, 200), Some("1%".to_owned()));
        assert_eq!(percent(0, 0), None);
    }

    #[test]
    fn what_goes_into_a_link_cannot_leave_its_place() {
        assert_eq!(encoded("sub_1/..?a=b&c#\"가"), "sub_1%2F..%3Fa%3Db%26c%23%22%EA%B0%80");
        assert_eq!(fill("{0} of {1}", &["1", "{0}"]), "1 of {0}");
    }
}
