//! Health checks without sockets: when to check, what a response is worth, when a server goes down or comes up.
//!
//! | module | what it is |
//! |---|---|
//! | [`result`] | what one check found, in HAProxy's words |
//! | [`machine`] | the rise/fall counter of one server |
//! | [`schedule`] | how long until the next check |
//! | [`run`] | one check: its steps in order, what to do next, the verdict |
//! | [`http`] | the request of an HTTP check and the judgement of its response |
//! | `protocol` | the protocols that checks speak: MySQL, Redis, PostgreSQL, SMTP, LDAP, TLS |
//! | `chunked` | the body of a chunked response, bounded |
//! | [`history`] | the last changes of a server |
//! | [`monitor`] | all servers together: instants and results in, checks to make and events out |
//! | [`snapshot`] | what a later worker needs to go on where this one was |
//! | [`agent`] | what an agent says of its server |
//! | [`observe`] | what clients' requests tell of servers, counted by data threads |
//! | [`event`] | what a monitor has to tell |
//! | [`announce`] | events as log lines |
//!
//! `io::checker` drives the [`Monitor`]: it makes the checks that are due and hands back what they found.

pub mod agent;
pub mod announce;
mod chunked;
pub mod event;
pub mod history;
pub mod http;
pub mod machine;
pub mod monitor;
pub mod observe;
mod protocol;
pub mod result;
pub mod run;
pub mod schedule;
pub mod snapshot;

pub use event::{Event, Queued, ServerReport, Turn, Via};
pub use history::{Cause, Change, Operational};
pub use monitor::{EjectedFor, Forced, Job, Monitor, Mutable, Probe, Record};
pub use observe::{Observations, Sign};
pub use result::{CheckResult, CheckStatus, Verdict};
pub use snapshot::{HealthSnapshot, InheritedChange, InheritedEjection, InheritedServer, Overruled};
