//! What the payment gateways behind PortOne say when they decline: real codes and messages of several of them.
//!
//! Each code stands in `config/decline-codes.csv` (a test keeps this), so that a rehearsal meets the classes that
//! production meets. The exception is [`UNHEARD_OF`], which is meant to be in no table.

/// The payment gateway of a billing key whose name tells none.
pub const DEFAULT_PG: &str = "TOSSPAYMENTS";

/// The words in a billing key's name that choose its payment gateway.
pub const PG_WORDS: &[(&str, &str)] = &[
    ("toss", "TOSSPAYMENTS"),
    ("kcp", "KCP_V2"),
    ("inicis", "INICIS_V2"),
    ("kakao", "KAKAOPAY"),
    ("nice", "NICE_V2"),
    ("naver", "NAVERPAY"),
];

/// A decline that no table knows.
pub const UNHEARD_OF: &str = "unheard-of";

/// Name of the decline, payment gateway, its code, its message.
type Row = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
pub(super) const DECLINES: &[Row] = &[
    ("insufficient", "TOSSPAYMENTS", "REJECT_CARD_PAYMENT", "한도초과 혹은 잔액부족으로 결제에 실패했습니다."),
    ("insufficient", "KCP_V2", "CC10", "통장 잔액부족"),
    ("insufficient", "INICIS_V2", "120054", "잔액부족"),
    ("insufficient", "KAKAOPAY", "LACK_BALANCE", "계좌 잔액이 부족합니다."),
    ("insufficient", "NICE_V2", "3095", "카드사 실패 응답"),
    ("insufficient", "NAVERPAY", "NotEnoughAccountBalance", "잔액 부족"),
    ("limit", "TOSSPAYMENTS", "EXCEED_MAX_AMOUNT", "거래금액 한도를 초과했습니다."),
    ("limit", "KCP_V2", "CC08", "1일 한도초과"),
    ("limit", "INICIS_V2", "1200F1", "승인가능금액 부족"),
    ("limit", "KAKAOPAY", "-752", "SID가 월 최대 사용 횟수를 초과한 경우"),
    ("limit", "NICE_V2", "3095", "카드사 실패 응답"),
    ("limit", "NAVERPAY", "UnderAgeAmountLimit", "미성년자 월 결제 혹은 일 결제 한도 초과"),
    ("expired", "TOSSPAYMENTS", "INVALID_CARD_EXPIRATION", "카드 정보를 다시 확인해주세요.(유효기간)"),
    ("expired", "KCP_V2", "CC54", "카드유효기간만료 또는 불일치"),
    ("expired", "INICIS_V2", "1165", "유효기간오류"),
    ("expired", "KAKAOPAY", "0004", "카드유효기간만료"),
    ("expired", "NICE_V2", "3021", "유효기간 오류"),
    ("lost", "TOSSPAYMENTS", "INVALID_CARD_LOST_OR_STOLEN", "분실 혹은 도난 카드입니다."),
    ("lost", "KCP_V2", "CC04", "분실 혹은 거래불가 카드"),
    ("lost", "INICIS_V2", "1200F2", "허위카드"),
    ("lost", "KAKAOPAY", "3533", "분실된카드"),
    ("suspended", "TOSSPAYMENTS", "INVALID_STOPPED_CARD", "정지된 카드 입니다."),
    ("suspended", "KCP_V2", "CC45", "정지카드"),
    ("suspended", "INICIS_V2", "120001", "거래제한(정지)카드"),
    ("suspended", "KAKAOPAY", "0001", "거래제한카드"),
    ("invalid", "TOSSPAYMENTS", "INVALID_CARD", "카드 입력정보가 올바르지 않습니다."),
    ("invalid", "KCP_V2", "CC14", "카드번호 오류"),
    ("invalid", "INICIS_V2", "500601", "카드번호 오류"),
    ("invalid", "KAKAOPAY", "0014", "카드번호오류"),
    ("invalid", "NICE_V2", "3011", "카드번호 오류"),
    ("dead-key", "TOSSPAYMENTS", "INVALID_BILL_KEY_REQUEST", "빌링키 인증이 완료되지 않았거나 유효하지 않은 빌링 거래 건입니다."),
    ("dead-key", "INICIS_V2", "550969", "삼성페이 빌링 ID 정보 없음"),
    ("dead-key", "KAKAOPAY", "-751", "비활성화된 SID로 정기결제 API 를 호출한 경우"),
    ("dead-key", "NICE_V2", "A124", "해당 BID가 존재하지 않습니다"),
    ("maintenance", "TOSSPAYMENTS", "MAINTAINED_METHOD", "현재 점검 중 입니다."),
    ("maintenance", "KCP_V2", "8045", "결제기관 시스템 점검중(잠시후 재시도바람)"),
    ("maintenance", "INICIS_V2", "068247", "시스템점검시간"),
    ("maintenance", "KAKAOPAY", "-7", "서비스 점검 중 일 경우(service unavailable.)"),
    ("maintenance", "NAVERPAY", "MaintenanceOngoing", "서비스 점검 중"),
    ("issuer-down", "TOSSPAYMENTS", "CARD_PROCESSING_ERROR", "카드사에서 오류가 발생했습니다."),
    ("issuer-down", "KCP_V2", "CC75", "은행 시스템 작업 중"),
    ("issuer-down", "INICIS_V2", "1200A8", "카드사 시스템장애"),
    ("issuer-down", "KAKAOPAY", "BANK_FIRM_UNAVAILABLE", "은행 점검 중입니다. 잠시 후 다시 이용해 주세요.(점검시간 : 23:30 ~ 00:35)"),
    ("issuer-down", "NICE_V2", "2159", "해당은행장애"),
    ("issuer-down", "NAVERPAY", "BankMaintenance", "은행 점검 시간"),
    ("pg-error", "TOSSPAYMENTS", "PROVIDER_ERROR", "일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요."),
    ("pg-error", "KCP_V2", "CC99", "KCP 시스템 장애"),
    ("pg-error", "INICIS_V2", "407398", "JAVA Exception"),
    ("pg-error", "KAKAOPAY", "-1", "내부 처리 오류. 에러 코드로 상세 분류되어 있지 않은 경우"),
    ("pg-error", "NICE_V2", "2000", "DB오류"),
    ("pg-timeout", "KCP_V2", "CC72", "카드사 TIMEOUT"),
    ("pg-timeout", "INICIS_V2", "120010", "카드사 거래 TIMEOUT"),
    ("pg-timeout", "KAKAOPAY", "0010", "거래TIME-OUT"),
    ("pg-timeout", "NICE_V2", "A299", "API 지연처리 발생."),
    ("refer", "TOSSPAYMENTS", "INVALID_REJECT_CARD", "카드 사용이 거절되었습니다. 카드사 문의가 필요합니다."),
    ("refer", "KCP_V2", "CC01", "카드사로 문의"),
    ("refer", "INICIS_V2", "120070", "비씨카드사 전화요망(1588-4500)"),
    ("refer", "KAKAOPAY", "0036", "우리카드 플리즈콜 전화요망"),
    ("refer", "NICE_V2", "3095", "카드사 실패 응답"),
    ("fraud", "TOSSPAYMENTS", "FDS_ERROR", "[토스페이먼츠] 위험거래가 감지되어 결제가 제한됩니다. 발송된 문자에 포함된 링크를 통해 본인인증 후 결제가 가능합니다."),
    ("fraud", "KCP_V2", "8182", "거래불가카드(KCP로 문의 ☏1544-8667)"),
    ("fraud", "KAKAOPAY", "3568", "동일매출과다입니다"),
    ("duplicate", "TOSSPAYMENTS", "DUPLICATED_ORDER_ID", "이미 승인 및 취소가 진행된 중복된 주문번호 입니다. 다른 주문번호로 진행해주세요."),
    ("duplicate", "KCP_V2", "CCSC", "안전결제|이중 거래"),
    ("duplicate", "INICIS_V2", "500619", "상점주문번호 중복 오류"),
    ("duplicate", "KAKAOPAY", "-785", "결제/취소를 중복으로 요청한 경우"),
    ("duplicate", "NICE_V2", "2156", "중복등록된거래요청"),
    ("duplicate", "NAVERPAY", "AlreadyComplete", "이미 완료된 결제"),
    ("contract", "TOSSPAYMENTS", "NOT_REGISTERED_SUBMALL", "PG 하위몰 사업자번호가 등록되어 있지 않습니다."),
    ("contract", "KCP_V2", "CC21", "미등록 가맹점"),
    ("contract", "INICIS_V2", "500400", "미등록가맹점"),
    ("contract", "KAKAOPAY", "-705", "결제승인 API 호출 시 지원하지 않는 결제수단으로 요청한 경우"),
    ("contract", "NICE_V2", "3013", "카드 가맹점 개시 안됨"),
    ("contract", "NAVERPAY", "InvalidMerchant", "유효하지 않은 가맹점"),
    ("credentials", "TOSSPAYMENTS", "INVALID_API_KEY", "잘못된 시크릿키 연동 정보 입니다."),
    ("credentials", "KCP_V2", "8002", "사이트 KEY 값 검증 오류"),
    ("credentials", "INICIS_V2", "500200", "상점키 암복호 오류"),
    ("credentials", "KAKAOPAY", "-301", "등록되지 않은 앱키의 요청 또는 존재하지 않는 앱으로의 요청"),
    ("credentials", "NICE_V2", "A301", "가맹점키 조회 오류입니다."),
    ("merchant-limit", "KCP_V2", "CC62", "가맹점 한도초과"),
    ("merchant-limit", "INICIS_V2", "120029", "가맹점한도초과"),
    ("merchant-limit", "KAKAOPAY", "0029", "가맹점한도초과"),
    ("declined", "TOSSPAYMENTS", "REJECT_CARD_COMPANY", "결제 승인이 거절되었습니다."),
    ("declined", "KCP_V2", "CC03", "카드사 거절(기타사유)"),
    ("declined", "INICIS_V2", "120027", "거래 불가 카드"),
    ("declined", "KAKAOPAY", "-780", "결제승인 API 호출이 실패한 경우"),
    ("declined", "NICE_V2", "3095", "카드사 실패 응답"),
    ("declined", "NAVERPAY", "Fail", "결제 실패"),
    ("half-cancelled", "KCP_V2", "9048", "KCP에서는 결제 성공 했으나, 쇼핑몰에 결제 결과 전송 실패로 해당 건 승인취소시 오류가 발생하였습니다."),
];

