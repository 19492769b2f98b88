//! The appliance: what joins the VRRP engine and the proxy into one node.
//!
//! | module | what it is |
//! |---|---|
//! | [`admin`] | the admin socket, in HAProxy's language |
//! | [`cli`] | the command line |
//! | [`config`] | the configuration language: read, check, lower |
//! | [`keeper`] | the privileged parent: listeners, VRRP thread, worker and guard, control socket |
//! | [`worker`] | the unprivileged process that serves clients |
//! | [`guard`] | the process that takes the VIPs off when the keeper dies or freezes |
//! | [`edit`] | what operators have changed in files |
//! | [`ipc`] | what keeper and worker say to each other |
//! | [`logs`] | what the node has last said |
//! | [`status`] | the status document |
//! | [`demo`] | a pair in a box |
//! | [`telemetry`] | logs of the control plane |

pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod edit;
pub mod guard;
pub mod ipc;
pub mod keeper;
pub mod logs;
mod replace;
pub mod status;
mod sys;
pub mod telemetry;
pub mod worker;
