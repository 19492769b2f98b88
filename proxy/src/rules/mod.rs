//! What rules ask of a request, and what follows.
//!
//! | module | what it is about |
//! |---|---|
//! | `action` | what is done with requests for which a condition holds |
//! | `edits` | changes of fields, put together |
//! | `template` | texts that a request fills in |
//! | `matcher` | conditions, and whether they hold |
//! | `texts` | many patterns for one text |
//! | `networks` | many networks for one address |
//! | `path` | the one spelling of a path that rules compare |
//! | `accept` | types of content that a client takes |
//!
//! Conditions are data that the loader makes and every request is asked by; their cost does not grow with the number of
//! hosts, patterns or addresses in one of them.

pub mod accept;
pub mod action;
pub mod edits;
pub mod matcher;
pub mod networks;
pub mod path;
pub mod template;
pub mod texts;

pub use action::{Action, ResponseRule, ResponseRules, Rule};
pub use edits::{Edit, Edits};
pub use matcher::{Looked, Matcher, Request, Test};
pub use networks::{Network, Networks};
pub use texts::{How, PatternError, Texts};
