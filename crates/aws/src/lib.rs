//! How AWS is reached: region, endpoint, credentials.
//!
//! ```text
//! environment ─► AwsConfig ─► load ─► SdkConfig ─► the clients of queue and storage
//! ```
//!
//! What is given in the environment is handed to the SDK; what is not, the SDK finds as
//! everywhere: profile, container, instance.
//!
//! ```
//! use reelfleet_aws::AwsConfig;
//! use reelfleet_runtime::{Var, Vars};
//!
//! const S3_REGION: Var = Var::new("S3_REGION", "", "Region of the bucket.");
//! let mut vars = Vars::of([("S3_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "AKIA")]);
//! let config = AwsConfig::from_vars(&mut vars, &S3_REGION);
//! assert_eq!(config.region.as_deref(), Some("eu-west-1"));
//! assert!(vars.finish().unwrap_err().to_string().contains("AWS_SECRET_ACCESS_KEY: is needed"));
//! ```

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use reelfleet_runtime::{Var, Vars};
use secrecy::{ExposeSecret as _, SecretString};

/// Region of what has no variable of its own for it.
pub const AWS_REGION: Var = Var::new(
    "AWS_REGION",
    "",
    "Region of CloudWatch and of Auto Scaling. Needed where one of them is used.",
);

const AWS_ENDPOINT_URL: Var = Var::new(
    "AWS_ENDPOINT_URL",
    "",
    "Address of an emulator of AWS, or of another store that speaks S3. Default: AWS.",
);

const AWS_ACCESS_KEY_ID: Var = Var::new(
    "AWS_ACCESS_KEY_ID",
    "",
    "Id of an access key. Default: as the AWS SDK finds one (profile, role of the instance).",
);

const AWS_SECRET_ACCESS_KEY: Var =
    Var::new("AWS_SECRET_ACCESS_KEY", "", "The access key's secret. Needed with its id.");

const AWS_SESSION_TOKEN: Var =
    Var::new("AWS_SESSION_TOKEN", "", "Token of a session, where the access key has one.");

/// The SDK takes it from the environment by itself: here it is named and checked.
pub const AWS_EC2_METADATA_SERVICE_ENDPOINT: Var = Var::new(
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "",
    "Address of an emulator of the instance metadata service, where a role's credentials come from. Default: the instance's own.",
);

/// The AWS SDK's own variables, as far as they are read here.
pub const VARS: &[Var] = &[
    AWS_REGION,
    AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_EC2_METADATA_SERVICE_ENDPOINT,
];

/// What is given of how AWS is reached.
#[derive(Debug, Clone, Default)]
pub struct AwsConfig {
    /// Region.
    pub region: Option<String>,
    /// Where requests go instead of AWS.
    pub endpoint: Option<String>,
    /// Who we are.
    pub access_key: Option<AccessKey>,
}

/// A key that was given to us, rather than found by the SDK.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// Its id.
    pub id: SecretString,
    /// Its secret.
    pub secret: SecretString,
    /// The token of a session.
    pub session_token: Option<SecretString>,
}

impl AwsConfig {
    /// Reads the variables, `region` for the region, and notes what is wrong with them.
    pub fn from_vars(vars: &mut Vars, region: &Var) -> Self {
        let endpoint = vars.text(&AWS_ENDPOINT_URL);
        let with_scheme = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        for var in [&AWS_ENDPOINT_URL, &AWS_EC2_METADATA_SERVICE_ENDPOINT] {
            if !vars.given(var).is_none_or(with_scheme) {
                vars.problem(var, "expected `https://HOST…` or `http://HOST…`");
            }
        }
        Self { region: vars.text(region), endpoint, access_key: AccessKey::from_vars(vars) }
    }

    /// What the SDK's clients are made of.
    pub async fn load(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(key) = &self.access_key {
            let (id, secret) = (key.id.expose_secret(), key.secret.expose_secret());
            let session = key.session_token.as_ref().map(|token| token.expose_secret().to_owned());
            let credentials = Credentials::new(id, secret, session, None, "environment");
            loader = loader.credentials_provider(credentials);
        }
        loader.load().await
    }
}

impl AccessKey {
    fn from_vars(vars: &mut Vars) -> Option<Self> {
        let id = vars.secret(&AWS_ACCESS_KEY_ID)?;
        let Some(secret) = vars.secret(&AWS_SECRET_ACCESS_KEY) else {
            vars.problem(&AWS_SECRET_ACCESS_KEY, "is needed with an access key's id");
            return None;
        };
        Some(Self { id, secret, session_token: vars.secret(&AWS_SESSION_TOKEN) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: Var = Var::new("REGION", "", "");

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is() {
        let mut vars = Vars::of([
            ("AWS_ENDPOINT_URL", "hunter2"),
            ("AWS_ACCESS_KEY_ID", "hunter3"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "hunter4"),
        ]);
        AwsConfig::from_vars(&mut vars, &REGION);
        let said = vars.finish().unwrap_err().to_string();
        for name in
            ["AWS_ENDPOINT_URL: ", "AWS_SECRET_ACCESS_KEY: ", "AWS_EC2_METADATA_SERVICE_ENDPOINT: "]
        {
            assert!(said.contains(name) && !said.contains("hunter"), "{said}");
        }
    }

    #[test]
    fn a_given_key_is_taken_and_never_shown() {
        let mut vars = Vars::of([
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4567"),
            ("AWS_ACCESS_KEY_ID", "hunter2"),
            ("AWS_SECRET_ACCESS_KEY", "hunter3"),
            ("AWS_SESSION_TOKEN", "hunter4"),
        ]);
        let config = AwsConfig::from_vars(&mut vars, &REGION);
        assert_eq!(vars.finish(), Ok(()));
        assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
        assert!(config.access_key.is_some());
    }
}
