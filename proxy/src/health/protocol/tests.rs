use super::*;
use crate::plan::{MysqlCheck, MysqlLogin};

fn said(heard: &Heard) -> String {
    match heard {
        Heard::More => "more".into(),
        Heard::Say(bytes, _) => format!("say {}", bytes.escape_ascii()),
        Heard::Over(result, _) => {
            let code = result.code.map(|c| format!(" {c}")).unwrap_or_default();
            let info = result.info.as_ref().map(|i| format!(" {}", i.as_str())).unwrap_or_default();
            format!("{}{code}{info}", result.status.name())
        }
    }
}

/// The dialogue's opening and its reaction to each answer; every shorter beginning of an answer must be waited for or
/// settled in the same way.
fn dialogue(protocol: &Protocol, answers: &[&[u8]]) -> Vec<String> {
    let (mut dialogue, opening) = Dialogue::begin(protocol);
    let mut reactions = vec![opening.escape_ascii().to_string()];
    for answer in answers {
        let mut heard = Heard::More;
        for end in 1..=answer.len() {
            heard = dialogue.hear(&answer[..end], false);
            if heard != Heard::More {
                break;
            }
        }
        reactions.push(said(&heard));
    }
    reactions
}

fn last(protocol: &Protocol, answers: &[&[u8]]) -> String {
    dialogue(protocol, answers).pop().unwrap_or_default()
}

#[test]
fn redis_says_pong_or_why_not() {
    let cases: [(&[u8], &str); 6] = [
        (b"+PONG\r\n", "L7OK Redis server is ok"),
        (b"-NOAUTH Authentication required.\r\n", "L7STS -NOAUTH Authentication required."),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "L7STS -LOADING Redis is loading the dataset in memory",
        ),
        (b"HTTP/1.0 400 Bad\r\n", "L7STS HTTP/1.0 400 Bad"),
        (b"+PONG", "more"),
        (b"\r\n", "L7STS"),
    ];
    for (answer, outcome) in cases {
        assert_eq!(last(&Protocol::Redis, &[answer]), outcome);
    }
    assert_eq!(dialogue(&Protocol::Redis, &[])[0], "*1\\r\\n$4\\r\\nPING\\r\\n");
}

fn error_response(fields: &str) -> Vec<u8> {
    let body = fields.replace('|', "\0") + "\0\0";
    let mut message = vec![b'E'];
    message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(body.as_bytes());
    message
}

