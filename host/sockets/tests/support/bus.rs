//! A cluster's bus inside this process: one log that all hosts read, and what a test can do to it.
//!
//! It keeps the promises of the trait as a bus over a network would, and can be made to break a
//! host's connection in either direction, so that one host's notices come late among the others'.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use pingtalk_capabilities::cluster::{Body, Cluster, Notice, Received, Stats, Subscription};
use tokio::sync::watch;

/// Notices a host keeps while the bus is away from it.
const MOST_PENDING: usize = 100;
/// Longer bodies lie beside the log.
const BESIDE: usize = 1_000;

/// The log.
pub struct Bus {
    log: watch::Sender<Vec<Entry>>,
    fetched: Mutex<usize>,
    bodies_gone: Mutex<bool>,
}

struct Entry {
    host: usize,
    /// None: this host dropped notices here.
    notice: Option<Notice>,
}

/// One host's end of it.
pub struct Seat {
    bus: Arc<Bus>,
    host: usize,
    /// What can't get out, while it can't.
    kept: Mutex<Option<VecDeque<Option<Notice>>>>,
    /// Nothing comes in while this is set.
    deaf: watch::Sender<bool>,
    /// What comes next is lost to this host.
    loses: watch::Sender<bool>,
    stats: Mutex<Stats>,
}

impl Bus {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            log: watch::Sender::new(Vec::new()),
            fetched: Mutex::default(),
            bodies_gone: Mutex::default(),
        })
    }

    pub fn seat(self: &Arc<Self>, host: usize) -> Arc<Seat> {
        Arc::new(Seat {
            bus: Arc::clone(self),
            host,
            kept: Mutex::default(),
            deaf: watch::Sender::new(false),
            loses: watch::Sender::new(false),
            stats: Mutex::default(),
        })
    }

    /// How many bodies beside the log were asked for.
    pub fn fetched(&self) -> usize {
        *self.fetched.lock().unwrap()
    }

    pub fn forget_bodies(&self) {
        *self.bodies_gone.lock().unwrap() = true;
    }

    fn push(&self, host: usize, notice: Option<Notice>) {
        self.log.send_modify(|log| log.push(Entry { host, notice }));
    }
}

impl Seat {
    /// What this host says does not get out from now on.
    pub fn mute(&self) {
        self.kept.lock().unwrap().get_or_insert_default();
    }

    /// It does again, after what was kept.
    pub fn unmute(&self) {
        let kept = self.kept.lock().unwrap().take();
        for notice in kept.into_iter().flatten() {
            self.bus.push(self.host, notice);
        }
    }

    /// Whether this host hears nothing.
    pub fn deafen(&self, deaf: bool) {
        self.deaf.send_replace(deaf);
    }

    /// What has not been heard yet is lost.
    pub fn lose(&self) {
        self.loses.send_replace(true);
    }
}

#[async_trait::async_trait]
impl Cluster for Seat {
    async fn publish(&self, notice: Notice) {
        self.stats.lock().unwrap().published += 1;
        let mut kept = self.kept.lock().unwrap();
        match &mut *kept {
            None => self.bus.push(self.host, Some(notice)),
            Some(kept) if kept.len() < MOST_PENDING => kept.push_back(Some(notice)),
            Some(kept) => {
                *kept = VecDeque::from([None, Some(notice)]);
            }
        }
    }

    async fn subscribe(&self) -> Box<dyn Subscription> {
        Box::new(Listener {
            bus: Arc::clone(&self.bus),
            host: self.host,
            at: self.bus.log.borrow().len(),
            log: self.bus.log.subscribe(),
            deaf: self.deaf.subscribe(),
            loses: self.loses.clone(),
            lost: self.loses.subscribe(),
        })
    }

    async fn leave(&self, within: Duration) -> bool {
        let mut log = self.bus.log.subscribe();
        let sent = async {
            while self.kept.lock().unwrap().is_some() {
                log.changed().await.unwrap();
            }
        };
        tokio::time::timeout(within, sent).await.is_ok()
    }

    fn stats(&self) -> Stats {
        let pending = self.kept.lock().unwrap().as_ref().map_or(0, VecDeque::len);
        Stats { pending, ..*self.stats.lock().unwrap() }
    }
}

struct Listener {
    bus: Arc<Bus>,
    host: usize,
    at: usize,
    log: watch::Receiver<Vec<Entry>>,
    deaf: watch::Receiver<bool>,
    loses: watch::Sender<bool>,
    lost: watch::Receiver<bool>,
}

#[async_trait::async_trait]
impl Subscription for Listener {
    async fn next(&mut self) -> Received {
        loop {
            self.deaf.wait_for(|deaf| !deaf).await.unwrap();
            if self.loses.send_replace(false) {
                self.at = self.log.borrow().len();
                return Received::Lost(Arc::from("as asked"));
            }
            let entry = self
                .log
                .borrow_and_update()
                .get(self.at)
                .map(|entry| (entry.host, entry.notice.clone()));
            match entry {
                None => {
                    tokio::select! {
                        _ = self.log.changed() => {}
                        _ = self.lost.changed() => {}
                    }
                }
                Some((host, notice)) => {
                    self.at += 1;
                    match notice {
                        _ if host == self.host => {}
                        None => return Received::Lost(Arc::from("a host dropped notices")),
                        Some(Notice { head, body }) if body.len() <= BESIDE => {
                            return Received::Notice { head, body: Body::Here(body) };
                        }
                        Some(Notice { head, .. }) => {
                            let name = Arc::from((self.at - 1).to_string());
                            return Received::Notice { head, body: Body::Beside(name) };
                        }
                    }
                }
            }
        }
    }

    async fn fetch(&mut self, body: Body) -> Option<Bytes> {
        let name = match body {
            Body::Here(bytes) => return Some(bytes),
            Body::Beside(name) => name,
        };
        *self.bus.fetched.lock().unwrap() += 1;
        if *self.bus.bodies_gone.lock().unwrap() {
            return None;
        }
        let at: usize = name.parse().unwrap();
        self.log.borrow()[at].notice.as_ref().map(|notice| notice.body.clone())
    }
}
