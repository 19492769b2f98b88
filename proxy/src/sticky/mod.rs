//! Persistence: a client goes back to the server it had.
//!
//! With a cookie the client itself remembers the server (HAProxy: `cookie`). [`request`] finds what a request says and
//! what the server sees of it, [`response`] what the client is given. With a table the proxy remembers (HAProxy: `stick`,
//! in [`stick`]). Either names a server; whether that one can take the request is the balancer's to say.
//!
//! Fields are edited on their values alone, whatever carries them: HTTP/1 heads or HTTP/2 header lists.

mod cookie;
mod date;
mod jar;
mod pairs;
pub mod request;
pub mod response;
pub mod stick;
mod xxh64;

pub use cookie::{Cookie, Mode, Preserve, ToServer};
pub use date::Seconds;
pub use jar::{Jar, Values};
pub use pairs::{Pair, Pairs, pairs};
pub use stick::{StickAction, StickKey, StickRule, TableId, Tables};