/// How a payment gateway says the decline of this name: its code and message. A gateway that has no word for it
/// just declines; `None` for a name that is not a decline.
pub fn said_by(pg_provider: &str, name: &str) -> Option<(&'static str, &'static str)> {
    if name == UNHEARD_OF {
        return Some(("ZZ-UNHEARD-OF", "알 수 없는 오류"));
    }
    if !DECLINES.iter().any(|row| row.0 == name) {
        return None;
    }
    let said = |name: &str| DECLINES.iter().find(|row| row.0 == name && row.1 == pg_provider);
    said(name).or_else(|| said("declined")).map(|row| (row.2, row.3))
}

/// The names of all declines, each once.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    DECLINES.iter().filter_map(move |row| (row.0 != std::mem::replace(&mut last, row.0)).then_some(row.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_is_in_the_decline_table() {
        let mut table = csv::Reader::from_path("config/decline-codes.csv").unwrap();
        let known: HashSet<(String, String)> =
            table.records().map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
        for (name, pg, code, _) in DECLINES {
            assert!(known.contains(&((*pg).to_owned(), (*code).to_owned())), "{name}: {pg} {code}");
        }
    }

    #[test]
    fn every_name_is_listed_once_and_every_gateway_has_an_answer() {
        let all: Vec<_> = names().collect();
        assert_eq!(all.len(), all.iter().collect::<HashSet<_>>().len());
        for name in all {
            for (_, pg) in PG_WORDS {
                assert!(said_by(pg, name).is_some(), "{name} at {pg}");
            }
        }
        assert_eq!(said_by("KCP_V2", "no-such-decline"), None);
    }
}
