//! The shape of every answer, field by field, for the API's description.
//!
//! The rows and reports are the store's and the engine's, and know nothing of HTTP: what they look like as JSON stands here,
//! and the tests hold real answers against it.

mod figures;
mod rows;

use super::super::Problem;
use super::cursor;
use crate::domain::brakes::Brake;
use crate::domain::by_hand::resolve::AGAINST_WORDS_MIN;
use crate::domain::renewal::State;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Components, OneOfBuilder, OpenApi, Ref, RefOr};
use utoipa::{Modify, PartialSchema};

/// Puts all of them into the description.
pub(super) struct Schemas;

impl Modify for Schemas {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        let all = [rows::ALL, figures::ALL, &[PROBLEM]].concat();
        components.schemas.extend(all.iter().map(|shape| (shape.name.to_owned(), shape.schema())));
    }
}

/// An object, described.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    name: &'static str,
    about: &'static str,
    /// A field a line: its name, its kind, and what it means. A name that ends with `?` may be left out; a kind that ends
    /// with `?` may be null.
    fields: &'static str,
}

const PROBLEM: Shape = Shape {
    name: "Problem",
    about: "Why something is not done, as RFC 9457 has it.",
    fields: "
        title text The status, in words.
        status int The status.
        detail text What happened.
        money? text What it means for the money, where that is a question.
        hints? texts What to do, one thing each.
    ",
};

impl Shape {
    fn schema(&self) -> RefOr<Schema> {
        let mut object = ObjectBuilder::new().description(Some(self.about));
        for line in self.fields.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let about = words.next();
            let name = match name.strip_suffix('?') {
                Some(name) => name,
                None => {
                    object = object.required(name);
                    name
                }
            };
            object = object.property(name, field(kind, about));
        }
        object.into()
    }
}

/// One field: `text`, `int`, `flag`, `time`, `date`, `uuid`, `map` (an object of any kind), `sums` (numbers by name), `words`
/// (texts by name), `texts`, `dates`, `pairs`, a shape's `Name`, or a list of them, `[Name]`.
fn field(kind: &str, about: Option<&str>) -> RefOr<Schema> {
    let (kind, may_be_null) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
    let list = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']'));
    if let Some(name) = list {
        return ArrayBuilder::new().items(Ref::from_schema_name(name)).description(about).into();
    }
    if kind.starts_with(char::is_uppercase) {
        return reference(kind, may_be_null);
    }
    let array = |of: Object| ArrayBuilder::new().items(of).description(about).into();
    match kind {
        "texts" => return array(plain(Type::String).build()),
        "dates" => return array(formatted(KnownFormat::Date).build()),
        "pairs" => {
            let pair = ArrayBuilder::new().items(plain(Type::String)).min_items(Some(2)).max_items(Some(2));
            return ArrayBuilder::new().items(pair).description(about).into();
        }
        _ => {}
    }
    let object = match kind {
        "int" => plain(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))),
        "flag" => plain(Type::Boolean),
        "time" => formatted(KnownFormat::DateTime),
        "date" => formatted(KnownFormat::Date),
        "uuid" => plain(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned()))),
        "map" => plain(Type::Object).additional_properties(Some(AdditionalProperties::FreeForm(true))),
        "sums" => plain(Type::Object).additional_properties(Some(plain(Type::Integer))),
        "words" => plain(Type::Object).additional_properties(Some(plain(Type::String))),
        _ => plain(Type::String),
    };
    let object = object.description(about).build();
    if may_be_null { nullable(object) } else { object.into() }
}

fn reference(name: &str, may_be_null: bool) -> RefOr<Schema> {
    let named = Ref::from_schema_name(name);
    if may_be_null {
        return OneOfBuilder::new().item(plain(Type::Null).build()).item(named).into();
    }
    named.into()
}

fn nullable(mut object: Object) -> RefOr<Schema> {
    if let SchemaType::Type(kind) = &object.schema_type {
        object.schema_type = SchemaType::Array(vec![kind.clone(), Type::Null]);
    }
    object.into()
}

fn plain(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn formatted(format: KnownFormat) -> ObjectBuilder {
    plain(Type::String).format(Some(SchemaFormat::KnownFormat(format)))
}

pub(super) fn renewals_cursor() -> RefOr<Schema> {
    plain(Type::String).pattern(Some(cursor::RENEWALS)).into()
}

pub(super) fn runs_cursor() -> RefOr<Schema> {
    plain(Type::String).pattern(Some(cursor::RUNS)).into()
}

/// The states of a renewal.
pub(super) fn state() -> RefOr<Schema> {
    plain(Type::String).enum_values(Some(State::ALL.map(State::as_str))).into()
}

/// Names of brakes.
pub(super) fn brakes() -> RefOr<Schema> {
    let brake = plain(Type::String).enum_values(Some(Brake::ALL.map(Brake::as_str))).build();
    let about = "Goes on without these brakes, if the plan is right.";
    ArrayBuilder::new().items(brake).description(Some(about)).into()
}

/// What a person says of a renewal under review.
pub(super) fn answer() -> RefOr<Schema> {
    let about = "`paid`: the money is there, as ordered, and the period is given. `not_charged`: it ends without money. \
        `refunded`: all of the money is back. `retry`: nothing was charged, charge it again now.";
    let words = ["paid", "not_charged", "refunded", "retry"];
    plain(Type::String).enum_values(Some(words)).description(Some(about)).into()
}

/// What a person knows and the gateway does not.
pub(super) fn against() -> RefOr<Schema> {
    let about = format!(
        "Goes on where the gateway shows something else, with what you know and it does not, in {AGAINST_WORDS_MIN} \
         characters or more. Never charges, and never gives a period."
    );
    let RefOr::T(Schema::Object(words)) = super::asked::Words::schema() else { return plain(Type::String).into() };
    let visible = r"[^\s\u0000-\u001f\u007f-\u009f]";
    let any = r"[^\u0000-\u001f\u007f-\u009f]";
    let object = ObjectBuilder::from(words)
        .min_length(Some(AGAINST_WORDS_MIN))
        .pattern(Some(format!("^{any}*{visible}{any}{{{},}}{visible}{any}*$", AGAINST_WORDS_MIN - 2)))
        .description(Some(about))
        .build();
    nullable(object)
}

/// Says which shape is whose.
macro_rules! shapes {
    ($($type:ty = $name:literal, $about:literal, $fields:literal;)+) => {
        pub(super) const ALL: &[super::Shape] =
            &[$(super::Shape { name: $name, about: $about, fields: $fields }),+];

        $(
            impl utoipa::PartialSchema for $type {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                    super::Shape { name: $name, about: $about, fields: $fields }.schema()
                }
            }

            impl utoipa::ToSchema for $type {
                fn name() -> std::borrow::Cow<'static, str> {
                    $name.into()
                }
            }
        )+
    };
}
use shapes;

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        PROBLEM.schema()
    }
}

impl utoipa::ToSchema for Problem {}
