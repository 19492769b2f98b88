//! The defaults that the documentation states are those that hold.

use evenkeel::config::keys::{self, Default, Section};
use evenkeel::config::lower;
use evenkeel::config::model::Config;

use super::good;

/// All keys of a section that have a default, said with it.
fn said(section: &Section, separator: &str) -> String {
    let keys = section.keys.iter().filter_map(|k| match k.default {
        Default::Value(v) => Some(format!("{} = {v}{separator}", k.name)),
        Default::None | Default::Required | Default::Words(_) => None,
    });
    keys.collect()
}

/// A configuration that uses every section, with `of` for the keys that have defaults.
fn everything(of: impl Fn(&Section, &str) -> String) -> String {
    let lines = |s| of(s, "\n");
    let inline = |s| of(s, ", ");
    format!(
        "[global]\n{}log = [{{ {} to = \"/dev/log\" }}]\n[global.worker]\n{}[global.tune]\n{}\
         [defaults]\ntimeout = {{ connect = \"1s\", client = \"1s\", server = \"1s\" }}\n{}\
         [frontend.f]\nbind = \"*:80\"\ndefault_backend = \"b\"\n{}\
         [frontend.g]\nbind = \"*:81\"\ndefault_backend = \"l\"\nforwardfor = {{ {} except = \"10.0.0.0/8\" }}\n\
         [backend.b]\n{}check = [{{ send = {{ {} headers = {{ A = \"b\" }} }} }}]\n\
         server = [{{ {} name = \"s\", addr = \"10.0.0.1:80\" }}]\n\
         [listen.l]\nbind = \"*:82\"\n{}default_server = {{ {} check = true }}\n\
         server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n\
         [vrrp.V]\ninterface = \"e\"\nvirtual_router_id = 1\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n{}\
         authentication = {{ {} auth_pass = \"s3cr3t\" }}\ntrack = [\"data_plane\", \"s\"]\n\
         [vrrp_script.s]\nscript = \"/bin/true\"\n{}",
        lines(&keys::GLOBAL),
        inline(&keys::LOG_TARGET),
        lines(&keys::WORKER),
        lines(&keys::TUNE),
        lines(&keys::DEFAULTS),
        lines(&keys::FRONTEND),
        inline(&keys::FORWARDFOR),
        lines(&keys::BACKEND),
        inline(&keys::SEND),
        inline(&keys::SERVER),
        lines(&keys::LISTEN),
        inline(&keys::DEFAULT_SERVER),
        lines(&keys::VRRP),
        inline(&keys::AUTHENTICATION),
        lines(&keys::VRRP_SCRIPT),
    )
}

fn outcome(config: &Config) -> String {
    format!("{:#?}\n{:#?}\n{:#?}", config.global, lower::proxy(config), lower::vrrp(config))
}

#[test]
fn saying_the_defaults_changes_nothing() {
    let unsaid = good(&everything(|_, _| String::new()));
    assert_eq!(outcome(&good(&everything(said))), outcome(&unsaid));
}

/// What the test above relies on.
#[test]
fn saying_something_else_changes_the_outcome() {
    let unsaid = outcome(&good(&everything(|_, _| String::new())));
    for (path, change) in [
        ("global", "maxconn = 9999"),
        ("global.worker", "grace = \"499ms\""),
        ("backend.NAME", "retries = 4"),
        ("vrrp.NAME", "garp_master_repeat = 4"),
        ("vrrp_script.NAME", "rise = 2"),
    ] {
        let of =
            |s: &Section, end: &str| if s.path == path { format!("{change}{end}") } else { String::new() };
        assert_ne!(outcome(&good(&everything(of))), unsaid, "{path} {change}");
    }
}
