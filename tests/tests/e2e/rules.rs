//! Rules, asked by real requests over every protocol.

use super::site::{Authority, FRONT, Site};

/// Requests that a rule takes go to `s2`, others to `s1`.
#[test]
fn requests_go_where_rules_say() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\"*:80\", {{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n\
             use_backend = [\n\
             {{ backend = \"inside\", if = [\"is_admin\", \"from_here\", {{ dst = \"10.77.0.1\", dst_port = \"80-443\" }}] }},\n\
             {{ backend = \"inside\", if = {{ hdr_sub = {{ User-Agent = \"mobile\" }}, nocase = true }} }},\n\
             {{ backend = \"inside\", if = [\"METH_POST\", {{ any = [\"is_api\", {{ host = \"api.example.com\" }}] }}] }},\n\
             {{ backend = \"inside\", if = {{ urlp = {{ to = \"inside\" }} }}, unless = {{ cook_exists = \"stay\" }} }},\n\
             {{ backend = \"inside\", if = {{ ssl_fc_sni = \"inside.example.com\", ssl_fc_alpn = \"h2\" }} }},\n]\n\
             [frontend.f.acl]\nis_api = {{ path_beg = \"/api/\" }}\n\
             [acl]\nis_admin = {{ path_beg = \"/admin\" }}\nfrom_here = {{ src = \"10.77.0.0/16\" }}\n\
             is_api = {{ path = \"/nothing\" }}\n\
             [backend.inside]\nserver = [{{ name = \"s2\", addr = \"10.77.0.12:8080\" }}]\n"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com", "api.example.com", "inside.example.com"]);
        },
    );
    for (args, path, inside) in [
        ("", "/", false),
        ("", "/admin", true),
        ("--path-as-is", "/x/../admin/", true),
        ("--path-as-is", "//%61dmin;v=1/", true),
        ("", "/%2561dmin", true),
        ("", "/api/x", false),
        ("--data x=1", "/api/x", true),
        ("--data x=1", "/nothing", false),
        ("--data x=1 --header Host:api.example.com", "/", true),
        ("--header User-Agent:Some/1.0(MOBILE)", "/", true),
        ("", "/?a=b&to=inside", true),
        ("--cookie stay=1", "/?a=b&to=inside", false),
    ] {
        for (protocol, origin) in [
            ("--http1.1", "http://10.77.0.1"),
            ("--http2-prior-knowledge", "http://10.77.0.1"),
            ("--http2", "https://www.example.com"),
        ] {
            let got = site.curl(&format!("{protocol} --globoff {args}"), &format!("{origin}{path}"));
            let expected = if inside { "ok s2\n" } else { "ok s1\n" };
            assert_eq!(got.as_deref(), Ok(expected), "{protocol} {args} {path}");
        }
    }
    for (protocol, expected) in [("--http2", "ok s2\n"), ("--http1.1", "ok s1\n")] {
        let got = site.curl(protocol, "https://inside.example.com/");
        assert_eq!(got.as_deref(), Ok(expected), "{protocol}");
    }
}
