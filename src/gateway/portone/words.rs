//! What other people's texts go through before they may stand in an answer, an error or a log line.

use super::TOLD_CHARS_MAX;

/// Stands where a secret stood.
const HIDDEN: &str = "***";

/// `text` on one line, without control or direction-changing characters, at most [`TOLD_CHARS_MAX`] characters long,
/// and with every one of `hide` replaced: a gateway may quote the billing key that it refuses.
pub(super) fn told(text: &str, hide: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in hide.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, HIDDEN);
    }
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).take(TOLD_CHARS_MAX).collect()
}

/// The chain of an error's causes on one line, without the address that was called: its query may hold ids.
pub(super) fn cause(err: reqwest::Error) -> String {
    use std::error::Error;
    let err = err.without_url();
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text.push_str(": ");
        text.push_str(&err.to_string());
        source = err.source();
    }
    told(&text, &[])
}

/// Characters that can forge a log line, or turn the reading direction of the rest of it.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_line_breaks_and_length_do_not_get_through() {
        let text = format!("key bk-1 refused\nfake line \u{202e}{}", "x".repeat(1000));
        let told = told(&text, &["bk-1", ""]);
        assert!(told.starts_with("key *** refused fake line  xxx"), "{told}");
        assert_eq!(told.chars().count(), TOLD_CHARS_MAX);
    }
}
