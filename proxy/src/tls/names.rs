//! Host names: those a certificate is for, and how one that a client asks for is looked up.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// A name in a certificate, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Exact(Box<str>),
    /// `*.` and this: every name with one label more.
    Wildcard(Box<str>),
}

impl Name {
    /// A name as it stands in a certificate. `None`: no client can ask for it.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (name, wild) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text.as_str(), false),
        };
        let label =
            |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !name.split('.').all(label) || name.len() > 253 {
            return None;
        }
        Some(if wild { Self::Wildcard(name.into()) } else { Self::Exact(name.into()) })
    }
}

/// The names of a certificate: its alternative names and, as HAProxy takes it, its common name.
pub(super) fn of(certificate: &X509Certificate<'_>) -> Vec<Name> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternatives = alternatives
        .iter()
        .flat_map(|e| &e.value.general_names)
        .filter_map(|n| if let GeneralName::DNSName(name) = n { Some(*name) } else { None });
    let common = certificate.subject().iter_common_name().filter_map(|cn| cn.as_str().ok());
    let mut names: Vec<Name> = Vec::new();
    for name in alternatives.chain(common).filter_map(Name::parse) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_what_is_none_is_dropped() {
        let exact = |s: &str| Some(Name::Exact(s.into()));
        for (text, name) in [
            ("Example.COM", exact("example.com")),
            ("a.example.com.", exact("a.example.com")),
            ("*.Example.com", Some(Name::Wildcard("example.com".into()))),
            ("_dmarc.x", exact("_dmarc.x")),
            ("*", None),
            ("a.*.com", None),
            ("", None),
            ("a..b", None),
            ("Some Company Ltd", None),
            ("*.", None),
        ] {
            assert_eq!(Name::parse(text), name, "{text}");
        }
    }
}
