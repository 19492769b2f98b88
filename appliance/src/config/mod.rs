//! The configuration language: TOML files in, a checked [`Config`] and all that is wrong with it out.
//!
//! | module | what it is |
//! |---|---|
//! | [`keys`] | the table of keys: names, types, defaults, documentation |
//! | `gather` | the main file and its includes become [`Sources`] |
//! | `syntax` | every file as TOML, with all syntax errors |
//! | `read` | TOML against the table of keys, with a place for every value |
//! | `parse` | section by section into a draft |
//! | `resolve` | defaults, references, checks across sections: the [`model`] |
//! | [`lower`] | the model becomes the plan of the proxy and the configuration of the VRRP engine |
//! | [`diagnostic`], [`codes`] | what is wrong, where, and what to do; rendered for people and machines |
//! | [`Tree`], `effective`, `written` | what is said, completed with what is not, and written as TOML again |
//! | [`mod@format`] | the form of a file |
//! | [`template`] | every key with its default, as a file |
//! | [`diff`] | what another configuration would change |
//! | [`schema`] | the file as a JSON Schema |
//! | [`explain`], [`mod@reference`], [`manual`] | what `evenkeel explain`, the documentation and the manual page say |
//!
//! Nothing stops at the first error: each step reports and goes on with what it could read, and there is a [`Config`]
//! only if no step reported one. The keeper loads from files by [`load`]; the worker loads the same sources again by
//! [`load_from_sources`], without a file system, so that neither has to trust what the other concluded.

use std::collections::BTreeMap;
use std::path::Path;

pub mod codes;
pub mod diagnostic;
pub mod diff;
mod draft;
mod effective;
mod environment;
pub mod explain;
pub mod format;
mod gather;
pub mod keys;
pub mod lower;
pub mod manual;
pub mod model;
mod parse;
mod read;
pub mod reference;
mod render;
mod resolve;
pub mod schema;
mod secret;
mod settings;
mod source;
mod subnets;
mod suggest;
mod syntax;
pub mod template;
mod tree;
pub mod value;
mod written;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Severity};
pub use environment::{Environment, EnvironmentError, FileContent, Files, Interfaces, RealFiles, node_name};
pub use model::Config;
pub use secret::Secret;
pub use source::{FileId, SourceFile, Sources, Span, Spanned};
pub use tree::Tree;

use diagnostic::Style;
use environment::{Externals, Live, Refreshed, Stored};
use read::Reader;

/// What loading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, if there is no error.
    pub config: Option<Config>,
    /// Everything found, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// What it was read from.
    pub sources: Sources,
}

impl Loaded {
    /// Whether there is no error. There may be warnings.
    pub fn is_valid(&self) -> bool {
        self.config.is_some()
    }

    /// Everything found, for people, with a summary. Empty if there is nothing to say.
    pub fn render_human(&self, colour: bool) -> String {
        let style = if colour { Style::Colour } else { Style::Plain };
        let mut text = diagnostic::render_human(&self.diagnostics, &self.sources, style);
        if let Some(summary) = diagnostic::summary(&self.diagnostics, CONSEQUENCE) {
            text.push_str(&summary);
            text.push('\n');
        }
        text
    }

    /// The errors, and what is wrong with certificates, one line each: for a log that has no source lines.
    pub fn lines(&self) -> Vec<(Severity, String)> {
        let told = |d: &&Diagnostic| d.is_error() || d.code == Code::Certificate;
        let line = |d: &Diagnostic| match d.place(&self.sources) {
            Some(place) => (d.severity, format!("{place}: {}", d.message)),
            None => (d.severity, d.message.clone()),
        };
        self.diagnostics.iter().filter(told).map(line).collect()
    }

    /// Everything found, for machines: one JSON object per line.
    pub fn render_json(&self) -> String {
        diagnostic::render_json(&self.diagnostics, &self.sources)
    }
}

