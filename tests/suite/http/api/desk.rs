//! An operator and a viewer in front of a daemon. Every answer that they get is held against the description.

use super::described::offences;
use crate::http::served::{Answer, On, Served, Stage};
use reqwest::Method;
use serde_json::Value;

/// A reason, as every write wants one.
pub const WHY: &str = "the customer called";

pub struct Desk {
    pub stage: Stage,
    pub served: Served,
    pub operator: String,
    pub viewer: String,
    document: Value,
}

impl Desk {
    /// A daemon that charges nothing by itself: its lines tick at another time.
    pub fn on(on: On, subscribers: &[(&str, &str)]) -> Self {
        Self::after(on, subscribers, |_| {})
    }

    /// The same, with something done before the daemon starts.
    pub fn after(on: On, subscribers: &[(&str, &str)], before: impl FnOnce(&mut Stage)) -> Self {
        let mut stage = Stage::on(on, subscribers);
        stage.without_runs_of_its_own();
        let operator = stage.token("haneul", "operator");
        let viewer = stage.token("grafana", "viewer");
        before(&mut stage);
        let served = stage.serve().up();
        let document = served.get("/api/openapi.json").json();
        Self { stage, served, operator, viewer, document }
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The daemon ends, and another one starts.
    pub fn again(mut self) -> Self {
        let next = self.stage.serve().up();
        std::mem::replace(&mut self.served, next).stop();
        self
    }

    /// A request with the operator's token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.served.request(method, &format!("/api/v1{path}")).bearer_auth(&self.operator)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("get", path, self.request(Method::GET, path))
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("post", path, self.request(Method::POST, path).json(body))
    }

    /// With an `Idempotency-Key`.
    #[track_caller]
    pub fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send("post", path, self.request(Method::POST, path).header("idempotency-key", key).json(body))
    }

    /// Sends it, and holds the answer against the description.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, request: reqwest::RequestBuilder) -> Answer {
        let answer = self.served.send(request);
        let kind = answer.headers["content-type"].to_str().unwrap();
        let path = format!("/api/v1{path}");
        let found = offences(&self.document, &path, method, answer.status.as_u16(), kind, &answer.json());
        assert!(found.is_empty(), "{found:#?} in {answer:#?}");
        answer
    }

    /// The subscription's timeline.
    #[track_caller]
    pub fn show(&self, id: &str) -> Value {
        let answer = self.get(&format!("/renewals/{id}"));
        assert_eq!(answer.status, 200, "{answer:#?}");
        answer.json()
    }

    /// Starts a run, waits for its end, and answers its row.
    #[track_caller]
    pub fn run(&self, body: &Value) -> Value {
        let answer = self.post("/runs", body);
        assert_eq!(answer.status, 202, "{answer:#?}");
        self.wait_for(&answer)
    }

    /// The row of a run that was started, once it is over.
    #[track_caller]
    pub fn wait_for(&self, started: &Answer) -> Value {
        let path = started.headers["location"].to_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
        let mut row = Value::Null;
        crate::cli::running::wait_until("the run's end", || {
            row = self.get(&path).json();
            row["status"] != "running"
        });
        row
    }

    /// What was done by hand, as `kind by actor: reason`, the oldest first.
    pub fn actions(&self, id: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
        let shown = self.show(id);
        let actions = shown["actions"].as_array().unwrap();
        let told = |row: &Value| format!("{} by {}: {}", text(&row["kind"]), text(&row["actor"]), text(&row["reason"]));
        actions.iter().map(told).collect()
    }

    /// The sums that the gateway gave back, in order.
    pub fn given_back(&self) -> Vec<i64> {
        let ledger = std::fs::read_to_string(self.stage.place.path("ledger.jsonl")).unwrap();
        let lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["kind"] == "given_back").map(|line| line["amount"].as_i64().unwrap()).collect()
    }
}
