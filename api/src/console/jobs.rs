use axum::extract::State;
use reelfleet_db::JobFilter;
use reelfleet_job::{JobId, State as JobState};
use serde::{Deserialize, Serialize};

use super::visitor::{FINE, OperatorVisitor, Page, to};
use crate::{
    admin::{self, ExplainedJob, JobBody, RedriveBody},
    auth::Operator,
    http::{Body, Id, Query},
    problem::{Answer, Problem},
    state::AppState,
};

/// Jobs of one page.
const AT_ONCE: u32 = 50;

/// Which jobs.
#[derive(Deserialize)]
pub(super) struct Asked {
    state: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Jobs {
    jobs: Vec<JobBody>,
    older_url: Option<String>,
    state: Option<&'static str>,
    states: Vec<&'static str>,
}

#[derive(Serialize)]
struct OneJob {
    job: ExplainedJob,
}

/// All jobs, or those of a state.
pub(super) async fn jobs(
    State(app): State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
    asked: Answer<Query<Asked>>,
) -> Page {
    let Query(asked) = asked?;
    let state = asked.state.and_then(|word| word.parse::<JobState>().ok());
    let before = asked.cursor.and_then(|id| id.parse().ok());
    let page = app.db.jobs(&JobFilter { state, limit: AT_ONCE, before }).await?;
    let last = page.rows.last().filter(|_| page.more).map(|job| job.id);
    let jobs = Jobs {
        jobs: page.rows.iter().map(Into::into).collect(),
        older_url: last.map(|id| match state {
            Some(state) => format!("/operate/jobs?state={state}&cursor={id}"),
            None => format!("/operate/jobs?cursor={id}"),
        }),
        state: state.map(JobState::as_str),
        states: JobState::ALL.map(JobState::as_str).to_vec(),
    };
    Ok(visitor.pages.show(FINE, "jobs.html", Some(&visitor.user), "operate", jobs)?)
}

/// One job, explained.
pub(super) async fn job(
    state: State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
    id: Answer<Id<JobId>>,
) -> Page {
    let job = admin::job(state, Operator(visitor.user.clone()), id?).await?.0;
    Ok(visitor.pages.show(FINE, "job.html", Some(&visitor.user), "operate", OneJob { job })?)
}

/// Asks to stop a job.
pub(super) async fn cancel(
    state: State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
    id: Answer<Id<JobId>>,
) -> Page {
    let Id(id) = id?;
    unless_too_late(admin::cancel(state, Operator(visitor.user), Id(id)).await)?;
    Ok(to(&format!("/operate/jobs/{id}")))
}

/// Makes a dead job due again.
pub(super) async fn redrive(
    state: State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
    id: Answer<Id<JobId>>,
) -> Page {
    unless_too_late(admin::redrive(state, Operator(visitor.user), id?).await)?;
    Ok(to("/operate"))
}

/// Gives a dead job up for good.
pub(super) async fn discard(
    state: State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
    id: Answer<Id<JobId>>,
) -> Page {
    unless_too_late(admin::discard(state, Operator(visitor.user), id?).await)?;
    Ok(to("/operate"))
}

/// Makes every job that is dead now due again.
pub(super) async fn redrive_all(
    state: State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
) -> Page {
    let _counts =
        admin::redrive_some(state, Operator(visitor.user), Body(RedriveBody::all())).await?;
    Ok(to("/operate"))
}

/// A job that is not any more what the button was for shows so on the page that follows.
fn unless_too_late<T>(answer: Answer<T>) -> Answer<()> {
    match answer {
        Err(problem) if problem.code.status != 409 => Err::<(), Problem>(problem),
        _ => Ok(()),
    }
}
