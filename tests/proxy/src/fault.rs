//! What the proxy does to all its connections, until told otherwise.

use std::time::Duration;

/// A lasting fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Bytes pass at once.
    #[default]
    None,
    /// Every piece of data waits this long, in both directions: a slow network.
    Delay(Duration),
    /// Requests pass, replies wait until the proxy is mended, then arrive: a server that hangs
    /// after it did the work.
    HoldReplies,
    /// Nothing passes in either direction until the proxy is mended, and connections stay open: a
    /// cable pulled out.
    HoldAll,
    /// New connections are reset as soon as they are accepted. Open ones are left alone; see
    /// [`crate::FaultProxy::reset`]. The port stays the proxy's, so that it can be mended.
    Refuse,
}

/// How connections end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides are closed in order (FIN).
    Close,
    /// Both sides are reset (RST); what was under way is lost.
    Reset,
}

/// What all connections watch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) fault: Fault,
    /// Connections of an earlier epoch end.
    pub(crate) epoch: u64,
    /// How they end.
    pub(crate) end: End,
}
