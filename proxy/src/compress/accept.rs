//! Codings that a client takes: `Accept-Encoding` (RFC 9110 §12.5.3).

use crate::rules::accept::weight;
use crate::rules::matcher::elements;

/// A way to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algo {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which is what HTTP means by `deflate` (RFC 9110 §8.4.1.2).
    Deflate,
    /// RFC 1951 without a wrapper, which is what some clients have taken `deflate` for.
    RawDeflate,
}

impl Algo {
    /// The name by which clients and servers know it.
    pub const fn coding(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate | Self::RawDeflate => "deflate",
        }
    }
}

/// What a client says of codings, gathered field by field. Weights are in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accepted {
    gzip: Option<u16>,
    deflate: Option<u16>,
    identity: Option<u16>,
    /// Whatever it does not name.
    others: Option<u16>,
}

impl Accepted {
    /// Takes note of one value of the field.
    pub fn read(&mut self, value: &[u8]) {
        for element in elements(value) {
            let name = element.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
            let is = |coding: &str| name.eq_ignore_ascii_case(coding.as_bytes());
            let said = match name {
                b"*" => &mut self.others,
                _ if is("gzip") => &mut self.gzip,
                _ if is("deflate") => &mut self.deflate,
                _ if is("identity") => &mut self.identity,
                _ => continue,
            };
            *said = (*said).max(Some(weight(element)));
        }
    }

    /// The coding that the client likes best; of those it likes equally, the first of `algos`. `None`: it takes none of
    /// them, or would rather have the content as it is.
    pub fn choose(&self, algos: &[Algo]) -> Option<Algo> {
        let mut best = None;
        for algo in algos {
            let named = match algo {
                Algo::Gzip => self.gzip,
                Algo::Deflate | Algo::RawDeflate => self.deflate,
            };
            let weight = named.or(self.others).unwrap_or(0);
            if weight > best.map_or(0, |(_, other)| other) {
                best = Some((*algo, weight));
            }
        }
        best.filter(|(_, weight)| self.identity.is_none_or(|plain| plain <= *weight)).map(|(algo, _)| algo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_decides_and_then_the_file() {
        use Algo::{Deflate, Gzip, RawDeflate};
        let both = &[Gzip, RawDeflate][..];
        for (value, algos, expected) in [
            ("gzip", both, Some(Gzip)),
            ("GZIP", both, Some(Gzip)),
            ("deflate, gzip", both, Some(Gzip)),
            ("deflate, gzip", &[Deflate, Gzip], Some(Deflate)),
            ("gzip;q=0.5, deflate", both, Some(RawDeflate)),
            ("gzip ; q=0.5 ,deflate;q=0.4", both, Some(Gzip)),
            ("gzip;x=y;q=0.1", both, Some(Gzip)),
            ("gzip;q=0.001", both, Some(Gzip)),
            ("gzip;q=0", both, None),
            ("gzip;q=0.000", both, None),
            ("gzip;q=0, *", both, Some(RawDeflate)),
            ("gzip;q=0, *", &[Gzip], None),
            ("*", both, Some(Gzip)),
            ("*;q=0", both, None),
            ("*;q=0, gzip", both, Some(Gzip)),
            ("br", both, None),
            ("x-gzip", both, None),
            ("", both, None),
            (",,", both, None),
            ("identity", both, None),
            ("identity, gzip", both, Some(Gzip)),
            ("identity;q=1, gzip;q=0.5", both, None),
            ("identity;q=0.2, gzip;q=0.5", both, Some(Gzip)),
            ("gzip, deflate, br, zstd", both, Some(Gzip)),
            ("gzip", &[], None),
        ] {
            let mut accepted = Accepted::default();
            accepted.read(value.as_bytes());
            assert_eq!(accepted.choose(algos), expected, "{value:?} of {algos:?}");
        }
    }

    #[test]
    fn several_fields_are_one_list() {
        let mut accepted = Accepted::default();
        accepted.read(b"br;q=1, gzip;q=0.2");
        accepted.read(b"deflate;q=0.7");
        assert_eq!(accepted.choose(&[Algo::Gzip, Algo::Deflate]), Some(Algo::Deflate));
        assert_eq!(Accepted::default().choose(&[Algo::Gzip]), None, "who says nothing takes nothing");
    }
}
