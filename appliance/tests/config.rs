//! The configuration language from outside: what is accepted, what is refused, and how that is said.
//!
//! `tests/config/good` loads without a word. Each file of `tests/config/bad` has its diagnostics beside it, as people
//! see them; `UPDATE_EXPECT=1` writes them anew. A fixture is the main file, followed by directives:
//! `#@ file PATH` starts another file, `#@ node NAME` and `#@ interface NAME ADDR/LEN` set the machine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use evenkeel::config::model::Config;
use evenkeel::config::{self, Code, Environment, FileContent, Files, Loaded};

#[path = "config/admin.rs"]
mod admin;
#[path = "config/balance.rs"]
mod balance;
#[path = "config/defaults.rs"]
mod defaults;
#[path = "config/http.rs"]
mod http;
#[path = "config/logs.rs"]
mod logs;
#[path = "config/lua.rs"]
mod lua;
#[path = "config/maps.rs"]
mod maps;
#[path = "config/persistence.rs"]
mod persistence;
#[path = "config/proxies.rs"]
mod proxies;
#[path = "config/resolvers.rs"]
mod resolvers;
#[path = "config/robust.rs"]
mod robust;
#[path = "config/routers.rs"]
mod routers;
#[path = "config/rules.rs"]
mod rules;
#[path = "config/shown.rs"]
mod shown;
#[path = "config/tables.rs"]
mod tables;
#[path = "config/tls.rs"]
mod tls;

/// A file system in memory.
#[derive(Debug, Default, Clone)]
struct FakeFiles(BTreeMap<PathBuf, FileContent>);

impl FakeFiles {
    fn add(&mut self, path: &str, bytes: &[u8], mode: u32) {
        self.0.insert(PathBuf::from(path), FileContent { bytes: bytes.to_vec(), mode });
    }

    /// Secrets and error files that fixtures refer to.
    fn usual() -> Self {
        let mut files = Self::default();
        files.add("vrrp.pass", b"s3cr3t42\n", 0o600);
        files.add("/etc/evenkeel/vrrp.pass", b"s3cr3t42\n", 0o640);
        files.add("open.pass", b"s3cr3t42\n", 0o644);
        files.add("manual.pass", b"YourPassword\n", 0o600);
        files.add("/run/credentials/vrrp", b"s3cr3t42", 0o400);
        files.add("errors/503.http", b"HTTP/1.1 503 Away\r\nContent-Length: 5\r\n\r\naway\n", 0o644);
        files.add("errors/unix.http", b"HTTP/1.1 503 Away\n\naway\n", 0o644);
        files
    }
}

impl Files for FakeFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<FileContent> {
        let content =
            self.0.get(path).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))?;
        if content.bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(content.clone())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let dir = if dir == Path::new(".") { Path::new("") } else { dir };
        if self.0.contains_key(dir) {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a directory"));
        }
        let inside = self.0.keys().filter(|p| p.parent() == Some(dir)).filter_map(|p| p.file_name());
        let names: Vec<String> = inside.map(|n| n.to_string_lossy().into_owned()).collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }
}

/// A machine that can be set up.
#[derive(Clone)]
struct Machine {
    node: String,
    files: FakeFiles,
    interfaces: Option<BTreeMap<String, Vec<(std::net::IpAddr, u8)>>>,
    descriptors: Option<u64>,
}

impl Machine {
    fn new() -> Self {
        Self { node: "lb1".into(), files: FakeFiles::usual(), interfaces: None, descriptors: None }
    }

    /// Puts a fixture on the machine.
    fn with(fixture: &str) -> Self {
        let mut machine = Self::new();
        let mut at = ("evenkeel.toml".to_owned(), 0o644);
        let mut text = String::new();
        for line in fixture.split_inclusive('\n') {
            let Some(directive) = line.strip_prefix("#@ ") else {
                text.push_str(line);
                continue;
            };
            machine.files.add(&at.0, text.as_bytes(), at.1);
            let words: Vec<&str> = directive.split_whitespace().collect();
            match words.as_slice() {
                ["file", path] => (at, text) = (((*path).to_owned(), 0o644), String::new()),
                ["node", name] => machine.node = (*name).to_owned(),
                ["descriptors", most] => machine.descriptors = Some(most.parse().unwrap()),
                ["interface", name, prefix] => {
                    let (addr, len) = prefix.split_once('/').unwrap();
                    let address = (addr.parse().unwrap(), len.parse().unwrap());
                    machine
                        .interfaces
                        .get_or_insert_default()
                        .entry((*name).to_owned())
                        .or_default()
                        .push(address);
                }
                _ => panic!("unknown directive {directive}"),
            }
        }
        machine.files.add(&at.0, text.as_bytes(), at.1);
        machine
    }

    fn load(&self) -> Loaded {
        let loaded = config::load(Path::new("evenkeel.toml"), &self.environment());
        shown::check(self, &loaded);
        loaded
    }

    fn reload_tls(&self, sources: &config::Sources) -> Loaded {
        config::reload_tls(sources, &self.environment())
    }