#[test]
fn postgresql_asks_for_a_password_or_refuses() {
    let pgsql = Protocol::Pgsql { user: "hap".into() };
    let refused = error_response("SFATAL|VFATAL|C28000|Mrole \"x\" does not exist|Fauth.c|L1");
    let translated = error_response("SFATALE|C57P03|Mdas Datenbanksystem startet");
    let cases: [(&[u8], &str); 9] = [
        (b"R\0\0\0\x08\0\0\0\0", "L7OK PostgreSQL server is ok"),
        (b"R\0\0\0\x0c\0\0\0\x05salt", "L7OK PostgreSQL server is ok"),
        (b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", "L7OK PostgreSQL server is ok"),
        (b"R\0\0\0\x08\0\0\0\x01", "L7STS PostgreSQL unknown error"),
        (&refused, "L7RSP FATAL 28000 role 'x' does not exist"),
        (&translated, "L7RSP FATALE 57P03 das Datenbanksystem startet"),
        (b"HTTP/1.0 400", "L7RSP not a PostgreSQL server"),
        (b"R\0\0\0\x03", "L7RSP not a PostgreSQL server"),
        (b"R\xff\0\0\x03", "L7RSP not a PostgreSQL server"),
    ];
    for (answer, outcome) in cases {
        assert_eq!(last(&pgsql, &[answer]), outcome);
    }
    assert_eq!(dialogue(&pgsql, &[])[0], "\\x00\\x00\\x00\\x12\\x00\\x03\\x00\\x00user\\x00hap\\x00\\x00");
}

#[test]
fn smtp_is_greeted_asked_and_left() {
    let smtp = Protocol::Smtp { hello: "EHLO lb1".into() };
    let greeting: &[u8] = b"220 mail ESMTP\r\n";
    let hello: &[u8] = b"250-mail\r\n250-PIPELINING\r\n250 HELP\r\n";
    assert_eq!(
        dialogue(&smtp, &[greeting, hello, b"221 2.0.0 Bye\r\n"]),
        ["", "say EHLO lb1\\r\\n", "say QUIT\\r\\n", "L7OK 221 2.0.0 Bye"]
    );
    let cases: [(&[&[u8]], &str); 7] = [
        (&[b"554 5.7.1 go away\r\n"], "L7STS 554 5.7.1 go away"),
        (&[greeting, b"502 5.5.2 no\r\n"], "L7STS 502 5.5.2 no"),
        (&[b"220-a\r\n220-b\r\n220 c\r\n"], "say EHLO lb1\\r\\n"),
        (&[b"220\r\n"], "say EHLO lb1\\r\\n"),
        (&[b"SSH-2.0-x\r\n"], "L7RSP S"),
        (&[b"220-a\r\n221 b\r\n"], "L7RSP 220-a"),
        (&[b"220-a\r\n220-b"], "more"),
    ];
    for (answers, outcome) in cases {
        assert_eq!(last(&smtp, answers), outcome);
    }
    let (mut polite, _) = Dialogue::begin(&smtp);
    polite.hear(greeting, false);
    polite.hear(hello, false);
    assert_eq!(
        said(&polite.hear(b"", true)),
        "L7OK 250 mail",
        "a server may close instead of answering QUIT"
    );
}

#[test]
fn ldap_binds_or_says_why_not() {
    let cases: [(&[u8], &str); 12] = [
        (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "L7OK 0 Success"),
        // Lengths of several bytes, as Active Directory writes them.
        (b"\x30\x84\0\0\0\x10\x02\x01\x01\x61\x84\0\0\0\x07\x0a\x01\x00\x04\x00\x04\x00", "L7OK 0 Success"),
        (
            b"\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x30\x04\x00\x04\x02no",
            "L7STS 48 inappropriateAuthentication: no",
        ),
        (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x35\x04\x00\x04\x00", "L7STS 53 unwillingToPerform"),
        (
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x7f\x04\x00\x04\x00",
            "L7STS 127 See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9",
        ),
        (b"HTTP/1.0 400 Bad\r\n", "L7RSP Not LDAPv3 protocol"),
        (b"\x30\x80\x02\x01\x01", "L7RSP Not LDAPv3 protocol"),
        (b"\x30\x84\x7f\xff\xff\xff", "L7RSP Not LDAPv3 protocol"),
        (b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "L7RSP Not LDAPv3 protocol"),
        (b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00", "L7RSP Not LDAPv3 protocol"),
        (b"\x30\x05\x02\x01\x01\x61\x07", "L7RSP Not LDAPv3 protocol"),
        (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04", "more"),
    ];
    for (answer, outcome) in cases {
        assert_eq!(last(&Protocol::Ldap, &[answer]), outcome, "{answer:x?}");
    }
}

fn mysql(user: Option<&str>, login: Option<MysqlLogin>) -> Protocol {
    Protocol::Mysql(MysqlCheck { user: user.map(Into::into), login })
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![u8::try_from(payload.len()).unwrap(), 0, 0, sequence];
    packet.extend_from_slice(payload);
    packet
}

/// A greeting of protocol 10 with these capabilities.
fn greeting(capabilities: u32) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let mut payload = b"\x0a8.0.36\0\x07\0\0\0saltsalt\0".to_vec();
    payload.extend_from_slice(&[a, b, 0x21, 2, 0, c, d, 21]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"saltsaltsalt\0caching_sha2_password\0");
    packet(0, &payload)
}

#[test]
fn mysql_logins_are_byte_exact() {
    let old: &[u8] = &greeting(0);
    let post41: &[u8] = &greeting(0x8200);
    let post80: &[u8] = &greeting(0x0008_8200);
    let zeros = "\\x00".repeat(23);
    let login41 =
        format!("say &\\x00\\x00\\x01\\x00\\x82\\x00\\x00\\x00\\x80\\x00\\x01!{zeros}hap1\\x00\\x00");
    let login80 = format!(
        "say <\\x00\\x00\\x01\\x00\\x82\\x08\\x00\\x00\\x80\\x00\\x01!{zeros}hap1\\x00\\x00mysql_native_password\\x00"
    );
    let pre41 = "say \\x0b\\x00\\x00\\x01\\x00\\x80\\x00\\x00\\x01hap1\\x00\\x00";
    let cases = [
        (None, old, pre41),
        (None, post41, login41.as_str()),
        (None, post80, login80.as_str()),
        (Some(MysqlLogin::Pre41), post80, pre41),
        (Some(MysqlLogin::Post41), post80, login41.as_str()),
        (Some(MysqlLogin::Post80), old, login80.as_str()),
    ];
    for (login, greeting, said) in cases {
        assert_eq!(last(&mysql(Some("hap1"), login), &[greeting]), said, "{login:?}");
    }
    assert_eq!(last(&mysql(None, None), &[post80]), "L7OK 8.0.36");
}

#[test]
fn mysql_tells_how_the_login_ended() {
    let greeting: &[u8] = &greeting(0x0008_8200);
    let ok = packet(2, &[0, 0, 0, 2, 0, 0, 0]);
    let denied = packet(2, b"\xff\x15\x04#28000Access denied for user 'hap'");
    let switch = packet(2, b"\xfecaching_sha2_password\0saltsaltsaltsaltsalt\0");
    let native = packet(2, b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0");
    let mut cached = packet(4, &[1, 3]);
    cached.extend_from_slice(&packet(5, &[0, 0, 0, 2, 0, 0, 0]));
    let full = packet(4, &[1, 4]);
    let ancient = packet(2, &[0xfe]);
    let odd = packet(2, &[7]);
    let user = mysql(Some("hap"), None);
    let cases: [(&[&[u8]], &str); 11] = [
        (&[greeting, &ok], "L7OK 8.0.36"),
        (&[greeting, &denied], "L7STS 1045 Access denied for user 'hap'"),
        (&[greeting, &switch], "say \\x01\\x00\\x00\\x03\\x00"),
        (&[greeting, &native], "say \\x00\\x00\\x00\\x03"),
        (&[greeting, &switch, &cached], "L7OK 8.0.36"),
        (&[greeting, &switch, &full], "L7STS the user has a password"),
        (&[greeting, &ancient], "L7RSP server wants a password of MySQL 3.23's kind"),
        (&[greeting, &odd], "L7RSP unexpected answer to the login"),
        (&[b"\x40\0\0\0\xff\x69\x04Host 'x' is blocked ..."], "more"),
        (&[b"\x18\0\0\0\xff\x69\x04Host 'x' is blocked b"], "L7STS 1129 Host 'x' is blocked b"),
        (&[b"HTTP/1.0 400 Bad\r\n"], "L7RSP not a MySQL server"),
    ];
    for (answers, outcome) in cases {
        assert_eq!(last(&user, answers), outcome);
    }
}

#[test]
fn a_tls_hello_is_well_formed() {
    let with = tls_hello::client_hello(Some("app.example.com"));
    let without = tls_hello::client_hello(None);
    for hello in [&with, &without] {
        let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        assert_eq!((hello[0], hello.len()), (22, 5 + length(3)));
        assert_eq!(
            (hello[5], hello[6], hello.len()),
            (1, 0, 9 + length(7)),
            "the handshake fills the record"
        );
    }
    assert_eq!(with.len() - without.len(), 4 + 2 + 1 + 2 + "app.example.com".len());
    assert!(memchr::memmem::find(&with, b"app.example.com").is_some());
    let hello = Protocol::SslHello { sni: None };
    let cases: [(&[u8], &str); 6] = [
        (b"\x16\x03\x03\x00\x7a\x02", "L6OK"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "L6OK TLS alert 40"),
        (b"\x15\x03\x03\x00\x02\x02", "more"),
        (b"\x16\x03\x03\x00", "more"),
        (b"HTTP/1.0", "L6RSP the answer is not TLS"),
        (b"\x16\x02\x03\x00\x7a\x02", "L6RSP the answer is not TLS"),
    ];
    for (answer, outcome) in cases {
        assert_eq!(last(&hello, &[answer]), outcome);
    }
}
