//! OCSP responses (RFC 6960), as far as whoever staples one must know them: whose they are, and until when they are good.

use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// What a response says of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staple {
    status: Status,
    /// Seconds since 1970. Absent: the responder has said nothing about newer ones.
    next_update: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Good,
    Revoked,
    Unknown,
}

impl Staple {
    /// Reads a response about the certificate with this serial number, as its certificate writes it.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn read(der: &[u8], serial: &[u8]) -> Result<Self, &'static str> {
        let answers = answers(der)?;
        let mut rest = answers;
        while !rest.is_empty() {
            let mut answer = Der(element(&mut rest, SEQUENCE).ok_or(BROKEN)?);
            let mut about = Der(answer.next(SEQUENCE).ok_or(BROKEN)?);
            // The algorithm, and the hashes of the issuer's name and key.
            let number =
                about.next(SEQUENCE).and_then(|_| about.next(OCTETS)).and_then(|_| about.next(OCTETS));
            let number = number.and_then(|_| about.next(INTEGER)).ok_or(BROKEN)?;
            if number != serial {
                continue;
            }
            let (tag, _) = answer.any().ok_or(BROKEN)?;
            let status = match tag & 0x1f {
                0 => Status::Good,
                1 => Status::Revoked,
                _ => Status::Unknown,
            };
            answer.next(TIME).ok_or(BROKEN)?;
            let next_update = match answer.next(CONTEXT_0) {
                Some(inside) => Some(ASN1Time::from_der(inside).map_err(|_| BROKEN)?.1.timestamp()),
                None => None,
            };
            return Ok(Self { status, next_update });
        }
        Err("it is about another certificate")
    }

    /// Whether clients may be shown it at `now`, seconds since 1970. One that is past its time is worse than none: clients
    /// that ask for a staple end the handshake.
    pub fn is_good(&self, now: i64) -> bool {
        self.status == Status::Good && self.next_update.is_none_or(|end| now < end)
    }

    /// Why it is not shown at `now`, if it is not.
    pub fn trouble(&self, now: i64) -> Option<&'static str> {
        match self.status {
            _ if self.is_good(now) => None,
            Status::Good => Some("is past its time"),
            Status::Revoked => Some("says that the certificate is revoked"),
            Status::Unknown => Some("says that the responder does not know the certificate"),
        }
    }
}

/// RFC 6960 §4.2.1: the answers of a response, one after the other.
fn answers(der: &[u8]) -> Result<&[u8], &'static str> {
    let mut whole = der;
    let mut response = Der(element(&mut whole, SEQUENCE).ok_or("it is not a sequence in DER")?);
    if !whole.is_empty() {
        return Err("something follows it");
    }
    match response.next(ENUMERATED).ok_or("it has no status")? {
        [0] => {}
        _ => return Err("the responder refused to answer"),
    }
    let mut bytes = Der(response.next(CONTEXT_0).ok_or("it is empty")?);
    let mut typed = Der(bytes.next(SEQUENCE).ok_or(BROKEN)?);
    if typed.next(OID) != Some(BASIC) {
        return Err("it is of no kind that clients know");
    }
    let mut basic = Der(typed.next(OCTETS).ok_or(BROKEN)?);
    let mut signed = Der(basic.next(SEQUENCE).ok_or(BROKEN)?);
    let mut data = Der(signed.next(SEQUENCE).ok_or(BROKEN)?);
    // The version may be left out; who answers, and when, is for clients to judge.
    let mut who = data.any().ok_or(BROKEN)?;
    if who.0 == CONTEXT_0 {
        who = data.any().ok_or(BROKEN)?;
    }
    data.next(TIME).filter(|_| who.0 & 0xc0 == 0x80).ok_or(BROKEN)?;
    data.next(SEQUENCE).ok_or(BROKEN)
}

/// Elements of DER, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, if it has this tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        element(&mut self.0, tag)
    }

    /// The next element, whatever it is: its tag and content.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let tag = *self.0.first()?;
        Some((tag, element(&mut self.0, tag)?))
    }
}

fn element<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if *found != tag {
        return None;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(content)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const TIME: u8 = 0x18;
const CONTEXT_0: u8 = 0xa0;

/// `id-pkix-ocsp-basic`, 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

const BROKEN: &str = "it is broken";

#[cfg(test)]
mod tests {
    use super::super::fixture::ocsp;
    use super::*;

    #[test]
    fn whose_it_is_and_until_when() {
        let (serial, other) = ([0x01, 0x02], [0x03]);
        let good = ocsp(&serial, 0, Some("20300101000000Z"));
        let staple = Staple::read(&good, &serial).unwrap();
        let end = 1_893_456_000;
        assert_eq!((staple.is_good(end - 1), staple.is_good(end)), (true, false));
        assert_eq!((staple.trouble(end - 1), staple.trouble(end)), (None, Some("is past its time")));
        assert_eq!(Staple::read(&good, &other), Err("it is about another certificate"));
        assert!(Staple::read(&ocsp(&serial, 0, None), &serial).unwrap().is_good(i64::MAX));
        for (status, trouble) in [
            (1, "says that the certificate is revoked"),
            (2, "says that the responder does not know the certificate"),
        ] {
            let staple = Staple::read(&ocsp(&serial, status, None), &serial).unwrap();
            assert_eq!((staple.is_good(0), staple.trouble(0)), (false, Some(trouble)));
        }
    }

    #[test]
    fn what_is_none() {
        let serial = [7];
        let good = ocsp(&serial, 0, None);
        for (bytes, why) in [
            (&b"-----BEGIN"[..], "it is not a sequence in DER"),
            (&[0x30, 0x00], "it has no status"),
            (&[0x30, 0x03, 0x0a, 0x01, 0x06], "the responder refused to answer"),
            (&[0x30, 0x03, 0x0a, 0x01, 0x00], "it is empty"),
            (&[&good[..], &[0]].concat(), "something follows it"),
        ] {
            assert_eq!(Staple::read(bytes, &serial).err(), Some(why));
        }
        for end in 0..good.len() {
            assert!(Staple::read(&good[..end], &serial).is_err());
        }
    }
}
