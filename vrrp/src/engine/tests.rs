//! Scenario scripts: whole stories of one node, with exact durations.

mod election;
mod fitness;
mod groups;
mod hostile;
mod lease;
mod pair;
mod places;
mod properties;
mod resume;
