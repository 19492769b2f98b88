use super::*;
use crate::lua::Client;

fn message() -> Message {
    let destination = Some(([192, 0, 2, 9], 443).into());
    let client = Client { source: ([192, 0, 2, 1], 4000).into(), destination, tls: None };
    let mut message = Message::request(client, Version::Http11, b"GET", b"/a/b?c=d&e=%20", b"h.ex");
    for (name, value) in [("Host", "h.ex"), ("X-A", "one, two"), ("x-a", "three"), ("Cookie", "k=v; l=w")] {
        message.push(name.as_bytes(), value.as_bytes());
    }
    message.set_variable(b"txn.v", Some(b"set")).unwrap();
    message
}

fn said(fact: Fact) -> String {
    match fact {
        Fact::None => "-".into(),
        Fact::Bool(yes) => yes.to_string(),
        Fact::Int(n) => n.to_string(),
        Fact::Text(text) => format!("{:?}", String::from_utf8_lossy(&text)),
    }
}

#[test]
fn fetches_are_haproxys() {
    let message = message();
    for (name, args, found) in [
        ("path", "", "\"/a/b\""),
        ("url", "", "\"/a/b?c=d&e=%20\""),
        ("query", "", "\"c=d&e=%20\""),
        ("base", "", "\"h.ex/a/b\""),
        ("method", "", "\"GET\""),
        ("src", "", "\"192.0.2.1\""),
        ("src_port", "", "4000"),
        ("dst", "", "\"192.0.2.9\""),
        ("dst_port", "", "443"),
        ("hdr", "X-A", "\"three\""),
        ("req_hdr", "x-a,1", "\"one\""),
        ("req_hdr", "x-a,-2", "\"two\""),
        ("req_hdr", "x-a,9", "-"),
        ("req_fhdr", "x-a,1", "\"one, two\""),
        ("req_fhdr", "x-a", "\"three\""),
        ("req_hdr", "none", "-"),
        ("req_hdr_cnt", "x-a", "3"),
        ("req_fhdr_cnt", "x-a", "2"),
        ("cook", "l", "\"w\""),
        ("urlp", "c", "\"d\""),
        ("url_param", "z", "-"),
        ("var", "txn.v", "\"set\""),
        ("ssl_fc", "", "false"),
        ("ssl_fc_sni", "", "-"),
        ("req_ver", "", "\"1.1\""),
        ("status", "", "-"),
        ("res_hdr", "x-a", "-"),
    ] {
        assert!(is_fetch(name), "{name}");
        let args: Vec<Vec<u8>> =
            args.split(',').filter(|a| !a.is_empty()).map(|a| a.as_bytes().to_vec()).collect();
        assert_eq!(said(fetch(&message, name, &args)), found, "{name} {args:?}");
    }
    let mut response = Message::response(message.client().clone(), Version::Http11, b"GET", 404);
    response.push(b"Server", b"s");
    let of_response = |name, arg: &str| said(fetch(&response, name, &[arg.as_bytes().to_vec()]));
    assert_eq!(of_response("status", ""), "404");
    assert_eq!(of_response("res_hdr", "server"), "\"s\"");
    assert_eq!((of_response("path", ""), of_response("req_hdr", "server")), ("-".into(), "-".into()));
}

#[test]
fn every_name_is_known_and_says_something() {
    assert!(FETCHES.is_sorted() && CONVERTERS.is_sorted());
    for name in CONVERTERS {
        assert_ne!(convert(name, b"YWJj"), Fact::None, "{name}");
    }
}

#[test]
fn converters_are_haproxys() {
    for (name, text, found) in [
        ("lower", "aBé", "\"abé\""),
        ("upper", "aB", "\"AB\""),
        ("hex", "\u{1}az", "\"01617A\""),
        ("base64", "hello", "\"aGVsbG8=\""),
        ("b64dec", "aGVsbG8=", "\"hello\""),
        ("b64dec", "aGVsbG8", "-"),
        ("b64dec", "a===", "-"),
        ("b64dec", "", "\"\""),
        ("url_dec", "a%20b+c%zz", "\"a b+c%zz\""),
        ("url_enc", "a b/é", "\"a%20b%2F%C3%A9\""),
        ("length", "abc", "3"),
        ("crc32c", "123456789", "3808858755"),
    ] {
        assert_eq!(said(convert(name, text.as_bytes())), found, "{name} {text}");
    }
}
