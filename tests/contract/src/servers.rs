//! Where the servers are that production backends are tested against.

/// A MongoDB, as `PINGTALK_TEST_MONGODB` says.
#[must_use]
pub fn mongodb() -> String {
    server("PINGTALK_TEST_MONGODB", "MongoDB")
}

/// A Redis, as `PINGTALK_TEST_REDIS` says.
#[must_use]
pub fn redis() -> String {
    server("PINGTALK_TEST_REDIS", "Redis")
}

/// A RabbitMQ, as `PINGTALK_TEST_RABBITMQ` says.
#[must_use]
pub fn rabbitmq() -> String {
    server("PINGTALK_TEST_RABBITMQ", "RabbitMQ")
}

fn server(variable: &str, product: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "needs a {product} server: run `cargo xtask test`, or `cargo xtask servers` in another \
             terminal, or set {variable}"
        )
    })
}
