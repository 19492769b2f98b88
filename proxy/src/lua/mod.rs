//! Scripts in Lua that rules call, as HAProxy has them.
//!
//! | module | what it is about |
//! |---|---|
//! | `program` | the scripts, their limits, and what they register: the same for all threads |
//! | `message` | what a script sees of a request or response, and what it changes |
//! | `state` | one interpreter, and calls into it |
//! | `watch` | how long a call may take |
//! | `sandbox` | what of Lua's own library there is |
//! | `strings`, `pattern` | Lua's patterns, which know the limit on time |
//! | `api` | `core`, `txn` and its kin, with `prelude.lua` |
//! | `facts` | `txn.f` and `txn.c`: what is known of a request, and conversions of texts |
//!
//! Each data thread has a [`State`] of its own, so that nothing is shared and nothing waits. A call gets a copy of what it
//! may see and gives back what it has changed: a script holds nothing of a request, and ends nothing but its own call.

pub mod message;
pub mod program;

#[cfg(feature = "lua")]
mod api;
#[cfg(feature = "lua")]
mod facts;
#[cfg(feature = "lua")]
mod pattern;
#[cfg(feature = "lua")]
mod sandbox;
#[cfg(feature = "lua")]
mod state;
#[cfg(feature = "lua")]
mod strings;
#[cfg(feature = "lua")]
mod watch;

pub use message::{Client, Message, Phase};
pub use program::{Function, Kind, Limits, OnError, Program, Script};

#[cfg(feature = "lua")]
pub use program::ScriptError;
#[cfg(feature = "lua")]
pub use state::{CallError, Called, Note, Outcome, State};
#[cfg(feature = "lua")]
pub use watch::Clock;
