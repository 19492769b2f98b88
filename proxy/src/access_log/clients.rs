//! How clients are written: most send many requests, and their address is put into digits once.

use std::net::{IpAddr, SocketAddr};

use super::httplog::push_address_then;
use crate::decimal::push_then;

/// Texts of clients, each in the one place that its address has. **Capacity:** 256.
#[derive(Debug, Default)]
pub struct Clients(Vec<Place>);

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Address and port of IPv4, or [`NOBODY`].
    client: u64,
    length: u8,
    text: [u8; LONGEST],
}

impl Clients {
    /// Appends `10.0.0.1:51000 [`.
    #[inline]
    pub(super) fn push(&mut self, out: &mut Vec<u8>, client: SocketAddr) {
        let IpAddr::V4(address) = client.ip().to_canonical() else { return write(out, client) };
        let number = u64::from(address.to_bits()) << 16 | u64::from(client.port());
        if self.0.is_empty() {
            self.0 = vec![Place { client: NOBODY, length: 0, text: [0; LONGEST] }; PLACES];
        }
        let Some(place) = self.0.get_mut(usize::from(client.port()) % PLACES) else { return };
        if place.client != number {
            place.settle(number, client);
        }
        out.extend_from_slice(place.text.get(..usize::from(place.length)).unwrap_or_default());
    }
}

impl Place {
    #[cold]
    fn settle(&mut self, number: u64, client: SocketAddr) {
        let mut text = Vec::with_capacity(LONGEST);
        write(&mut text, client);
        if let (Some(room), Ok(length)) = (self.text.get_mut(..text.len()), u8::try_from(text.len())) {
            room.copy_from_slice(&text);
            (self.client, self.length) = (number, length);
        }
    }
}

fn write(out: &mut Vec<u8>, client: SocketAddr) {
    push_address_then(out, client.ip(), b':');
    push_then(out, client.port().into(), b' ');
    out.push(b'[');
}

/// More than any address and port.
const NOBODY: u64 = u64::MAX;

/// A power of two. Ports of clients follow each other.
const PLACES: usize = 256;

/// `255.255.255.255:65535 [`.
const LONGEST: usize = 23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_there_before_is_written_as_who_is_now() {
        let mut clients = Clients::default();
        let mut written = |client: &str| {
            let mut out = Vec::new();
            clients.push(&mut out, client.parse().unwrap());
            String::from_utf8(out).unwrap()
        };
        // The same place in turns, and both forms of one address.
        for client in
            ["255.255.255.255:65535", "192.0.2.1:255", "192.0.2.2:255", "192.0.2.2:511", "0.0.0.0:0"]
        {
            for _ in 0..2 {
                assert_eq!(written(client), format!("{client} ["));
            }
        }
        assert_eq!(written("[::ffff:192.0.2.2]:511"), "192.0.2.2:511 [");
        assert_eq!(written("[2001:db8::1]:80"), "2001:db8::1:80 [");
    }
}
