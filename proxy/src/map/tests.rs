use proptest::prelude::*;

use super::*;

fn map(how: How, nocase: bool, entries: &[(&str, &str)]) -> Map {
    let entries = entries.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Map::of(&MapConfig { name: "m".into(), how, nocase, entries, file: None }).unwrap()
}

fn found<'a>(map: &'a Map, text: &str) -> Option<&'a str> {
    map.look_up(text.as_bytes()).map(|entry| &*entry.value)
}

#[test]
fn keys_are_found_as_haproxy_finds_them() {
    type Case<'a> = (How, &'a [(&'a str, &'a str)], &'a [(&'a str, Option<&'a str>)]);
    let cases: [Case<'_>; 8] = [
        (How::Str, &[("a", "1"), ("a", "2"), ("B", "3")], &[("a", Some("1")), ("b", None), ("", None)]),
        (
            How::Beg,
            &[("/", "root"), ("/api/", "api"), ("/api/v1/", "v1")],
            &[("/api/v1/x", Some("v1")), ("/api/x", Some("api")), ("/ap", Some("root")), ("x", None)],
        ),
        (
            How::End,
            &[(".org", "org"), ("a.org", "a"), (".com", "com")],
            &[("a.org", Some("org")), ("x.com", Some("com")), ("com", None)],
        ),
        (
            How::Sub,
            &[("bot", "1"), ("curl", "2")],
            &[("x curlbot", Some("1")), ("curl/8", Some("2")), ("cur", None)],
        ),
        (
            How::Dir,
            &[("/img/", "1"), ("js/x", "2")],
            &[("/a/img", Some("1")), ("/js/x/y", Some("2")), ("/imgs", None)],
        ),
        (
            How::Dom,
            &[("example", "1"), ("b.org", "2")],
            &[("www.example.com", Some("1")), ("a.b.org", Some("2")), ("a.xb.org", None)],
        ),
        (
            How::Reg,
            &["^/u/[0-9]+$", "x|y"].map(|k| (k, k)),
            &[("/u/7", Some("^/u/[0-9]+$")), ("ay", Some("x|y"))],
        ),
        (
            How::Ip,
            &[("10.0.0.0/8", "ten"), ("10.1.0.0/16", "one"), ("10.1.2.3", "host"), ("2001:db8::/32", "six")],
            &[
                ("10.2.0.1", Some("ten")),
                ("10.1.0.1", Some("one")),
                ("10.1.2.3", Some("host")),
                ("::ffff:10.1.2.3", Some("host")),
                ("2001:db8::9", Some("six")),
                ("11.0.0.1", None),
                ("host", None),
            ],
        ),
    ];
    for (how, entries, looked) in cases {
        let map = map(how, false, entries);
        for (text, value) in looked {
            assert_eq!(found(&map, text), *value, "{how:?} {text}");
        }
    }
    for how in [How::Str, How::Beg, How::End, How::Sub, How::Dir, How::Dom, How::Reg] {
        assert_eq!(found(&map(how, true, &[("AbC", "1")]), "aBc"), Some("1"), "{how:?}");
    }
}

#[test]
fn entries_come_and_go() {
    for how in [How::Str, How::Beg, How::End, How::Sub] {
        let mut map = map(how, false, &[("a", "1"), ("a", "2"), ("b", "3")]);
        let second = map.entries().nth(1).unwrap().0;
        assert!(map.set_entry(second, "two") && found(&map, "a") == Some("1"));
        let first = map.entries().next().unwrap().0;
        assert!(map.remove_entry(first) && !map.remove_entry(first));
        assert_eq!(found(&map, "a"), Some("two"), "{how:?}");
        assert_eq!((map.set("b", "4"), map.set("c", "5")), (1, 0));
        assert_eq!(found(&map, "b"), Some("4"));
        map.add("c".into(), "6".into()).unwrap();
        assert_eq!((map.remove("a"), map.remove("a"), map.len()), (1, 0, 2), "{how:?}");
        assert_eq!((found(&map, "a"), found(&map, "c")), (None, Some("6")));
        map.clear();
        assert!(map.is_empty() && found(&map, "c").is_none());
    }
}

