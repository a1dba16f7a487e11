//! Sentences of the engine in Korean: what it says in English, with a hole for what it fills in.
//!
//! The engine has one language, which is also that of the log and the command line. What people of operations meet on
//! these pages is known here by its English; what is not is shown as it is.

/// A hole in a sentence.
const HOLE: &str = "{}";

/// The Korean of a sentence; `None` where it is not known.
pub fn korean(sentence: &str) -> Option<String> {
    SENTENCES.iter().find_map(|(english, korean)| Some(filled(korean, &holes(english, sentence)?)))
}

/// The sentence without the command that it ends with: a page has buttons for it.
pub fn plain(sentence: &str) -> &str {
    let ends = [": renewd ", " (renewd ", ": see renewd "];
    let end = ends.iter().filter_map(|end| sentence.find(end)).min();
    end.map_or(sentence, |end| &sentence[..end])
}

/// What stands in the holes, where the sentence is this one.
fn holes<'s>(pattern: &str, sentence: &'s str) -> Option<Vec<&'s str>> {
    let mut parts = pattern.split(HOLE);
    let mut rest = sentence.strip_prefix(parts.next()?)?;
    let mut holes = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        // The last part ends the sentence; each before it ends its hole where it comes first.
        let end = match (part.is_empty(), parts.peek()) {
            (true, _) => rest.len(),
            (false, None) => rest.len().checked_sub(part.len()).filter(|_| rest.ends_with(part))?,
            (false, Some(_)) => rest.find(part)?,
        };
        holes.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(holes)
}

/// `{0}`, `{1}` stand for the holes in their order; what is in them may itself be a sentence.
fn filled(text: &str, holes: &[&str]) -> String {
    holes.iter().enumerate().fold(text.to_owned(), |text, (at, hole)| {
        let told = korean(hole).or_else(|| term(hole)).unwrap_or_else(|| (*hole).to_owned());
        text.replace(&format!("{{{at}}}"), &told)
    })
}

/// A word of the tables, as sentences write it.
fn term(hole: &str) -> Option<String> {
    let word = hole.replace(' ', "_");
    let terms = &super::terms::KO;
    let tables = [terms.decline_reasons, terms.states, terms.subscriptions, terms.brakes];
    let mut words = tables.into_iter().flatten();
    words.find(|(key, _)| *key == word).map(|(_, told)| (*told).to_owned())
}

