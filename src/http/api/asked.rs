//! What a request asks for, read strictly: a field that nobody knows is a mistake, and is named.

use super::super::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::NaiveDate;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The longest name of something, in characters: an id, a key, a channel.
const NAME_CHARS_MAX: usize = 200;

/// The longest reason that is kept, in characters.
const WORDS_CHARS_MAX: usize = crate::domain::action::WORDS_MAX;

/// The largest amount that a database holds, in minor units: what every JSON reader can read exactly.
const MINOR_MAX: i64 = 9_007_199_254_740_991;

/// The body, as JSON.
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let read = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = read.map_err(|rejection| Problem::new(rejection.status(), "the body cannot be read to its end"))?;
        // Lists would be taken field by field.
        let starts_with = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        let again = Request::from_parts(parts, axum::body::Body::from(bytes));
        match Json::from_request(again, state).await {
            Ok(_) if starts_with != Some(b'{') => Err(Problem::bad_request("the body must be an object: {…}")),
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON, and say so: content-type: application/json",
            )),
            Err(rejection @ (JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_))) => {
                Err(unreadable("the body", &rejection.body_text()))
            }
            Err(rejection) => Err(Problem::new(rejection.status(), "the body cannot be read to its end")),
        }
    }
}

/// What stands behind the `?`.
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        let Query(params) =
            read.map_err(|rejection: QueryRejection| unreadable("the query", &rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// What of the text stands behind the framework's own words.
fn unreadable(what: &str, text: &str) -> Problem {
    let why = text.split_once(": ").map_or(text, |(_, why)| why);
    Problem::bad_request(format!("{what} cannot be taken: {why}")).hint("see /api/openapi.json")
}

/// The id in the path.
pub(super) struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
        Name::try_from(id).map(|name| Self(name.0)).map_err(|why| Problem::bad_request(format!("the id {why}")))
    }
}

fn is_plain(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

/// The name of something: not empty, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || !is_plain(&text, NAME_CHARS_MAX) {
            return Err(format!("must have 1 to {NAME_CHARS_MAX} characters, none of them a control character"));
        }
        Ok(Self(text))
    }
}

/// What somebody says: more than spaces, one line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Words(pub String);

impl TryFrom<String> for Words {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim().is_empty() || !is_plain(&text, WORDS_CHARS_MAX) {
            return Err(format!("must say something, in one line of up to {WORDS_CHARS_MAX} characters"));
        }
        Ok(Self(text))
    }
}

/// A client's name for what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Key(pub String);

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_visible = |c: char| c.is_ascii_graphic() && c != '"';
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.chars().all(is_visible) {
            return Err(format!("must have 1 to {NAME_CHARS_MAX} visible ASCII characters, none of them a quote"));
        }
        Ok(Self(text))
    }
}

/// A date with a year of four digits, as the standard has it; others are read by their author only.
pub(super) fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NaiveDate>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|date| date.to_string() == text);
    date.map(Some).ok_or_else(|| D::Error::custom("must be a date such as 2026-01-31"))
}

/// An amount in minor units. 5000.0 is a whole number as well: JSON has one kind of them.
pub(super) fn minor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else { return Ok(None) };
    let text = number.to_string();
    let whole = text.strip_suffix(".0").unwrap_or(&text).parse().ok();
    let amount = whole.filter(|amount| (1..=MINOR_MAX).contains(amount));
    amount.map(Some).ok_or_else(|| D::Error::custom(format!("must be a whole number from 1 to {MINOR_MAX}")))
}

/// A text that must not stand in any message, however wrong it is.
#[derive(Clone)]
pub(super) struct Hidden(pub String);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(from) {
            Ok(serde_json::Value::String(text)) => Ok(Self(text)),
            // Neither the value nor the words about it: they may quote it.
            _ => Err(D::Error::custom("must be a text")),
        }
    }
}

const NO_CONTROL: &str = r"[^\u0000-\u001f\u007f-\u009f]";

fn text(pattern: String, chars_max: usize) -> ObjectBuilder {
    let kind = SchemaType::Type(Type::String);
    Object::builder().schema_type(kind).min_length(Some(1)).max_length(Some(chars_max)).pattern(Some(pattern))
}

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        text(format!("^{NO_CONTROL}+$"), NAME_CHARS_MAX).into()
    }
}

impl ToSchema for Name {}

impl PartialSchema for Words {
    fn schema() -> RefOr<Schema> {
        let pattern = format!(r"^{NO_CONTROL}*[^\s\u0000-\u001f\u007f-\u009f]{NO_CONTROL}*$");
        text(pattern, WORDS_CHARS_MAX).into()
    }
}

impl ToSchema for Words {}

impl PartialSchema for Key {
    fn schema() -> RefOr<Schema> {
        text("^[!#-~]+$".to_owned(), NAME_CHARS_MAX).into()
    }
}

impl ToSchema for Key {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_something_and_a_reason_says_something() {
        let name = |text: &str| Name::try_from(text.to_owned()).is_ok();
        assert!(name("sub_1") && name("한글") && name(&"x".repeat(200)));
        assert!(!name("") && !name("a\0b") && !name("a\nb") && !name(&"x".repeat(201)));
        let words = |text: &str| Words::try_from(text.to_owned()).is_ok();
        assert!(words("the customer called") && words("  a "));
        assert!(!words("") && !words("  ") && !words("a\u{7f}") && !words(&"x".repeat(1_001)));
    }

    #[test]
    fn an_amount_is_whole_and_one_at_least() {
        #[derive(Deserialize)]
        struct Asked {
            #[serde(default, deserialize_with = "minor")]
            amount: Option<i64>,
        }
        let read = |text: &str| serde_json::from_str::<Asked>(text).map(|asked| asked.amount).ok();
        for (text, amount) in [("{}", None), (r#"{"amount": null}"#, None), (r#"{"amount": 5000.0}"#, Some(5_000))] {
            assert_eq!(read(text), Some(amount), "{text}");
        }
        for bad in ["0", "-1", "0.5", "1e300", "9007199254740992", "\"5\"", "true"] {
            assert_eq!(read(&format!("{{\"amount\": {bad}}}")), None, "{bad}");
        }
    }

    #[test]
    fn a_hidden_text_is_never_quoted() {
        for wrong in ["4111111111111111", "[\"billing-key-1\"]", "{\"a\": \"billing-key-1\"}", "\"billing-key-1"] {
            let Err(error) = serde_json::from_str::<Hidden>(wrong) else { panic!("{wrong} was taken") };
            assert!(!error.to_string().contains("41111") && !error.to_string().contains("billing"), "{error}");
        }
    }
}
