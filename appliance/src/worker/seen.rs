//! What operators see of a worker: its admin sockets and its metrics.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use evenkeel_proxy::io::sight::{Parts, Product, Sight};
use evenkeel_proxy::plan::{Frontend, Plan};
use evenkeel_proxy::rules::Action;

use crate::admin::Level;
use crate::admin::socket::{Admin, Door};
use crate::config::Config;

/// Both, for as long as it lives.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) sight: Arc<Sight>,
    _admin: Admin,
}

impl Seen {
    /// Begins to show. `sockets` are in the order of the configuration.
    pub(super) fn start(config: &Config, parts: Parts, sockets: Vec<OwnedFd>) -> io::Result<Self> {
        let doors = config.global.admin_sockets.iter().zip(sockets).map(|(configured, socket)| Door {
            socket,
            path: configured.path.display().to_string(),
            level: configured.level,
            timeout: configured.timeout,
        });
        let sight = Arc::new(Sight::new(parts));
        let admin = Admin::start(doors.collect(), Arc::clone(&sight))?;
        Ok(Self { sight, _admin: admin })
    }
}

/// Whether anybody can look: if not, nothing is measured for it.
pub(crate) fn is_wanted(config: &Config, plan: &Plan) -> bool {
    let of_frontends = plan.frontends().iter().flat_map(|f| &f.http_request);
    let of_backends = plan.backends().iter().flat_map(|b| &b.http_request);
    let serves = of_frontends.chain(of_backends).any(|rule| matches!(rule.action, Action::Serve(_)));
    let has_page = plan.frontends().iter().any(|f| f.stats.is_some());
    serves || has_page || !config.global.admin_sockets.is_empty()
}

/// Whether anybody can end sessions.
pub(super) fn may_order(config: &Config, plan: &Plan) -> bool {
    let on_page = |f: &Frontend| f.stats.as_ref().is_some_and(|page| page.admin_if.is_some());
    plan.frontends().iter().any(on_page)
        || config.global.admin_sockets.iter().any(|socket| socket.level == Level::Admin)
}

/// What the worker calls itself towards tools of HAProxy, which talk to nobody else, and to no version before 1.5.
pub(super) fn product() -> Product {
    Product {
        name: "HAProxy",
        version: concat!("2.8.0-evenkeel-", env!("CARGO_PKG_VERSION")).to_owned(),
        released: RELEASED,
    }
}

/// Tools want a date there.
const RELEASED: &str = "2026/01/01";