const SENTENCES: &[(&str, &str)] = &[
    // What is next
    (
        "it is being charged now; what comes of it is looked up before it is recorded",
        "지금 결제 중이며, 결과를 조회한 뒤 기록합니다",
    ),
    (
        "it may have been charged: the payment is looked up then, and nothing more is charged before its outcome is known",
        "이미 결제되었을 수 있어 그때 다시 조회하며, 결과가 확인되기 전에는 더 결제하지 않습니다",
    ),
    ("it is paid", "결제가 완료되었습니다"),
    ("it was paid and given back: it is never charged again", "결제 후 환불되어 다시 결제되지 않습니다"),
    ("it waits for a person ({})", "담당자의 확인을 기다립니다. 사유: {0}"),
    (
        "its attempts are over{}: only a person's command charges it",
        "재시도가 모두 끝났습니다{0}. 수동으로만 결제할 수 있습니다",
    ),
    (
        "it was found too late to be charged by surprise: only a person's command charges it",
        "너무 늦게 확인되어 자동으로 결제하지 않습니다. 수동으로만 결제할 수 있습니다",
    ),
    ("the customer cancelled: it is not charged", "고객이 해지하여 결제되지 않습니다"),
    (
        "the customer cancelled and changed their mind: the next run makes it due again",
        "고객이 해지를 철회했습니다. 다음 실행에서 다시 결제 대상이 됩니다",
    ),
    (
        "nothing is planned yet: the first run from then on plans it and charges it",
        "아직 계획되지 않았습니다. 그 이후 첫 실행에서 계획하고 결제합니다",
    ),
    (
        "the customer cancelled: it is not charged, and ends with its period",
        "고객이 해지하여 결제되지 않으며, 이용 기간이 끝나면 종료됩니다",
    ),
    ("it ended too long ago to be charged by surprise", "종료된 지 오래되어 자동으로 결제하지 않습니다"),
    (
        "the customer has no billing key that can be charged: it waits for one",
        "사용할 수 있는 결제 수단이 없어 새 결제 수단을 기다립니다",
    ),
    (
        "it cannot be read ({}): mend the row before its run",
        "정보를 읽을 수 없습니다({0}). 실행 전에 데이터를 수정해 주세요",
    ),
    ("its subscription is {}: it is not renewed", "구독 상태({0})에서는 갱신되지 않습니다"),
    (
        "and charging is paused {}: nothing is charged before renewd resume",
        "결제가 일시 중지되어 재개 전에는 결제되지 않습니다 ({0})",
    ),
    ("but {}", "단, {0}. 결제 계획을 확인해 주세요"),
    ("brake {} held the run of {}: {}", "안전장치({0})가 {1} 실행을 막았습니다: {2}"),
    (
        "the customer cancelled: it is not charged, and the next run says so",
        "고객이 해지하여 결제되지 않으며, 다음 실행에 반영됩니다",
    ),
    (
        "it waits for a billing key that can be charged{}: a new one makes it due at once",
        "새 결제 수단을 기다립니다{0}. 등록되면 바로 결제 대상이 됩니다",
    ),
    ("there is a new billing key: the next run charges it", "새 결제 수단이 등록되어 다음 실행에서 결제합니다"),
    ("the first run from then on charges it", "그 이후 첫 실행에서 결제합니다"),
    (
        "declined once{}: the first run from then on tries again",
        "한 번 거절되었습니다{0}. 그 이후 첫 실행에서 다시 시도합니다",
    ),
    (
        "declined {} times{}: the first run from then on tries again",
        "{0}번 거절되었습니다{1}. 그 이후 첫 실행에서 다시 시도합니다",
    ),
    (" (last: {})", " (마지막 사유: {0})"),
    // Why something waits for a person
    ("PAID at the gateway, but not as ordered: {} differs", "포트원에는 결제되었으나 주문과 다릅니다: {0}"),
    ("PAID, and not as ordered: {} differs", "결제되었으나 주문과 다름: {0}"),
    ("PAID, as ordered", "주문대로 결제됨"),
    ("no money taken", "결제된 금액 없음"),
    ("amount", "금액"),
    ("currency", "통화"),
    ("a person must look", "담당자 확인 필요"),
    ("money turned up late, not as ordered: {} differs", "뒤늦게 결제가 확인되었으나 주문과 다릅니다: {0}"),
    (
        "money turned up late, and the renewal is {}: give it back?",
        "뒤늦게 결제가 확인되었고 갱신은 이미 {0} 상태입니다. 환불할지 결정해 주세요",
    ),
    (
        "the money was taken after all, as ordered: give the period or give it back",
        "결국 주문대로 결제되었습니다. 기간을 연장하거나 환불해 주세요",
    ),
    (
        "its grace is over, and no card was declined: only our contract or settings were refused",
        "유예 기간이 끝났습니다. 카드가 아니라 계약 또는 설정 문제로 거부되었습니다",
    ),
    (
        "its plan could not be read when it was planned: mend the plan, then retry",
        "계획 당시 요금제를 읽을 수 없었습니다. 요금제를 수정한 뒤 다시 시도해 주세요",
    ),
    ("not given back after {} days of asking", "{0}일간 요청했으나 환불되지 않았습니다"),
    ("the gateway does not know the payment (yet)", "포트원에 아직 해당 결제가 없습니다"),
    ("charging stopped before it was sent", "전송 전에 결제가 중단되었습니다"),
    ("its channel stopped before it was sent", "전송 전에 채널이 중단되었습니다"),
    ("closed by hand: nothing was charged by it", "수동으로 종료함: 결제되지 않음"),
    ("no_billing_key", "결제 수단 없음"),
    // What a run stopped for
    ("charging is paused {}", "결제가 일시 중지되었습니다 ({0})"),
    ("by {}: {}", "{0}: {1}"),
    ("brake {} holds charging: {}", "안전장치({0})가 결제를 막았습니다: {1}"),
    ("charging stopped on {}", "채널 {0}의 결제가 중단되었습니다"),
    // Why a command was not done
    ("renewal {} is paid", "이미 결제된 갱신입니다"),
    ("it is never charged again", "다시 결제되지 않습니다"),
    ("see what it paid: {}", "결제 내역은 구독 화면에서 확인할 수 있습니다"),
    ("renewal {} was paid and given back", "결제 후 환불된 갱신입니다"),
    ("the period that follows is charged when it is due", "다음 이용 기간은 예정대로 결제됩니다"),
    ("renewal {} is being charged now", "지금 결제 중인 갱신입니다"),
    (
        "nothing more was charged: while an attempt is open no other may start",
        "추가로 결제되지 않았습니다. 진행 중인 시도가 끝나야 다시 시도할 수 있습니다",
    ),
    ("the outcome of renewal {}'s last attempt is not known yet", "마지막 시도의 결과가 아직 확인되지 않았습니다"),
    (
        "nothing more was charged: it may have been charged already, so it is only looked up",
        "추가로 결제되지 않았습니다. 이미 결제되었을 수 있어 조회만 합니다",
    ),
    ("renewal {} is under review: {}", "담당자 확인이 필요한 갱신입니다: {1}"),
    ("renewal {} is {}, not under review", "확인 대상이 아닌 갱신입니다"),
    ("renewal {} changed while this was decided", "처리하는 동안 갱신 상태가 바뀌었습니다"),
    (
        "nothing was done: what was decided was decided from how it stood before",
        "이전 상태를 기준으로 한 결정이라 아무것도 처리하지 않았습니다",
    ),
    ("subscription {} was cancelled by the customer", "고객이 해지한 구독입니다"),
    (
        "nothing was charged: who cancelled is never charged, by nobody's command",
        "결제되지 않았습니다. 해지한 고객은 어떤 경우에도 결제하지 않습니다",
    ),
    ("money of renewal {} was given back, or is on its way", "이미 환불되었거나 환불이 진행 중입니다"),
    ("money of renewal {} is on its way back", "환불이 진행 중입니다"),
    ("the customer has no billing key that can be charged", "사용할 수 있는 결제 수단이 없습니다"),
    (
        "the newest billing key, {}, was declined for good",
        "가장 최근 결제 수단은 재시도할 수 없는 사유로 거절되었습니다",
    ),
    (
        "nothing was charged: after a hard decline a card is not asked again",
        "결제되지 않았습니다. 재시도 불가로 거절된 카드는 다시 시도하지 않습니다",
    ),
    ("first: renewd resume --reason …", "먼저 결제를 재개해 주세요"),
    ("it is {}, and nothing is sent in the quiet hours {}", "지금({0})은 점검 시간대({1})라 결제를 보내지 않습니다"),
    (
        "nothing was charged: banks and payment gateways are under maintenance then, and outcomes get lost",
        "결제되지 않았습니다. 은행과 PG사 점검 시간에는 결과가 유실될 수 있습니다",
    ),
    ("try again when they are over", "점검 시간이 지난 뒤 다시 시도해 주세요"),
    (
        "renewal {} was tried {} times in {} days, and that is the most that the card networks allow",
        "{2}일 동안 {1}번 시도했습니다. 카드사가 허용하는 최대 횟수입니다",
    ),
    ("the next attempt is allowed from {} on", "{0}부터 다시 시도할 수 있습니다"),
    ("subscription {} is no longer at the period of renewal {}", "구독이 이미 다른 이용 기간으로 넘어갔습니다"),
    (
        "the gateway says otherwise: {} cannot be answered as {}, it shows {}",
        "포트원 조회 결과와 다릅니다. 조회 결과: {2}",
    ),
    (
        "nothing was changed: the renewal stays under review, and is not charged",
        "바뀐 것이 없습니다. 갱신은 확인 필요 상태로 남으며 결제되지 않습니다",
    ),
    ("the gateway shows no money that could have been given back", "포트원에 환불할 금액이 없습니다"),
    ("{} could not be looked up: {}", "{0} 결제를 조회하지 못했습니다: {1}"),
    (
        "no answer counts without a look-up: try again when the gateway answers",
        "조회 없이는 처리할 수 없습니다. 포트원이 응답하면 다시 시도해 주세요",
    ),
    ("give it back: {}", "환불해 주세요: {0}"),
    ("wait until its outcome is known", "결과가 확인될 때까지 기다려 주세요"),
    ("nothing was charged", "결제되지 않았습니다"),
    (
        "nothing was charged; what was found until then is settled",
        "결제되지 않았습니다. 그때까지 확인된 건은 처리되었습니다",
    ),
    ("its renewal was left as it is", "해당 갱신은 그대로 두었습니다"),
    (
        "set the clocks of the database server and of this machine (NTP)",
        "데이터베이스 서버와 이 서버의 시계를 맞춰 주세요 (NTP)",
    ),
    (
        "see that the gateway's address and the API secret are right: renewd doctor",
        "포트원 주소와 API 시크릿이 맞는지 확인해 주세요: renewd doctor",
    ),
    (
        "{} charges are due, and one run may make {}",
        "결제 예정이 {0}건인데, 한 번의 실행은 {1}건까지 결제할 수 있습니다",
    ),
    ("{} is due, and one run may take {}", "결제 예정 금액이 {0}인데, 한 번의 실행은 {1}까지 결제할 수 있습니다"),
    (
        "{} subscriptions are due for the first time, {} at most are taken for ordinary: the busiest comparable day, {}, had {}",
        "첫 결제 예정이 {0}건인데, 평소로 볼 수 있는 것은 {1}건까지입니다. 비교할 수 있는 날 중 가장 많았던 {2}에는 {3}건이었습니다",
    ),
    ("{} was claimed of {} that one run may take", "한 번의 실행이 결제할 수 있는 {1} 중 {0}을 이미 처리했습니다"),
    (
        "all {} charges are made that one run may make, and more became due",
        "한 번의 실행이 결제할 수 있는 {0}건을 모두 처리했고, 결제 예정이 더 생겼습니다",
    ),
    (
        "{} subscriptions were charged for the first time, which is all that is taken for ordinary, and more became due",
        "평소로 볼 수 있는 첫 결제 {0}건을 모두 처리했고, 결제 예정이 더 생겼습니다",
    ),
    (
        "{} of its first {} charges were declined, {} % at most are taken for ordinary",
        "첫 결제 {1}건 중 {0}건이 거절되었습니다. 평소로 볼 수 있는 것은 {2}%까지입니다",
    ),
    (
        "the gateway could not list its payments ({}), so nobody knows whether this database forgot any, as one that is put back from a backup does: nothing was charged, and the next run asks again",
        "포트원이 결제 목록을 주지 못해({0}) 이 데이터베이스가 백업에서 복원된 것처럼 잊은 결제가 있는지 알 수 없습니다. 결제하지 않았고, 다음 실행에서 다시 확인합니다",
    ),
    ("nothing was changed", "바뀐 것이 없습니다"),
    ("nothing was done", "아무것도 처리되지 않았습니다"),
    (
        "what was charged and not recorded yet is looked up by the next run; nothing is charged twice",
        "결제되었으나 기록되지 않은 건은 다음 실행에서 조회하며, 두 번 결제되지 않습니다",
    ),
    (
        "if it was charged, that is recorded or looked up; if not, it is still due: nobody is charged twice",
        "결제되었다면 기록 또는 조회되고, 아니라면 결제 예정으로 남습니다. 두 번 결제되지 않습니다",
    ),
    ("there is nothing under this path", "이 주소에는 아무것도 없습니다"),
    ("this path does not take this method", "이 주소에서 지원하지 않는 요청입니다"),
    ("it took too long", "응답이 너무 오래 걸렸습니다"),
    ("too many requests at once: come back in a few seconds", "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요"),
    ("the database cannot be asked now", "지금은 데이터베이스에 연결할 수 없습니다"),
    (
        "it could not be done; the log says why, under {}",
        "처리하지 못했습니다. 로그에서 {0} 번호로 원인을 확인할 수 있습니다",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::brakes::{
        Answers, BrakeLimits, Charges, DeclineLimit, GrowthLimit, Usual, before, declines, left,
    };
    use crate::domain::money::Currency;
    use crate::domain::outlook::{Outlook, Standing};
    use crate::domain::renewal::State;
    use chrono::DateTime;

    fn standing(state: State, declines: i64, waits_for_key: bool, canceled: bool) -> Standing {
        Standing {
            renewal_id: "019c".to_owned(),
            state,
            next_attempt_at: None,
            next_look_up_at: None,
            waits_for_key,
            review_reason: None,
            declines,
            last_decline: (declines > 0).then(|| "over limit".to_owned()),
            access_until: DateTime::UNIX_EPOCH,
            cancel_at_period_end: canceled,
            has_usable_key: !waits_for_key,
        }
    }

    #[test]
    fn whatever_is_next_is_told_in_korean() {
        let mut outlooks = vec![Outlook::of_nothing("downgraded")];
        for state in State::ALL {
            for (declines, waits) in [(0, false), (1, false), (3, true)] {
                for canceled in [false, true] {
                    outlooks.push(Outlook::of_renewal(&standing(state, declines, waits, canceled)));
                }
            }
        }
        let held = outlooks.last().unwrap().clone().held("brake sum held the run of 2026-01-30: too much");
        outlooks.push(Outlook { will_be_charged: true, ..held }.paused("by haneul: a price is wrong"));
        let untold: Vec<String> =
            outlooks.into_iter().flat_map(|outlook| outlook.why).filter(|why| korean(plain(why)).is_none()).collect();
        assert_eq!(untold, Vec::<String>::new());
    }

    #[test]
    fn whatever_a_brake_says_is_told_in_korean() {
        let krw = Currency::parse("KRW").unwrap();
        let usual = Usual { busiest: 2, on: "2026-01-23".parse().unwrap(), dates: 1 };
        let limits = BrakeLimits {
            charges_max: Some(3),
            sums_max: [(krw, 1_000)].into(),
            growth: Some(GrowthLimit { percent_max: 100, floor: 1 }),
            ..BrakeLimits::default()
        };
        let made = |count, first, minor| Charges { count, first, sums: [(krw, minor)].into() };
        let mut tripped = before(&made(9, 9, 9_000), Some(&usual), &limits);
        for made in [made(0, 0, 1_000), made(3, 0, 0), made(0, 4, 0)] {
            tripped.push(left(&made, Some(&usual), &limits).unwrap_err());
        }
        let poor = Answers { paid: 1, declined: 9 };
        tripped.extend(declines(poor, "default", DeclineLimit { percent_max: 50, answers_min: 5 }));
        assert_eq!(tripped.len(), 7);
        let untold: Vec<String> = tripped.into_iter().map(|one| one.why).filter(|why| korean(why).is_none()).collect();
        assert_eq!(untold, Vec::<String>::new());
    }

    #[test]
    fn a_page_has_buttons_for_commands() {
        assert_eq!(
            plain("it waits for a person (no reason): renewd resolve 1 --as …"),
            "it waits for a person (no reason)"
        );
        assert_eq!(plain("only a person's command charges it (renewd retry 1)"), "only a person's command charges it");
        assert_eq!(plain("nothing is charged before renewd resume"), "nothing is charged before renewd resume");
    }

    #[test]
    fn holes_are_filled_and_what_is_in_them_is_told_too() {
        assert_eq!(
            korean("declined 3 times (last: over limit): the first run from then on tries again").as_deref(),
            Some("3번 거절되었습니다 (마지막 사유: 카드 한도 초과). 그 이후 첫 실행에서 다시 시도합니다")
        );
        assert_eq!(
            korean("PAID at the gateway, but not as ordered: amount differs").as_deref(),
            Some("포트원에는 결제되었으나 주문과 다릅니다: 금액")
        );
        assert_eq!(korean("something new"), None);
        assert_eq!(korean(""), None);
    }

    #[test]
    fn no_sentence_has_a_hole_that_its_english_does_not_fill() {
        for (english, korean) in SENTENCES {
            let holes = english.matches(HOLE).count();
            let asked = (0..9).filter(|at| korean.contains(&format!("{{{at}}}"))).max().map_or(0, |at| at + 1);
            assert!(asked <= holes, "{english}");
        }
    }
}