    fn environment(&self) -> Environment<'_> {
        let vars = [("CREDENTIALS_DIRECTORY", "/run/credentials"), ("VRRP_PASS", "s3cr3t42")];
        Environment {
            node: self.node.clone(),
            vars: vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            files: &self.files,
            interfaces: self.interfaces.clone(),
            cpus: 4,
            now: None,
            descriptors: self.descriptors,
        }
    }
}

fn load(text: &str) -> Loaded {
    Machine::with(text).load()
}

/// Loads what must be valid and without a warning.
fn good(text: &str) -> Config {
    let loaded = load(text);
    assert_eq!(loaded.render_human(false), "", "{text}");
    loaded.config.unwrap()
}

const TIMEOUTS: &str = "[defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"40s\" }\n";

/// The codes of everything found.
fn codes(text: &str) -> Vec<&'static str> {
    load(text).diagnostics.iter().map(|d| d.code.as_str()).collect()
}

fn web(keys: &str) -> Config {
    good(&format!(
        "{TIMEOUTS}[frontend.f]\nbind = \"*:80\"\ndefault_backend = \"b\"\n[backend.b]\n\
         server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n{keys}\n"
    ))
}

fn fixtures(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(dir);
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

/// Compares with a file, or writes it.
fn expect_file(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    let line = expected.lines().zip(actual.lines()).take_while(|(was, is)| was == is).count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    let (was, is) = (at(&expected), at(actual));
    assert!(
        expected == actual,
        "{}:{} is stale, UPDATE_EXPECT=1 rewrites it\n  was: {was}\n   is: {is}",
        path.display(),
        line + 1
    );
}

#[test]
fn good_configurations_load_without_a_word() {
    for path in fixtures("good") {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load(&text);
        assert_eq!(loaded.render_human(false), "", "{}", path.display());
        assert!(loaded.is_valid());
    }
}

#[test]
fn bad_configurations_are_refused_as_expected() {
    for path in fixtures("bad") {
        let loaded = load(&std::fs::read_to_string(&path).unwrap());
        let text = loaded.render_human(false);
        assert!(!text.is_empty(), "{} has nothing wrong", path.display());
        assert_eq!(loaded.is_valid(), !loaded.diagnostics.iter().any(config::Diagnostic::is_error));
        let file = path.file_stem().unwrap().to_string_lossy();
        let warned = file.starts_with("warning-");
        assert_eq!(loaded.is_valid(), warned, "{}: only `warning-…` fixtures are valid", path.display());
        expect_file(&path.with_extension("txt"), &text);
    }
}

#[test]
fn every_code_has_a_fixture() {
    let mut seen = std::collections::BTreeSet::new();
    for path in fixtures("bad") {
        let loaded = load(&std::fs::read_to_string(&path).unwrap());
        seen.extend(loaded.diagnostics.iter().map(|d| d.code));
    }
    // Needs 65,537 sections: tested where the numbers are given, in `lower`.
    seen.insert(Code::TooMany);
    // Reached only by what the loader's own checks let through, which is nothing known.
    seen.insert(Code::Refused);
    let missing: Vec<&str> = Code::ALL.iter().filter(|c| !seen.contains(c)).map(|c| c.as_str()).collect();
    assert!(missing.is_empty(), "no fixture shows {missing:?}");
}

#[test]
fn the_shipped_example_loads_on_both_nodes() {
    let share = Path::new(env!("CARGO_MANIFEST_DIR")).join("share");
    let text = std::fs::read_to_string(share.join("evenkeel.toml")).unwrap();
    for node in ["lb1", "lb2"] {
        let mut machine = Machine::with(&text);
        machine.node = node.into();
        machine.files.add("errors/503.http", &std::fs::read(share.join("errors/503.http")).unwrap(), 0o644);
        let loaded = machine.load();
        assert_eq!(loaded.render_human(false), "");
        assert!(loaded.is_valid());
    }
    assert_eq!(config::format::format(&text).as_ref(), Some(&text), "`evenkeel fmt` changes it");
}

#[test]
fn the_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    expect_file(&path, &config::reference::markdown());
}

#[test]
fn machines_get_one_json_object_per_finding() {
    let loaded = load("[backend.b]\nserver = [{ name = \"é\", addr = \"x\" }]\n");
    let json = loaded.render_json();
    let objects: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(
        objects[0],
        serde_json::json!({
            "code": "bad-name", "severity": "error", "file": "evenkeel.toml",
            "message": "`name`: `é` has other characters than letters, digits and `-_.:`",
            "line": 2, "col": 20, "end_line": 2, "end_col": 23, "help": "", "replacement": null,
        })
    );
    // Columns count characters: é is one.
    assert_eq!((objects[1]["code"].as_str(), objects[1]["col"].as_u64()), (Some("bad-address"), Some(32)));
}

#[test]
fn colours_are_only_added() {
    let loaded = load("[backend.b]\nserverr = []\n");
    let coloured = loaded.render_human(true);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut escape = false;
    for c in coloured.chars() {
        match (escape, c) {
            (false, '\u{1b}') => escape = true,
            (false, c) => plain.push(c),
            (true, 'm') => escape = false,
            (true, _) => {}
        }
    }
    assert_eq!(plain, loaded.render_human(false));
}
