//! Which language somebody reads: what they chose, else what their browser says.

use super::words::{self, Words};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};

/// Keeps the choice.
const COOKIE: &str = "renewd_language";
/// For a year.
const KEPT_SECS: u32 = 31_536_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Korean,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Korean];

    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &words::EN,
            Self::Korean => &words::KO,
        }
    }

    fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// By `?lang=`, a choice made before, `Accept-Language`; else English.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        chosen(uri)
            .or_else(|| Self::parse(cookie(headers, COOKIE)?))
            .or_else(|| accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?))
            .unwrap_or(Self::English)
    }

    /// A calendar date: `Fri 30 Jan`, `1월 30일 (금)`.
    pub fn day(self, date: NaiveDate) -> String {
        match self {
            Self::English => date.format("%a %-d %b").to_string(),
            Self::Korean => format!("{}월 {}일 ({})", date.month(), date.day(), weekday(date.weekday())),
        }
    }

    /// A moment by the clock of the business: the year only where it is another one than now.
    pub fn moment(self, date: NaiveDate, time: chrono::NaiveTime, now: NaiveDate) -> String {
        let is_old = date.year() != now.year();
        let time = time.format("%H:%M");
        match (self, is_old) {
            (Self::English, false) => format!("{}, {time}", date.format("%-d %b")),
            (Self::English, true) => format!("{}, {time}", date.format("%-d %b %Y")),
            (Self::Korean, false) => format!("{}월 {}일 {time}", date.month(), date.day()),
            (Self::Korean, true) => format!("{}년 {}월 {}일 {time}", date.year(), date.month(), date.day()),
        }
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "월",
        Weekday::Tue => "화",
        Weekday::Wed => "수",
        Weekday::Thu => "목",
        Weekday::Fri => "금",
        Weekday::Sat => "토",
        Weekday::Sun => "일",
    }
}

fn chosen(uri: &Uri) -> Option<Language> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == "lang").and_then(|(_, code)| Language::parse(code))
}

/// The first of ours, in the order that the browser gives: none of them bothers to say the best one last.
fn accepted(list: &str) -> Option<Language> {
    let codes = list.split(',').filter_map(|part| part.split([';', '-']).next());
    codes.map(|code| code.trim().to_ascii_lowercase()).find_map(|code| Language::parse(&code))
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// This page in another language: its own path and query, with the choice in it.
pub fn link(here: &Uri, language: Language) -> String {
    let kept = here.query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("lang="));
    let choice = format!("lang={}", language.code());
    let query: Vec<&str> = kept.chain([choice.as_str()]).collect();
    format!("{}?{}", here.path(), query.join("&"))
}

/// A choice made on one page holds on the others.
pub async fn remember(request: Request, next: Next) -> Response {
    let chosen = chosen(request.uri());
    let mut response = next.run(request).await;
    if let Some(language) = chosen {
        let cookie = format!("{COOKIE}={}; Path=/; Max-Age={KEPT_SECS}; SameSite=Strict; HttpOnly", language.code());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// The business's calendar date and time of day of a moment.
pub fn local(at: DateTime<Utc>, zone: crate::domain::date::Zone) -> (NaiveDate, chrono::NaiveTime) {
    (zone.date_of(at), zone.time_of(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, headers: &[(&'static str, &'static str)]) -> Language {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Language::of(&uri.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn what_somebody_chose_counts_more_than_what_their_browser_says() {
        assert_eq!(of("/", &[]), Language::English);
        assert_eq!(of("/", &[("accept-language", "ko-KR,ko;q=0.9,en;q=0.8")]), Language::Korean);
        assert_eq!(of("/", &[("accept-language", "fr, en-US;q=0.5, ko;q=0.4")]), Language::English);
        let kept = [("cookie", "a=b; renewd_language=ko"), ("accept-language", "en")];
        assert_eq!(of("/", &kept), Language::Korean);
        assert_eq!(of("/?q=1&lang=en", &kept), Language::English);
        assert_eq!(of("/?lang=xx", &kept), Language::Korean);
    }

    #[test]
    fn a_link_to_the_other_language_keeps_what_was_asked_for() {
        let link = |uri: &str| link(&uri.parse().unwrap(), Language::Korean);
        assert_eq!(link("/"), "/?lang=ko");
        assert_eq!(link("/search?q=a%26b&lang=en&state=due"), "/search?q=a%26b&state=due&lang=ko");
    }

    #[test]
    fn dates_read_as_each_language_writes_them() {
        let (date, time) = ("2026-01-30".parse().unwrap(), "09:05:00".parse().unwrap());
        let next_year = "2027-01-01".parse().unwrap();
        assert_eq!(Language::English.day(date), "Fri 30 Jan");
        assert_eq!(Language::Korean.day(date), "1월 30일 (금)");
        assert_eq!(Language::English.moment(date, time, date), "30 Jan, 09:05");
        assert_eq!(Language::English.moment(date, time, next_year), "30 Jan 2026, 09:05");
        assert_eq!(Language::Korean.moment(date, time, date), "1월 30일 09:05");
        assert_eq!(Language::Korean.moment(date, time, next_year), "2026년 1월 30일 09:05");
    }
}
