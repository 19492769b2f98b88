//! What the engines take. The only place that builds a plan or an engine's configuration; done once, when the
//! configuration is loaded, so that a [`Config`] has both.

use super::diagnostic::Diagnostic;
use super::model::{Config, Global, Lowered, ProxyParts, VrrpParts};
use super::resolve::Resolved;

mod proxy;
mod vrrp;

/// What the data plane takes.
pub fn proxy(config: &Config) -> ProxyParts {
    config.lowered.proxy.clone()
}

/// What the VRRP engine takes.
pub fn vrrp(config: &Config) -> VrrpParts {
    config.lowered.vrrp.clone()
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
