//! Answers against the description: as much of JSON Schema as it uses, and stricter: what is not described is not told.

use serde_json::{Map, Value};

/// What of an answer is not as the operation's description has it.
pub fn offences(document: &Value, path: &str, method: &str, status: u16, kind: &str, body: &Value) -> Vec<String> {
    let operation = &document["paths"][template(document, path)][method];
    let response = &operation["responses"][status.to_string()];
    if response.is_null() {
        return vec![format!("{method} {path}: {status} is not described")];
    }
    let schema = &response["content"][kind]["schema"];
    if schema.is_null() {
        return vec![format!("{method} {path}: {status} as {kind} is not described")];
    }
    let mut offences = Vec::new();
    check(document, schema, body, "body", &mut offences);
    offences
}

/// The path of the description that this one is one of.
fn template<'d>(document: &'d Value, path: &str) -> &'d str {
    let path = path.split('?').next().unwrap();
    let is_one = |template: &&String| {
        let (mine, theirs): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        mine.len() == theirs.len()
            && mine.iter().zip(theirs).all(|(mine, their)| their.starts_with('{') || *mine == their)
    };
    document["paths"].as_object().unwrap().keys().find(is_one).unwrap_or_else(|| panic!("{path} is not described"))
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, offences: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let named = document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is nowhere"));
        return check(document, named, value, at, offences);
    }
    if let Some(either) = schema["oneOf"].as_array() {
        let fits = |schema: &Value| {
            let mut offences = Vec::new();
            check(document, schema, value, at, &mut offences);
            offences.is_empty()
        };
        if !either.iter().any(fits) {
            offences.push(format!("{at} is none of {either:?}: {value}"));
        }
        return;
    }
    if !kinds(schema).iter().any(|kind| is_of(kind, value)) {
        offences.push(format!("{at} is not {}: {value}", schema["type"]));
    }
    if schema["format"] == "uuid" && value.as_str().is_some_and(|text| uuid::Uuid::parse_str(text).is_err()) {
        offences.push(format!("{at} is no UUID: {value}"));
    }
    if let Some(fields) = value.as_object() {
        check_fields(document, schema, fields, at, offences);
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{at}[{number}]"), offences);
    }
}

fn check_fields(document: &Value, schema: &Value, fields: &Map<String, Value>, at: &str, offences: &mut Vec<String>) {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    offences.extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}.{name} is missing")));
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(true)) => {}
            (Value::Null, Value::Null) => offences.push(format!("{at} is not described")),
            (Value::Null, others) => check(document, others, value, &at, offences),
            (described, _) => check(document, described, value, &at, offences),
        }
    }
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[test]
fn what_is_not_as_described_is_found() {
    let document = serde_json::json!({
        "paths": { "/a/{id}": { "get": { "responses": { "200": { "content": { "application/json": {
            "schema": { "$ref": "#/shapes/A" },
        } } } } } } },
        "shapes": { "A": { "type": "object", "required": ["n"], "properties": {
            "n": { "type": "integer" }, "t": { "type": ["string", "null"] }, "l": { "type": "array", "items": { "type": "string" } },
        } } },
    });
    let of = |body: Value| offences(&document, "/a/1?x=2", "get", 200, "application/json", &body);
    assert_eq!(of(serde_json::json!({ "n": 1, "t": null, "l": ["x"] })), [""; 0]);
    for bad in [
        serde_json::json!({}),
        serde_json::json!({ "n": "1" }),
        serde_json::json!({ "n": 1, "t": 2 }),
        serde_json::json!({ "n": 1, "l": [3] }),
        serde_json::json!({ "n": 1, "other": 2 }),
        serde_json::json!([]),
    ] {
        assert!(!of(bad.clone()).is_empty(), "{bad}");
    }
    assert!(!offences(&document, "/a/1", "get", 404, "application/json", &Value::Null).is_empty());
}
