//! MySQL and MariaDB: the server's greeting, a login without a password, and the server's word on it.
//!
//! The form of the login follows the greeting unless the operator says one: with the name of an authentication plugin
//! where the server knows plugins (MySQL 8.0 insists), else as since 4.1, else as before. A server that wants another
//! plugin is answered with the empty password of that plugin.

use super::{Heard, invalid};
use crate::health::result::{CheckResult, CheckStatus};
use crate::plan::{MysqlCheck, MysqlLogin};

/// Where the dialogue is.
#[derive(Debug)]
pub(in crate::health) struct Mysql {
    check: MysqlCheck,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Greeting,
    /// With the server's version.
    Login(Vec<u8>),
}

impl Mysql {
    pub(super) fn new(check: &MysqlCheck) -> Self {
        Self { check: check.clone(), stage: Stage::Greeting }
    }

    pub(super) fn hear(&mut self, received: &[u8]) -> Heard {
        let (sequence, payload) = match packet(received) {
            Ok(packet) => packet,
            Err(heard) => return heard,
        };
        if let [0xff, error @ ..] = payload {
            return refused(error);
        }
        match &self.stage {
            Stage::Greeting => self.greeted(payload),
            Stage::Login(version) => answered(sequence, payload, version, received),
        }
    }

    fn greeted(&mut self, payload: &[u8]) -> Heard {
        let Some(greeting) = Greeting::parse(payload) else { return invalid("not a MySQL greeting") };
        let Some(user) = &self.check.user else { return passed(greeting.version, Vec::new()) };
        let login = self.check.login.unwrap_or_else(|| greeting.newest());
        let bytes = login_packet(user, login);
        self.stage = Stage::Login(greeting.version.to_vec());
        Heard::Say(bytes, HEADER + payload.len())
    }
}

/// What a greeting says.
struct Greeting<'a> {
    version: &'a [u8],
    capabilities: u32,
}

impl<'a> Greeting<'a> {
    /// Version of the protocol, of the server; connection id, 8 bytes of salt, a zero, lower capabilities; character
    /// set, status, upper capabilities. Ancient servers end earlier.
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let [9..=10, rest @ ..] = payload else { return None };
        let (version, rest) = rest.split_at(memchr::memchr(0, rest)?);
        let byte = |at: usize| rest.get(1 + 4 + 8 + 1 + at).copied().map_or(0, u32::from);
        let capabilities = byte(0) | byte(1) << 8 | byte(5) << 16 | byte(6) << 24;
        Some(Self { version, capabilities })
    }

    fn newest(&self) -> MysqlLogin {
        match (self.capabilities & PROTOCOL_41 != 0, self.capabilities & PLUGIN_AUTH != 0) {
            (true, true) => MysqlLogin::Post80,
            (true, false) => MysqlLogin::Post41,
            (false, _) => MysqlLogin::Pre41,
        }
    }
}

/// The server's word on the login.
fn answered(sequence: u8, payload: &[u8], version: &[u8], received: &[u8]) -> Heard {
    match payload {
        [0x00, ..] => passed(version, QUIT.to_vec()),
        [0xfe] => invalid("server wants a password of MySQL 3.23's kind"),
        [0xfe, request @ ..] => {
            let plugin = request.split(|&b| b == 0).next().unwrap_or_default();
            // An empty password is an empty packet, except that this plugin sends the zero that ends it.
            let empty: &[u8] = if plugin == b"caching_sha2_password" { &[0] } else { &[] };
            Heard::Say(framed(sequence.wrapping_add(1), empty), HEADER + payload.len())
        }
        // More of the exchange: 3 is a password that was found right in the cache, what follows is the OK.
        [0x01, 0x03] => match received.get(HEADER + payload.len()..) {
            Some(rest) if !rest.is_empty() => match packet(rest) {
                Ok((_, [0xff, error @ ..])) => refused(error),
                Ok((_, [0x00, ..])) => passed(version, QUIT.to_vec()),
                Ok(_) => invalid("unexpected answer to the login"),
                Err(heard) => heard,
            },
            _ => Heard::More,
        },
        [0x01, ..] => {
            let result = CheckResult::new(CheckStatus::L7Status).with_info(b"the user has a password");
            Heard::Over(Box::new(result), Vec::new())
        }
        [..] => invalid("unexpected answer to the login"),
    }
}

fn passed(version: &[u8], farewell: Vec<u8>) -> Heard {
    Heard::Over(Box::new(CheckResult::new(CheckStatus::L7Ok).with_info(version)), farewell)
}

/// An error packet: its number, since 4.1 a mark and the SQLSTATE, and words.
fn refused(error: &[u8]) -> Heard {
    let [low, high, words @ ..] = error else { return invalid("error packet cut short") };
    let words = match words {
        [b'#', _, _, _, _, _, words @ ..] => words,
        words => words,
    };
    let result = CheckResult::new(CheckStatus::L7Status).with_code(u16::from_le_bytes([*low, *high]));
    Heard::Over(Box::new(result.with_info(words)), Vec::new())
}

/// Sequence number and payload of the packet that `bytes` begin with.
fn packet(bytes: &[u8]) -> Result<(u8, &[u8]), Heard> {
    let [a, b, c, sequence, rest @ ..] = bytes else { return Err(Heard::More) };
    let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
    if length == 0 || length > LONGEST {
        return Err(invalid("not a MySQL server"));
    }
    rest.get(..length).map(|payload| (*sequence, payload)).ok_or(Heard::More)
}

/// The response to the greeting, with an empty password.
fn login_packet(user: &str, login: MysqlLogin) -> Vec<u8> {
    let mut payload = Vec::new();
    match login {
        MysqlLogin::Pre41 => {
            payload.extend_from_slice(&[0x00, 0x80]);
            payload.extend_from_slice(&[0x00, 0x00, 0x01]);
        }
        MysqlLogin::Post41 | MysqlLogin::Post80 => {
            let plugin = if login == MysqlLogin::Post80 { PLUGIN_AUTH } else { 0 };
            payload.extend_from_slice(&(PROTOCOL_41 | SECURE_CONNECTION | plugin).to_le_bytes());
            payload.extend_from_slice(&LARGEST_PACKET.to_le_bytes());
            payload.push(UTF8);
            payload.extend_from_slice(&[0; 23]);
        }
    }
    payload.extend_from_slice(user.as_bytes());
    payload.extend_from_slice(&[0, 0]);
    if login == MysqlLogin::Post80 {
        payload.extend_from_slice(b"mysql_native_password\0");
    }
    framed(1, &payload)
}

fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    let mut packet = length.get(..3).unwrap_or_default().to_vec();
    packet.push(sequence);
    packet.extend_from_slice(payload);
    packet
}

/// Before each payload: its length and its number.
const HEADER: usize = 4;
const PROTOCOL_41: u32 = 0x0000_0200;
const SECURE_CONNECTION: u32 = 0x0000_8000;
const PLUGIN_AUTH: u32 = 0x0008_0000;
const LARGEST_PACKET: u32 = 0x0100_8000;
/// `utf8_general_ci`, which every server since 4.1 knows.
const UTF8: u8 = 0x21;
/// `COM_QUIT`: without it the server counts an aborted client.
const QUIT: &[u8] = &[1, 0, 0, 0, 1];
/// Nothing that a server says to a client without a query is as long.
const LONGEST: usize = 8192;
