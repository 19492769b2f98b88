//! Versions, cipher suites and curves: HAProxy's configurations name them as OpenSSL does.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Version {
    /// OpenSSL's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// What may be negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Least version.
    pub min: Version,
    /// Greatest version.
    pub max: Version,
    /// Cipher suites of TLS 1.2, best first. Empty: all there are.
    pub ciphers: Vec<Suite>,
    /// Cipher suites of TLS 1.3, best first. Empty: all there are.
    pub ciphersuites: Vec<Suite>,
    /// Key exchange groups, best first. Empty: X25519MLKEM768, X25519, P-256, P-384.
    pub curves: Vec<Curve>,
    /// The client's order decides, not ours.
    pub prefer_client_ciphers: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min: Version::Tls12,
            max: Version::Tls13,
            ciphers: Vec::new(),
            ciphersuites: Vec::new(),
            curves: Vec::new(),
            prefer_client_ciphers: true,
        }
    }
}

impl Policy {
    /// The versions in the range, for which there are suites.
    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let both = [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)];
        both.into_iter().filter(|(v, _)| (self.min..=self.max).contains(v)).map(|(_, v)| v).collect()
    }

    pub(super) fn suites(&self) -> Vec<SupportedCipherSuite> {
        let of = |said: &[Suite], version| {
            let all = SUITES.iter().copied().filter(|s| s.version == version);
            if said.is_empty() { all.collect::<Vec<_>>() } else { said.to_vec() }
        };
        let tls13 = of(&self.ciphersuites, Version::Tls13);
        let tls12 = of(&self.ciphers, Version::Tls12);
        tls13.into_iter().chain(tls12).map(|s| s.suite).collect()
    }

    pub(super) fn groups(&self) -> Vec<&'static dyn SupportedKxGroup> {
        if self.curves.is_empty() {
            return rustls::crypto::aws_lc_rs::DEFAULT_KX_GROUPS.to_vec();
        }
        self.curves.iter().map(|c| c.group).collect()
    }
}

/// A cipher suite that can be used.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    name: &'static str,
    version: Version,
    suite: SupportedCipherSuite,
}

impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Suite {}

impl Suite {
    /// OpenSSL's name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The suite of that name, OpenSSL's or IANA's, if it belongs to `version`.
    ///
    /// # Errors
    /// Why not, as a clause about the name.
    pub fn named(name: &str, version: Version) -> Result<Self, NoSuite> {
        let iana =
            |s: &Self| format!("{:?}", s.suite.suite()).trim_start_matches("TLS13_").replace("TLS_", "");
        let asked = name.trim_start_matches("TLS_");
        let found =
            SUITES.iter().find(|s| s.name.eq_ignore_ascii_case(name) || iana(s).eq_ignore_ascii_case(asked));
        match found {
            Some(s) if s.version == version => Ok(*s),
            Some(s) => Err(NoSuite::OtherVersion(s.version)),
            None => Err(why_not(name)),
        }
    }

    /// The suite of that number.
    #[cfg(feature = "io")]
    pub(crate) fn of(number: rustls::CipherSuite) -> Option<Self> {
        SUITES.iter().copied().find(|s| s.suite.suite() == number)
    }

    /// OpenSSL's names of all suites of a version, best first.
    pub fn names(version: Version) -> impl Iterator<Item = &'static str> {
        SUITES.iter().filter(move |s| s.version == version).map(|s| s.name)
    }
}

/// Why a name is no cipher suite that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSuite {
    /// It belongs to the other version.
    #[error("is of {}", match .0 { Version::Tls12 => "TLS 1.2: it goes into `ciphers`", Version::Tls13 => "TLS 1.3: it goes into `ciphersuites`" })]
    OtherVersion(Version),
    /// It has a weakness that no client of today needs.
    #[error("is not supported: {0}")]
    Weak(&'static str),
    /// OpenSSL would make a list of it.
    #[error("is a rule, not a cipher: write the ciphers themselves")]
    Rule,
    /// Nobody knows it.
    #[error("is not a cipher that is known")]
    Unknown,
}

