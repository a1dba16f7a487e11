//! The values so far, each with what may be shown of it and where it came from.
//!
//! What does not live here: which layers there are, and files. No `Debug` on anything that holds values: some are
//! secrets.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

use super::layers::{DEFAULTS, Given, Provenance};
use super::nearest::nearest;
use super::secret::MASK;
use super::{Config, ConfigError, Origin, url};

/// Never shown, and read from a file where a variable with `_FILE` behind its name says so.
pub(super) const SECRETS: [&str; 9] = [
    "database.url",
    "gateway.api_secret",
    "gateway.webhook_secret",
    "gateway.payment_id_key",
    "notify.webhook_url",
    "notify.webhook_secret",
    "notify.slack_url",
    "notify.pagerduty_key",
    "server.tokens",
];

/// Shown, unless there is more in them than an address.
const ADDRESSES: [&str; 2] = ["gateway.base_url", "log.otlp_endpoint"];

/// The section whose tables are named by people.
const CHANNELS: [&str; 2] = ["charge", "channels"];
const CHANNEL_KEYS: [&str; 2] = ["concurrency", "rate_per_second_max"];

/// The key of one limit of a channel, as people see it.
pub(super) fn channel_key(channel: &str, limit: &str) -> String {
    let [charge, channels] = CHANNELS;
    Key([charge, channels, channel, limit].map(str::to_owned).to_vec()).to_string()
}

/// The way to a value: sections and key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<String>);

impl Key {
    pub(super) fn dotted(text: &str) -> Self {
        Self(text.split('.').map(str::to_owned).collect())
    }

    fn under(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// The section of one channel, whatever its name.
    fn is_channel(&self) -> bool {
        matches!(self.0.as_slice(), [charge, channels, _] if [charge, channels] == CHANNELS)
    }

    /// A limit of one channel.
    fn is_channel_limit(&self) -> bool {
        matches!(self.0.as_slice(), [charge, channels, _, limit]
            if [charge, channels] == CHANNELS && CHANNEL_KEYS.contains(&limit.as_str()))
    }
}

impl fmt::Display for Key {
    /// As TOML writes it: a channel key with dots in it is in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            let bare = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            f.write_str(if i == 0 { "" } else { "." })?;
            if bare { f.write_str(part) } else { write!(f, "{part:?}") }?;
        }
        Ok(())
    }
}

/// The values so far. No `Debug`: it holds secrets.
pub(super) struct Tree {
    defaults: Table,
    values: Table,
    provenance: BTreeMap<String, Given>,
}

impl Tree {
    pub(super) fn of_defaults() -> Result<Self, ConfigError> {
        let defaults = parse(DEFAULTS, &Origin::Default)?;
        let mut tree = Self { values: defaults.clone(), defaults, provenance: BTreeMap::new() };
        for key in tree.keys() {
            if let Some(value) = look(&tree.defaults, &key) {
                let given = Given { shown: shown(&key, value), origin: Origin::Default };
                tree.provenance.insert(key.to_string(), given);
            }
        }
        Ok(tree)
    }

    /// Every key of the defaults.
    pub(super) fn keys(&self) -> Vec<Key> {
        let sections = self.defaults.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
        sections
            .flat_map(|(section, keys)| {
                let leaves = keys.iter().filter(|(_, value)| !value.is_table());
                leaves.map(move |(key, _)| Key(vec![section.clone(), key.clone()]))
            })
            .collect()
    }

    /// The keys of a file, all known ones.
    pub(super) fn leaves_of_file(&self, table: &Table, origin: &Origin) -> Result<Vec<(Key, Value)>, ConfigError> {
        let mut leaves = Vec::new();
        let mut open: Vec<(Key, &Value)> =
            table.iter().rev().map(|(name, value)| (Key(vec![name.clone()]), value)).collect();
        while let Some((key, value)) = open.pop() {
            let is_section = look(&self.defaults, &key).is_some_and(Value::is_table) || key.is_channel();
            match (is_section, value) {
                (true, Value::Table(inner)) => {
                    open.extend(inner.iter().rev().map(|(name, value)| (key.under(name), value)));
                }
                (true, _) => {
                    let reason = format!("expected a section, [{key}]");
                    // The value is not shown: nobody knows what was meant by it.
                    return Err(bad(&key, "…".to_owned(), origin.clone(), reason));
                }
                (false, _) if key.is_channel_limit() || look(&self.defaults, &key).is_some() => {
                    leaves.push((key, value.clone()));
                }
                (false, _) => return Err(self.unknown_key(&key, origin)),
            }
        }
        Ok(leaves)
    }

