//! What watches a server beside its checks, and what its ups and downs do, as far as `default_server` can say it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::plan::{
    Action, CheckConfig, Ejection, HttpManner, InitState, Layer, Observe, OnError, OnMarked, Protocol,
    Script, Watch,
};

use crate::config::source::Spanned;

/// Agent, observation, what the server is at first, and what becomes of sessions when it changes.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct WatchSettings {
    pub(in crate::config) agent_check: Option<Spanned<bool>>,
    pub(in crate::config) agent_port: Option<u16>,
    pub(in crate::config) agent_addr: Option<IpAddr>,
    pub(in crate::config) agent_inter: Option<Duration>,
    pub(in crate::config) agent_send: Option<String>,
    pub(in crate::config) observe: Option<Spanned<Layer>>,
    pub(in crate::config) error_limit: Option<u32>,
    pub(in crate::config) on_error: Option<OnError>,
    pub(in crate::config) init_state: Option<InitState>,
    pub(in crate::config) on_marked_down: Option<OnMarked>,
    pub(in crate::config) on_marked_up: Option<OnMarked>,
}

impl WatchSettings {
    /// What is said here, and what `base` says of the rest.
    pub(in crate::config) fn over(self, base: &Self) -> Self {
        Self {
            agent_check: self.agent_check.or(base.agent_check),
            agent_port: self.agent_port.or(base.agent_port),
            agent_addr: self.agent_addr.or(base.agent_addr),
            agent_inter: self.agent_inter.or(base.agent_inter),
            agent_send: self.agent_send.or_else(|| base.agent_send.clone()),
            observe: self.observe.or(base.observe),
            error_limit: self.error_limit.or(base.error_limit),
            on_error: self.on_error.or(base.on_error),
            init_state: self.init_state.or(base.init_state),
            on_marked_down: self.on_marked_down.or(base.on_marked_down),
            on_marked_up: self.on_marked_up.or(base.on_marked_up),
        }
    }

    /// What watches the server. `timeout` is that of checks.
    pub(in crate::config) fn watch(
        &self,
        ejection: Option<Ejection>,
        timeout: Option<Duration>,
        spread_percent: u8,
    ) -> Watch {
        Watch {
            agent: self.agent(timeout, spread_percent),
            observe: self.observe.as_ref().map(|layer| Observe {
                layer: layer.value,
                error_limit: self.error_limit.unwrap_or(10),
                on_error: self.on_error.unwrap_or(OnError::FailCheck),
            }),
            ejection,
            track: None,
            on_marked_down: self.on_marked_down.unwrap_or_default(),
            on_marked_up: self.on_marked_up.unwrap_or_default(),
        }
    }

    fn agent(&self, timeout: Option<Duration>, spread_percent: u8) -> Option<CheckConfig> {
        let wanted = self.agent_check.as_ref().is_some_and(|on| on.value);
        let port = self.agent_port.filter(|_| wanted)?;
        let send = self.agent_send.clone().unwrap_or_default().into_bytes();
        Some(CheckConfig {
            tls: None,
            inter: self.agent_inter.unwrap_or(super::INTER),
            fastinter: None,
            downinter: None,
            timeout,
            fall: 1,
            rise: 1,
            addr: self.agent_addr,
            port: Some(port),
            init: InitState::default(),
            spread_percent,
            script: Arc::new(Script::of([Action::Protocol(Protocol::Agent { send })])),
            http: HttpManner::default(),
        })
    }
}