/// Why OpenSSL's name of something else is none of ours.
fn why_not(name: &str) -> NoSuite {
    let upper = name.to_ascii_uppercase();
    let parts: Vec<&str> = upper.split(['-', '_']).collect();
    let has = |part: &str| parts.contains(&part);
    let rule =
        name.starts_with(['!', '+', '-', '@']) || name.contains('+') || RULES.contains(&upper.as_str());
    if rule {
        return NoSuite::Rule;
    }
    let of_tls13 = upper.starts_with("TLS_") && !has("WITH");
    if parts.len() < 2 || of_tls13 {
        return NoSuite::Unknown;
    }
    if has("NULL")
        || upper.contains("EXP")
        || has("RC4")
        || has("DES")
        || has("3DES")
        || has("CBC3")
        || has("MD5")
    {
        return NoSuite::Weak("it is broken");
    }
    if has("ADH") || has("AECDH") {
        return NoSuite::Weak("it does not prove who the server is");
    }
    if has("DHE") || has("EDH") {
        return NoSuite::Weak("finite-field Diffie-Hellman is slow and its groups are often weak");
    }
    if has("PSK") || has("SRP") {
        return NoSuite::Weak("pre-shared keys and passwords are not used here");
    }
    if upper.contains("CCM") || has("CAMELLIA") || upper.contains("ARIA") {
        return NoSuite::Weak("hardly a client has it");
    }
    let aead = has("GCM") || has("POLY1305");
    if !has("ECDHE") && upper.contains("AES") {
        return NoSuite::Weak("it has no forward secrecy");
    }
    if has("ECDHE") && !aead {
        return NoSuite::Weak("its CBC mode has padding oracles");
    }
    NoSuite::Unknown
}

/// Words of OpenSSL's that stand for many ciphers.
const RULES: &[&str] = &[
    "ALL",
    "DEFAULT",
    "HIGH",
    "MEDIUM",
    "LOW",
    "COMPLEMENTOFDEFAULT",
    "ECDHE",
    "EECDH",
    "DHE",
    "EDH",
    "KECDHE",
    "AECDSA",
    "ECDSA",
    "ARSA",
    "RSA",
    "KRSA",
    "AES",
    "AESGCM",
    "CHACHA20",
    "AES128",
    "AES256",
    "ANULL",
    "ENULL",
    "TLSV1.2",
    "TLSV1.0",
    "SSLV3",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA384",
    "PROFILE=SYSTEM",
];

/// A key exchange group that can be used.
#[derive(Debug, Clone, Copy)]
pub struct Curve {
    name: &'static str,
    group: &'static dyn SupportedKxGroup,
}

impl PartialEq for Curve {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Curve {}

impl Curve {
    /// The group of that name: `X25519`, `P-256` or `prime256v1`, and so on, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let alias = CURVE_ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        let name = alias.map_or(name, |(_, name)| name);
        CURVES.iter().find(|c| c.name.eq_ignore_ascii_case(name)).copied()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// All names, best first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CURVES.iter().map(|c| c.name)
    }
}

