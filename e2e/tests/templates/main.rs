//! What aws-deployment/ promises, as far as it can be held without deploying it.
//!
//! ```text
//! templates ─► cfn-lint, checkov
//!           ─► src/read.py ─► cfn-guard with aws-deployment/rules
//!                      ─► house, code, sets: what guard cannot say, or what the code says as well
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod code;
mod house;
mod linters;
mod mistakes;
mod rules;
mod sets;
mod stacks;
mod unheard;

use reelfleet_e2e::templates as tools;
