//! `amqps://` on a server that speaks no TLS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod garbage;

use reelfleet_queue::QueueConfig;

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_clear_error_and_no_panic_in_any_thread() {
    garbage::is_refused("amqps", "rabbitmq", |url| QueueConfig::RabbitMq { url: url.into() }).await;
}
