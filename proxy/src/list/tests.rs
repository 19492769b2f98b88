use super::*;
use crate::rules::{How, Network, Networks, Texts};

fn boxed(texts: &[&str]) -> Vec<Box<str>> {
    texts.iter().map(|&text| text.into()).collect()
}

fn texts(how: How, nocase: bool) -> impl Fn(&[&str]) -> Result<Texts, String> + Send + Sync {
    move |patterns| Texts::new(how, nocase, boxed(patterns)).map_err(|error| error.to_string())
}

fn networks(patterns: &[&str]) -> Result<Networks, String> {
    let network = |text: &&str| {
        let address = text.parse().map_err(|_| format!("\"{text}\" is no address"))?;
        Ok(Network { address, prefix: 128 })
    };
    patterns.iter().map(network).collect()
}

/// A list, and a condition that asks for it.
fn one(patterns: &[&str], how: How) -> (Lists, ListId, Texts) {
    let lists = Lists::default();
    let id = lists.open("/x", boxed(patterns)).unwrap();
    let asked = Texts::listed(lists.ask(&[id], Vec::new(), texts(how, false)).unwrap());
    (lists, id, asked)
}

#[test]
fn a_condition_has_what_is_in_its_list() {
    let (lists, id, asked) = one(&["/a", "/b"], How::Prefix);
    let has = |text: &str| asked.matches(text.as_bytes());
    assert!(has("/ax") && has("/b") && !has("/c"));
    assert!(asked.patterns().is_empty(), "they may be others by the time that somebody looks");

    lists.add(id, None, &["/c", "/d"]).unwrap();
    assert!(has("/ax") && has("/cx") && has("/d"));
    assert_eq!(lists.remove(id, Which::Pattern("/a")), Ok(1));
    assert_eq!(lists.remove(id, Which::Pattern("/a")), Ok(0));
    assert!(!has("/a") && has("/c"));
    let entries = lists.entries(id, None).unwrap();
    let shown: Vec<(u32, &str)> = entries.iter().map(|(id, pattern)| (id.0, &**pattern)).collect();
    assert_eq!(shown, [(1, "/b"), (2, "/c"), (3, "/d")]);
    assert_eq!(lists.remove(id, Which::Entry(EntryId(3))), Ok(1));
    assert!(!has("/d"));
    lists.clear(id, None).unwrap();
    assert!(!has("/b") && !has("/c"));
    lists.add(id, None, &["/e"]).unwrap();
    assert!(has("/e"));
    let first = lists.entries(id, None).unwrap().first().unwrap().0;
    assert_eq!(first, EntryId(4), "a number is never given twice");
}

#[test]
fn conditions_that_share_a_list_change_together() {
    let lists = Lists::default();
    let (a, b) = (lists.open("/a", boxed(&["192.0.2.1"])).unwrap(), lists.open("/b", boxed(&["x"])).unwrap());
    assert_eq!(lists.open("/a", boxed(&["ignored"])), Some(a));
    let source = Networks::listed(lists.ask(&[a], boxed(&["192.0.2.9"]), networks).unwrap());
    let field = Texts::listed(lists.ask(&[a, b], Vec::new(), texts(How::Exact, true)).unwrap());
    let is_in = |text: &str| source.contains(text.parse().unwrap());
    assert!(is_in("192.0.2.1") && is_in("192.0.2.9") && !is_in("192.0.2.2"));
    assert!(field.matches(b"192.0.2.1") && field.matches(b"X"));

    lists.add(a, None, &["192.0.2.2"]).unwrap();
    assert!(is_in("192.0.2.2") && field.matches(b"192.0.2.2"));
    for no_line in ["", " 192.0.2.3", "#192.0.2.3", "192.0.2.3\n"] {
        assert!(matches!(lists.add(b, None, &["y", no_line]), Err(ListError::Pattern(_))), "{no_line:?}");
    }
    assert!(!field.matches(b"y"));
    // One of them can do nothing with it: it is in neither.
    let refused = lists.add(a, None, &["192.0.2.3", "no address"]);
    assert_eq!(refused, Err(ListError::Pattern("\"no address\" is no address".into())));
    assert!(!is_in("192.0.2.3") && !field.matches(b"no address"));
    assert_eq!(lists.entries(a, None).unwrap().len(), 2);
    // What the condition itself says stays.
    lists.clear(a, None).unwrap();
    assert!(is_in("192.0.2.9") && !is_in("192.0.2.1") && field.matches(b"x") && !field.matches(b"192.0.2.1"));

    let all = lists.all();
    let (ip, text) = (Form { how: "ip", nocase: false }, Form { how: "str", nocase: true });
    let summary =
        |name: &str, entries, forms, changes| Summary { name: name.into(), entries, forms, changes };
    assert_eq!(all, [(a, summary("/a", 0, vec![ip, text], 2)), (b, summary("/b", 1, vec![text], 0))]);
}

#[test]
fn another_version_is_used_in_one_moment() {
    let (lists, id, asked) = one(&["a"], How::Exact);
    let older = lists.prepare(id).unwrap();
    let version = lists.prepare(id).unwrap();
    lists.add(id, Some(version), &["b", "c"]).unwrap();
    assert!(asked.matches(b"a") && !asked.matches(b"b"));
    assert_eq!(lists.entries(id, Some(version)).unwrap().len(), 2);
    lists.clear(id, Some(version)).unwrap();
    lists.add(id, Some(version), &["d"]).unwrap();
    lists.commit(id, version).unwrap();
    assert!(!asked.matches(b"a") && !asked.matches(b"b") && asked.matches(b"d"));
    for gone in [older, version] {
        assert_eq!(lists.commit(id, gone), Err(ListError::Version(VersionError::Unknown)));
        assert_eq!(lists.add(id, Some(gone), &["e"]), Err(ListError::Version(VersionError::Unknown)));
    }
    let begun: Vec<_> = std::iter::from_fn(|| lists.prepare(id).ok()).take(100).collect();
    assert_eq!(begun.len(), 16, "more at once are a mistake");
    assert_eq!(lists.prepare(ListId(7)), Err(ListError::Unknown));
}

/// Expressions of which each is one, but which are too large together.
#[test]
fn what_is_too_much_together_changes_nothing() {
    let (lists, id, asked) = one(&["^a$"], How::Regex);
    let large = "(?:[a-z]{1,300}[0-9]{1,300}){1,40}";
    let version = lists.prepare(id).unwrap();
    let most = (0..200).find(|at| {
        let put = lists.add(id, Some(version), &[&format!("{large}{at}")]);
        assert_eq!(put, Ok(()), "by itself it is one");
        *at == 60
    });
    assert!(most.is_some());
    assert!(matches!(lists.commit(id, version), Err(ListError::Pattern(_))));
    assert!(asked.matches(b"a"));
    assert_eq!(lists.entries(id, None).unwrap().len(), 1);
}

#[test]
fn texts_are_looked_for() {
    let (lists, id, _) = one(&["/a", "/a/b", "/c"], How::Prefix);
    let found = |text: &[u8]| lists.find(id, text).unwrap();
    assert_eq!(found(b"/a/b/c").pattern.as_deref(), Some("/a"));
    assert_eq!(found(b"/cd").pattern.as_deref(), Some("/c"));
    assert_eq!(found(b"/d"), Found { form: Form { how: "beg", nocase: false }, pattern: None });
    assert_eq!(lists.find(ListId(3), b""), None);
}
