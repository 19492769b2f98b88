//! The configuration of a pair, from the few things tests differ in.

use std::fmt::Write as _;

/// One file for both nodes. Fields are TOML as it stands in the file.
#[derive(Debug, Clone)]
pub struct PairConfig {
    /// Lines of `[global]`.
    pub global: String,
    /// `version` of the instance.
    pub version: u8,
    /// `advert_int` of the instance.
    pub advert: &'static str,
    /// `priority` of the instance.
    pub priority: &'static str,
    /// `virtual_ipaddress` of the instance.
    pub vips: &'static str,
    /// More lines of the instance.
    pub instance: String,
    /// Lines of `[backend.b]`.
    pub backend: String,
    /// Further sections.
    pub sections: String,
    /// Whether there is a frontend at all.
    pub proxy: bool,
}

impl Default for PairConfig {
    /// v3 at 100 ms, `a` preferred, one IPv4 address, both backends checked.
    fn default() -> Self {
        Self {
            global: String::new(),
            version: 3,
            advert: "100ms",
            priority: "{ a = 150, b = 100 }",
            vips: "[\"10.77.0.50/32\"]",
            instance: String::new(),
            backend: "httpchk = \"/health\"\ndefault_server = { inter = \"200ms\", rise = 1 }\n".into(),
            sections: String::new(),
            proxy: true,
        }
    }
}

impl PairConfig {
    /// v2 with PASS at 1 s: the settings of the usual tutorial.
    pub fn v2() -> Self {
        let instance = "authentication = { auth_type = \"PASS\", auth_pass = \"s3cr3t42\" }\n".into();
        Self { version: 2, advert: "1s", instance, ..Self::default() }
    }

    /// VRRP alone.
    pub fn without_proxy() -> Self {
        Self { proxy: false, ..Self::default() }
    }

    /// Adds lines to the instance.
    #[must_use]
    pub fn instance(mut self, lines: &str) -> Self {
        self.instance.push_str(lines);
        self.instance.push('\n');
        self
    }

    /// Adds sections.
    #[must_use]
    pub fn section(mut self, lines: &str) -> Self {
        self.sections.push_str(lines);
        self.sections.push('\n');
        self
    }

    /// The file.
    pub fn render(&self) -> String {
        let Self { global, version, advert, priority, vips, instance, backend, sections, proxy } = self;
        let mut out = format!("[global]\nnbthread = 1\nhard_stop_after = \"2s\"\n{global}\n");
        if *proxy {
            out.push_str(
                "[defaults]\n\
                 timeout = { connect = \"2s\", client = \"30s\", server = \"30s\", http_request = \"10s\" }\n\
                 [frontend.www]\nbind = \"*:80\"\nlog = false\ndefault_backend = \"b\"\n[backend.b]\n",
            );
            out.push_str(backend);
            out.push_str("server = [\n");
            for (name, last) in [("s1", 11), ("s2", 12)] {
                writeln!(out, "  {{ name = \"{name}\", addr = \"10.77.0.{last}:8080\" }},")
                    .expect("a String");
            }
            out.push_str("]\n");
        }
        write!(
            out,
            "[vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = {priority}\nversion = {version}\n\
             advert_int = \"{advert}\"\nvirtual_ipaddress = {vips}\n{instance}\n{sections}"
        )
        .expect("a String");
        out
    }
}
