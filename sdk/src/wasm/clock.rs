//! The time, from `wasi:clocks`.

use super::bindings::capabilities::wasi::clocks::system_clock;
use crate::documents::Date;

pub(super) fn now() -> Date {
    let instant = system_clock::now();
    let millis = i64::from(instant.nanoseconds / 1_000_000);
    Date::from_millis(instant.seconds.saturating_mul(1000).saturating_add(millis))
}
