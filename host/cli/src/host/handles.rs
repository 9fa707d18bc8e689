//! File handles: each connection takes one, and the usual soft limit of 1,024 is for programs that
//! use `select`. The hard limit is what the operator allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; a host that may not goes on with what it has.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(?current, ?maximum, "raised the limit of file handles"),
        Err(error) => {
            tracing::warn!(?current, %error, "can't raise the limit of file handles: connections are limited by it");
        }
    }
}
