//! What stands in the tables, as people call it.

use super::Table;

macro_rules! terms {
    ($($(#[$about:meta])* $table:ident { $($key:literal: $en:literal | $ko:literal;)+ })+) => {
        /// Tables of words.
        #[derive(Debug)]
        pub struct Terms {
            $($(#[$about])* pub $table: Table,)+
        }

        pub(super) static EN: Terms = Terms { $($table: &[$(($key, $en)),+],)+ };
        pub(super) static KO: Terms = Terms { $($table: &[$(($key, $ko)),+],)+ };
    };
}

terms! {
    /// Where a renewal stands.
    states {
        "due": "Due" | "결제 예정";
        "charging": "Charging" | "결제 중";
        "unknown": "Outcome unknown" | "결과 미확인";
        "paid": "Paid" | "결제 완료";
        "failed": "Failed" | "결제 실패";
        "canceled": "Cancelled" | "해지";
        "lapsed": "Lapsed" | "기간 경과";
        "review": "Needs a person" | "확인 필요";
        "refunded": "Refunded" | "환불 완료";
    }
    /// Where an attempt stands.
    attempts {
        "open": "under way" | "진행 중";
        "paid": "paid" | "결제 완료";
        "declined": "declined" | "거절";
        "refused": "not accepted" | "인정되지 않음";
        "not_charged": "not charged" | "청구되지 않음";
    }
    /// Where a refund stands.
    refunds {
        "wanted": "not asked for yet" | "요청 전";
        "requested": "asked for" | "요청됨";
        "done": "done" | "완료";
        "failed": "could not be done" | "실패";
    }
    /// Where a subscription stands.
    subscriptions {
        "active": "Active" | "이용 중";
        "past_due": "Past due" | "연체";
        "downgraded": "Downgraded" | "등급 하향";
    }
    /// Whether there is a card.
    keys {
        "usable": "usable" | "사용 가능";
        "unusable": "cannot be charged" | "사용 불가";
        "missing": "none" | "없음";
        "none": "none" | "없음";
    }
    run_statuses {
        "running": "Running" | "실행 중";
        "completed": "Completed" | "완료";
        "failed": "Failed" | "실패";
        "interrupted": "Interrupted" | "중단됨";
    }
    /// Who or what started a run.
    triggers {
        "schedule": "Schedule" | "예약 실행";
        "schedule (retries)": "Schedule, retries" | "예약 재시도";
        "cli": "Command line" | "명령줄";
        "page": "This page" | "관리 화면";
        "api": "API" | "API";
        "retry": "Retry by hand" | "수동 재결제";
        "resolve": "Resolved by hand" | "수동 처리";
        "refund": "Refund by hand" | "수동 환불";
        "webhook": "PortOne's message" | "포트원 웹훅";
        "demo": "Demo" | "데모";
        "reconcile (cli)": "Reconciliation by hand" | "수동 대사";
        "reconcile (schedule)": "Reconciliation" | "정기 대사";
        "look-ahead (cli)": "Look ahead by hand" | "수동 사전 점검";
        "look-ahead (schedule)": "Look ahead" | "사전 점검";
    }
    /// What people do by hand.
    actions {
        "pause": "Paused charging" | "결제 일시 중지";
        "resume": "Resumed charging" | "결제 재개";
        "retry": "Retried" | "재결제";
        "refund": "Refunded" | "환불";
        "resolve": "Resolved" | "처리";
        "reconcile": "Reconciled" | "대사";
        "override_brake": "Overrode a brake" | "안전장치 해제";
        "events_drop": "Dropped messages" | "알림 삭제";
        "events_replay": "Replayed messages" | "알림 재전송";
        "new_card": "New card" | "새 카드 등록";
    }
    events {
        "renewal.paid": "Told: paid" | "알림: 결제 완료";
        "renewal.declined": "Told: declined" | "알림: 결제 거절";
        "renewal.failed": "Told: failed for good" | "알림: 최종 실패";
        "renewal.lapsed": "Told: lapsed" | "알림: 기간 경과";
        "renewal.review": "Told: needs a person" | "알림: 확인 필요";
        "renewal.canceled": "Told: cancelled" | "알림: 해지";
        "renewal.upcoming": "Told: renewal ahead" | "알림: 갱신 예정";
        "subscription.past_due": "Told: past due" | "알림: 연체";
        "subscription.downgraded": "Told: downgraded" | "알림: 등급 하향";
        "billing_key.missing": "Told: no card" | "알림: 결제 수단 없음";
        "payment.disputed": "Told: disputed" | "알림: 이의 제기";
        "payment.dispute_resolved": "Told: dispute over" | "알림: 이의 제기 종료";
        "payment.refunded": "Told: refunded" | "알림: 환불";
        "run.completed": "Told: run completed" | "알림: 실행 완료";
        "run.failed": "Told: run failed" | "알림: 실행 실패";
        "payment.unknown": "Told: outcome unknown" | "알림: 결과 미확인";
        "restore.suspected": "Told: restored from a backup?" | "알림: 백업 복원 의심";
        "charging.paused": "Told: charging paused" | "알림: 결제 중지";
        "charging.resumed": "Told: charging resumed" | "알림: 결제 재개";
        "brake.tripped": "Told: a brake holds" | "알림: 안전장치 작동";
        "brake.overridden": "Told: a brake was let go" | "알림: 안전장치 해제";
        "gateway.unauthorized": "Told: gateway refuses us" | "알림: 결제 연동 인증 실패";
        "events.replayed": "Told: messages replayed" | "알림: 재전송";
        "events.dropped": "Told: messages dropped" | "알림: 삭제";
    }
    decline_classes {
        "hard": "for good" | "재시도 불가";
        "soft": "may work later" | "재시도 가능";
        "transient": "passing trouble" | "일시적 오류";
        "config": "our set-up" | "설정 오류";
        "unknown": "not known" | "알 수 없음";
    }
    decline_reasons {
        "authentication": "Authentication failed" | "인증 실패";
        "card_expired": "Card expired" | "카드 유효기간 만료";
        "card_not_activated": "Card not activated" | "미등록 카드";
        "card_not_supported": "Card not supported" | "지원하지 않는 카드";
        "card_replaced": "Card replaced" | "재발급된 카드";
        "closed_account": "Account closed" | "해지된 계좌";
        "closed_card": "Card closed" | "해지된 카드";
        "contract": "Contract with the gateway" | "PG 계약 문제";
        "credentials": "Our credentials refused" | "연동 인증 정보 오류";
        "delinquent": "Cardholder delinquent" | "카드 대금 연체";
        "duplicate_order": "Duplicate order" | "중복 주문";
        "fraud_suspected": "Fraud suspected" | "부정 사용 의심";
        "in_progress": "Already in progress" | "이미 처리 중";
        "insufficient_funds": "Insufficient funds" | "잔액 부족";
        "invalid_billing_key": "Billing key invalid" | "유효하지 않은 빌링키";
        "invalid_card": "Card invalid" | "유효하지 않은 카드";
        "invalid_request": "Request invalid" | "잘못된 요청";
        "issuer_declined": "Declined by the issuer" | "카드사 거절";
        "issuer_unavailable": "Issuer unavailable" | "카드사 응답 없음";
        "lost_or_stolen": "Lost or stolen" | "분실·도난 카드";
        "mandate_revoked": "Mandate revoked" | "자동결제 동의 철회";
        "merchant_limit": "Our limit reached" | "가맹점 한도 초과";
        "network": "Network trouble" | "네트워크 오류";
        "over_limit": "Over the card's limit" | "카드 한도 초과";
        "pg_error": "Gateway error" | "PG 오류";
        "pg_maintenance": "Gateway maintenance" | "PG 점검";
        "rate_limited": "Too many requests" | "요청 한도 초과";
        "refer_to_issuer": "Ask the issuer" | "카드사 문의 필요";
        "restricted_account": "Account restricted" | "거래 제한 계좌";
        "restricted_card": "Card restricted" | "거래 제한 카드";
        "suspended_card": "Card suspended" | "사용 정지 카드";
        "timeout": "Timed out" | "시간 초과";
        "unknown": "Reason not known" | "사유 미상";
        "user_action_required": "Customer must act" | "고객 조치 필요";
    }
    /// Why a plan charges somebody, or does not.
    plan_reasons {
        "cancelled by the customer": "Cancelled by the customer" | "고객이 해지함";
        "ended too long ago": "Ended too long ago" | "종료된 지 오래됨";
        "no billing key": "No card" | "결제 수단 없음";
        "needs a person": "Needs a person" | "확인 필요";
        "its grace is over": "Grace is over" | "유예 기간 종료";
        "outside of the charging window": "Outside the charging window" | "결제 시간대 아님";
        "its next attempt is later": "Next attempt is later" | "다음 시도 예정";
        "first charge": "First charge" | "첫 결제";
        "retry": "Retry" | "재시도";
        "outcome unknown, is looked up first": "Outcome unknown, looked up first" | "결과 미확인, 먼저 조회";
        "being charged": "Being charged" | "결제 중";
    }
    brakes {
        "charges": "Too many charges" | "결제 건수 한도";
        "sum": "Too large a sum" | "결제 금액 한도";
        "growth": "Far more than usual" | "평소보다 급증";
        "declines": "Too many declines" | "거절 급증";
        "comparison": "Not compared with the gateway" | "포트원 대조 실패";
    }
    /// What a person says became of a renewal under review.
    answers {
        "paid": "It was paid" | "결제됨";
        "not_charged": "Nothing was charged" | "결제되지 않음";
        "refunded": "All of it is refunded" | "전액 환불됨";
        "retry": "Charge it again now" | "지금 다시 결제";
    }
    /// What just came of what somebody did here.
    dones {
        "paid": "Charged. The payment was looked up, and it is as ordered." | "결제되었습니다. 결제 내역을 조회해 주문과 일치함을 확인했습니다.";
        "declined": "It was declined. Nothing was taken; why is below." | "거절되었습니다. 빠져나간 금액은 없으며, 사유는 아래에 있습니다.";
        "open": "The outcome is not known yet. It is looked up, and nothing is charged a second time before that." | "아직 결과를 알 수 없습니다. 계속 조회하며, 확인 전에는 다시 결제하지 않습니다.";
        "not_sent": "Nothing was charged. Why is below." | "결제되지 않았습니다. 사유는 아래에 있습니다.";
        "resolved": "Your answer is recorded." | "처리 내용이 기록되었습니다.";
        "under_way": "It is under way, and goes on without this page. Look again in a moment." | "진행 중이며 이 화면을 닫아도 계속됩니다. 잠시 후 다시 확인해 주세요.";
    }
}
