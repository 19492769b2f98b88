//! What `config show`, `config schema` and `fmt` make of configurations: of the fixtures, and of every configuration that
//! another test loads.

use std::path::Path;

use evenkeel::config::{self, Code, Config, Tree, format, keys, lower, schema};
use serde_json::Value;

use super::{Machine, fixtures, load};

/// What a configuration leads to, whatever its places.
pub(super) fn outcome(config: &Config) -> String {
    let mut global = config.global.clone();
    for file in &mut global.saved_files {
        file.span = config::Span::default();
    }
    format!("{global:#?}\n{:#?}\n{:#?}", lower::proxy(config), lower::vrrp(config))
}

/// Everything that can be made of a valid configuration means the same as it.
pub(super) fn check(machine: &Machine, loaded: &config::Loaded) {
    let Some(config) = &loaded.config else { return };
    let tree = Tree::of_sources(&loaded.sources);
    let errors = invalid(&schema::schema(), &tree.to_json());
    assert!(errors.is_empty(), "the schema has it otherwise: {errors:#?}");
    same(machine, config, &tree.to_toml(None));
    for origins in [None, Some(&loaded.sources)] {
        let effective = Tree::effective(&loaded.sources, &machine.node).to_toml(origins);
        same(machine, config, &effective);
    }
    for file in &loaded.sources.files {
        let once = format::format(&file.text).unwrap();
        assert_eq!(format::format(&once).as_ref(), Some(&once), "{}", file.text);
        assert_eq!(Tree::of_text(&once), Tree::of_text(&file.text));
    }
}

/// What is written loads as the same configuration.
fn same(machine: &Machine, config: &Config, text: &str) {
    let mut machine = machine.clone();
    let without = text.lines().filter(|line| !line.starts_with("include ")).collect::<Vec<_>>().join("\n");
    machine.files.add("evenkeel.toml", without.as_bytes(), 0o644);
    let again = config::load(Path::new("evenkeel.toml"), &machine.environment());
    assert!(again.is_valid(), "{}\n{text}", again.render_human(false));
    let (before, after) = (outcome(config), outcome(again.config.as_ref().unwrap()));
    if let Some((was, is)) = before.lines().zip(after.lines()).find(|(was, is)| was != is) {
        panic!("was {was}\n is {is}\n{text}");
    }
    assert!(before == after, "{text}");
}

/// What is wrong with a value by a schema: as much of JSON Schema as ours uses.
fn invalid(root: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    validate(root, root, value, "", &mut errors);
    errors
}

fn validate(root: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let mut wrong = |what: String| errors.push(format!("{at}: {what}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                validate(root, &root["$defs"][name], value, at, errors);
                return;
            }
            "type" => {
                let is = match value {
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                    Value::Null => "null",
                };
                let types = rule.as_array().map_or_else(|| vec![rule], |all| all.iter().collect());
                if !types.iter().any(|ty| **ty == is) {
                    wrong(format!("{value} is no {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => wrong(format!("{value} is not in {rule}")),
            "const" if rule != value => wrong(format!("{value} is not {rule}")),
            "minimum" if value.as_i64() < rule.as_i64() => wrong(format!("{value} is below {rule}")),
            "maximum" if value.as_i64() > rule.as_i64() => wrong(format!("{value} is above {rule}")),
            "pattern" => {
                let units = rule.as_str().unwrap().split(['(', ')']).nth(1).unwrap();
                let text = value.as_str().unwrap_or("");
                let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
                if unit == text || !units.split('|').any(|u| u == unit.trim_start_matches(' ')) {
                    wrong(format!("{value} does not match {rule}"));
                }
            }
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|k| value.get(k.as_str().unwrap()).is_none());
                missing.for_each(|key| wrong(format!("{key} is missing")));
            }
            _ => {}
        }
    }
    below(root, schema, value, at, errors);
}

fn below(root: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    if let Some(any) = schema.get("anyOf") {
        let mut all = Vec::new();
        for one in any.as_array().unwrap() {
            let before = all.len();
            validate(root, one, value, at, &mut all);
            if all.len() == before {
                all.clear();
                break;
            }
        }
        errors.append(&mut all);
    }
    for (key, inside) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        match (schema.get("properties").and_then(|p| p.get(key)), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                validate(root, schema, inside, &at, errors);
            }
            (None, Some(Value::Bool(false))) => errors.push(format!("{at} is no key")),
            (None, _) => {}
        }
    }
    if let Some(items) = schema.get("items") {
        let all = value.as_array().into_iter().flatten().enumerate();
        all.for_each(|(i, inside)| validate(root, items, inside, &format!("{at}[{i}]"), errors));
    }
}

