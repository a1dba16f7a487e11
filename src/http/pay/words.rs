//! What the page says, in the customer's language.

/// All of it.
#[derive(Debug)]
pub(super) struct Words {
    /// For the document, and for PortOne's window.
    pub lang: &'static str,
    pub locale: &'static str,
    pub title: &'static str,
    pub intro_due: &'static str,
    pub intro: &'static str,
    pub due: &'static str,
    pub access_until: &'static str,
    pub name: &'static str,
    pub phone: &'static str,
    pub email: &'static str,
    pub button: &'static str,
    pub safe: &'static str,
    pub needs_script: &'static str,
    pub waiting: &'static str,
    pub done: &'static str,
    pub done_due: &'static str,
    pub stopped: &'static str,
    pub refused: &'static str,
    pub later: &'static str,
    pub not_needed: &'static str,
    pub link_expired: &'static str,
    pub link_unknown: &'static str,
}

impl Words {
    /// By the browser's list of languages: Korean unless it wants another one first.
    pub(super) fn of(accepted: Option<&str>) -> &'static Self {
        let first = accepted.and_then(|list| list.split([',', ';']).next()).unwrap_or("ko").trim();
        if first.is_empty() || first == "*" || first.to_ascii_lowercase().starts_with("ko") {
            &KOREAN
        } else {
            &ENGLISH
        }
    }
}

static KOREAN: Words = Words {
    lang: "ko",
    locale: "KO_KR",
    title: "결제 카드 등록",
    intro_due: "등록된 카드로 결제하지 못했습니다. 새 카드를 등록하시면 바로 결제됩니다.",
    intro: "다음 결제에 사용할 새 카드를 등록해 주세요. 지금은 결제되지 않습니다.",
    due: "결제 금액",
    access_until: "이용 가능 기한",
    name: "이름",
    phone: "휴대폰 번호",
    email: "이메일",
    button: "새 카드 등록하기",
    safe: "카드 정보는 포트원의 보안 창에 입력되며, 이 페이지에는 저장되지 않습니다.",
    needs_script: "카드를 등록하려면 브라우저에서 JavaScript를 켜 주세요.",
    waiting: "확인하고 있습니다…",
    done: "새 카드가 등록되었습니다. 다음 결제일부터 이 카드로 결제됩니다.",
    done_due: "새 카드가 등록되었습니다. 잠시 후 결제가 진행됩니다. 이 창을 닫으셔도 됩니다.",
    stopped: "카드가 등록되지 않았습니다. 다시 시도해 주세요.",
    refused: "이 카드는 사용할 수 없습니다. 다른 카드로 다시 시도해 주세요.",
    later: "지금은 카드를 확인할 수 없습니다. 잠시 후 다시 시도해 주세요.",
    not_needed: "이 구독은 해지되었거나 종료되어 카드를 등록할 필요가 없습니다.",
    link_expired: "링크가 만료되었습니다. 새 링크를 요청해 주세요.",
    link_unknown: "올바르지 않은 링크입니다. 받으신 링크를 처음부터 끝까지 복사했는지 확인해 주세요.",
};

static ENGLISH: Words = Words {
    lang: "en",
    locale: "EN_US",
    title: "Add a payment card",
    intro_due: "Your card could not be charged. Add a new one, and the payment is made at once.",
    intro: "Add the card that your next payment should be made with. Nothing is charged now.",
    due: "Amount due",
    access_until: "You have access until",
    name: "Name",
    phone: "Mobile number",
    email: "Email",
    button: "Add a new card",
    safe: "Card details are typed into PortOne's secure window. This page never sees them.",
    needs_script: "Please turn on JavaScript in your browser to add a card.",
    waiting: "One moment…",
    done: "Your new card is saved. It is used from the next payment on.",
    done_due: "Your new card is saved. The payment is made in a moment; you can close this page.",
    stopped: "No card was added. Please try again.",
    refused: "This card cannot be used. Please try again with another one.",
    later: "The card could not be checked just now. Please try again in a minute.",
    not_needed: "This subscription was cancelled or is over. It needs no card.",
    link_expired: "This link is too old. Please ask for a new one.",
    link_unknown: "This is not a link of ours. Please check that you copied all of it.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_language_counts_and_korean_is_the_rule() {
        let lang = |accepted| Words::of(accepted).lang;
        for korean in [None, Some(""), Some("*"), Some("ko"), Some("ko-KR,en;q=0.9"), Some("KO-kr")] {
            assert_eq!(lang(korean), "ko", "{korean:?}");
        }
        for english in [Some("en"), Some("en-US,ko;q=0.5"), Some("de-DE")] {
            assert_eq!(lang(english), "en", "{english:?}");
        }
    }
}
