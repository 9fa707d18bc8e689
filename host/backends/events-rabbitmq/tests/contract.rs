//! The events contract, met with RabbitMQ.

use pingtalk_contract::servers;
use pingtalk_events_rabbitmq::{Config, RabbitEvents};

pingtalk_contract::events!(async { (RabbitEvents::new(Config::new(servers::rabbitmq())), ()) });
