//! Where an instance's work is done: on its core, and from the moment on that its tenant strains the
//! host, in the background, with the calls that are in it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

use crate::{control::Control, pool::Pool};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An instance's work, as a task of the thread that does it.
pub(crate) struct Residence {
    pool: Arc<Pool>,
    control: Arc<Control>,
    /// None once it has moved.
    work: Option<Work>,
}

impl Residence {
    /// Starts the work on a thread.
    pub(crate) fn start(
        on: &Handle,
        pool: Arc<Pool>,
        control: Arc<Control>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        on.spawn(Self { pool, control, work: Some(Box::pin(work)) });
    }

    /// Goes on in the background, if there is one.
    fn moves(&mut self) -> bool {
        let Some(background) = self.pool.background_runtime(self.control.core) else {
            return false;
        };
        self.control.move_to_background();
        let (pool, control) = (Arc::clone(&self.pool), Arc::clone(&self.control));
        background.spawn(Self { pool, control, work: self.work.take() });
        true
    }
}

impl Future for Residence {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let strains = self.pool.limits.quota.strains();
        if !self.control.in_background() {
            if strains && self.moves() {
                return Poll::Ready(());
            }
        } else if !strains && self.pool.is_core(self.control.core) && !self.control.stopped() {
            // The strain is over. What comes to its core from now on is for another instance there.
            self.control.stop();
            self.pool.kick(self.control.core);
        }
        match &mut self.work {
            Some(work) => work.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}
