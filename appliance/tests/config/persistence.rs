//! Persistence: cookies and stick rules from the file to the plan.

use std::time::Duration;

use evenkeel::config::lower;
use evenkeel_proxy::sticky::{Mode, Preserve, StickAction, StickKey, TableId, ToServer};
use evenkeel_proxy::table::KeyType;

use super::{TIMEOUTS, good, web};

#[test]
fn cookies_say_everything_that_haproxys_do() {
    let config = good(&format!(
        r#"{TIMEOUTS}
[listen.l]
bind = "*:80"
cookie = {{ name = "SRV", indirect = true, nocache = true, preserve = true, postonly = true, httponly = true, secure = true, domain = [".a.example"], attr = "SameSite=Lax", maxidle = "30m", maxlife = "8h", dynamic_cookie_key = "k" }}
server = [{{ name = "s", addr = "10.0.0.1:80", cookie = "one" }}, {{ name = "t", addr = "10.0.0.2:80" }}]
"#
    ));
    let plan = lower::proxy(&config).plan;
    let cookie = plan.backends()[0].cookie.as_ref().unwrap();
    assert_eq!((cookie.name.as_str(), cookie.mode), ("SRV", Mode::Insert(ToServer::Hidden)));
    assert!(cookie.nocache && cookie.postonly && cookie.httponly && cookie.secure);
    assert_eq!(cookie.preserve, Preserve::Yes);
    assert_eq!(
        (cookie.domains.as_slice(), cookie.attributes.as_slice()),
        (&[".a.example".to_owned()][..], &["SameSite=Lax".to_owned()][..])
    );
    assert_eq!(cookie.maxidle, Some(Duration::from_secs(1800)));
    assert_eq!(cookie.maxlife, Some(Duration::from_secs(8 * 3600)));
    assert_eq!(cookie.dynamic_key.as_deref(), Some(&b"k"[..]));
    assert_eq!(plan.servers()[0].cookie.as_deref(), Some("one"));
    assert_eq!(plan.servers()[1].cookie, None);
}

#[test]
fn a_backend_may_do_without_the_cookie_of_the_defaults() {
    let text = |own: &str| {
        format!(
            "[defaults]\ntimeout = {{ connect = \"5s\", client = \"5s\", server = \"5s\" }}\ncookie = {{ name = \"S\" }}\n\
             [listen.l]\nbind = \"*:80\"\n{own}\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        )
    };
    assert!(good(&text("cookie = false")).backends[0].cookie.is_none());
    let with = text("").replace("addr =", "cookie = \"a\", addr =");
    assert_eq!(good(&with).backends[0].cookie.as_ref().unwrap().mode, Mode::Insert(ToServer::Seen));
}

#[test]
fn stick_rules_find_their_tables() {
    let config = web(
        r#"stick = [{ on = "src", table = "clients" }, { match = { cookie = "S" }, table = "users" }, { store_request = { hdr = "X-User" }, table = "users" }]
[table.users]
type = "string"
size = 1000
len = 64
expire = "30m"
[table.clients]
type = "ip"
size = "100k"
ipv6_prefix = 56"#,
    );
    let plan = lower::proxy(&config).plan;
    let tables: Vec<_> = plan.tables().iter().map(|t| (t.name.as_str(), t.key, t.size)).collect();
    let (users, clients) = (KeyType::String { len: 64 }, KeyType::Ip { ipv6_prefix: 56 });
    assert_eq!(tables, [("users", users, 1000), ("clients", clients, 102_400)]);
    let rules: Vec<_> = plan.backends()[0].stick.iter().map(|r| (r.action, r.key.clone(), r.table)).collect();
    assert_eq!(
        rules,
        [
            (StickAction::On, StickKey::Source, TableId(1)),
            (StickAction::Match, StickKey::Cookie("S".into()), TableId(0)),
            (StickAction::StoreRequest, StickKey::Header("X-User".into()), TableId(0)),
        ]
    );
}
