use std::time::Duration;

use reelfleet_aws::{AWS_REGION, AwsConfig};
use reelfleet_runtime::{Var, Vars};

const CLOUDWATCH_ENVIRONMENT: Var = Var::new(
    "CLOUDWATCH_ENVIRONMENT",
    "",
    "Value of the dimension `Environment` under which metrics are published to CloudWatch. Unset: none are.",
);

const CLOUDWATCH_PERIOD_SECONDS: Var = Var::new(
    "CLOUDWATCH_PERIOD_SECONDS",
    "60",
    "How often metrics are published, seconds: 60, or 10 as high-resolution metrics.",
);

/// The variables read here.
pub const VARS: &[Var] = &[CLOUDWATCH_ENVIRONMENT, CLOUDWATCH_PERIOD_SECONDS];

/// What `CloudWatch` takes as a value of a dimension.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
const LONGEST: usize = 1024;

/// Under which name metrics are published, and how often.
#[derive(Debug, Clone)]
pub struct PublisherConfig {
    /// Value of the dimension `Environment`.
    pub environment: String,
    /// One value for each of these.
    pub period: Duration,
    /// How AWS is reached.
    pub aws: AwsConfig,
}

impl PublisherConfig {
    /// Reads the variables and notes what is wrong with them. None: nothing is published.
    pub fn from_vars(vars: &mut Vars) -> Option<Self> {
        let environment = vars.text(&CLOUDWATCH_ENVIRONMENT);
        let seconds: u64 = vars.parse(&CLOUDWATCH_PERIOD_SECONDS);
        if ![10, 60].contains(&seconds) {
            vars.problem(&CLOUDWATCH_PERIOD_SECONDS, "expected 60 or 10");
        }
        let environment = environment?;
        let fits = environment.len() <= LONGEST
            && !environment.starts_with(':')
            && environment.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
        if !fits || environment.trim().is_empty() {
            let expected = "expected up to 1024 ASCII letters, digits or signs, not `:` first";
            vars.problem(&CLOUDWATCH_ENVIRONMENT, expected);
        }
        let aws = AwsConfig::from_vars(vars, &AWS_REGION);
        if aws.region.is_none() {
            vars.problem(&AWS_REGION, "is needed with CLOUDWATCH_ENVIRONMENT");
        }
        Some(Self { environment, period: Duration::from_secs(seconds), aws })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_published_unless_an_environment_is_named() {
        let mut vars = Vars::of([("AWS_REGION", "eu-west-1")]);
        assert!(PublisherConfig::from_vars(&mut vars).is_none());
        assert_eq!(vars.finish(), Ok(()));
        let named = [("CLOUDWATCH_ENVIRONMENT", "production"), ("AWS_REGION", "eu-west-1")];
        let mut vars = Vars::of(named);
        let config = PublisherConfig::from_vars(&mut vars).unwrap();
        assert_eq!((config.period.as_secs(), &*config.environment), (60, "production"));
        assert_eq!(vars.finish(), Ok(()));
    }

    #[test]
    fn what_cloudwatch_would_refuse_is_named_at_the_start() {
        for (values, wrong) in [
            (&[("CLOUDWATCH_ENVIRONMENT", "a")][..], "AWS_REGION: "),
            (&[("CLOUDWATCH_ENVIRONMENT", ":a"), ("AWS_REGION", "x")], "CLOUDWATCH_ENVIRONMENT: "),
            (
                &[("CLOUDWATCH_ENVIRONMENT", "Zürich"), ("AWS_REGION", "x")],
                "CLOUDWATCH_ENVIRONMENT: ",
            ),
            (&[("CLOUDWATCH_PERIOD_SECONDS", "30")], "CLOUDWATCH_PERIOD_SECONDS: "),
        ] {
            let mut vars = Vars::of(values.iter().copied());
            let _ = PublisherConfig::from_vars(&mut vars);
            let said = vars.finish().unwrap_err().to_string();
            assert!(said.contains(wrong), "{said}");
        }
    }
}
