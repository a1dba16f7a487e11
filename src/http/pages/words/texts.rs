//! The pages' own sentences. `{0}`, `{1}` are filled by the page.

use super::Plural;

macro_rules! texts {
    (
        texts { $($text:ident: $en:literal | $ko:literal;)+ }
        plurals { $($plural:ident: $one:literal, $many:literal | $all:literal;)+ }
    ) => {
        /// Sentences and headings.
        #[derive(Debug)]
        pub struct Texts {
            $(pub $text: &'static str,)+
            $(pub $plural: Plural,)+
        }

        pub(super) static EN: Texts = Texts {
            $($text: $en,)+
            $($plural: Plural { one: $one, many: $many },)+
        };
        pub(super) static KO: Texts = Texts {
            $($text: $ko,)+
            $($plural: Plural { one: $all, many: $all },)+
        };
    };
}

texts! {
    texts {
        // The frame
        language: "English" | "한국어";
        skip: "Skip to content" | "본문으로 건너뛰기";
        navigation: "Pages" | "화면";
        tab_today: "Today" | "오늘";
        tab_review: "Review" | "확인 필요";
        tab_runs: "Runs" | "실행 기록";
        tab_search: "Search" | "검색";
        tab_plan: "Plan" | "결제 계획";
        role_operator: "operator" | "운영자";
        role_viewer: "viewer" | "조회 전용";
        sign_in: "Sign in" | "로그인";
        sign_out: "Sign out" | "로그아웃";
        zone: "Time zone" | "시간대";
        money: "The money" | "결제 상태";
        back_to_today: "Back to today" | "오늘 화면으로";

        // Signing in
        token: "Token" | "토큰";
        sign_in_how: "Paste your token. Whoever runs renewd makes one with: renewd token NAME --role operator" |
            "발급받은 토큰을 붙여 넣으세요. 토큰은 renewd 관리자가 renewd token NAME --role operator 명령으로 만듭니다.";
        sign_in_wrong: "This token is not known here. Check that you copied all of it." |
            "등록되지 않은 토큰입니다. 처음부터 끝까지 복사했는지 확인해 주세요.";
        sign_in_too_often: "Too many wrong tokens. Wait a few seconds, then try again." |
            "잘못된 토큰이 너무 많이 입력되었습니다. 잠시 후 다시 시도해 주세요.";
        sign_in_no_tokens: "No token is set up here. Put one into server.tokens, and start the daemon again." |
            "등록된 토큰이 없습니다. server.tokens에 토큰을 추가하고 데몬을 다시 시작해 주세요.";

        // What went wrong
        problem_not_found: "There is no such thing" | "찾을 수 없습니다";
        problem_forbidden: "This was refused" | "권한이 없거나 거부된 요청입니다";
        problem_unavailable: "Not just now" | "지금은 사용할 수 없습니다";
        problem_conflict: "It was not done" | "처리하지 않았습니다";
        problem_bad_request: "This cannot be read" | "요청을 처리할 수 없습니다";
        problem_internal: "Something of ours failed" | "내부 오류가 발생했습니다";
        waits_for_database: "The daemon waits for its database. Nothing is charged meanwhile. Try again in a few seconds." |
            "데몬이 데이터베이스 연결을 기다리고 있습니다. 그동안 결제는 이루어지지 않습니다. 잠시 후 다시 시도해 주세요.";
        form_from_elsewhere: "This form was not made for your session: it may be from before you signed in again. Open the page anew, and send it from there." |
            "현재 로그인에서 만든 양식이 아닙니다. 다시 로그인하기 전에 연 화면일 수 있으니, 화면을 새로 열어 다시 제출해 주세요.";
        nothing_was_done: "nothing was done" | "아무것도 처리되지 않았습니다";
        nothing_was_charged: "nothing was charged" | "결제되지 않았습니다";
        may_not: "You may look here, and change nothing: this needs the role operator." |
            "조회 권한만 있습니다. 이 작업에는 운영자 권한이 필요합니다.";
        reason_is_empty: "Say why: it is recorded with your name." | "사유를 입력해 주세요. 이름과 함께 기록됩니다.";
        evidence_is_empty: "Say what you saw: it is recorded with your name." | "확인한 근거를 입력해 주세요. 이름과 함께 기록됩니다.";
        answer_is_missing: "Choose what became of it." | "처리 결과를 선택해 주세요.";
        against_is_short: "Against the gateway, say more: who said it, when, and where it can be seen." |
            "포트원 조회 결과와 다르게 처리하려면 누가 언제 확인했고 어디서 볼 수 있는지 더 자세히 적어 주세요.";
        plan_changed: "What is due changed while you looked. Check the sum again." |
            "화면을 보는 동안 결제 대상이 바뀌었습니다. 금액을 다시 확인해 주세요.";
        sum_changed: "The renewal changed while you looked. Check it again." |
            "화면을 보는 동안 갱신 상태가 바뀌었습니다. 다시 확인해 주세요.";
        run_under_way: "A run is under way in this daemon. It charges what is due by now; wait until it ends." |
            "이미 실행 중입니다. 지금까지의 결제 대상은 이 실행에서 처리되니 끝날 때까지 기다려 주세요.";
        no_such_run: "There is no run with this id." | "해당 실행 기록이 없습니다.";
        no_such_subscription: "There is no subscription, renewal or payment with this id." | "해당 구독, 갱신 또는 결제가 없습니다.";
        date_unreadable: "The date cannot be read. It is written as 2026-01-31." | "날짜를 읽을 수 없습니다. 2026-01-31 형식으로 입력해 주세요.";

        // Today
        collected_today: "Collected today" | "오늘 결제된 금액";
        at_risk: "At risk" | "미결제 위험";
        needs_person: "Needs a person" | "확인 필요";
        due_now: "Due now" | "지금 결제할 금액";
        nothing: "None" | "없음";
        nothing_planned: "Nothing is planned" | "예정된 결제가 없습니다";
        nothing_at_risk: "Nothing is overdue" | "밀린 결제가 없습니다";
        nobody_waits: "Nobody has to look" | "확인할 건이 없습니다";
        see_what_to_do: "See what to do" | "처리하러 가기";
        next_attempt: "Next attempt" | "다음 시도";
        last_30_days: "Last 30 days" | "최근 30일";
        in_30_days: "30 days" | "30일";
        collected: "Collected" | "결제 금액";
        refused: "Refused" | "거절";
        charges: "Charges" | "건수";
        chart_label: "The last 30 days by date: {0} collected, {1} refused. The table below has the figures." |
            "최근 30일 일별 현황: 결제 {0}, 거절 {1}. 아래 표에서 수치를 볼 수 있습니다.";
        chart_as_table: "Show as a table" | "표로 보기";
        business_date: "Business date" | "기준일";
        refused_by_reason: "Why charges were refused" | "거절 사유";
        by_gateway: "By payment gateway" | "PG사별";
        gateway: "Gateway" | "PG사";
        share: "Share" | "비율";
        not_told: "Not told" | "미상";
        nothing_refused: "Nothing was refused." | "거절된 결제가 없습니다.";
        no_charges: "Nothing was charged yet." | "아직 결제가 없습니다.";
        recent_runs: "Latest runs" | "최근 실행";
        all_runs: "All runs" | "전체 보기";
        by_hand: "Done by hand" | "수동 작업";
        paused: "Charging is paused." | "결제가 일시 중지되었습니다.";
        paused_by: "By {0}" | "{0}";
        missed: "Dates without a run:" | "실행되지 않은 날:";
        missed_what: "The next run takes them up." | "다음 실행에서 함께 처리합니다.";
        run_failed: "A run did not do its work:" | "실행이 완료되지 않았습니다:";
        run_failed_what: "What was charged is recorded, what was not is still due, and nothing is charged twice." |
            "결제된 건은 기록되었고, 나머지는 결제 예정으로 남아 있으며, 두 번 결제되지 않습니다.";
        no_reason: "no reason is kept" | "사유가 남아 있지 않습니다";
        see_run: "See the run" | "실행 보기";

        // Rows
        when: "When" | "일시";
        who: "Who" | "작업자";
        what: "What" | "내용";
        about: "About" | "대상";
        why: "Why" | "사유";
        run: "Run" | "실행";
        started: "Started" | "시작";
        ended: "Ended" | "종료";
        started_by: "Started by" | "실행 주체";
        status: "Status" | "상태";
        paid: "Paid" | "결제";
        declined: "Declined" | "거절";
        unknown: "Unknown" | "미확인";
        review: "Review" | "확인 필요";
        no_runs: "There was no run yet." | "아직 실행 기록이 없습니다.";
        latest_of: "The latest {0} are shown." | "최근 {0}건을 표시합니다.";

        // One run
        run_of: "Run of {0}" | "{0} 실행";
        run_problem: "It could not do all its work:" | "일부 작업을 마치지 못했습니다:";
        run_goes_on: "It is under way. This page looks again by itself." | "실행 중입니다. 화면이 자동으로 새로 고쳐집니다.";
        figures: "Figures" | "집계";
        due: "Due" | "대상";
        failed: "Failed for good" | "최종 실패";
        canceled: "Cancelled, not charged" | "해지, 결제 안 함";
        lapsed: "Ended too long ago, not charged" | "기간 경과, 결제 안 함";
        no_billing_key: "No card" | "결제 수단 없음";
        refunded: "Refunded" | "환불";
        taken_over: "Taken over from an earlier process" | "이전 프로세스에서 인계";
        past_due: "Now past due" | "연체 전환";
        downgraded: "Downgraded" | "등급 하향";
        left_due: "Left due" | "미처리";
        retries_at: "Next tries" | "다음 시도 예정";
        brake_holds: "A brake holds:" | "안전장치 작동:";
        channel_stopped: "A channel stopped:" | "채널 중단:";
        let_go_by: "Brakes let go by {0}:" | "{0} 님이 안전장치 해제:";

        // Search
        search_label: "Subscription, customer, renewal or payment id" | "구독 ID, 고객 ID, 갱신 ID 또는 결제 ID";
        subscriptions_of: "Subscriptions of {0}" | "{0} 고객의 구독";
        search_go: "Search" | "검색";
        search_nothing: "Nothing has the id “{0}”. Ids are matched whole." | "“{0}”에 해당하는 ID가 없습니다. ID는 전체가 일치해야 합니다.";
        open_renewals: "Open renewals" | "진행 중인 갱신";
        no_open_renewals: "No renewal is open." | "진행 중인 갱신이 없습니다.";
        subscription: "Subscription" | "구독";
        state: "State" | "상태";
        amount: "Amount" | "금액";

        // One subscription
        subscription_of: "Subscription {0}" | "구독 {0}";
        customer: "Customer" | "고객";
        plan: "Plan" | "요금제";
        tier: "Tier" | "등급";
        period_ends: "Period ends" | "이용 기간 종료";
        access_until: "Access until" | "이용 가능 기한";
        cancelled_at_end: "Cancelled by the customer" | "고객 해지";
        yes: "Yes" | "예";
        no: "No" | "아니요";
        card: "Card" | "결제 수단";
        next_period: "What is next" | "다음 결제";
        will_charge_at: "Will be charged from {0} on" | "{0} 이후 결제됩니다";
        will_charge: "Will be charged" | "결제됩니다";
        will_not_until: "Will not be charged; looked at again {0}" | "결제되지 않습니다. {0}에 다시 확인합니다";
        will_not: "Will not be charged" | "결제되지 않습니다";
        timeline: "Timeline" | "이력";
        timeline_newest: "Newest first" | "최신순";
        renewals_of: "Renewals" | "갱신 내역";
        period: "Period" | "기간";
        attempts: "Attempts" | "시도";
        payment: "Payment" | "결제 ID";
        cards: "Cards" | "결제 수단 내역";
        channel: "Channel" | "채널";
        added: "Added" | "등록";
        no_cards: "The customer has no card here." | "등록된 결제 수단이 없습니다.";
        retry: "Charge now" | "지금 결제";
        resolve: "Resolve" | "처리하기";

        // The timeline
        happened_planned: "Renewal planned" | "갱신 계획됨";
        happened_planned_how: "{0} for the period from {1}" | "{1}부터의 이용 기간, {0}";
        happened_now: "Now: {0}" | "현재: {0}";
        happened_attempt: "Attempt {0}" | "{0}차 시도";
        happened_outcome: "Attempt {0}: {1}" | "{0}차 시도: {1}";
        happened_payment: "Payment {0}" | "결제 {0}";
        payment_verified: "{0}, looked up: as ordered" | "{0}, 조회 결과 주문과 일치";
        payment_odd: "{0}, looked up: not as ordered" | "{0}, 조회 결과 주문과 다름";
        happened_refund: "To be refunded: {0}" | "환불 요청: {0}";
        happened_refund_now: "Refund: {0}" | "환불: {0}";
        tries: "asked {0} time(s)" | "{0}회 요청";
        amount_unreadable: "amount unreadable" | "금액 확인 불가";
        waits_for_card: "waits for a new card" | "새 결제 수단 대기";
        cancelled_meanwhile: "cancelled while it was charged" | "결제 중 해지됨";
        next_attempt_at: "next attempt {0}" | "다음 시도 {0}";
        looked_up_at: "looked up {0}" | "{0} 조회";
        access_until_at: "access until {0}" | "{0}까지 이용 가능";
        with_evidence: "evidence: {0}" | "근거: {0}";
        against_the_gateway: "against the gateway: {0}" | "포트원 조회와 다름: {0}";
        by_whom: "{0}, by {1}" | "{0} · {1}";

        // The plan
        plan_of: "Plan for {0}" | "{0} 결제 계획";
        plan_what: "What a run would do at {0}, as things stand. Nothing is charged or written by looking." |
            "{0} 기준으로 실행하면 일어날 일입니다. 조회만 하며 결제하거나 기록하지 않습니다.";
        plan_date: "Date" | "날짜";
        plan_show: "Show" | "보기";
        would_charge: "Would be charged" | "결제 대상";
        would_wait: "Would wait" | "대기";
        would_skip: "Would not be charged" | "결제 제외";
        plan_nobody: "Nobody." | "없습니다.";
        plan_each: "Each subscription" | "구독별 상세";
        plan_first_lines: "The first {0} are shown." | "처음 {0}건만 표시합니다.";
        plan_brake: "A brake would hold all charging:" | "안전장치가 결제를 막습니다:";
        renewals_head: "Renewals" | "건수";
        sum: "Sum" | "합계";
        tomorrow: "Tomorrow" | "내일";

        // Needs a person
        review_what: "Each of these waits for somebody's answer. Nothing more is charged for it until then." |
            "아래 건은 담당자의 확인을 기다립니다. 확인 전에는 더 결제되지 않습니다.";
        review_nobody: "Nothing waits for a person." | "확인이 필요한 건이 없습니다.";
        unknown_what: "Outcome not known yet" | "결과 확인 중";
        unknown_how: "The gateway is asked again by itself; nobody has to do anything." |
            "포트원에 자동으로 다시 조회합니다. 따로 하실 일은 없습니다.";
        period_not_moved: "Paid, and its subscription was moved meanwhile: the period was not given. Give it by hand, or give the money back." |
            "결제되었으나 그사이 구독이 변경되어 기간이 연장되지 않았습니다. 기간을 직접 연장하거나 환불해 주세요.";
        since: "Since" | "발생";

        // By hand
        run_now: "Run now" | "지금 실행";
        run_confirm: "Run now?" | "지금 실행할까요?";
        run_confirm_what: "This run charges everybody who is due, right now." | "지금 결제 대상인 모든 고객에게 결제합니다.";
        run_none: "Nobody is due. The run looks up what is open, and charges nobody." |
            "결제 대상이 없습니다. 결과가 확인되지 않은 건만 조회하고 결제하지 않습니다.";
        run_paused: "Charging is paused: this run would charge nobody." | "결제가 일시 중지되어 실행해도 결제되지 않습니다.";
        run_braked: "A brake would hold this run. If the plan is right as it is, let it go on the command line: renewd run --override-brake NAME --reason …" |
            "안전장치가 이 실행을 막습니다. 계획이 맞다면 명령줄에서 해제하세요: renewd run --override-brake NAME --reason …";
        charge_sum: "Charge {0}" | "{0} 결제하기";
        run_without_charge: "Run" | "실행하기";
        in_all: "In all" | "총 결제 금액";
        retry_confirm: "Charge it now?" | "지금 결제할까요?";
        retry_what: "The newest usable card of {0} is charged at once, whatever the plan says." |
            "재시도 일정과 관계없이 {0} 고객의 가장 최근 결제 수단으로 바로 결제합니다.";
        retry_safe: "What was tried before is looked up first: what is paid already is not charged again." |
            "이전 시도를 먼저 조회하므로 이미 결제된 건은 다시 결제되지 않습니다.";
        reason: "Reason" | "사유";
        reason_how: "Why you do this. Recorded with your name, and shown in the timeline." |
            "작업 사유를 적어 주세요. 이름과 함께 기록되어 이력에 표시됩니다.";
        pause: "Pause" | "일시 중지";
        pause_confirm: "Pause charging?" | "결제를 일시 중지할까요?";
        pause_what: "No new charge starts anywhere until somebody resumes. Held back now: {0}." |
            "다시 시작할 때까지 어디서도 새로 결제하지 않습니다. 지금 보류되는 금액: {0}.";
        pause_go: "Pause charging" | "결제 일시 중지";
        resume: "Resume" | "결제 재개";
        resume_confirm: "Resume charging?" | "결제를 재개할까요?";
        resume_what: "The next run charges what is due. Due now: {0}." | "다음 실행부터 결제합니다. 지금 결제 대상: {0}.";
        charging_resumed: "Charging goes on with the next run." | "다음 실행부터 결제를 재개합니다.";
        resume_go: "Resume charging" | "결제 재개";
        cancel: "Cancel" | "취소";
        resolve_confirm: "What became of it?" | "어떻게 처리할까요?";
        resolve_what: "The gateway is asked first, always. An answer that it contradicts is refused, and nothing is changed." |
            "항상 포트원에 먼저 조회합니다. 조회 결과와 다른 답은 거부되며 아무것도 바뀌지 않습니다.";
        answer: "Your answer" | "처리 결과";
        answer_paid_how: "The money is there, as ordered. The customer gets the period." | "주문대로 입금되었습니다. 이용 기간이 연장됩니다.";
        answer_not_charged_how: "It ends without money." | "결제 없이 종료됩니다.";
        answer_refunded_how: "It ends, and is never charged again." | "종료되며 다시 결제되지 않습니다.";
        answer_retry_how: "{0} is charged at once." | "{0}을 바로 결제합니다.";
        evidence: "Evidence" | "근거";
        evidence_how: "What you saw that makes you sure: a receipt, a line of PortOne's console, the customer's statement." |
            "확인한 자료를 적어 주세요. 예: 영수증, 포트원 콘솔 내역, 고객의 카드 명세서.";
        against: "Against the gateway (only where it is wrong)" | "포트원 조회와 다르게 처리 (조회 결과가 틀린 경우에만)";
        against_how: "What you know and the gateway does not. It never charges, and never gives a period." |
            "포트원이 모르는 사실을 적어 주세요. 결제나 기간 연장은 이루어지지 않습니다.";
        check: "Check" | "확인";
        resolve_sure: "Is this right?" | "이대로 처리할까요?";
        record: "Record the answer" | "이대로 처리";
    }
    plurals {
        charges_paid: "{0} charge paid", "{0} charges paid" | "{0}건 결제";
        charges_refused: "{0} refused", "{0} refused" | "{0}건 거절";
        renewals: "{0} renewal", "{0} renewals" | "{0}건";
        are_retried: "{0} is retried", "{0} are retried" | "재시도 {0}건";
        wait_for_card: "{0} waits for a card", "{0} wait for a card" | "결제 수단 대기 {0}건";
        are_unknown: "{0} outcome unknown", "{0} outcomes unknown" | "결과 미확인 {0}건";
        are_in_review: "{0} in review", "{0} in review" | "확인 필요 {0}건";
    }
}
