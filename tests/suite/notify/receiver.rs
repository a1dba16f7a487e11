//! Somebody who is told of events: a real HTTP server on a loopback port, that takes them, or does what goes wrong.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The type of an event of ours.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// What the receiver does.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    Take,
    Answer(u16),
    /// 503, and when to come again, in seconds.
    AskLater(u32),
    /// To another path of its own.
    Redirect,
    /// Never answers.
    Hang,
    /// Refuses, in more bytes than anybody wants to read.
    RefuseAtLength,
    /// Takes it, and never ends its answer.
    TakeAtLength,
}

#[derive(Default)]
struct Inner {
    heard: Mutex<Vec<Heard>>,
    does: Mutex<Option<Does>>,
    about: Mutex<BTreeMap<String, Does>>,
}

pub struct Receiver {
    inner: Arc<Inner>,
    address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(hear).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, address, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// What it does from now on.
    pub fn does(&self, does: Does) {
        *self.inner.does.lock().unwrap() = Some(does);
    }

    /// What it does with messages that hold this text.
    pub fn does_about(&self, text: &str, does: Does) {
        self.inner.about.lock().unwrap().insert(text.to_owned(), does);
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.inner.heard.lock().unwrap().clone()
    }

    /// What came since the last time.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.inner.heard.lock().unwrap())
    }

    /// Waits until so many messages came.
    pub async fn has_heard(&self, count: usize) {
        for _ in 0..24_000 {
            if self.heard().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("only {} messages came", self.heard().len());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    inner.heard.lock().unwrap().push(Heard { path: uri.path().to_owned(), headers, body });
    let about =
        inner.about.lock().unwrap().iter().find(|(about, _)| text.contains(about.as_str())).map(|(_, does)| *does);
    let does = about.or(*inner.does.lock().unwrap()).unwrap_or(Does::Take);
    match does {
        Does::Take => StatusCode::NO_CONTENT.into_response(),
        // Refusals that repeat what they refuse.
        Does::Answer(status) => (StatusCode::from_u16(status).unwrap(), format!("refused at {uri}")).into_response(),
        Does::AskLater(secs) => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", secs.to_string())]).into_response(),
        Does::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Does::Hang => std::future::pending().await,
        Does::RefuseAtLength => (StatusCode::BAD_GATEWAY, endless()).into_response(),
        Does::TakeAtLength => (StatusCode::OK, endless()).into_response(),
    }
}

fn endless() -> Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1_024]);
    Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
}
