//! A server as the algorithms see it.

use crate::plan::ServerId;

/// A server that can take work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: ServerId,
    /// Position in its backend, from 0.
    pub(super) position: u32,
    /// In units of the algorithm; never 0.
    pub(super) weight: u32,
    /// Sum of the weights of the members before it.
    pub(super) before: u32,
    pub(super) backup: bool,
}
