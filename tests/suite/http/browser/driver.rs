//! A browser: headless Chromium behind ChromeDriver, spoken to in WebDriver's own JSON. One at a time: each is several
//! processes.

use crate::cli::database::block_on;
use crate::cli::running::{Running, wait_until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const PACKAGES: &str = "install Debian's packages chromium and chromium-driver (tests/run does where it may), or set \
     TEST_CHROMEDRIVER to a driver; tests/run leaves these tests out where there is none";

/// No sandbox: tests run as root in containers. Nothing of Chromium's own is to go out.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--accept-lang=en-US",
];

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

static TURN: Mutex<()> = Mutex::new(());

/// The smallest phone, and a desk. In CSS pixels.
pub const PHONE: (u32, u32) = (360, 740);
pub const DESK: (u32, u32) = (1280, 900);

pub struct Browser {
    session: String,
    client: reqwest::Client,
    _driver: Running,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// The driver that was named, else the one of the system.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("TEST_CHROMEDRIVER").filter(|name| !name.is_empty()) {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("chromedriver")).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("no ChromeDriver found: {PACKAGES}"))
}

impl Browser {
    pub fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(program());
        command.args(["--port=0", "--log-level=SEVERE"]);
        let driver = Running::start(command);
        let mut port = None;
        wait_until("ChromeDriver's port", || {
            let said = driver.told();
            port = said
                .split("successfully on port ")
                .nth(1)
                .and_then(|rest| rest.split_once('.'))
                .map(|(port, _)| port.to_owned());
            port.is_some()
        });
        renewd::app::install_tls();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let profile = TempDir::new().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([data.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{}/session", port.unwrap());
        let made =
            post(&client, &base, &wanted).unwrap_or_else(|why| panic!("Chromium does not start: {why}; {PACKAGES}"));
        let session = format!("{base}/{}", made["sessionId"].as_str().unwrap());
        let browser = Self { session, client, _driver: driver, _profile: profile, _turn: turn };
        browser.size(DESK);
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        post(&self.client, &format!("{}{path}", self.session), body)
            .unwrap_or_else(|why| panic!("{path} {body}: {why}"))
    }

    /// A command of Chromium's own protocol.
    pub fn chromium(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    pub fn size(&self, (width, height): (u32, u32)) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.chromium("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// `light` or `dark`.
    pub fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.chromium("Emulation.setEmulatedMedia", &features);
    }

    pub fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Runs a script of the test's own, past the page's policy.
    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub fn path(&self) -> String {
        self.script("return location.pathname + location.search").as_str().unwrap().to_owned()
    }

    /// Waits until an element is there, and finds it.
    #[track_caller]
    fn element(&self, css: &str) -> String {
        wait_until(&format!("{css} on {}", self.path()), || self.count(css) > 0);
        let found = self.post("/element", &json!({ "using": "css selector", "value": css }));
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    pub fn count(&self, css: &str) -> usize {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": css }));
        found.as_array().unwrap().len()
    }

    /// A real click: what lies under something else is not clicked.
    #[track_caller]
    pub fn click(&self, css: &str) {
        let element = self.element(css);
        self.post(&format!("{element}/click"), &json!({}));
    }

    #[track_caller]
    pub fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.post(&format!("{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is. `Tab` and `Enter` by their names, everything else letter by letter.
    pub fn press(&self, keys: &[&str]) {
        let codes = keys.iter().flat_map(|key| match *key {
            "Tab" => vec!["\u{e004}".to_owned()],
            "Enter" => vec!["\u{e007}".to_owned()],
            text => text.chars().map(String::from).collect(),
        });
        let strokes = codes.flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        let strokes: Vec<Value> = strokes.collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }));
    }

    /// All that can be read on the page.
    pub fn text(&self) -> String {
        self.script("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        wait_until(&format!("{text:?} in {:?}", self.text()), || self.text().contains(text));
    }

    /// The whole page as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let size = self.chromium("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let picture = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let data = self.chromium("Page.captureScreenshot", &picture)["data"].as_str().unwrap().to_owned();
        data_encoding::BASE64.decode(data.as_bytes()).unwrap()
    }

    /// What the console says: errors, and what the page's policy stopped.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The addresses that were asked for since the last look, but for pages that Chromium has in itself.
    pub fn requested(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "performance" }));
        let messages = entries.as_array().unwrap().iter().filter_map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str()?).ok().map(|entry| entry["message"].clone())
        });
        let sent = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
        let urls = sent.map(|message| message["params"]["request"]["url"].as_str().unwrap().to_owned());
        urls.filter(|url| !url.starts_with("chrome://")).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver ends with its handle.
        let _ = block_on(async { self.client.delete(&self.session).send().await });
    }
}

/// The answer's value, or the driver's own words about what went wrong.
fn post(client: &reqwest::Client, url: &str, body: &Value) -> Result<Value, String> {
    let answer: Value = block_on(async {
        let sent = client.post(url).json(body).send().await.map_err(|err| format!("{err:?}"))?;
        sent.json().await.map_err(|err| format!("{err:?}"))
    })?;
    let value = answer["value"].clone();
    match value.get("error") {
        Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
        None => Ok(value),
    }
}
