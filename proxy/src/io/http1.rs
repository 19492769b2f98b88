//! One connection of an HTTP/1.1 client, request after request.
//!
//! | module | what it does |
//! |---|---|
//! | `connection` | the task: which state a connection is in and what it waits for |
//! | `exchange` | one request and its response, in flight |
//! | `request` | from a parsed head to a decision: refuse, or forward to which server |
//! | `view` | what rules and balancers see of a request |
//! | `explain` | tells what becomes of a request instead of doing it |
//! | `counted` | what a request is counted in |
//! | `demands` | what rules ask of its way to a server: waits and limits |
//! | `response` | from the server's head to the client's, and what happens afterwards |
//! | `repeat` | sends a request again if the answer is none |
//! | `relay` | moves an exchange on: request out, response in, at the same time |
//! | `page` | requests for a statistics page |
//! | `scripted` | what scripts see of requests and responses, and what comes of it |
//! | `ours` | answers that rules give in a server's place |
//! | `failure` | what each kind of failure is called in answers and records |
//! | `record` | the access record, written exactly once |
//! | `unreadable` | keeps messages that cannot be read |
//! | `notes` | what only some records show |
//! | `flow`, `outbox` | content on its way, and what could not be written yet |
//! | `bypass`, `forecast` | content that is spliced, and whether there will be some |
//!
//! Everything is driven by polling one state machine per connection. An idle connection holds no buffer: bytes are read
//! into the thread's scratch buffer and handled there, and only what is incomplete is copied into the connection.

mod bypass;
mod connection;
mod counted;
mod demands;
mod exchange;
pub mod explain;
mod failure;
pub(super) mod flow;
mod forecast;
mod notes;
mod ours;
mod outbox;
mod page;
mod record;
mod relay;
mod repeat;
mod request;
mod response;
mod scripted;
mod unreadable;
mod view;

pub(super) use connection::{Connection, count_evicted, count_in, count_out};
pub(super) use exchange::{Exchange, Timeouts};
pub(super) use failure::{Failure, Progress};
pub(super) use flow::SMALL;
pub(super) use forecast::Forecast;
pub(super) use outbox::MOST_KEPT;
pub(super) use record::Party;
