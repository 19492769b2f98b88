//! What the engines take. The only place that builds a plan or an engine's configuration; done once, when the
//! configuration is loaded, so that a [`Config`] has both.

use std::fmt;
use std::sync::Arc;

use evenkeel_proxy::access_log::LogTarget;
use evenkeel_proxy::plan::Plan;
use evenkeel_vrrp::config::EngineConfig;

use super::diagnostic::Diagnostic;
use super::model::{Config, Global, Notify};
use super::resolve::Resolved;

mod proxy;
mod vrrp;

/// Both halves of a lowered configuration.
#[derive(Clone)]
pub(super) struct Lowered {
    proxy: ProxyParts,
    vrrp: VrrpParts,
}

/// One reason; boxed, since it is large and rare.
type Refusal = Box<Diagnostic>;

/// What the data plane takes.
#[derive(Debug, Clone)]
pub struct ProxyParts {
    /// Everything it serves, listening addresses included.
    pub plan: Arc<Plan>,
    /// The log targets; a `LogTargetId` is a position here.
    pub log_targets: Vec<LogTarget>,
}

/// What the VRRP engine and those around it take.
#[derive(Debug, Clone)]
pub struct VrrpParts {
    /// The engine's configuration.
    pub engine: EngineConfig,
    /// Notify scripts; a `RouterId` is a position here.
    pub notify: Vec<Notify>,
}

/// What the data plane takes.
pub fn proxy(config: &Config) -> ProxyParts {
    config.lowered.proxy.clone()
}

/// What the VRRP engine takes.
pub fn vrrp(config: &Config) -> VrrpParts {
    config.lowered.vrrp.clone()
}

/// Says nothing: the engine's configuration holds passwords in plain bytes.
impl fmt::Debug for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lowered").finish_non_exhaustive()
    }
}

/// Lowers everything; the engines may still refuse what the loader let through.
pub(super) fn lower(node: &str, global: &Global, resolved: &Resolved) -> Result<Lowered, Vec<Diagnostic>> {
    let proxy = proxy::parts(node, global, resolved);
    let vrrp = vrrp::parts(resolved);
    match (proxy, vrrp) {
        (Ok(proxy), Ok(vrrp)) => Ok(Lowered { proxy, vrrp }),
        (proxy, vrrp) => {
            Err(proxy.err().map(|d| *d).into_iter().chain(vrrp.err().into_iter().flatten()).collect())
        }
    }
}