#[test]
fn unknown_keys_and_values_are_nothing_to_the_schema() {
    let wrong = |text: &str| invalid(&schema::schema(), &Tree::of_text(text).to_json());
    assert_eq!(wrong("[global]\nmaxconn = 5\n"), [""; 0]);
    for text in [
        "[globall]\n",
        "[global]\nmaxcon = 5\n",
        "[global]\nmaxconn = 0\n",
        "[global]\nmaxconn = \"5\"\n",
        "[global.worker]\ngrace = \"5\"\n",
        "[defaults]\nmode = \"udp\"\n",
        "[frontend.f]\nmode = \"http\"\n",
        "[backend.b]\nserver = [{ name = \"s\", addr = \"10.0.0.1:80\", wieght = 1 }]\n",
        "[vrrp.V]\ninterface = { a = \"e\" }\nvirtual_router_id = 1\npriority = { a = 300 }\n",
    ] {
        assert!(!wrong(text).is_empty(), "{text}");
    }
    // Whatever has an unknown key by `check` has one by the schema.
    let mut seen = 0;
    for path in fixtures("bad") {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load(&text);
        let codes: Vec<Code> = loaded.diagnostics.iter().map(|d| d.code).collect();
        if codes.contains(&Code::UnknownKey) && !codes.contains(&Code::Syntax) {
            seen += 1;
            let errors = invalid(&schema::schema(), &Tree::of_sources(&loaded.sources).to_json());
            assert!(errors.iter().any(|e| e.ends_with(" is no key")), "{}: {errors:#?}", path.display());
        }
    }
    assert!(seen > 2);
}

#[test]
fn origins_are_told() {
    let machine = Machine::with(
        "include = \"b.toml\"\n[defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"40s\" }\n\
         [frontend.f]\nbind = \"*:80\"\ndefault_backend = \"b\"\n[vrrp.V]\ninterface = { lb1 = \"e1\", lb2 = \"e2\" }\n\
         virtual_router_id = 1\nvirtual_ipaddress = [\"10.0.0.9/24\"]\n\
         authentication = { auth_pass = \"env:VRRP_PASS\" }\n#@ file b.toml\n[backend.b]\n\n\
         server = [{ name = \"s\", addr = \"10.0.0.1:80\" }]\n",
    );
    let loaded = machine.load();
    let mut tree = Tree::effective(&loaded.sources, "lb1");
    assert_eq!(tree.hide_secrets(&keys::TOP), 0);
    let text = tree.to_toml(Some(&loaded.sources));
    for line in [
        "nbthread = 4  # CPUs of this machine",
        "maxconn = 10000  # default",
        "[frontend.f]  # evenkeel.toml:4",
        "client = \"50s\"  # [defaults] evenkeel.toml:3",
        "tarpit = \"5s\"  # [defaults] evenkeel.toml:3",
        "interface = \"e1\"  # evenkeel.toml:8",
        "auth_pass = \"env:VRRP_PASS\"  # evenkeel.toml:11, environment variable VRRP_PASS",
        "server = [{ name = \"s\", addr = \"10.0.0.1:80\" }]  # b.toml:3",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(!text.contains("include") && !text.contains("[defaults]\n"), "{text}");
}
