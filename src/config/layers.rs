//! Defaults, then the file, then the environment, then flags: each value with its source.
//!
//! Every value is tried alone, in place of its default, so that whatever is wrong with it has exactly one suspect. The
//! rules between keys come after that, in `check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::nearest::nearest;
use super::tree::{Key, SECRETS, Tree, parse};
use super::{Config, ConfigError, Environment, Origin, check};

/// The first layer, and the complete list of keys.
pub(super) const DEFAULTS: &str = include_str!("../../config/renewd.toml");

/// Names that PortOne's users and every host already have.
const WELL_KNOWN: [(&str, &str); 9] = [
    ("DATABASE_URL", "database.url"),
    ("PORTONE_API_BASE", "gateway.base_url"),
    ("PORTONE_API_SECRET", "gateway.api_secret"),
    ("PORTONE_STORE_ID", "gateway.store_id"),
    ("PORTONE_CHANNEL_KEY", "gateway.channel_key"),
    ("PORTONE_WEBHOOK_SECRET", "gateway.webhook_secret"),
    ("RENEWD_PAYMENT_ID_KEY", "gateway.payment_id_key"),
    ("GOOGLE_CLOUD_PROJECT", "log.google_project"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "log.otlp_endpoint"),
];

/// Longest file of settings or secrets that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A flag of the command line that stands for a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As it was typed: `--log-level`.
    pub name: &'static str,
    /// Such as `log.level`.
    pub key: &'static str,
    pub value: String,
}

/// What lies over the defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The file given by `--config`.
    pub file: Option<PathBuf>,
    pub environment: Environment,
    pub flags: Vec<Flag>,
}

/// One value as people may see it, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// As it would be written in the file; a secret is masked.
    pub shown: String,
    pub origin: Origin,
}

/// Every key with its value and source, in alphabetical order.
#[derive(Clone, Debug, Default)]
pub struct Provenance(pub(super) BTreeMap<String, Given>);

impl Provenance {
    /// All keys, for people: `gateway.call_timeout`, `"75s"`, the default.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.0.iter().map(|(key, given)| (key.as_str(), given))
    }

    /// The error for a value that a later step found wrong: a cron line, a file that does not exist.
    pub fn refuse(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        let unset = Given { shown: "nothing".to_owned(), origin: Origin::Default };
        let Given { shown, origin } = self.0.get(key).cloned().unwrap_or(unset);
        ConfigError::Bad { key: key.to_owned(), shown, origin, reason: reason.into() }
    }
}

impl Config {
    /// Reads all layers and checks the result. Opens files, connects to nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key and source.
    pub fn load(layers: &Layers) -> Result<Self, ConfigError> {
        let mut tree = Tree::of_defaults()?;
        if let Some(path) = &layers.file {
            let origin = Origin::File(path.clone());
            let table = parse(&read(path, "--config")?, &origin)?;
            for (key, value) in tree.leaves_of_file(&table, &origin)? {
                tree.set(&key, value, origin.clone())?;
            }
        }
        for (key, text, origin) in of_environment(&tree, &layers.environment)? {
            tree.set_text(&key, text, origin)?;
        }
        for flag in &layers.flags {
            tree.set_text(&Key::dotted(flag.key), flag.value.clone(), Origin::Flag(flag.name.to_owned()))?;
        }
        let config = tree.into_config()?;
        check::across(&config)?;
        Ok(config)
    }
}

/// A variable that gives a key.
pub(super) struct Name {
    pub(super) text: String,
    /// Its value is the path of a file that holds the key's value.
    of_file: bool,
}

/// The names that a key goes by in the environment, the best known first.
pub(super) fn names_of(key: &str) -> Vec<Name> {
    let well_known = WELL_KNOWN.iter().filter(|(_, of)| *of == key).map(|(name, _)| (*name).to_owned());
    let own = format!("RENEWD_{}", key.to_uppercase().replace('.', "__"));
    let mut names: Vec<Name> = well_known.chain([own]).map(|text| Name { text, of_file: false }).collect();
    if SECRETS.contains(&key) {
        let files: Vec<String> = names.iter().map(|name| format!("{}_FILE", name.text)).collect();
        names.extend(files.into_iter().map(|text| Name { text, of_file: true }));
    }
    names
}

/// What the environment gives: key, text, source. Every variable of ours must be known.
fn of_environment(tree: &Tree, environment: &Environment) -> Result<Vec<(Key, String, Origin)>, ConfigError> {
    let mut found: Vec<(Key, String, Origin)> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for key in tree.keys() {
        let names = names_of(&key.to_string());
        let mut given = names.iter().filter_map(|name| Some((name, environment.get(&name.text)?)));
        if let Some((name, value)) = given.next() {
            if let Some((second, _)) = given.next() {
                let (first, second) = (name.text.clone(), second.text.clone());
                return Err(ConfigError::Twice { key: key.to_string(), first, second });
            }
            let (text, origin) = match name.of_file {
                true => of_file(&name.text, value)?,
                false => (value.to_owned(), Origin::Variable(name.text.clone())),
            };
            found.push((key, text, origin));
        }
        known.extend(names.into_iter().map(|name| name.text));
    }
    let stray =
        |name: &&str| name.starts_with("RENEWD_") && !is_of_kubernetes(name) && !known.iter().any(|k| k == name);
    if let Some(name) = environment.names().find(stray) {
        let nearest = nearest(name, known.iter().map(String::as_str));
        return Err(ConfigError::UnknownVariable { name: name.to_owned(), nearest });
    }
    Ok(found)
}

/// The content of a secret's file, without the line break at its end.
fn of_file(name: &str, path: &str) -> Result<(String, Origin), ConfigError> {
    let path = PathBuf::from(path);
    let text = read(&path, name)?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        let source = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file is empty");
        return Err(ConfigError::Unreadable { path, given_by: name.to_owned(), source });
    }
    Ok((text, Origin::FileOfVariable { name: name.to_owned(), path }))
}

/// Kubernetes sets these for a Service that is called `renewd`, in every container beside it.
fn is_of_kubernetes(name: &str) -> bool {
    let rest = name.trim_start_matches("RENEWD_");
    let port = rest.strip_prefix("PORT").is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    port || rest == "SERVICE_HOST" || rest == "SERVICE_PORT" || rest.starts_with("SERVICE_PORT_")
}

/// Reads a small text file.
fn read(path: &Path, given_by: &str) -> Result<String, ConfigError> {
    use std::io::{Error, ErrorKind, Read};
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), given_by: given_by.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let length = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(unreadable(Error::new(ErrorKind::FileTooLarge, "it is longer than 1 MiB")));
    }
    Ok(text)
}
