//! The threads that serve: one a core, each with a `current_thread` runtime, so that a request, its
//! connection and its instance stay on one core. Beside each, one that gives way to
//! all others serves tenants that strain the host.

use std::{
    future::Future,
    sync::{Arc, mpsc},
    thread,
};

use anyhow::{Context, Result};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::priority::give_way;

/// Starts tasks on the cores.
#[derive(Clone)]
pub(crate) struct Spawner(Arc<[Handle]>);

impl Spawner {
    /// Runs a task on a core; indices wrap around.
    pub(crate) fn spawn<F>(&self, core: usize, task: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = self.0.get(core % self.0.len().max(1))?;
        Some(handle.spawn(task))
    }
}

/// Running core threads.
pub(crate) struct Cores {
    spawner: Spawner,
    threads: Vec<thread::JoinHandle<()>>,
    finished: CancellationToken,
}

impl Cores {
    /// Starts `count` threads that serve, and as many in the background.
    pub(crate) fn start(count: usize) -> Result<Self> {
        let count = count.max(1);
        let finished = CancellationToken::new();
        let (mut handles, mut threads) = (Vec::new(), Vec::new());
        for index in 0..2 * count {
            let background = index >= count;
            let name = match background {
                true => format!("background-{}", index - count),
                false => format!("core-{index}"),
            };
            let (started, ready) = mpsc::sync_channel(1);
            let finished = finished.clone();
            let thread = thread::Builder::new()
                .name(name)
                .spawn(move || {
                    if background {
                        give_way();
                    }
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build();
                    match runtime {
                        Ok(runtime) => runtime.block_on(async {
                            pingtalk_runtime::enter_core(index);
                            // The receiver waits below for just this.
                            let _ = started.send(Ok(Handle::current()));
                            finished.cancelled().await;
                        }),
                        Err(error) => {
                            let _ = started.send(Err(error));
                        }
                    }
                })
                .context("a thread can't be started")?;
            let handle = ready.recv().context("a core's thread died")??;
            if !background {
                handles.push(handle);
            }
            threads.push(thread);
        }
        Ok(Self { spawner: Spawner(handles.into()), threads, finished })
    }

    /// How many serve.
    pub(crate) fn count(&self) -> usize {
        self.spawner.0.len()
    }

    /// Starts tasks on them.
    pub(crate) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// Ends the threads and whatever still runs on them.
    pub(crate) fn stop(self) {
        self.finished.cancel();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a core's thread panicked");
            }
        }
    }
}
