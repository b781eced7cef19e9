//! The API of Auto Scaling, as far as a worker calls it: forms in, XML out.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Form, Router,
    extract::State as With,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};

use super::{
    PoisonError, Shared,
    fault::Fault,
    state::{Action, Call, HOOK, NAME, Refusal},
};

type Words = HashMap<String, String>;

pub(super) fn router(shared: Shared) -> Router {
    Router::new().route("/", post(call)).with_state(shared)
}

async fn call(With(shared): With<Shared>, Form(words): Form<Words>) -> Response {
    let of = |name: &str| words.get(name).cloned().unwrap_or_default();
    let (name, action) = (of("Action"), action(&words));
    let instance = match of("InstanceId") {
        none if none.is_empty() => of("InstanceIds.member.1"),
        id => id,
    };
    let (nth, fault) = {
        let mut state = shared.state();
        let at = Instant::now();
        state.calls.push(Call { at, action, instance: instance.clone(), done: false });
        (state.calls.len() - 1, state.next_fault(action))
    };
    match fault {
        Some(Fault::Silent) => std::future::pending::<()>().await,
        Some(Fault::Slow(long)) => tokio::time::sleep(long).await,
        Some(Fault::Throttled) => {
            return refused(400, &Refusal("Throttling", "Rate exceeded".into()));
        }
        Some(Fault::ServerError) => return refused(500, &failure()),
        Some(Fault::Denied) => {
            let message = format!("not authorized to perform: autoscaling:{name}");
            return refused(403, &Refusal("AccessDenied", message));
        }
        Some(Fault::AnswerLost) | None => {}
    }
    if action == Some(Action::Complete) {
        tell(&shared, &instance).await;
    }
    match act(&shared, action, &instance, &words) {
        Ok(_) if fault == Some(Fault::AnswerLost) => refused(500, &failure()),
        Ok(result) => {
            shared.state().calls[nth].done = true;
            let body = format!(
                "<{name}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\
                 <{name}Result>{result}</{name}Result>\
                 <ResponseMetadata><RequestId>fake</RequestId></ResponseMetadata></{name}Response>"
            );
            ([(CONTENT_TYPE, "text/xml")], body).into_response()
        }
        Err(refusal) => refused(400, &refusal),
    }
}

fn action(words: &Words) -> Option<Action> {
    match words.get("Action").map(String::as_str)? {
        "SetInstanceProtection" => match words.get("ProtectedFromScaleIn").map(String::as_str)? {
            "true" => Some(Action::Protect),
            _ => Some(Action::Unprotect),
        },
        "RecordLifecycleActionHeartbeat" => Some(Action::Heartbeat),
        "CompleteLifecycleAction" => Some(Action::Complete),
        "DescribeLifecycleHooks" => Some(Action::DescribeHooks),
        _ => None,
    }
}

/// Tells the test before anything changes. It may take its time: it asks databases.
async fn tell(shared: &Shared, instance: &str) {
    let told = shared.when_completed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(told) = told {
        let id = instance.to_owned();
        let _ = tokio::task::spawn_blocking(move || told(&id)).await;
    }
}

/// Does what is asked for; the result as XML.
fn act(
    shared: &Arc<super::Inner>,
    action: Option<Action>,
    instance: &str,
    words: &Words,
) -> Result<String, Refusal> {
    let now = Instant::now();
    let is = |name: &str, wanted: &str| words.get(name).is_none_or(|word| word == wanted);
    let mut state = shared.state();
    if !is("AutoScalingGroupName", NAME) {
        return Err(Refusal("ValidationError", "AutoScalingGroup name not found".into()));
    }
    if !is("LifecycleHookName", HOOK) {
        return Err(Refusal("ValidationError", "No lifecycle hook of that name".into()));
    }
    match action {
        Some(Action::Protect) => state.protect(instance, true)?,
        Some(Action::Unprotect) => state.protect(instance, false)?,
        Some(Action::Heartbeat) => state.beat(instance, now)?,
        Some(Action::Complete) => {
            let result = words.get("LifecycleActionResult").cloned().unwrap_or_default();
            state.complete(instance, &result, now)?;
        }
        Some(Action::DescribeHooks) => {
            let seconds = state.timeout.as_secs();
            return Ok(format!(
                "<LifecycleHooks><member><LifecycleHookName>{HOOK}</LifecycleHookName>\
                 <AutoScalingGroupName>{NAME}</AutoScalingGroupName>\
                 <LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING</LifecycleTransition>\
                 <HeartbeatTimeout>{seconds}</HeartbeatTimeout></member></LifecycleHooks>"
            ));
        }
        None => return Err(Refusal("InvalidAction", "not known to this fake".into())),
    }
    Ok(String::new())
}

fn failure() -> Refusal {
    Refusal("InternalFailure", "something went wrong".into())
}

fn refused(status: u16, Refusal(code, message): &Refusal) -> Response {
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let body = format!(
        "<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Error>\
         <Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>fake</RequestId></ErrorResponse>"
    );
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, [(CONTENT_TYPE, "text/xml")], body).into_response()
}
