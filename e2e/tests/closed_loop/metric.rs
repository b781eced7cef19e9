//! The value that the group goes by, once a period.

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use jiff::Timestamp;
use reelfleet_e2e::stage::Stage;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::numbers::Numbers;

/// Value of the dimension `Environment`.
pub(crate) const ENVIRONMENT: &str = "loop";

/// Where the value comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The API, which computes what is published at the moment in which it is asked.
    Api(&'static str),
    /// `CloudWatch`, where some process of the fleet has published it.
    CloudWatch(Box<Reader>),
}

#[derive(Debug)]
pub(crate) struct Reader {
    runtime: Runtime,
    client: Client,
    metric: String,
    statistic: Statistic,
}

impl Source {
    pub(crate) fn api(numbers: &Numbers) -> Self {
        Self::Api(match &*numbers.metric {
            "BacklogPerWorker" => "backlog_per_worker",
            "BacklogSecondsPerWorker" => "backlog_seconds_per_worker",
            other => panic!("the API does not tell {other}"),
        })
    }

    /// What the emulator of the stage has.
    pub(crate) fn cloudwatch(stage: &Stage, numbers: &Numbers) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let aws = stage.sqs.as_ref().unwrap().aws();
        let client = Client::new(&runtime.block_on(aws.load()));
        let (metric, statistic) = (numbers.metric.clone(), Statistic::from(&*numbers.statistic));
        Self::CloudWatch(Box::new(Reader { runtime, client, metric, statistic }))
    }
}

/// Periods as `CloudWatch` cuts them: whole multiples of so many real seconds since 1970.
#[derive(Debug)]
pub(crate) struct Periods {
    seconds: i64,
    under_way: i64,
}

impl Periods {
    pub(crate) fn of(seconds: u64) -> Self {
        let seconds = i64::try_from(seconds).unwrap();
        Self { seconds, under_way: now() / seconds }
    }

    /// When the period began that has just ended, if one has. One that nobody looked at is missing.
    pub(crate) fn ended(&mut self) -> Option<i64> {
        let now = now() / self.seconds;
        let before = std::mem::replace(&mut self.under_way, now);
        (now > before).then_some((now - 1) * self.seconds)
    }

    /// The value of the period that began then, if there is one.
    pub(crate) fn value(&self, source: &Source, queue: &Value, began: i64) -> Option<f64> {
        match source {
            Source::Api(name) => queue[name].as_f64(),
            Source::CloudWatch(reader) => reader.read(began, self.seconds),
        }
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

impl Reader {
    /// As the alarms of a policy read it.
    fn read(&self, from: i64, seconds: i64) -> Option<f64> {
        let asked = self
            .client
            .get_metric_statistics()
            .namespace("Reelfleet")
            .metric_name(&self.metric)
            .dimensions(Dimension::builder().name("Environment").value(ENVIRONMENT).build())
            .start_time(DateTime::from_secs(from))
            .end_time(DateTime::from_secs(from + seconds))
            .period(i32::try_from(seconds).unwrap())
            .statistics(self.statistic.clone())
            .send();
        let answer = self.runtime.block_on(asked).unwrap();
        let mut points = answer.datapoints().iter();
        let point = points.find(|point| point.timestamp().is_some_and(|at| at.secs() == from))?;
        match self.statistic {
            Statistic::Average => point.average(),
            Statistic::Maximum => point.maximum(),
            _ => panic!("{:?} of a value per worker means nothing", self.statistic),
        }
    }
}
