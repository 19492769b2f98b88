//! Whatever the text is, loading ends, says where, and never panics.

use evenkeel::config::format;
use proptest::prelude::*;

use super::{fixtures, load};

/// Loads and renders; every finding lies within its file.
fn survives(text: &str) {
    let loaded = load(text);
    assert_eq!(loaded.is_valid(), !loaded.diagnostics.iter().any(|d| d.is_error()), "{text}");
    for d in &loaded.diagnostics {
        if let Some(span) = d.span {
            let file = loaded.sources.file(span.file).unwrap();
            assert!(span.start <= span.end && span.end as usize <= file.text.len(), "{d:?}");
        }
    }
    if let Some(once) = format::format(text) {
        assert_eq!(format::format(&once).as_ref(), Some(&once), "{text}");
    }
    let (human, json) = (loaded.render_human(false), loaded.render_json());
    assert_eq!(human.is_empty(), json.is_empty());
    assert!(loaded.render_human(true).len() >= human.len());
}

/// Pieces that make nearly valid files.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "[global]",
        "[defaults]",
        "[frontend.f]",
        "[backend.b]",
        "[[backend.b.server]]",
        "[vrrp.V]",
        "[listen.l]",
        "[profile.p]",
        "[vrrp_script.s]",
        "[sync_group.g]",
        "[global.worker]",
        "bind",
        "server",
        "track",
        "check",
        "timeout",
        "priority",
        "from",
        "name",
        "addr",
        "include",
        "errorfile",
        "default_backend",
        "preempt",
        "weight",
        "unicast_peer",
        "virtual_ipaddress",
        "authentication",
        "auth_pass",
        "interface",
        "virtual_router_id",
        "script",
        "forwardfor",
        "log",
        "=",
        "=",
        "=",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        "\n",
        "\n",
        "\n",
        "\"",
        "\"\"\"",
        "'",
        "#",
        "\"*:80\"",
        "\"3s\"",
        "\"f\"",
        "\"b\"",
        "\"10.0.0.1:80\"",
        "\"file:x\"",
        "true",
        "false",
        "1",
        "-1",
        "99999999999999999999",
        "1.5",
        "1979-05-27",
        "lb1",
        "é",
        "\u{0}",
        "\\u0041",
        "0x1f",
        "inf",
    ];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(piece(), 0..60)) {
        survives(&pieces.join(" "));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes).replace("#@ ", ""));
    }

    /// A valid file with a stretch cut out, doubled or overwritten.
    #[test]
    fn damaged_files(at in 0usize..4000, len in 0usize..40, how in 0u8..3, which in any::<prop::sample::Index>()) {
        let all = [fixtures("good"), fixtures("bad")].concat();
        let text = std::fs::read_to_string(which.get(&all)).unwrap().replace("#@ ", "# ");
        let cut = |n: usize| (0..=n.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let (start, end) = (cut(at % (text.len() + 1)), cut(at % (text.len() + 1) + len));
        let middle = match how {
            0 => String::new(),
            1 => text[start..end].repeat(2),
            _ => "\"".repeat(end - start),
        };
        survives(&format!("{}{middle}{}", &text[..start], &text[end..]));
    }
}

#[test]
fn deep_nesting_ends() {
    survives(&format!("[defaults]\ncheck = {}{}", "[".repeat(5000), "]".repeat(5000)));
    survives(&format!(
        "[backend.b]\ncheck = [{}status = 200{}]",
        "{ expect = { not = ".repeat(30),
        "}".repeat(60)
    ));
    survives(&"[a.".repeat(3000));
}

#[test]
fn a_file_that_cannot_be_read_is_one_finding() {
    let machine = super::Machine::new();
    let loaded = machine.load();
    let text = loaded.render_human(false);
    assert_eq!(
        text,
        "error[unreadable]: cannot read evenkeel.toml: no such file\n\nerror: 1 error; the running configuration was not touched\n"
    );
}

#[test]
fn a_large_wrong_file_is_refused_in_bounded_time_and_words() {
    let log =
        "Nov 22 21:36:12 lb1 haproxy[123]: 10.0.0.1:1234 [22/Nov/2025] http_front b/s 0/0/1\n".repeat(5_000);
    let loaded = load(&log);
    assert!(!loaded.is_valid());
    assert_eq!(loaded.diagnostics.len(), 100);
    assert!(loaded.render_human(false).len() < 100_000);

    let unknown: String = (0..5000).map(|i| format!("key{i} = {i}\n")).collect();
    let loaded = load(&unknown);
    assert_eq!((loaded.diagnostics.len(), loaded.render_json().lines().count()), (5000, 5000));
    assert!(
        loaded
            .render_human(false)
            .ends_with("error: 5000 errors; the running configuration was not touched\n")
    );
}
