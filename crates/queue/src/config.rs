use std::str::FromStr;

use reelfleet_aws::AwsConfig;
use reelfleet_runtime::{Var, Vars};
use secrecy::SecretString;

/// Which broker carries the messages.
pub const QUEUE_TYPE: Var = Var::new(
    "QUEUE_TYPE",
    "database",
    "Which broker carries the messages: `database`, `redis`, `sqs` or `rabbitmq`.",
);

const REDIS_URL: Var = Var::new(
    "REDIS_URL",
    "",
    "The Redis server: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, or `rediss://` for TLS. Needed for `redis`.",
);

const REDIS_ALLOW_DATA_LOSS: Var = Var::new(
    "REDIS_ALLOW_DATA_LOSS",
    "false",
    "`true` takes a Redis without append-only file, or one that evicts keys. A lost message delays its job until the relay sends it again.",
);

const SQS_REGION: Var = Var::new(
    "SQS_REGION",
    "",
    "Region of the queues. Default: as the AWS SDK finds it (`AWS_REGION`, profile, instance).",
);

const SQS_QUEUE_URL: Var = Var::new(
    "SQS_QUEUE_URL",
    "",
    "Base address of the queues: a lane's queue is `{base}-{lane}`, the dead-letter queue `{base}-dead`. Needed for `sqs`.",
);

const RABBITMQ_URL: Var = Var::new(
    "RABBITMQ_URL",
    "",
    "The RabbitMQ server: `amqp://USER:PASSWORD@HOST[:PORT][/VHOST]`, or `amqps://` for TLS. Needed for `rabbitmq`.",
);

/// The variables read here.
pub const VARS: &[Var] =
    &[QUEUE_TYPE, REDIS_URL, REDIS_ALLOW_DATA_LOSS, SQS_REGION, SQS_QUEUE_URL, RABBITMQ_URL];

/// Which broker, and how it is reached.
#[derive(Debug, Clone, Default)]
pub enum QueueConfig {
    /// The database itself.
    #[default]
    Database,
    /// Redis.
    Redis {
        /// The server. It may hold a password.
        url: SecretString,
        /// Takes a server that may lose messages.
        allow_data_loss: bool,
    },
    /// Amazon SQS.
    Sqs(SqsConfig),
    /// `RabbitMQ`.
    RabbitMq {
        /// The server. It may hold a password.
        url: SecretString,
    },
}

/// Which queues of Amazon SQS, and how they are reached.
#[derive(Debug, Clone, Default)]
pub struct SqsConfig {
    /// What every queue's address starts with.
    pub base_url: String,
    /// How AWS is reached.
    pub aws: AwsConfig,
}

#[derive(Debug, Clone, Copy, Default)]
enum Kind {
    #[default]
    Database,
    Redis,
    Sqs,
    RabbitMq,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "database" => Ok(Self::Database),
            "redis" => Ok(Self::Redis),
            "sqs" => Ok(Self::Sqs),
            "rabbitmq" => Ok(Self::RabbitMq),
            _ => Err("expected `database`, `redis`, `sqs` or `rabbitmq`"),
        }
    }
}

impl QueueConfig {
    /// Reads the queue's variables and notes what is wrong with them.
    pub fn from_vars(vars: &mut Vars) -> Self {
        match vars.parse(&QUEUE_TYPE) {
            Kind::Database => Self::Database,
            Kind::Redis => Self::Redis {
                url: address(vars, &REDIS_URL, &["redis", "rediss"]).into(),
                allow_data_loss: vars.parse(&REDIS_ALLOW_DATA_LOSS),
            },
            Kind::Sqs => Self::Sqs(SqsConfig {
                base_url: address(vars, &SQS_QUEUE_URL, &["https", "http"]),
                aws: AwsConfig::from_vars(vars, &SQS_REGION),
            }),
            Kind::RabbitMq => {
                Self::RabbitMq { url: address(vars, &RABBITMQ_URL, &["amqp", "amqps"]).into() }
            }
        }
    }
}

/// An address that must be given, with one of these schemes.
fn address(vars: &mut Vars, var: &Var, schemes: &[&str]) -> String {
    let Some(text) = vars.text(var) else {
        vars.problem(var, format!("is needed with this {}", QUEUE_TYPE.name));
        return String::new();
    };
    let fits = text.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme) && !rest.is_empty() && !rest.contains(char::is_whitespace)
    });
    if !fits {
        vars.problem(var, format!("expected `{}://HOST…`", schemes.join("://` or `")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_needs_is_named_and_no_password_is() {
        for (kind, var, wrong) in [
            ("redis", "REDIS_URL", "http://:hunter2@host"),
            ("sqs", "SQS_QUEUE_URL", "hunter2"),
            ("rabbitmq", "RABBITMQ_URL", "amqp://hunter2@ host"),
        ] {
            for value in ["", wrong] {
                let mut vars = Vars::of([("QUEUE_TYPE", kind), (var, value)]);
                QueueConfig::from_vars(&mut vars);
                let said = vars.finish().unwrap_err().to_string();
                assert!(said.contains(&format!("{var}: ")) && !said.contains("hunter2"), "{said}");
            }
        }
        let mut vars = Vars::of([("QUEUE_TYPE", "kafka")]);
        QueueConfig::from_vars(&mut vars);
        assert!(vars.finish().unwrap_err().to_string().contains("QUEUE_TYPE: expected"));
    }

    #[test]
    fn every_broker_is_understood() {
        for (kind, var, value) in [
            ("database", "REDIS_URL", ""),
            ("redis", "REDIS_URL", "rediss://user:pass@host:6380/2"),
            ("sqs", "SQS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1234/reelfleet"),
            ("rabbitmq", "RABBITMQ_URL", "amqp://user:pass@host:5672/%2f"),
        ] {
            let mut vars = Vars::of([("QUEUE_TYPE", kind), (var, value)]);
            let config = QueueConfig::from_vars(&mut vars);
            assert_eq!(vars.finish(), Ok(()));
            assert!(!format!("{config:?}").contains("pass"), "{config:?}");
        }
    }
}
