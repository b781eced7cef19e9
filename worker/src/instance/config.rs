use std::time::Duration;

use reelfleet_aws::{AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_REGION, AwsConfig};
use reelfleet_runtime::{Var, Vars};

const AUTO_SCALING_GROUP: Var = Var::new(
    "AUTO_SCALING_GROUP",
    "",
    "Name of the Auto Scaling group that this worker's instance belongs to. Unset: the worker knows nothing of any group.",
);
const LIFECYCLE_HOOK: Var = Var::new(
    "LIFECYCLE_HOOK",
    "",
    "Name of the group's hook on termination, which the worker completes when it has left. Unset: there is none.",
);
/// The SDK's own name for it. Given apart from `AWS_ENDPOINT_URL`: no emulator has all services.
const AWS_ENDPOINT_URL_AUTO_SCALING: Var = Var::new(
    "AWS_ENDPOINT_URL_AUTO_SCALING",
    "",
    "Address of an emulator of Auto Scaling. Default: as AWS_ENDPOINT_URL says, else AWS.",
);

/// The variables read here.
pub const VARS: &[Var] = &[AUTO_SCALING_GROUP, LIFECYCLE_HOOK, AWS_ENDPOINT_URL_AUTO_SCALING];

/// How long things take that only waiting can tell. Tests wait for less.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long an instance stays protected after its last job ended: the next one is often there
    /// within moments, and each change is a call of an API that is throttled for the whole account.
    pub(crate) grace: Duration,
    /// How long the completion may take. By a clock of its own: whatever ended the worker has had
    /// its time, and nobody else tells the group.
    pub(crate) complete: Duration,
    /// The metadata may say `Terminated` a moment before the group's wait begins. To be told that
    /// there is none means that it is over only after so long.
    pub(crate) wait_begins: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(15),
            complete: Duration::from_secs(30),
            wait_begins: Duration::from_secs(8),
        }
    }
}

/// What is known beforehand of the instance that a worker runs on.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    pub(crate) group: String,
    pub(crate) hook: Option<String>,
    /// How long the worker may go on with its jobs once the group wants it gone.
    pub(crate) drain: Duration,
    pub(crate) aws: AwsConfig,
    pub(crate) endpoint: Option<String>,
    /// Where the instance's metadata are, unless they are where every instance has them.
    pub(crate) metadata: Option<String>,
    pub(crate) bounds: Bounds,
}

impl InstanceConfig {
    /// Reads the configuration and notes what is wrong with it. None: there is no group.
    pub fn from_vars(vars: &mut Vars, drain: Duration) -> Option<Self> {
        let hook = vars.text(&LIFECYCLE_HOOK);
        let Some(group) = vars.text(&AUTO_SCALING_GROUP) else {
            if hook.is_some() {
                vars.problem(&LIFECYCLE_HOOK, "is a group's: set AUTO_SCALING_GROUP, too");
            }
            return None;
        };
        let aws = AwsConfig::from_vars(vars, &AWS_REGION);
        if aws.region.is_none() {
            vars.problem(&AWS_REGION, "is needed with AUTO_SCALING_GROUP");
        }
        let endpoint = vars.text(&AWS_ENDPOINT_URL_AUTO_SCALING);
        let with_scheme = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        if !endpoint.as_deref().is_none_or(with_scheme) {
            vars.problem(
                &AWS_ENDPOINT_URL_AUTO_SCALING,
                "expected `https://HOST…` or `http://HOST…`",
            );
        }
        let metadata = vars.text(&AWS_EC2_METADATA_SERVICE_ENDPOINT);
        let bounds = Bounds::default();
        Some(Self { group, hook, drain, aws, endpoint, metadata, bounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_group_there_is_nothing_and_half_a_group_is_refused() {
        let mut vars = Vars::of([("AWS_REGION", "eu-west-1")]);
        assert!(InstanceConfig::from_vars(&mut vars, Duration::ZERO).is_none());
        assert_eq!(vars.finish(), Ok(()));
        for (given, named) in [
            (vec![("LIFECYCLE_HOOK", "drain")], "LIFECYCLE_HOOK: "),
            (vec![("AUTO_SCALING_GROUP", "workers")], "AWS_REGION: "),
            (
                vec![
                    ("AUTO_SCALING_GROUP", "workers"),
                    ("AWS_REGION", "eu-west-1"),
                    ("AWS_ENDPOINT_URL_AUTO_SCALING", "hunter2"),
                ],
                "AWS_ENDPOINT_URL_AUTO_SCALING: ",
            ),
        ] {
            let mut vars = Vars::of(given);
            InstanceConfig::from_vars(&mut vars, Duration::ZERO);
            let said = vars.finish().unwrap_err().to_string();
            assert!(said.contains(named) && !said.contains("hunter"), "{said}");
        }
    }
}