#[test]
fn a_wrong_key_changes_nothing() {
    let mut map = map(How::Ip, false, &[("10.0.0.0/8", "1")]);
    let entries = [("192.0.2.1", "2"), ("192.0.2.0/33", "3"), ("192.0.2.2", "4")];
    let added = map.extend(entries.map(|(k, v)| (k.into(), v.into())));
    assert_eq!(added, Err((1, EntryError::Network)));
    assert_eq!((map.len(), found(&map, "192.0.2.1"), found(&map, "10.0.0.1")), (1, None, Some("1")));
    let mut expressions = self::map(How::Reg, false, &[("a", "1")]);
    assert!(expressions.add("(".into(), "2".into()).is_err());
    assert_eq!((expressions.len(), found(&expressions, "a")), (1, Some("1")));
}

#[test]
fn versions_are_exchanged_whole() {
    let config = |name: &str| MapConfig {
        name: name.into(),
        how: How::Str,
        nocase: false,
        entries: vec![("a".into(), "1".into())],
        file: None,
    };
    let maps = Maps::new(&[config("x"), config("y")]).unwrap();
    assert!(maps.names().eq([(MapId(0), "x"), (MapId(1), "y")]));
    let x = MapId(0);
    let value = |key: &str| maps.look(x, |map| found(map, key).map(str::to_owned)).unwrap();
    let (first, second, third) =
        (maps.prepare(x).unwrap(), maps.prepare(x).unwrap(), maps.prepare(x).unwrap());
    maps.change_prepared(x, second, |map| map.add("b".into(), "2".into())).unwrap().unwrap();
    assert_eq!((value("a"), value("b")), (Some("1".into()), None));
    maps.commit(x, second).unwrap();
    assert_eq!((value("a"), value("b")), (None, Some("2".into())));
    assert_eq!(maps.commit(x, first), Err(VersionError::Unknown), "it is older");
    assert_eq!(maps.commit(x, second), Err(VersionError::Unknown), "it is in use");
    maps.commit(x, third).unwrap();
    assert_eq!(value("b"), None);
    assert_eq!(maps.look(MapId(1), Map::len), Some(1));
    assert_eq!(maps.prepare(MapId(2)), Err(VersionError::Unknown));
    for _ in 0..16 {
        maps.prepare(x).unwrap();
    }
    assert_eq!(maps.prepare(x), Err(VersionError::TooMany));
}

proptest! {
    /// Whatever is put in and taken out, what is found is what a list would find.
    #[test]
    fn a_map_is_a_list(
        how in prop::sample::select(vec![How::Str, How::Beg, How::End, How::Sub]),
        steps in proptest::collection::vec(("[ab]{0,3}", 0_u8..3), 1..24),
        asked in "[ab]{0,5}",
    ) {
        let mut map = Map::new(how, false);
        let mut list: Vec<(String, String)> = Vec::new();
        for (number, (key, what)) in steps.into_iter().enumerate() {
            if what == 0 {
                prop_assert_eq!(map.remove(&key), list.iter().filter(|(k, _)| *k == key).count());
                list.retain(|(k, _)| *k != key);
            } else {
                let value = number.to_string();
                map.add(key.as_str().into(), value.as_str().into()).unwrap();
                list.push((key, value));
            }
        }
        let fits = |key: &str| match how {
            How::Str => asked == key,
            How::Beg => asked.starts_with(key),
            How::End => asked.ends_with(key),
            How::Sub | How::Dir | How::Dom | How::Reg | How::Ip => asked.contains(key),
        };
        let mut fitting: Vec<&(String, String)> = list.iter().filter(|(key, _)| fits(key)).collect();
        if how == How::Beg {
            fitting.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        }
        prop_assert_eq!(found(&map, &asked), fitting.first().map(|(_, value)| value.as_str()));
    }
}
