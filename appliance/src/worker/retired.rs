//! A worker whose successor serves: it finishes what it has, however long that takes, and is asked nothing any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_proxy::io::log_sink::LogSink;
use evenkeel_proxy::io::runtime::Proxy;
use evenkeel_proxy::plan::Plan;
use evenkeel_proxy::stats::{Counted, Stats};
use tokio::time::MissedTickBehavior;

use super::line::{moved, say};
use crate::ipc::{Counts, FromWorker, Receiver, Sender, ToWorker};

/// What is left of it.
pub(super) struct Retired {
    pub(super) plan: Arc<Plan>,
    pub(super) stats: Arc<Stats>,
    pub(super) proxy: Proxy,
    pub(super) sink: LogSink,
    /// What the keeper was last told.
    pub(super) counted: Counted,
}

impl Retired {
    /// Serves until nobody is connected any more, or the keeper is gone, or it says how long it still waits.
    pub(super) async fn serve(mut self, mut keeper: Sender, mut orders: Receiver) {
        self.proxy.retire();
        let mut due = tokio::time::interval(PERIOD);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let limit = loop {
            // Every arm is cancel safe: they only wait; channels keep what has arrived.
            tokio::select! {
                () = self.proxy.empty() => break Duration::ZERO,
                order = orders.recv::<ToWorker>() => match order {
                    Ok(Some((ToWorker::Drain { limit_ms }, _))) => break Duration::from_millis(limit_ms),
                    Ok(Some((ToWorker::Move, fds))) => match moved(fds) {
                        Some(channel) => (keeper, orders) = channel,
                        None => return,
                    },
                    Ok(Some(_)) => {}
                    // Without a keeper nobody would end this process.
                    Ok(None) | Err(_) => return,
                },
                _ = due.tick() => self.tell_counts(&keeper).await,
            }
        };
        let left = self.proxy.drain(Instant::now() + limit).await;
        self.tell_counts(&keeper).await;
        let Self { proxy, sink, .. } = self;
        proxy.stop();
        // Its last lines are written.
        drop(sink);
        say(&keeper, &FromWorker::Drained { left }).await.unwrap_or_default();
    }

    /// Counts go on under the successor's. A keeper that is gone has none.
    async fn tell_counts(&mut self, keeper: &Sender) {
        let counted = self.stats.counted(&self.plan);
        let news = counted.clone().since(&self.counted);
        self.counted = counted;
        if !news.is_nothing() {
            let counts = Box::new(Counts::from(&news));
            say(keeper, &FromWorker::Counts(counts)).await.unwrap_or_default();
        }
    }
}

/// How often counts are passed on.
const PERIOD: Duration = Duration::from_secs(1);
