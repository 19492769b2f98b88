//! A client's connection in mode tcp: to a server, and its bytes both ways to their end.
//!
//! | module | what it does |
//! |---|---|
//! | `connection` | the task: which state a connection is in and what it waits for |
//! | `record` | what is counted and logged when it is over |
//!
//! The bytes themselves go through `super::passage`.

mod connection;
mod record;

pub(super) use connection::Connection;