/// Loads a configuration from files.
pub fn load(path: &Path, env: &Environment<'_>) -> Loaded {
    let (mut sources, mut diagnostics) = gather::gather(path, env.files);
    sources.cpus = env.cpus.max(1);
    let mut live = Live { env, base: sources.base(), blobs: BTreeMap::new(), secrets: Vec::new() };
    let config = if sources.files.is_empty() {
        None
    } else {
        parse_sources(&sources, &env.node, env.interfaces.as_ref(), &mut live, &mut diagnostics)
    };
    (sources.blobs, sources.secrets) = (live.blobs, live.secrets);
    Loaded { config, diagnostics, sources }
}

/// Reads the files of a configuration, and looks at nothing but whether they are TOML.
pub fn syntax_of(path: &Path, files: &dyn Files) -> Loaded {
    let (sources, mut diagnostics) = gather::gather(path, files);
    let mut externals = Stored(&sources);
    let mut cx = Reader::new("", &mut externals);
    let documents = syntax::documents(&mut cx, &sources);
    diagnostics.append(&mut cx.diagnostics);
    diagnostics.extend(gather::check_includes(&documents));
    diagnostic::sort(&mut diagnostics);
    Loaded { config: None, diagnostics, sources: sources.clone() }
}

/// Loads a configuration from what an earlier [`load`] read, without touching a file system.
pub fn load_from_sources(sources: &Sources, node: &str) -> Loaded {
    let mut diagnostics = Vec::new();
    let config = parse_sources(sources, node, None, &mut Stored(sources), &mut diagnostics);
    Loaded { config, diagnostics, sources: sources.clone() }
}

/// Loads what an earlier [`load`] read once more, with the files of TLS as `env` has them: certificates, keys, responses
/// stapled to them, authorities and revocation lists. Everything else is as it was.
pub fn reload_tls(sources: &Sources, env: &Environment<'_>) -> Loaded {
    let mut diagnostics = Vec::new();
    let live = Live { env, base: sources.base(), blobs: BTreeMap::new(), secrets: Vec::new() };
    let mut externals = Refreshed { live, stored: Stored(sources) };
    let config = parse_sources(sources, &env.node, None, &mut externals, &mut diagnostics);
    let sources = Sources { blobs: externals.live.blobs, ..sources.clone() };
    Loaded { config, diagnostics, sources }
}

/// The pure core: text to configuration. Adds what it finds to `diagnostics` and sorts them.
fn parse_sources(
    sources: &Sources,
    node: &str,
    interfaces: Option<&Interfaces>,
    externals: &mut dyn Externals,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Config> {
    let mut cx = Reader::new(node, externals);
    let documents = syntax::documents(&mut cx, sources);
    cx.diagnostics.extend(gather::check_includes(&documents));
    let draft = parse::documents(&mut cx, &documents, sources.cpus);
    let global = draft.global.clone();
    let resolved = resolve::resolve(&mut cx, draft);
    if let Some(interfaces) = interfaces {
        subnets::check(&mut cx, &resolved.routers, interfaces);
    }
    diagnostics.append(&mut cx.diagnostics);
    let mut config = None;
    if !diagnostics.iter().any(Diagnostic::is_error) {
        match lower::lower(node, &global, &resolved) {
            Ok(lowered) => config = Some(assemble(node, global, resolved, lowered)),
            Err(refusals) => diagnostics.extend(refusals),
        }
    }
    diagnostic::sort(diagnostics);
    config
}

fn assemble(
    node: &str,
    global: model::Global,
    resolved: resolve::Resolved,
    lowered: model::Lowered,
) -> Config {
    Config {
        node: node.to_owned(),
        global,
        frontends: resolved.frontends,
        backends: resolved.backends,
        routers: resolved.routers,
        scripts: resolved.scripts,
        groups: resolved.groups,
        lowered,
    }
}

const CONSEQUENCE: &str = "the running configuration was not touched";
