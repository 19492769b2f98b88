//! One side of a session, over the library's unbuffered interface: records in and out of memory that is ours.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};

use super::room::{LONGEST_PLAIN, MOST_SEALED, Room};
use crate::hello;
use crate::tls::acceptor::Settings;
use crate::tls::certificates::{Hello, take_hello};
use crate::tls::peer::ClientCertificate;
use crate::tls::suites::{Suite, Version};
use crate::tls::{Acceptor, Connector, SessionFacts};

/// One side of a session.
pub(in crate::io) enum Session {
    /// A server's, before it knows what the client offers.
    Undecided(Arc<Settings>),
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What became of records that came in.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// Bytes of them that are done with.
    pub(super) used: usize,
    /// Plain bytes in the reader's buffer.
    pub(super) plain: usize,
    /// The peer has said that it will send no more.
    pub(super) closed: bool,
    /// What the client's hello came to, if this was it.
    pub(super) hello: Option<Hello>,
}

/// What became of plain bytes that go out.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    /// So many of them are in records.
    pub(super) taken: usize,
    /// The notice of the end follows them.
    pub(super) notified: bool,
}

impl Session {
    pub(super) fn accept(acceptor: &Acceptor) -> Result<Self, Error> {
        let settings = acceptor.settings();
        if settings.names_protocols() {
            return Ok(Self::Undecided(settings));
        }
        UnbufferedServerConnection::new(settings.for_client(&[])).map(Self::Server)
    }

    /// Begins once the client's hello is there, whole or wrong: what is wrong with it the library says.
    fn decide(&mut self, input: &[u8]) -> Result<(), Error> {
        let Self::Undecided(settings) = self else { return Ok(()) };
        let offered = match hello::parse(input) {
            Ok(None) => return Ok(()),
            Ok(Some(hello)) => hello.protocols,
            Err(_) => Vec::new(),
        };
        *self = Self::Server(UnbufferedServerConnection::new(settings.for_client(&offered))?);
        Ok(())
    }

    pub(super) fn connect(connector: &Connector) -> Result<Self, Error> {
        let (config, name) = connector.session();
        UnbufferedClientConnection::new(config, name).map(Self::Client)
    }

    /// Handles records: plain bytes go into `buf`, those beyond it into `plain`, answers into `out`.
    pub(super) fn open(
        &mut self,
        input: &mut [u8],
        buf: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Opened, Error> {
        let mut sink = Sink { buf, filled: 0, beyond: plain };
        let mut opened = Opened::default();
        self.decide(input)?;
        let hello = self.is_handshaking();
        loop {
            let input = input.get_mut(opened.used..).unwrap_or_default();
            let (used, step) = match self {
                Self::Undecided(_) => break,
                Self::Server(s) => step(s.process_tls_records(input), &mut sink, out),
                Self::Client(c) => step(c.process_tls_records(input), &mut sink, out),
            };
            opened.used += used;
            match step {
                Step::On => {}
                Step::Closed => opened.closed = true,
                Step::Blocked => break,
                Step::Failed(error) => {
                    let rest = input.get_mut(used..).unwrap_or_default();
                    self.last_words(rest, out);
                    return Err(error);
                }
            }
        }
        opened.plain = sink.filled;
        if hello {
            opened.hello = take_hello();
        }
        Ok(opened)
    }

    /// The alert about an error, for the peer. `rest` is the input that was not handled, all of it: the library knows how
    /// far it is in it.
    fn last_words(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        let mut nothing = Vec::new();
        let mut sink = Sink { buf: &mut [], filled: 0, beyond: &mut nothing };
        let _more = match self {
            Self::Undecided(_) => return,
            Self::Server(s) => step(s.process_tls_records(rest), &mut sink, out),
            Self::Client(c) => step(c.process_tls_records(rest), &mut sink, out),
        };
    }

    /// Makes records of `pieces`, as one text, up to a bound, into `room`. With `last` the notice of the end follows once
    /// all is taken.
    pub(super) fn seal(
        &mut self,
        incoming: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        pieces: [&[u8]; 2],
        last: bool,
        room: &mut Room,
    ) -> Result<Sealed, Error> {
        loop {
            // All there is of the input must be shown every time, for the library remembers where it is in it.
            let (used, step) = match self {
                Self::Undecided(_) => return Ok(Sealed::default()),
                Self::Server(s) => write_step(s.process_tls_records(incoming), plain, pieces, last, room),
                Self::Client(c) => write_step(c.process_tls_records(incoming), plain, pieces, last, room),
            };
            incoming.drain(..used);
            match step {
                WriteStep::On => {}
                WriteStep::Done(sealed) => return sealed,
            }
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.state().is_none_or(CommonState::is_handshaking)
    }

    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Undecided(_) | Self::Server(_))
    }

    /// What is known of it, at the server's side, for a client with this hello.
    pub(super) fn facts(&self, hello: Hello) -> Option<SessionFacts> {
        let Self::Server(session) = self else { return None };
        let suite = Suite::of(session.negotiated_cipher_suite()?.suite())?;
        let tls13 = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let shown = session.peer_certificates().and_then(<[_]>::first);
        Some(SessionFacts {
            version: if tls13 { Version::Tls13 } else { Version::Tls12 },
            cipher: suite.name(),
            server_name: hello.name,
            own: hello.own,
            alpn: session.alpn_protocol().map(Into::into),
            resumed: self.is_resumed(),
            client: shown.and_then(|der| ClientCertificate::read(der)),
        })
    }

