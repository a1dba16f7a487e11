//! What a payment gateway wrote, made safe to keep and to show: a log line, a table cell, an event.
//!
//! Its texts may quote the card, the account or the phone that was declined. Codes are short; what is longer than a
//! code, or an address, is nobody's business.

/// The longest text that is kept, in characters.
pub(super) const TEXT_MAX: usize = 256;

/// So many digits, whatever stands between them, are no code any more: the longest one has six.
const DIGITS_MAX: usize = 7;

const MASK: &str = "***";

/// The text without control characters and marks that turn lines, without numbers of cards, accounts, phones and
/// people, and without e-mail addresses; at most [`TEXT_MAX`] characters.
pub(super) fn told(text: &str) -> String {
    let shown: Vec<char> = text.chars().filter(|c| !c.is_control() && !turns_or_breaks_lines(*c)).collect();
    let mut told = String::new();
    let mut at = 0;
    while at < shown.len() {
        match address(&shown[at..]).or_else(|| number(&shown[at..])) {
            Some(length) => {
                told.push_str(MASK);
                at += length;
            }
            None => {
                told.push(shown[at]);
                at += 1;
            }
        }
    }
    told.chars().take(TEXT_MAX).collect()
}

/// How many characters of the beginning are one long number: digits and stars, with `-`, `.` or a space between them.
fn number(text: &[char]) -> Option<usize> {
    let is_digit = |c: char| c.is_numeric() || c == '*';
    let (mut digits, mut length) = (0, 0);
    for (at, c) in text.iter().enumerate() {
        if is_digit(*c) {
            digits += 1;
            length = at + 1;
        } else if digits == 0 || at > length || !matches!(c, '-' | '.' | ' ') {
            break;
        }
    }
    (digits >= DIGITS_MAX).then_some(length)
}

/// How many characters of the beginning are an e-mail address.
fn address(text: &[char]) -> Option<usize> {
    let word = text.iter().take_while(|c| is_of_word(**c) || matches!(c, '@' | '.' | '-' | '+')).count();
    let at = text[..word].iter().position(|c| *c == '@')?;
    (at > 0 && text[at + 1..word].contains(&'.')).then_some(word)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Line separators, and marks that change the direction of the text after them.
fn turns_or_breaks_lines(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_and_sums_stay_and_numbers_of_cards_and_people_go() {
        for (text, expected) in [
            ("[8311] 비밀번호 오류", "[8311] 비밀번호 오류"),
            ("550997: 잔액 50,000원 부족", "550997: 잔액 50,000원 부족"),
            ("카드번호 9410-1234-5678-9012 오류", "카드번호 *** 오류"),
            ("카드 941012******9012", "카드 ***"),
            ("카드번호9410123456789012", "카드번호***"),
            ("010-1234-5678 고객", "*** 고객"),
            ("계좌 110 123 456789", "계좌 ***"),
            ("kim.ha-neul+1@example.co.kr 거절", "*** 거절"),
            ("at 2026-01-30", "at ***"),
            ("a@b, x @ y", "a@b, x @ y"),
        ] {
            assert_eq!(told(text), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_short_and_turns_nothing(text in "[\\s\\S]{0,600}") {
            let told = told(&text);
            prop_assert!(told.chars().count() <= TEXT_MAX);
            prop_assert!(!told.chars().any(|c| c.is_control() || turns_or_breaks_lines(c)));
        }

        #[test]
        fn no_card_gets_through(before in "[가-힣 :]{0,8}", card in "[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}|[0-9]{14,16}", after in "[가-힣 .]{0,8}") {
            let told = told(&format!("{before} {card}{after}"));
            prop_assert!(!told.chars().any(|c| c.is_ascii_digit()), "{told}");
        }
    }
}
