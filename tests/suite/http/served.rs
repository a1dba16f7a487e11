//! A daemon as a real process, and a client that asks it over real HTTP.

use crate::cli::database::{block_on, on_postgres};
use crate::cli::place::{Place, Said};
use crate::cli::running::{Running, Simulator, wait_until};
use crate::cli::{NOW, lines};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Cloud Run, and systemd as it is told, kill after ten seconds.
const STOP_MAX: Duration = Duration::from_millis(9_500);

/// The database that a test runs on; each test runs on both.
#[derive(Clone, Copy, Debug)]
pub enum On {
    Sqlite,
    Postgres,
}

impl On {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// An empty folder whose commands use this database; no tables yet.
    pub fn place(self) -> Place {
        match self {
            Self::Sqlite => Place::empty(),
            Self::Postgres => Place::empty().with("DATABASE_URL", &on_postgres("http")),
        }
    }
}

/// A migrated database with subscribers and a gateway; a daemon is started when it is asked for.
pub struct Stage {
    pub place: Place,
    pub simulator: Simulator,
    tokens: Vec<String>,
}

impl Stage {
    /// Subscribers are named `sub_…` and told by their name and billing key.
    pub fn on(on: On, subscribers: &[(&str, &str)]) -> Self {
        Self::of(on.place(), subscribers)
    }

    /// The same with a database of the test's own.
    pub fn of(mut place: Place, subscribers: &[(&str, &str)]) -> Self {
        place.run(&["migrate"]).ok();
        let simulator = Simulator::start(&place, &[]);
        simulator.tell(&mut place);
        let stage = Self { place, simulator, tokens: Vec::new() };
        stage.subscribe(subscribers);
        stage
    }

    pub fn subscribe(&self, subscribers: &[(&str, &str)]) {
        if !subscribers.is_empty() {
            self.place.import(&lines(subscribers));
        }
    }

    /// A daemon of it does nothing unasked: its lines tick at another time.
    pub fn without_runs_of_its_own(&mut self) {
        for line in ["RENEWALS", "RECONCILIATION", "LOOK_AHEAD"] {
            self.place.set(&format!("RENEWD_SCHEDULE__{line}"), "0 0 23 * * *");
        }
    }

    /// Each charge takes six seconds from now on.
    pub fn slow_approval(&self) {
        let slow = serde_json::json!({ "when": "always", "trouble": { "kind": "slow_approval", "millis": 6_000 } });
        self.tell_simulator(Method::POST, "rules", &slow);
    }

    /// Asks for something of the simulator's own, below `/_simulator/`.
    pub fn tell_simulator(&self, method: Method, what: &str, body: &Value) {
        // Only one can be installed; each that comes first does.
        renewd::app::install_tls();
        let url = format!("{}/_simulator/{what}", self.simulator.told("PORTONE_API_BASE"));
        let request = reqwest::Client::new().request(method, url).header("authorization", "PortOne simulator-secret");
        assert!(block_on(request.body(body.to_string()).send()).unwrap().status().is_success());
    }

    /// A new token, for daemons that are started from now on.
    pub fn token(&mut self, name: &str, role: &str) -> String {
        let made = self.place.run(&["--output", "json", "token", name, "--role", role]).ok().json();
        self.tokens.push(made["setting"].as_str().unwrap().to_owned());
        self.place.set("RENEWD_SERVER__TOKENS", &self.tokens.join(", "));
        made["token"].as_str().unwrap().to_owned()
    }

    /// What the settings hold of somebody's token.
    pub fn setting(&self, name: &str) -> String {
        let is_theirs = |setting: &&String| setting.starts_with(&format!("{name} "));
        self.tokens.iter().find(is_theirs).unwrap().clone()
    }

    /// A daemon at [`NOW`] that listens; it need not have its database yet.
    pub fn serve(&self) -> Served {
        self.serve_at(NOW)
    }

    pub fn serve_at(&self, clock: &str) -> Served {
        Served::start(&self.place, clock)
    }
}

/// A daemon that listens.
pub struct Served {
    running: Running,
    pub url: String,
    client: reqwest::Client,
}

impl Served {
    pub fn start(place: &Place, clock: &str) -> Self {
        let running = place.start(&["--clock", clock, "daemon"]);
        let mut url = None;
        wait_until("the daemon's address", || {
            let said = running.said();
            url = said.split("http://127.0.0.1:").nth(1).map(|rest| {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                format!("http://127.0.0.1:{port}")
            });
            // The whole line is there.
            url.is_some() && said.ends_with('\n')
        });
        // Only one can be installed; each that comes first does.
        renewd::app::install_tls();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            // Each call has a runtime of its own, and takes no connection over from another.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { running, url: url.unwrap(), client }
    }

    /// Waits until it works.
    pub fn up(self) -> Self {
        self.wait_for("readiness", "/readyz", |answer| answer.status == StatusCode::OK);
        self
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).unwrap_or_else(|err| panic!("no answer: {err:?}\n{}", self.said()))
    }

    /// The same, where no answer is an answer.
    pub fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok(Answer { status, headers, text: response.text().await? })
        })
    }

    /// Sends, and hangs up as soon as `is_so`, whether an answer came or not.
    pub fn hang_up_when(&self, request: reqwest::RequestBuilder, what: &str, is_so: impl FnMut() -> bool) {
        let (hang_up, told) = tokio::sync::oneshot::channel::<()>();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                block_on(async {
                    tokio::select! {
                        _ = request.send() => {}
                        _ = told => {}
                    }
                });
            });
            wait_until(what, is_so);
            drop(hang_up);
        });
    }

    /// Asks until the answer is as wanted, for a bounded time.
    pub fn wait_for(&self, what: &str, path: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
        for _ in 0..2_400 {
            let answer = self.get(path);
            if is_so(&answer) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{what} did not come: {:#?}\n{}", self.get(path), self.said());
    }

    pub fn said(&self) -> String {
        self.running.said()
    }

    /// Ends it as a machine ends that loses its power.
    pub fn kill(self) {
        self.running.signal("KILL");
        self.running.end(STOP_MAX);
    }

    /// Stops it, in time and with exit code 0.
    #[track_caller]
    pub fn stop(self) -> Said {
        self.running.signal("TERM");
        let said = self.running.end(STOP_MAX);
        assert_eq!(said.code, Some(0), "{said:#?}");
        said
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("no JSON ({err}): {self:#?}"))
    }

    /// A problem of that status, whose words hold all of these.
    #[track_caller]
    pub fn is_problem(&self, status: u16, words: &[&str]) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:#?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:#?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem:#}");
        for word in words {
            assert!(self.text.contains(word), "{word:?} is not told: {problem:#}");
        }
        problem
    }
}
