//! How full the open tenants' queues are. A broker is asked, so what was found is kept for some
//! seconds however many look.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{StreamExt as _, stream};
use pingtalk_admin::QueueStatus;

use crate::host::tenant::OpenTenant;

/// How old the figures may be.
const MAX_AGE: Duration = Duration::from_secs(5);
/// What one tenant's broker may take to say it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Tenants that are asked for at once.
const AT_ONCE: usize = 8;

type ByTenant = HashMap<String, Vec<QueueStatus>>;

/// The figures.
#[derive(Default)]
pub(super) struct QueueDepths {
    known: ArcSwap<ByTenant>,
    asked: Mutex<Option<Instant>>,
}

impl QueueDepths {
    /// The figures of these tenants; whoever comes first after some seconds asks anew.
    pub(super) async fn look(&self, tenants: &[(String, Arc<OpenTenant>)]) -> Arc<ByTenant> {
        if self.is_due() {
            let asked = stream::iter(tenants.iter().cloned())
                .map(|(name, tenant)| async move { (name, ask(&tenant).await) })
                .buffer_unordered(AT_ONCE)
                .collect::<ByTenant>();
            self.known.store(Arc::new(asked.await));
        }
        self.known.load_full()
    }

    fn is_due(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|asked| asked.elapsed() < MAX_AGE) {
            return false;
        }
        *asked = Some(Instant::now());
        true
    }
}

/// One tenant's queues; without figures where the broker does not say in time.
async fn ask(tenant: &OpenTenant) -> Vec<QueueStatus> {
    let (events, names) = tenant.events().await;
    let mut queues = Vec::with_capacity(names.len());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for queue in names {
        let figures = async {
            (events.depth(&queue).await.ok(), events.dead_letter_count(&queue).await.ok())
        };
        let figures = tokio::time::timeout_at(deadline, figures).await;
        let (waiting, dead) = figures.unwrap_or_default();
        queues.push(QueueStatus { queue, waiting, dead });
    }
    queues
}
