//! A walker of PortOne's OpenAPI document, where there is a copy of it: required members, types, enums, one-ofs by
//! their discriminator. A generic validator refuses PortOne's own answers, because their variants overlap.

use serde_json::Value;

/// Where a copy of the document may lie, seen from the repository's root. Without it these checks check nothing.
const DOCUMENT: &str = "../shared/portone/openapi.json";

pub(super) struct Schemas(Value);

impl Schemas {
    pub(super) fn load() -> Option<Self> {
        let text = std::fs::read_to_string(DOCUMENT).ok()?;
        Some(Self(serde_json::from_str(&text).unwrap()))
    }

    /// A request may not have a member that the document does not know.
    pub(super) fn assert_request(&self, name: &str, value: &Value) {
        self.assert(name, value, true);
    }

    /// An answer may have more members than the document knows.
    pub(super) fn assert_answer(&self, name: &str, value: &Value) {
        self.assert(name, value, false);
    }

    fn assert(&self, name: &str, value: &Value, closed: bool) {
        let mut problems = Vec::new();
        self.walk(self.named(name), value, name, closed, &mut problems);
        assert!(problems.is_empty(), "{problems:#?}\n{value:#}");
    }

    fn named(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(schema.is_object(), "the document has no {name}");
        schema
    }

    fn referred(&self, reference: &str) -> &Value {
        self.named(reference.rsplit('/').next().unwrap())
    }

    fn walk(&self, schema: &Value, value: &Value, at: &str, closed: bool, problems: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.walk(self.referred(reference), value, at, closed, problems);
        }
        if schema["oneOf"].is_array() {
            return self.walk_variant(schema, value, at, closed, problems);
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            problems.push(format!("{at}: {value} is none of the {} known words", words.len()));
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        if !fits {
            problems.push(format!("{at}: {value} is no {}", schema["type"]));
        }
        for (number, item) in value.as_array().into_iter().flatten().enumerate() {
            self.walk(&schema["items"], item, &format!("{at}[{number}]"), closed, problems);
        }
        if schema["properties"].is_object() {
            self.walk_members(schema, value, at, closed, problems);
        }
    }

    fn walk_variant(&self, schema: &Value, value: &Value, at: &str, closed: bool, problems: &mut Vec<String>) {
        let discriminator = &schema["discriminator"];
        let word = value[discriminator["propertyName"].as_str().unwrap()].as_str().unwrap_or_default();
        match discriminator["mapping"][word].as_str() {
            Some(reference) => self.walk(self.referred(reference), value, at, closed, problems),
            None => problems.push(format!("{at}: no variant is called {word:?}")),
        }
    }

    fn walk_members(&self, schema: &Value, value: &Value, at: &str, closed: bool, problems: &mut Vec<String>) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value[required].is_null() {
                problems.push(format!("{at}.{required} is missing"));
            }
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            match &schema["properties"][name] {
                Value::Null if closed => problems.push(format!("{at}.{name} is unknown")),
                Value::Null => {}
                known => self.walk(known, member, &format!("{at}.{name}"), closed, problems),
            }
        }
    }
}

#[test]
fn the_walker_sees_what_is_wrong() {
    let document = serde_json::json!({ "components": { "schemas": {
        "A": { "type": "object", "required": ["x"], "properties": {
            "x": { "type": "integer" }, "y": { "$ref": "#/components/schemas/Y" }, "z": { "$ref": "#/components/schemas/Z" } } },
        "Y": { "type": "string", "enum": ["P"] },
        "Z": { "oneOf": [], "discriminator": { "propertyName": "t", "mapping": { "a": "#/components/schemas/A" } } },
    } } });
    let schemas = Schemas(document);
    let problems = |text: &str| {
        let mut problems = Vec::new();
        schemas.walk(schemas.named("A"), &serde_json::from_str(text).unwrap(), "A", true, &mut problems);
        problems.len()
    };
    assert_eq!(problems(r#"{"x":1,"y":"P","z":{"t":"a","x":2}}"#), 1, "z's t is unknown to A");
    assert_eq!(problems(r#"{"x":1}"#), 0);
    for bad in [r#"{}"#, r#"{"x":"1"}"#, r#"{"x":1,"y":"Q"}"#, r#"{"x":1,"w":1}"#, r#"{"x":1,"z":{"t":"b"}}"#, "[]"] {
        assert!(problems(bad) > 0, "{bad}");
    }
}
