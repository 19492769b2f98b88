//! Conditions: names of matchers, matchers in place, and arrays of both.

use std::net::IpAddr;

use evenkeel_proxy::list::{ListError, ListId};
use evenkeel_proxy::rules::accept::MediaType;
use evenkeel_proxy::rules::path::normal;
use evenkeel_proxy::rules::{How, Network, Networks, Test, Texts};

use super::lua;
use super::patterns::lists;
use super::rule::variable_name;
use super::{answered, counted, gauge};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Condition;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::source::{Span, Spanned};
use crate::config::value::{self, Bad};

/// The matchers that a section gives names to.
pub(super) fn named(
    cx: &mut Reader<'_>,
    all: Vec<(Spanned<String>, Node<'_>)>,
) -> Vec<(Spanned<String>, Condition)> {
    all.into_iter().filter_map(|(name, node)| Some((name, matcher(cx, node)?))).collect()
}

/// What `if` and `unless` say; without either it holds.
pub(super) fn when(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Condition {
    let holds = t.read(cx, "if", condition);
    let not = t.read(cx, "unless", condition).map(|c| Condition::Not(Box::new(c)));
    Condition::All(holds.into_iter().chain(not).collect())
}

/// A condition, wherever one is expected.
pub(super) fn condition(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Condition> {
    if let Some(name) = node.value.as_str() {
        let (inverted, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name.trim_start()));
        let named = Condition::Named(Spanned::new(name.to_owned(), node.span));
        return Some(if inverted { Condition::Not(Box::new(named)) } else { named });
    }
    if node.value.as_table().is_some() {
        return matcher(cx, node);
    }
    if node.elements().is_some() {
        return conditions(cx, key, node).map(Condition::All);
    }
    cx.wrong_type(key, node, Some(EXAMPLE.into()));
    None
}

/// An array of conditions, at least one.
fn conditions(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Condition>> {
    let Some(all) = node.elements() else {
        cx.wrong_type(
            key,
            node,
            Some(format!("{} = [\"is_api\", {{ host = \"app.example.com\" }}]", key.name)),
        );
        return None;
    };
    if all.is_empty() {
        let message = format!("`{}` has nothing in it", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message));
        return None;
    }
    let count = all.len();
    let read: Vec<_> = all.into_iter().filter_map(|n| condition(cx, key, n)).collect();
    (read.len() == count).then_some(read)
}

/// A matcher, which asks for something.
fn matcher(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Condition> {
    let errors = cx.errors;
    let mut t = Fields::of(cx, &keys::MATCHER, node.key, node)?;
    let said = keys::MATCHER.keys.iter().any(|k| k.name != "nocase" && t.has(k.name));
    let mut all = combined(cx, &mut t);
    all.extend(tests(cx, &mut t));
    t.finish(cx);
    if !said {
        let message = "a matcher that asks for nothing";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(EXAMPLE));
        return None;
    }
    // What could not be read would leave a matcher that holds more often.
    (cx.errors == errors).then_some(Condition::All(all))
}

fn combined(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<Condition> {
    let any = t.read(cx, "any", conditions).map(Condition::Any);
    let all = t.read(cx, "all", conditions).map(Condition::All);
    let not = t.read(cx, "not", condition).map(|c| Condition::Not(Box::new(c)));
    [any, all, not].into_iter().flatten().collect()
}

/// What is asked of requests.
fn tests(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<Condition> {
    let nocase = t.read(cx, "nocase", Reader::bool).is_some_and(|yes| yes.value);
    let mut tests = Vec::new();
    for (key, file, how) in HOST {
        let one = move |text: &str| host(how, text);
        tests.extend(texts(cx, t, key, Some(file), how, how == How::Regex, one).map(Test::Host));
    }
    for (key, file, how) in PATH {
        let one = move |text: &str| path(how, text);
        tests.extend(texts(cx, t, key, Some(file), how, nocase, one).map(Test::Path));
    }
    for (key, file, how) in RAW_PATH {
        let one = move |text: &str| pattern(how, text);
        tests.extend(texts(cx, t, key, Some(file), how, nocase, one).map(Test::RawPath));
    }
    tests.extend(texts(cx, t, "http_version", None, How::Exact, false, http_version).map(Test::Version));
    tests.extend(texts(cx, t, "method", None, How::Exact, false, method).map(Test::Method));
    for (key, file, how) in HDR {
        let named = by_name(cx, t, key, how, nocase, field_name);
        let filed = by_name_from_files(cx, t, file, how, nocase, field_name);
        tests.extend(named.into_iter().chain(filed).map(|(name, texts)| Test::Header(name, texts)));
    }
    let parameters = by_name(cx, t, "urlp", How::Exact, nocase, text).into_iter();
    let filed = by_name_from_files(cx, t, "urlp_file", How::Exact, nocase, text);
    tests.extend(parameters.chain(filed).map(|(name, texts)| Test::Query(name, texts)));
    let cookies = by_name(cx, t, "cook", How::Exact, nocase, text).into_iter();
    let filed = by_name_from_files(cx, t, "cook_file", How::Exact, nocase, text);
    tests.extend(cookies.chain(filed).map(|(name, texts)| Test::Cookie(name, texts)));
    let variables = by_name(cx, t, "var", How::Exact, nocase, variable_name).into_iter();
    tests.extend(variables.map(|(name, texts)| Test::Variable(name, texts)));
    tests.extend(networks(cx, t, "src", "src_file").map(Test::Source));
    tests.extend(networks(cx, t, "dst", "dst_file").map(Test::Destination));
    tests.extend(t.read(cx, "src_port", ports).map(|(from, to)| Test::SourcePort(from, to)));
    tests.extend(t.read(cx, "dst_port", ports).map(|(from, to)| Test::DestinationPort(from, to)));
    tests.extend(t.read(cx, "ssl_fc", Reader::bool).map(|yes| Test::Tls(yes.value)));
    tests.extend(
        texts(cx, t, "ssl_fc_sni", None, How::Exact, false, |name| host_name(name, None)).map(Test::Sni),
    );
    tests.extend(texts(cx, t, "ssl_fc_alpn", None, How::Exact, false, text).map(Test::Alpn));
    tests.extend(texts(cx, t, "ssl_fc_protocol", None, How::Exact, false, tls_version).map(Test::TlsVersion));
    tests.extend(texts(cx, t, "ssl_fc_cipher", None, How::Exact, false, text).map(Test::TlsCipher));
    tests.extend(t.read(cx, "ssl_c_used", Reader::bool).map(|yes| Test::Certificate(yes.value)));
    tests.extend(texts(cx, t, "ssl_c_s_dn", None, How::Exact, false, text).map(Test::Subject));
    tests.extend(texts(cx, t, "ssl_c_s_dn_cn", None, How::Exact, false, text).map(Test::CommonName));
    tests.extend(content(cx, t));
    let mut all: Vec<Condition> = tests.into_iter().map(Condition::Test).collect();
    all.extend(one_of(cx, t, "hdr_exists", field_name, Test::HasHeader));
    all.extend(one_of(cx, t, "accepts", media_type, Test::Accepts));
    all.extend(one_of(cx, t, "urlp_exists", text, Test::HasQuery));
    all.extend(one_of(cx, t, "cook_exists", text, Test::HasCookie));
    all.extend(one_of(cx, t, "var_exists", variable_name, Test::HasVariable));
    all.extend(lua::conditions(cx, t, nocase));
    all.extend(counted::conditions(cx, t));
    all.extend(gauge::conditions(cx, t));
    all.extend(answered::conditions(cx, t, nocase));
    all
}

/// What is asked of what a client says first in mode tcp.
fn content(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<Test> {
    let name = |name: &str| host_name(name, Some("req_ssl_sni_end"));
    let names = texts(cx, t, "req_ssl_sni", None, How::Exact, false, name).map(Test::HelloName);
    let ends = texts(cx, t, "req_ssl_sni_end", None, How::Suffix, false, end_of_name).map(Test::HelloName);
    let protocols = texts(cx, t, "req_ssl_alpn", None, How::Exact, false, protocol).map(Test::HelloAlpn);
    let length = t.read(cx, "req_len", |cx, _, node| gauge::compared(cx, node)).map(Test::Received);
    [names, ends, protocols, length].into_iter().flatten().collect()
}

/// Patterns of one kind, said in place and in files.
fn texts(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    name: &'static str,
    file: Option<&'static str>,
    how: How,
    nocase: bool,
    parse: impl Fn(&str) -> Result<Box<str>, Bad> + Copy + Send + Sync + 'static,
) -> Option<Texts> {
    let said = t.read(cx, name, |cx, key, node| Some((listed(cx, key, node, parse)?, key, node.span)));
    let filed = file.and_then(|file| {
        t.read(cx, file, |cx, key, node| {
            let span = node.span;
            Some((lists(cx, key, node, parse)?, key, span))
        })
    });
    match (said, filed) {
        (said, Some((ids, key, span))) => {
            let said = said.map(|(said, ..)| said).unwrap_or_default();
            from_lists(cx, key, span, how, nocase, &ids, said, parse)
        }
        (Some((mut said, key, span)), None) => {
            said.dedup();
            made(cx, key, span, how, nocase, said)
        }
        (None, None) => None,
    }
}

/// Patterns that an operator can change, and such as stay.
#[expect(clippy::too_many_arguments, reason = "all that is known of one condition")]
fn from_lists(
    cx: &mut Reader<'_>,
    key: &Key,
    span: Span,
    how: How,
    nocase: bool,
    ids: &[ListId],
    said: Vec<Box<str>>,
    parse: impl Fn(&str) -> Result<Box<str>, Bad> + Send + Sync + 'static,
) -> Option<Texts> {
    let make = move |patterns: &[&str]| {
        let all: Result<Vec<_>, _> = patterns.iter().map(|text| parsed(text, &parse)).collect();
        Texts::new(how, nocase, all?).map_err(|error| format!("these expressions together: {error}"))
    };
    let list = cx.lists.ask(ids, said, make);
    list.map(Texts::listed).map_err(|error| refused(cx, key, span, &error)).ok()
}

fn refused(cx: &mut Reader<'_>, key: &Key, span: Span, error: &ListError) {
    cx.push(Diagnostic::error(Code::BadValue, span, format!("`{}`: {error}", key.name)));
}

fn parsed<T>(text: &str, parse: impl Fn(&str) -> Result<T, Bad>) -> Result<T, String> {
    parse(text).map_err(|bad| format!("{} {}", shown(text), bad.why))
}

fn made(
    cx: &mut Reader<'_>,
    key: &Key,
    span: Span,
    how: How,
    nocase: bool,
    patterns: Vec<Box<str>>,
) -> Option<Texts> {
    Texts::new(how, nocase, patterns)
        .map_err(|error| {
            let message = format!("`{}`: these expressions together: {error}", key.name);
            cx.push(Diagnostic::error(Code::BadValue, span, message));
        })
        .ok()
}

/// A table from names to patterns: what it asks of each name.
pub(super) fn by_name(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    name: &'static str,
    how: How,
    nocase: bool,
    parse: fn(&str) -> Result<Box<str>, Bad>,
) -> Vec<(Box<str>, Texts)> {
    let read = t.read(cx, name, |cx, key, node| {
        named_values(cx, key, node, parse, |cx, node| {
            let patterns = listed(cx, key, node, |text| pattern(how, text))?;
            made(cx, key, node.span, how, nocase, patterns)
        })
    });
    read.unwrap_or_default()
}

/// A table from names to files of patterns.
fn by_name_from_files(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    name: &'static str,
    how: How,
    nocase: bool,
    parse: fn(&str) -> Result<Box<str>, Bad>,
) -> Vec<(Box<str>, Texts)> {
    let read = t.read(cx, name, |cx, key, node| {
        named_values(cx, key, node, parse, |cx, node| {
            let (span, parse) = (node.span, move |text: &str| pattern(how, text));
            let ids = lists(cx, key, node, parse)?;
            from_lists(cx, key, span, how, nocase, &ids, Vec::new(), parse)
        })
    });
    read.unwrap_or_default()
}

/// A table from names to values, at least one.
pub(super) fn named_values<'e, T>(
    cx: &mut Reader<'e>,
    key: &'static Key,
    node: Node<'_>,
    name: impl Fn(&str) -> Result<Box<str>, Bad>,
    value: impl Fn(&mut Reader<'e>, Node<'_>) -> Option<T>,
) -> Option<Vec<(Box<str>, T)>> {
    let example = format!("{} = {{ NAME = \"value\" }}", key.name);
    let Some(entries) = node.entries() else {
        cx.wrong_type(key, node, Some(example));
        return None;
    };
    if entries.is_empty() {
        let message = format!("`{}` names nothing", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message).help(example));
    }
    let mut all = Vec::new();
    for (named, node) in entries {
        let checked = name(named.value).map_err(|bad| {
            let message = format!("`{}`: {} {}", key.name, shown(named.value), bad.why);
            cx.push(Diagnostic::error(Code::BadName, named.span, message).help_if(bad.help));
        });
        let value = value(cx, node);
        if let (Ok(name), Some(value)) = (checked, value) {
            all.push((name, value));
        }
    }
    Some(all)
}

/// A test for which one of several values has to hold.
pub(super) fn one_of<T>(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    name: &'static str,
    parse: fn(&str) -> Result<T, Bad>,
    test: fn(T) -> Test,
) -> Option<Condition> {
    let all = t.read(cx, name, |cx, key, node| listed(cx, key, node, parse))?;
    Some(Condition::Any(all.into_iter().map(test).map(Condition::Test).collect()))
}

/// Networks, said in place and in files.
fn networks(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    name: &'static str,
    file: &'static str,
) -> Option<Networks> {
    let network =
        |text: &str| value::network(text).map(|(address, prefix)| (text.into(), Network { address, prefix }));
    let said = t.read(cx, name, |cx, key, node| listed(cx, key, node, network));
    let filed = t.read(cx, file, |cx, key, node| {
        let span = node.span;
        Some((lists(cx, key, node, value::network)?, key, span))
    });
    let Some((ids, key, span)) = filed else {
        return said.map(|all: Vec<(Box<str>, _)>| all.into_iter().map(|(_, network)| network).collect());
    };
    let make = move |patterns: &[&str]| {
        let all = patterns.iter().map(|text| Ok(parsed(text, network)?.1));
        all.collect::<Result<Networks, String>>()
    };
    let said = said.into_iter().flatten().map(|(text, _)| text).collect();
    let list = cx.lists.ask(&ids, said, make);
    list.map(Networks::listed).map_err(|error| refused(cx, key, span, &error)).ok()
}

fn ports(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<(u16, u16)> {
    let said = match (node.value.as_integer(), node.value.as_str()) {
        (Some(number), _) => number.to_string(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => {
            cx.wrong_type(key, node, None);
            return None;
        }
    };
    let (from, to) = said.split_once('-').unwrap_or((&said, &said));
    match (from.trim().parse(), to.trim().parse()) {
        (Ok(from), Ok(to)) if from <= to => Some((from, to)),
        _ => {
            cx.bad_value(key, node, &said, Bad::new("is neither a port nor a range of them"));
            None
        }
    }
}

/// At least one value: none would match whatever comes.
pub(super) fn listed<T>(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    parse: impl Fn(&str) -> Result<T, Bad>,
) -> Option<Vec<T>> {
    let all = node.one_or_many();
    if all.is_empty() {
        let message = format!("`{}` has no value: nothing could match it", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message));
        return None;
    }
    Some(all.into_iter().filter_map(|n| cx.parsed(key, n, &parse)).map(|v| v.value).collect())
}

/// A host, or a part of one: without a port, in lower case, an IPv6 address in brackets.
fn host(how: How, text: &str) -> Result<Box<str>, Bad> {
    match how {
        How::Exact => whole_host(text),
        How::Regex => pattern(how, text),
        How::Prefix | How::Suffix | How::Substring | How::Directory if !text.is_ascii() => {
            Err(Bad::new("is not as clients write it").help("its ASCII form, which begins with \"xn--\""))
        }
        How::Prefix | How::Suffix | How::Substring | How::Directory if text.contains('*') => {
            Err(Bad::new("has a `*`, which no host has")
                .help("host_end = \".example.com\" is every name below example.com"))
        }
        How::Prefix | How::Suffix | How::Substring | How::Directory => {
            pattern(how, text).map(|text| text.to_ascii_lowercase().into())
        }
    }
}

fn whole_host(text: &str) -> Result<Box<str>, Bad> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => return Ok(format!("[{address}]").into()),
        Ok(IpAddr::V4(_)) => return Ok(bare.into()),
        Err(_) => {}
    }
    if let Some((name, _)) = text.split_once(':') {
        return Err(Bad::new("has a port, and `host` is compared without").help(format!("host = \"{name}\"")));
    }
    if let Some(end) = text.strip_prefix('*') {
        return Err(Bad::new("is a pattern, not a host name").help(format!("host_end = \"{end}\"")));
    }
    complete(text)
}

/// A pattern for paths in their one spelling.
fn path(how: How, text: &str) -> Result<Box<str>, Bad> {
    let checked = pattern(how, text)?;
    if how == How::Regex {
        return Ok(checked);
    }
    if text.contains('?') {
        return Err(Bad::new("has a query, which is no part of a path").help("urlp = { NAME = \"value\" }"));
    }
    let starts_a_path = matches!(how, How::Exact | How::Prefix);
    if starts_a_path && !text.starts_with('/') && text != "*" {
        return Err(Bad::new("does not begin with a slash, as paths do").help(format!("\"/{text}\"")));
    }
    // Where it may begin or end inside a part, something stands there.
    let (before, after) = match how {
        How::Exact | How::Regex => ("", ""),
        How::Prefix => ("", "x"),
        How::Suffix => ("/x", ""),
        How::Substring => ("/x", "x"),
        How::Directory => ("/", ""),
    };
    let bare = if how == How::Directory { text.trim_matches('/') } else { text };
    let whole = format!("{before}{bare}{after}");
    let spelled = normal(whole.as_bytes());
    if *spelled == *whole.as_bytes() {
        return Ok(checked);
    }
    let spelled = String::from_utf8_lossy(&spelled);
    let own = spelled.strip_prefix(before).and_then(|own| own.strip_suffix(after)).unwrap_or(&spelled);
    let bad = Bad::new("is not in the spelling in which paths are compared");
    Err(if own.is_empty() { bad.help("raw_path…") } else { bad.help(format!("\"{own}\", or raw_path…")) })
}

fn pattern(how: How, text: &str) -> Result<Box<str>, Bad> {
    if text.is_empty() && how != How::Exact {
        return Err(Bad::new("is empty, and is found in everything"));
    }
    Texts::check(how, text).map_err(|error| Bad::new(format!("is no regular expression: {error}")))?;
    Ok(text.into())
}

pub(super) fn method(text: &str) -> Result<Box<str>, Bad> {
    if !is_token(text) {
        return Err(Bad::new("is not a method"));
    }
    let upper = text.to_ascii_uppercase();
    if STANDARD.contains(&upper.as_str()) && text != upper {
        return Err(Bad::new("is not in upper case, and methods differ in it").help(format!("\"{upper}\"")));
    }
    Ok(text.into())
}

pub(super) fn field_name(text: &str) -> Result<Box<str>, Bad> {
    if is_token(text) { Ok(text.into()) } else { Err(Bad::new("is not the name of a field")) }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn http_version(text: &str) -> Result<Box<str>, Bad> {
    if ["1.0", "1.1", "2.0"].contains(&text) {
        return Ok(text.into());
    }
    Err(Bad::new("is no version of HTTP").help("\"1.0\", \"1.1\", \"2.0\""))
}

fn tls_version(text: &str) -> Result<Box<str>, Bad> {
    if ["TLSv1.2", "TLSv1.3"].contains(&text) {
        return Ok(text.into());
    }
    Err(Bad::new("is no version of TLS that is spoken here").help("\"TLSv1.2\", \"TLSv1.3\""))
}

fn media_type(text: &str) -> Result<MediaType, Bad> {
    MediaType::parse(text).ok_or_else(|| Bad::new("is not a type of content").help("\"application/json\""))
}

fn text(text: &str) -> Result<Box<str>, Bad> {
    if text.is_empty() { Err(Bad::new("is empty")) } else { Ok(text.into()) }
}

/// In lower case. Names by their ends are said with another key, if there is one.
fn host_name(text: &str, by_end: Option<&str>) -> Result<Box<str>, Bad> {
    if let Some(end) = text.strip_prefix('*') {
        let bad = Bad::new("is a pattern, not a host name");
        return Err(match by_end {
            Some(key) => bad.help(format!("{key} = \"{end}\"")),
            None => bad,
        });
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(Bad::new("is an address, and clients ask for names only"));
    }
    complete(text)
}

fn complete(text: &str) -> Result<Box<str>, Bad> {
    if text.starts_with('.') || text.ends_with('.') {
        return Err(Bad::new("is not a host name: it begins or ends with a dot"));
    }
    end_of_name(text)
}

fn end_of_name(text: &str) -> Result<Box<str>, Bad> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !text.is_ascii() {
        return Err(Bad::new("is not as clients write it").help("its ASCII form, which begins with \"xn--\""));
    }
    if text.is_empty() || text.len() > 255 || !text.bytes().all(allowed) || text.ends_with('.') {
        return Err(Bad::new("is not of a host name"));
    }
    Ok(text.to_ascii_lowercase().into())
}

fn protocol(text: &str) -> Result<Box<str>, Bad> {
    // RFC 7301 §3.1: 1 to 255 bytes.
    if (1..=255).contains(&text.len()) {
        return Ok(text.into());
    }
    Err(Bad::new("is not the name of a protocol").help("\"h2\", \"http/1.1\", \"acme-tls/1\""))
}

const HOST: [(&str, &str, How); 5] = [
    ("host", "host_file", How::Exact),
    ("host_beg", "host_beg_file", How::Prefix),
    ("host_end", "host_end_file", How::Suffix),
    ("host_sub", "host_sub_file", How::Substring),
    ("host_reg", "host_reg_file", How::Regex),
];

const PATH: [(&str, &str, How); 6] = [
    ("path", "path_file", How::Exact),
    ("path_beg", "path_beg_file", How::Prefix),
    ("path_end", "path_end_file", How::Suffix),
    ("path_dir", "path_dir_file", How::Directory),
    ("path_sub", "path_sub_file", How::Substring),
    ("path_reg", "path_reg_file", How::Regex),
];

const RAW_PATH: [(&str, &str, How); 6] = [
    ("raw_path", "raw_path_file", How::Exact),
    ("raw_path_beg", "raw_path_beg_file", How::Prefix),
    ("raw_path_end", "raw_path_end_file", How::Suffix),
    ("raw_path_dir", "raw_path_dir_file", How::Directory),
    ("raw_path_sub", "raw_path_sub_file", How::Substring),
    ("raw_path_reg", "raw_path_reg_file", How::Regex),
];

const HDR: [(&str, &str, How); 5] = [
    ("hdr", "hdr_file", How::Exact),
    ("hdr_beg", "hdr_beg_file", How::Prefix),
    ("hdr_end", "hdr_end_file", How::Suffix),
    ("hdr_sub", "hdr_sub_file", How::Substring),
    ("hdr_reg", "hdr_reg_file", How::Regex),
];

const STANDARD: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH"];

const EXAMPLE: &str =
    "if = { host = \"app.example.com\" }, if = \"is_api\", if = [\"is_api\", \"!is_admin\"]";
