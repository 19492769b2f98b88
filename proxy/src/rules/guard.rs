//! What nothing that comes from a rule or a script may do to a message: change what says where it ends, end a line.

/// What says where a message ends, and what becomes of its connection: the proxy's own business (RFC 9110 §7.6.1).
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a field of this name is about the connection, in whatever case.
pub fn is_of_connection(name: &[u8]) -> bool {
    OF_CONNECTION.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// RFC 9110 §5.6.2: the name of a field, or a method.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// RFC 9110 §5.5: what a value consists of.
pub fn is_value(text: &[u8]) -> bool {
    text.iter().all(|b| !b.is_ascii_control() || *b == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_frames_are_not_for_rules() {
        for name in ["Content-Length", "transfer-encoding", "CONNECTION", "te"] {
            assert!(is_of_connection(name.as_bytes()), "{name}");
        }
        assert!(!is_of_connection(b"x-te"));
        for (text, token, value) in [
            ("", false, true),
            ("X-A_b", true, true),
            ("a b", false, true),
            ("a:b", false, true),
            ("a\r\nb", false, false),
            ("a\tb", false, true),
            ("a\0", false, false),
            ("é", false, true),
        ] {
            assert_eq!((is_token(text.as_bytes()), is_value(text.as_bytes())), (token, value), "{text:?}");
        }
    }
}
