//! Tells a waiting poll when to look whether there is something for it.
//!
//! All polls that wait in an instance share one question to the database, every few milliseconds:
//! has anybody committed anything? Each then looks for itself, once.

use std::cell::Cell;

use pingtalk_documents::Error;

use crate::{order, tables};

/// How often an instance asks at most, in milliseconds.
const ASK_EVERY: i64 = 12;
/// How often an instance looks for events that have waited long enough.
const LATE_EVERY: i64 = 200;
/// How often a poll looks whatever happens: heartbeats come by time alone.
const LOOK_EVERY: i64 = 1_000;

thread_local! {
    /// What SQLite said last: it changes with every commit of another connection.
    static VERSION: Cell<i64> = const { Cell::new(0) };
    static ASKED: Cell<i64> = const { Cell::new(0) };
    static LATE: Cell<i64> = const { Cell::new(0) };
}

/// One poll's memory of what it has looked at.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: u64,
    looked: i64,
}

impl Watch {
    /// True when something was committed since it was last true, or enough time has passed.
    pub(crate) fn calls(&mut self, now: i64) -> Result<bool, Error> {
        if now - ASKED.get() >= ASK_EVERY {
            ASKED.set(now);
            if now - LATE.get() >= LATE_EVERY {
                LATE.set(now);
                if tables::read(|sql| order::has_late(sql, now))? {
                    tables::write(|sql| order::pass_over_the_late(sql, now))?;
                }
            }
            let version = tables::read(tables::version)?;
            if VERSION.replace(version) != version {
                tables::note_change();
            }
        }
        let changes = tables::changes();
        let calls = self.seen != changes || now - self.looked >= LOOK_EVERY;
        if calls {
            self.seen = changes;
            self.looked = now;
        }
        Ok(calls)
    }
}
