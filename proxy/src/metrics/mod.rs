//! What operators and their tools see: statistics in HAProxy's words, and as Prometheus has them.
//!
//! | module | what it is |
//! |---|---|
//! | [`field`] | the one table of columns, from which every format is made |
//! | [`row`] | one line of values |
//! | [`view`] | from plan, state and counters to rows |
//! | [`history`] | what counters do not say by themselves: rates, averages, when there last was anything |
//! | [`recent`] | the last minutes, for plots, and how long requests took lately |
//! | [`text`] | CSV, typed and JSON listings |
//! | [`info`] | what is known of the process as a whole |
//! | [`prometheus`] | Prometheus text, version 0.0.4 |

pub mod field;
pub mod history;
pub mod info;
pub mod prometheus;
pub mod recent;
pub mod row;
pub mod text;
pub mod view;

pub use field::{COLUMNS, Column};
pub use history::History;
pub use info::{Info, Process};
pub use row::{Kind, Row, Value};
pub use view::{Door, Numbers, Sources, Wanted};
