//! A real browser: Debian's Chromium without a screen, driven by its ChromeDriver (W3C WebDriver).

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::peer::Peer;
use super::topology::Host;
use super::wait::{SOON, until};

/// A browser with one window, on a host.
#[derive(Debug)]
pub struct Browser<'a> {
    host: &'a Host,
    driver: Peer,
    session: String,
}

impl<'a> Browser<'a> {
    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(host: &'a Host) -> Self {
        let port = format!("--port={PORT}");
        let driver = Peer::start(host, "/usr/bin/chromedriver", "chromedriver", &[&port], |_| {});
        let profile = format!("--user-data-dir={}", driver.path().join("profile").display());
        let mut args: Vec<&str> = ARGS.to_vec();
        args.push(&profile);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": args },
        } } });
        let mut browser = Self { host, driver, session: String::new() };
        browser.session = until("the browser starts", 3 * SOON, || {
            let answer = browser.call("POST", "/session", Some(&wanted))?;
            answer.pointer("/value/sessionId")?.as_str().map(str::to_owned)
        });
        browser
    }

    /// Goes to a page, and waits for it.
    ///
    /// # Panics
    /// If the browser cannot be asked to.
    pub fn open(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// What a function's body returns in the page.
    ///
    /// # Panics
    /// If the browser cannot be asked to.
    pub fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the body of a function returns true in the page.
    pub fn wait(&self, what: &str, script: &str) {
        until(what, SOON, || (self.run(script) == Value::Bool(true)).then_some(()));
    }

    /// Clicks the first element that a CSS selector finds, as a person would: it has to be visible. An element that the
    /// page has replaced meanwhile is looked for again.
    ///
    /// # Panics
    /// If there is no such element, or nobody could click it.
    pub fn click(&self, css: &str) {
        until(&format!("somebody can click {css}"), SOON, || {
            let path = format!("/session/{}/element/{}/click", self.session, self.element(css));
            let value = self.call("POST", &path, Some(&json!({})))?.get("value").cloned().unwrap_or_default();
            let stale = value.get("error").is_some_and(|e| e == "stale element reference");
            assert!(stale || value.is_null(), "{css}: {value}");
            (!stale).then_some(())
        });
    }

    /// Makes the window that large.
    pub fn resize(&self, width: u32, height: u32) {
        self.command("/window/rect", &json!({ "width": width, "height": height }));
    }

    fn element(&self, css: &str) -> String {
        let found = self.command("/element", &json!({ "using": "css selector", "value": css }));
        let id = found.as_object().and_then(|o| o.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("there is no {css}: {found}")).to_owned()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        let answer = self.call("POST", &path, Some(body)).unwrap_or_else(|| panic!("no answer to {path}"));
        let value = answer.get("value").cloned().unwrap_or_default();
        assert!(value.get("error").is_none(), "{path} {body}: {value}");
        value
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
        let url = format!("http://127.0.0.1:{PORT}{path}");
        let mut args =
            vec!["-sS", "--max-time", "30", "-X", method, "-H", "content-type: application/json", &url];
        let body = body.map(Value::to_string);
        args.extend(body.iter().flat_map(|body| ["--data-binary", body]));
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let out =
            self.host.ns.run(move || Command::new("curl").args(args).stdin(Stdio::null()).output()).ok()?;
        serde_json::from_slice(&out.stdout).ok()
    }
}

impl Drop for Browser<'_> {
    /// The driver alone would leave its browser behind.
    fn drop(&mut self) {
        let answer = self.call("DELETE", &format!("/session/{}", self.session), None);
        if answer.is_none() && !std::thread::panicking() {
            eprintln!("the browser of {} did not say good bye", self.driver.path().display());
        }
    }
}

/// In the namespace of its host, where nobody else is.
const PORT: u16 = 9515;

/// Nothing of it goes out to the world; what it renders it renders alone.
const ARGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];
