//! What configuration is in use, for `evenkeel config diff`. It is put into words beside the keeper's loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_proxy::plan::Plan;
use evenkeel_vrrp::config::EngineConfig;
use evenkeel_vrrp::continuation::Identity;
use tokio::sync::oneshot;

use crate::config::Sources;
use crate::config::diff::{InUse, routers_of};

/// Where the answer goes.
pub(super) type Reply = oneshot::Sender<Box<Used>>;

/// A configuration in use.
#[derive(Debug)]
pub(super) struct Used {
    node: String,
    as_read: Sources,
    /// Files that operators have changed since, as they are now.
    edited: BTreeMap<String, Vec<u8>>,
    plan: Arc<Plan>,
    routers: Vec<(String, Identity)>,
}

impl Used {
    /// `sources`: with what operators have changed.
    pub(super) fn new(
        node: &str,
        as_read: &Sources,
        sources: &Sources,
        plan: &Arc<Plan>,
        engine: &EngineConfig,
    ) -> Self {
        let edited = sources.blobs.iter().filter(|(name, bytes)| as_read.blobs.get(*name) != Some(bytes));
        Self {
            node: node.to_owned(),
            as_read: as_read.clone(),
            edited: edited.map(|(name, bytes)| (name.clone(), bytes.clone())).collect(),
            plan: Arc::clone(plan),
            routers: routers_of(engine),
        }
    }

    fn told(self) -> InUse {
        InUse::of(&self.node, &self.as_read, &self.plan, self.routers).with_edited(&self.edited)
    }
}

/// Waits for the keeper, and tells what it uses. `None`: it is ending.
pub(super) async fn told(answer: oneshot::Receiver<Box<Used>>) -> Option<InUse> {
    let used = answer.await.ok()?;
    tokio::task::spawn_blocking(move || used.told()).await.ok()
}
