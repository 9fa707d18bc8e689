//! Moves events: from a store's outbox into the queue ([`relay`]), and from the queue into the
//! components that consume them ([`dispatcher`]).
//!
//! Both run until their token is cancelled and then finish what they hold. Neither loses an event
//! when it dies: the outbox forgets an event only once the queue has it, and the queue only once a
//! component has answered.

mod backoff;
pub mod dispatcher;
pub mod relay;
