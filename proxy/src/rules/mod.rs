//! What rules ask of a request, and what follows.
//!
//! | module | what it is about |
//! |---|---|
//! | `action` | what is done with requests for which a condition holds |
//! | `counted` | what is counted in tables, and conditions on it |
//! | `edits` | changes of a message, put together |
//! | `explain` | conditions and actions in words |
//! | `gauge` | conditions on servers and the time of day |
//! | `guard` | what no rule or script may do to a message |
//! | `line` | changes of a request line |
//! | `response` | rules for responses |
//! | `replacement` | values in which an expression finds something, written anew |
//! | `scope` | what has to be there for a condition to be asked |
//! | `script` | functions of scripts, as rules name them |
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
pub mod counted;
pub mod edits;
pub mod explain;
pub mod gauge;
pub mod guard;
pub mod line;
pub mod matcher;
pub mod networks;
pub mod path;
pub mod replacement;
pub mod response;
pub mod scope;
pub mod script;
pub mod template;
pub mod texts;

pub use action::{Action, Rule};
pub use counted::{Count, Number, Range, Subject, TrackKey};
pub use edits::{Change, Edit, Edits, LogLevel, Seen, Value, Variables};
pub use gauge::{DayTime, Gauge, Hours, Zone};
pub use matcher::{Looked, Matcher, Request, Test};
pub use networks::{Network, Networks};
pub use response::{
    Acted, Answered, Instead, NoScripts, ResponseAction, ResponseRule, ResponseRules, Scripts,
};
pub use scope::{Hello, Received, Scope};
pub use script::{Call, FunctionId, Said};
pub use texts::{How, PatternError, Texts};
