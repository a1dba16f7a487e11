//! The settings: whether they can be read, and whether they are all there.

use super::super::Global;
use super::super::by_hand::user_of_process;
use super::super::figures::local;
use super::check::{Check, NOTHING_CHARGED, advice};
use crate::app::{App, SetupError};
use crate::config::{Config, ConfigError, Environment, Layers};
use crate::schedule::Line;

const SETTINGS: &str = "settings";

/// The program with its settings; `None` where nothing further can be looked at without them.
pub(super) fn look(global: &Global, environment: Environment, checks: &mut Vec<Check>) -> Option<App> {
    let actor = user_of_process(&environment);
    let layers = Layers { file: global.config.clone(), environment, flags: Vec::new() };
    let read = Config::load(&layers).map_err(SetupError::from);
    let app = match read.and_then(|config| App::new(config, global.clock, actor)) {
        Ok(app) => app,
        Err(error) => {
            checks.push(of_error(&error));
            return None;
        }
    };
    let given = app.config.provenance.iter().filter(|(_, given)| given.origin != crate::config::Origin::Default);
    checks.push(Check::ok(SETTINGS, format!("{} given, the rest as in config/renewd.toml", given.count())));
    checks.push(match app.config.gateway.require() {
        Ok(credentials) => {
            let (store, channels) = (credentials.store_id, app.channel_type().as_str());
            Check::ok("credentials", format!("for {store}, {channels} channels"))
        }
        Err(error) => {
            let todo = "give both, as the store's page in PortOne's console shows them; a secret may come from a file";
            Check::wrong("credentials", error.to_string(), advice(NOTHING_CHARGED, todo))
        }
    });
    checks.push(decline_tables(&app));
    checks.push(times(&app));
    Some(app)
}

fn of_error(error: &SetupError) -> Check {
    let todo = match error {
        SetupError::Config(ConfigError::UnknownKey { .. } | ConfigError::UnknownVariable { .. }) => {
            "correct its name, or take it out: config/renewd.toml lists every key"
        }
        SetupError::Config(ConfigError::Unreadable { .. }) => {
            "see that the file is there and that the user whom renewd runs as may read it"
        }
        SetupError::TestClock { .. } => "leave --clock away",
        _ => "correct the value where it comes from; config/renewd.toml explains every key",
    };
    Check::wrong(SETTINGS, error.to_string(), advice("nothing is charged: no command starts with these settings", todo))
}

fn decline_tables(app: &App) -> Check {
    const NAME: &str = "decline tables";
    match app.decline_tables() {
        Ok(_) if app.config.declines.codes_file.is_some() || app.config.declines.messages_file.is_some() => {
            Check::ok(NAME, "read from the files that are set")
        }
        Ok(_) => Check::ok(NAME, "built in"),
        Err(error) => {
            let todo = "mend the file, or unset declines.codes_file and declines.messages_file";
            Check::wrong(NAME, format!("{error:#}"), advice(NOTHING_CHARGED, todo))
        }
    }
}

/// When the daemon would do what, in the zone's own time.
fn times(app: &App) -> Check {
    let now = app.clock.now();
    let offset = now.with_timezone(&app.zone.tz()).format("%:z");
    let next = |text: &str| Line::parse(text, app.zone).ok().and_then(|line| line.next(now));
    let renewals = next(&app.config.schedule.renewals).map_or("never".to_owned(), |at| local(at, app.zone));
    let (zone, data) = (app.zone.name(), chrono_tz::IANA_TZDB_VERSION);
    Check::ok("times", format!("{zone} is {offset} now (time zone data {data}); the daemon's next run: {renewals}"))
}
