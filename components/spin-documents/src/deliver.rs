//! Delivers events to the components that consume them, by a call to each through Spin's own local
//! routing. At least once: what fails comes again with the next request after its pause.

use std::{cell::Cell, time::Duration};

use pingtalk_sdk::internal::{EventCall, EventEnd};
use pingtalk_spin_platform::now_millis;

use crate::{
    queue::{self, Delivery, End},
    store,
};

/// Deliveries before an event is a dead letter, and the pauses between them: our host's defaults.
const ATTEMPTS: u32 = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long one delivery may take. The request that delivers waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request goes on delivering what others left.
const ROUND_MS: i64 = 2_000;
/// How often an instance looks for what others left, in milliseconds.
const LOOK_EVERY: i64 = 1_000;

/// Delivers what is left over from a failure, if it is time to look.
pub(crate) async fn what_is_due() {
    thread_local! {
        static LOOK: Cell<i64> = const { Cell::new(0) };
    }
    let now = now_millis();
    if now < LOOK.get() {
        return;
    }
    LOOK.set(now + LOOK_EVERY);
    if let Ok(true) = store::read(|sql, _| queue::is_due(sql, now)) {
        at_once().await;
    }
}

/// Delivers what is due, unless somebody does already. What goes wrong is tried again later, by
/// whoever comes then; the caller's own work is done.
pub(crate) async fn at_once() {
    let began = now_millis();
    // Unlikely to be another's: nothing but the time is at stake if it is.
    let holder = began ^ i64::from(pingtalk_sdk::internal::random_number());
    let mut settled: Option<(Delivery, End)> = None;
    loop {
        let now = now_millis();
        let last = now - began > ROUND_MS;
        let turn = store::write(|sql, _| {
            if let Some((delivery, end)) = &settled {
                queue::settle(sql, delivery, end)?;
            }
            if last {
                queue::end_turn(sql, holder)?;
                return Ok(None);
            }
            if !queue::take_turn(sql, holder, now)? {
                return Ok(None);
            }
            let next = queue::next(sql, now)?;
            if next.is_none() {
                queue::end_turn(sql, holder)?;
            }
            Ok(next)
        });
        let Ok(Some(delivery)) = turn else { return };
        let end = deliver(&delivery).await;
        settled = Some((delivery, end));
    }
}

async fn deliver(delivery: &Delivery) -> End {
    let call = EventCall {
        id: delivery.id.clone(),
        topic: delivery.topic.clone(),
        payload: String::from_utf8_lossy(&delivery.payload).into_owned(),
        attempt: u32::try_from(delivery.attempt).unwrap_or(u32::MAX),
        published_at: delivery.published_at,
    };
    let reason = match pingtalk_sdk::internal::call(&delivery.component, &call, TIMEOUT).await {
        Ok(EventEnd::Done) => return End::Done,
        Ok(EventEnd::Reject(reason)) => return End::Dead(reason),
        Ok(EventEnd::Retry(reason)) | Err(reason) => reason,
    };
    let settings = queue::settings(&delivery.queue);
    let setting =
        |read: fn(&pingtalk_manifest::Queue) -> Option<Duration>| settings.as_ref().and_then(read);
    let attempts = settings.as_ref().and_then(|queue| queue.attempts).unwrap_or(ATTEMPTS);
    if delivery.attempt >= i64::from(attempts) {
        return End::Dead(reason);
    }
    let first = setting(|queue| queue.first_pause).unwrap_or(FIRST_PAUSE);
    let longest = setting(|queue| queue.longest_pause).unwrap_or(LONGEST_PAUSE);
    let doublings = u32::try_from(delivery.attempt - 1).unwrap_or(u32::MAX).min(20);
    let pause = first.saturating_mul(1 << doublings).min(longest);
    let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    End::Again(now_millis().saturating_add(pause), reason)
}