    /// The version agreed on.
    pub(in crate::io) fn version(&self) -> Option<ProtocolVersion> {
        self.state()?.protocol_version()
    }

    /// The protocol inside agreed on.
    pub(in crate::io) fn alpn(&self) -> Option<&[u8]> {
        self.state()?.alpn_protocol()
    }

    /// Whether this session goes on with an earlier one.
    pub(in crate::io) fn is_resumed(&self) -> bool {
        self.state().and_then(CommonState::handshake_kind) == Some(HandshakeKind::Resumed)
    }

    fn state(&self) -> Option<&CommonState> {
        match self {
            Self::Undecided(_) => None,
            Self::Server(s) => Some(s),
            Self::Client(c) => Some(c),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_server() { "Session::Server" } else { "Session::Client" })
    }
}

/// Takes plain bytes.
struct Sink<'a> {
    buf: &'a mut [u8],
    filled: usize,
    beyond: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.buf.get_mut(self.filled..).unwrap_or_default();
        let (now, later) = bytes.split_at(bytes.len().min(room.len()));
        room[..now.len()].copy_from_slice(now);
        self.filled += now.len();
        self.beyond.extend_from_slice(later);
    }
}

enum Step {
    On,
    /// The peer sends no more.
    Closed,
    /// Nothing more can be done with the input there is.
    Blocked,
    Failed(Error),
}

/// Handles what the library has come to; how many bytes of the input that has used up.
fn step<D>(status: UnbufferedStatus<'_, '_, D>, sink: &mut Sink<'_>, out: &mut Vec<u8>) -> (usize, Step) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Step::Failed(error),
        Ok(ConnectionState::ReadTraffic(mut records)) => loop {
            match records.next_record() {
                None => break Step::On,
                Some(Err(error)) => break Step::Failed(error),
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink.put(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut message)) => {
            append(out, |room| message.encode(room));
            Step::On
        }
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            // What is in our hands is as good as sent.
            sent.done();
            Step::On
        }
        Ok(ConnectionState::PeerClosed) => Step::Closed,
        Ok(_) => Step::Blocked,
    };
    (discard, step)
}

enum WriteStep {
    On,
    Done(Result<Sealed, Error>),
}

fn write_step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    plain: &mut Vec<u8>,
    pieces: [&[u8]; 2],
    last: bool,
    room: &mut Room,
) -> (usize, WriteStep) {
    if let UnbufferedStatus { discard, state: Ok(ConnectionState::WriteTraffic(mut writer)) } = status {
        return (discard, WriteStep::Done(write(&mut writer, pieces, last, room)));
    }
    let mut sink = Sink { buf: &mut [], filled: 0, beyond: plain };
    let mut messages = Vec::new();
    let (discard, step) = step(status, &mut sink, &mut messages);
    let (space, _) = room.for_records(messages.len());
    space[..messages.len()].copy_from_slice(&messages);
    room.used(messages.len());
    let step = match step {
        Step::On | Step::Closed => WriteStep::On,
        Step::Blocked => WriteStep::Done(Ok(Sealed::default())),
        Step::Failed(error) => WriteStep::Done(Err(error)),
    };
    (discard, step)
}

fn write<D>(
    writer: &mut WriteTraffic<'_, D>,
    [mut first, mut second]: [&[u8]; 2],
    last: bool,
    room: &mut Room,
) -> Result<Sealed, Error> {
    let mut taken = 0;
    while !(first.is_empty() && second.is_empty()) && taken < MOST_SEALED {
        let (space, join) = room.for_records(0);
        let of_first = first.len().min(LONGEST_PLAIN);
        let of_second = second.len().min(LONGEST_PLAIN - of_first);
        let (head, rest) = first.split_at(of_first);
        let (tail, more) = second.split_at(of_second);
        let record = match (head, tail) {
            ([], one) | (one, []) => one,
            (head, tail) => {
                join[..of_first].copy_from_slice(head);
                join[of_first..of_first + of_second].copy_from_slice(tail);
                &join[..of_first + of_second]
            }
        };
        match writer.encrypt(record, space) {
            Ok(n) => room.used(n),
            Err(EncryptError::InsufficientSize(size)) => {
                room.for_records(size.required_size);
                continue;
            }
            Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
        }
        (first, second) = (rest, more);
        taken += of_first + of_second;
    }
    let notified = last && first.is_empty() && second.is_empty();
    if notified {
        let (space, _) = room.for_records(0);
        if let Ok(n) = writer.queue_close_notify(space) {
            room.used(n);
        }
    }
    Ok(Sealed { taken, notified })
}

/// Appends what `encode` writes, which says how much room it needs.
fn append(out: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let at = out.len();
    if let Err(EncodeError::InsufficientSize(size)) = encode(&mut []) {
        out.resize(at + size.required_size, 0);
        let written = encode(out.get_mut(at..).unwrap_or_default()).unwrap_or(0);
        out.truncate(at + written);
    }
}