    fn unknown_key(&self, key: &Key, origin: &Origin) -> ConfigError {
        let known: Vec<String> = match key.0.as_slice() {
            [_, _, channel, _] => CHANNEL_KEYS.iter().map(|limit| channel_key(channel, limit)).collect(),
            _ => self.keys().iter().map(Key::to_string).collect(),
        };
        let name = key.to_string();
        // A key of another section is the commonest mistake that is far away by letters.
        let last = key.0.last().map(String::as_str);
        let elsewhere = || known.iter().find(|known| known.split('.').next_back() == last).cloned();
        let nearest = nearest(&name, known.iter().map(String::as_str)).or_else(elsewhere);
        ConfigError::UnknownKey { key: name, origin: origin.clone(), nearest }
    }

    /// Sets a value that was written as plain text, outside of TOML.
    pub(super) fn set_text(&mut self, key: &Key, text: String, origin: Origin) -> Result<(), ConfigError> {
        let Some(default) = look(&self.defaults, key) else {
            return Err(self.unknown_key(key, &origin));
        };
        match of_text(&text, default) {
            Some(value) => self.set(key, value, origin),
            None => Err(bad(key, shown(key, &Value::String(text)), origin, expected(default))),
        }
    }

    pub(super) fn set(&mut self, key: &Key, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let shown = shown(key, &value);
        let whole = Value::Integer(0);
        let default = look(&self.defaults, key).unwrap_or(&whole);
        if !value.same_type(default) {
            return Err(bad(key, shown, origin, expected(default)));
        }
        let mut alone = self.defaults.clone();
        put(&mut alone, key, value.clone());
        if let Err(error) = alone.try_into::<Config>() {
            // For numbers and lists serde's words are about Rust's types.
            let reason = if default.is_str() { error.message().to_owned() } else { expected(default) };
            return Err(bad(key, shown, origin, reason));
        }
        put(&mut self.values, key, value);
        self.provenance.insert(key.to_string(), Given { shown, origin });
        Ok(())
    }

    pub(super) fn into_config(self) -> Result<Config, ConfigError> {
        let config = self.values.try_into::<Config>().map_err(|error| ConfigError::Syntax {
            origin: Origin::Default,
            line: 0,
            message: error.message().to_owned(),
        })?;
        Ok(Config { provenance: Provenance(self.provenance), ..config })
    }
}

pub(super) fn parse(text: &str, origin: &Origin) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        // Not the error's own `Display`: that prints the line, and the line may be a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Syntax { origin: origin.clone(), line, message: error.message().to_owned() }
    })
}

fn look<'a>(table: &'a Table, key: &Key) -> Option<&'a Value> {
    let (first, rest) = key.0.split_first()?;
    rest.iter().try_fold(table.get(first)?, |value, name| value.get(name))
}

fn put(table: &mut Table, key: &Key, value: Value) {
    let Some((last, sections)) = key.0.split_last() else {
        return;
    };
    let mut table = table;
    for section in sections {
        let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else { return };
        table = inner;
    }
    table.insert(last.clone(), value);
}

/// Reads plain text as what the default is: `5` is a number for one key and text for another; a list is `1,3,5`.
fn of_text(text: &str, default: &Value) -> Option<Value> {
    match default {
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(items) => {
            let item = items.first()?;
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| of_text(part, item)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        _ => Some(Value::String(text.to_owned())),
    }
}

fn expected(default: &Value) -> String {
    match default {
        Value::Integer(_) => "expected a whole number, 0 or more".to_owned(),
        Value::Boolean(_) => "expected true or false".to_owned(),
        Value::Array(_) => format!("expected a list such as {default}"),
        _ => "expected text, in quotes".to_owned(),
    }
}

/// The value as people may see it.
fn shown(key: &Key, value: &Value) -> String {
    let name = key.to_string();
    match value.as_str() {
        Some("") => "\"\"".to_owned(),
        Some(text) if name == "database.url" => format!("{:?}", url::mask(text)),
        // Somebody may have put a password or a key into it.
        Some(text) if ADDRESSES.contains(&name.as_str()) && text.contains(['@', '?', '#']) => MASK.to_owned(),
        _ if SECRETS.contains(&name.as_str()) => MASK.to_owned(),
        _ => value.to_string(),
    }
}

fn bad(key: &Key, shown: String, origin: Origin, reason: String) -> ConfigError {
    ConfigError::Bad { key: key.to_string(), shown, origin, reason }
}
