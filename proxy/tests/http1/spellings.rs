//! Spellings of one path and one host that some server takes for the same.

use std::net::SocketAddr;

use evenkeel_proxy::rules::{Action, How, Matcher, Rule, Test, Texts};

use super::common::Setup;

/// All are `/admin/` to a server that is as lenient as any is, but for what stands behind it.
pub(crate) const PATHS: &[&str] = &[
    "/admin/",
    "/admin/x",
    "/admin/?q",
    "/admin?q",
    "/admin;/",
    "/admin;v=1/x",
    "/;v/admin/",
    "/.;/admin/",
    "/x/..;/admin/",
    "/x/..;v=1/admin/",
    "//admin/",
    "///admin//",
    "/./admin/",
    "/../admin/",
    "/x/../admin/",
    "/x/y/../../admin/",
    "/x/../../../admin/",
    "/admin/../admin/",
    "/admin/.",
    "/admin/x/..",
    "/%61dmin/",
    "/%61%64%6d%69%6e/",
    "/%61%64%6D%69%6E/",
    "/%2561dmin/",
    "/%25%36%31dmin/",
    "/%252561dmin/",
    "/%2fadmin/",
    "/%2Fadmin%2F",
    "/x%2f..%2fadmin%2f",
    "/x/%2e%2e/admin/",
    "/x/%2e./admin/",
    "/x/.%2E/admin/",
    "/%2e/admin/",
    "/x/%252e%252e/admin/",
    "/\\admin/",
    "/x\\..\\admin\\",
    "/%5cadmin/",
    "/x%5c..%5cadmin%5c",
    "/admin%00",
    "/admin/%00/../x",
    "/admin%3bv=1/",
    "/%c0%afadmin/",
    "/%e0%80%afadmin/",
    "/%f0%80%80%afadmin/",
    "/x/%c0%ae%c0%ae/admin/",
    "/%c1%a1dmin/",
    "/%u0061dmin/",
    "/x/%u002e%u002e/admin/",
    "/admin./",
    "/admin%20/",
    "/admin.",
    "/admin%2e/",
];

/// All are refused by a rule that does not care for case.
pub(crate) const CASES: &[&str] = &["/ADMIN/", "/Admin", "/%41dmin/", "/aDMIN;x/", "//AdMiN/"];

/// No spellings of it.
pub(crate) const OTHERS: &[&str] =
    &["/", "/adm", "/administer", "/x/admins", "/?/admin/", "/x?path=/admin/", "/%25/"];

/// All are `admin.example`.
pub(crate) const HOSTS: &[&str] = &[
    "admin.example",
    "ADMIN.example",
    "Admin.Example:80",
    "admin.example.",
    "admin.example.:8080",
    "admin.example:",
];

/// Refuses `/admin` in several ways, as `X-By` says, and the host `admin.example`.
pub(crate) fn guarded(servers: &[SocketAddr]) -> Setup {
    let mut setup = Setup::new(servers);
    let texts = |how, nocase, text: &str| Texts::new(how, nocase, vec![text.into()]).unwrap();
    let deny = |test| Rule { when: Matcher::Test(test), action: Action::Deny(403) };
    let by_field = |value: &str, test: Test| {
        let header = Matcher::Test(Test::Header("x-by".into(), texts(How::Exact, false, value)));
        Rule { when: Matcher::All(vec![header, Matcher::Test(test)]), action: Action::Deny(403) }
    };
    setup.frontend.http_request = vec![
        by_field("beg", Test::Path(texts(How::Prefix, false, "/admin"))),
        by_field("dir", Test::Path(texts(How::Directory, false, "admin"))),
        by_field("reg", Test::Path(texts(How::Regex, false, "^/admin(/|$)"))),
        by_field("nocase", Test::Path(texts(How::Prefix, true, "/admin"))),
        deny(Test::Host(texts(How::Exact, false, "admin.example"))),
    ];
    setup
}

/// Ways in which a path is asked for; `nocase` is another one.
pub(crate) const WAYS: [&str; 3] = ["beg", "dir", "reg"];