/// In the order of preference: with hardware for AES, which servers have, 128 bits of key are the fastest that are safe;
/// 256 come first as OpenSSL has it.
const SUITES: &[Suite] = &[
    Suite { name: "TLS_AES_256_GCM_SHA384", version: Version::Tls13, suite: suite::TLS13_AES_256_GCM_SHA384 },
    Suite { name: "TLS_AES_128_GCM_SHA256", version: Version::Tls13, suite: suite::TLS13_AES_128_GCM_SHA256 },
    Suite {
        name: "TLS_CHACHA20_POLY1305_SHA256",
        version: Version::Tls13,
        suite: suite::TLS13_CHACHA20_POLY1305_SHA256,
    },
    Suite {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        version: Version::Tls12,
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Suite {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        version: Version::Tls12,
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Suite {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        version: Version::Tls12,
        suite: suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Suite {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        version: Version::Tls12,
        suite: suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Suite {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        version: Version::Tls12,
        suite: suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
    Suite {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        version: Version::Tls12,
        suite: suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
];

const CURVES: &[Curve] = &[
    Curve { name: "X25519MLKEM768", group: kx_group::X25519MLKEM768 },
    Curve { name: "X25519", group: kx_group::X25519 },
    Curve { name: "P-256", group: kx_group::SECP256R1 },
    Curve { name: "P-384", group: kx_group::SECP384R1 },
    Curve { name: "SecP256r1MLKEM768", group: kx_group::SECP256R1MLKEM768 },
];

/// OpenSSL has several names for the curves of NIST.
const CURVE_ALIASES: &[(&str, &str)] =
    &[("prime256v1", "P-256"), ("secp256r1", "P-256"), ("secp384r1", "P-384")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssls_and_ianas_names_are_known() {
        for (name, version, found) in [
            ("ECDHE-ECDSA-AES128-GCM-SHA256", Version::Tls12, "ECDHE-ECDSA-AES128-GCM-SHA256"),
            ("ecdhe-rsa-chacha20-poly1305", Version::Tls12, "ECDHE-RSA-CHACHA20-POLY1305"),
            ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Version::Tls12, "ECDHE-RSA-AES256-GCM-SHA384"),
            ("TLS_AES_128_GCM_SHA256", Version::Tls13, "TLS_AES_128_GCM_SHA256"),
        ] {
            assert_eq!(Suite::named(name, version).map(Suite::name), Ok(found));
        }
        for version in [Version::Tls12, Version::Tls13] {
            for name in Suite::names(version) {
                assert_eq!(Suite::named(name, version).map(Suite::name), Ok(name));
            }
        }
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for (name, why) in [
            ("TLS_AES_128_GCM_SHA256", "is of TLS 1.3: it goes into `ciphersuites`"),
            ("AES128-GCM-SHA256", "is not supported: it has no forward secrecy"),
            ("AES256-SHA", "is not supported: it has no forward secrecy"),
            ("ECDHE-RSA-AES128-SHA", "is not supported: its CBC mode has padding oracles"),
            ("ECDHE-ECDSA-AES256-SHA384", "is not supported: its CBC mode has padding oracles"),
            (
                "DHE-RSA-AES128-GCM-SHA256",
                "is not supported: finite-field Diffie-Hellman is slow and its groups are often weak",
            ),
            ("DES-CBC3-SHA", "is not supported: it is broken"),
            ("ECDHE-RSA-RC4-SHA", "is not supported: it is broken"),
            ("ADH-AES128-SHA", "is not supported: it does not prove who the server is"),
            ("ECDHE-ECDSA-AES128-CCM8", "is not supported: hardly a client has it"),
            ("!aNULL", "is a rule, not a cipher: write the ciphers themselves"),
            ("HIGH", "is a rule, not a cipher: write the ciphers themselves"),
            ("ECDHE+AESGCM", "is a rule, not a cipher: write the ciphers themselves"),
            ("@STRENGTH", "is a rule, not a cipher: write the ciphers themselves"),
            ("ECDHE-RSA-AES512-GCM-SHA256", "is not a cipher that is known"),
            ("TLS_AES_128_GCM_SHA265", "is not a cipher that is known"),
            ("TLS_RSA_WITH_AES_128_GCM_SHA256", "is not supported: it has no forward secrecy"),
            ("nonsense", "is not a cipher that is known"),
        ] {
            let refused = Suite::named(name, Version::Tls12).unwrap_err();
            assert_eq!(refused.to_string(), why, "{name}");
        }
        let moved = Suite::named("ECDHE-RSA-AES128-GCM-SHA256", Version::Tls13).unwrap_err();
        assert_eq!(moved.to_string(), "is of TLS 1.2: it goes into `ciphers`");
    }

    #[test]
    fn a_policy_is_an_order() {
        let named = |n, v| Suite::named(n, v).unwrap();
        let policy = Policy {
            ciphers: vec![named("ECDHE-RSA-AES128-GCM-SHA256", Version::Tls12)],
            ciphersuites: vec![
                named("TLS_CHACHA20_POLY1305_SHA256", Version::Tls13),
                named("TLS_AES_128_GCM_SHA256", Version::Tls13),
            ],
            curves: vec![Curve::named("prime256v1").unwrap(), Curve::named("x25519").unwrap()],
            ..Policy::default()
        };
        let suites: Vec<_> = policy.suites().iter().map(|s| s.suite()).collect();
        let ids = [
            rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            rustls::CipherSuite::TLS13_AES_128_GCM_SHA256,
            rustls::CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ];
        assert_eq!(suites, ids);
        let groups: Vec<_> = policy.groups().iter().map(|g| g.name()).collect();
        assert_eq!(groups, [rustls::NamedGroup::secp256r1, rustls::NamedGroup::X25519]);
        assert_eq!(Policy::default().groups()[0].name(), rustls::NamedGroup::X25519MLKEM768);
        assert_eq!(Policy { min: Version::Tls13, ..Policy::default() }.versions().len(), 1);
    }
}
