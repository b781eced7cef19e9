//! The metadata service of one instance, version 2: a token first, then looks.

use axum::{
    Router,
    extract::{Path, State as With},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, put},
};

use super::{Shared, fault::MetadataFault, life::Life, state::Record};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

#[derive(Debug, Clone)]
struct Of {
    shared: Shared,
    id: String,
}

pub(super) fn router(shared: Shared, id: &str) -> Router {
    Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/{*path}", get(look))
        .with_state(Of { shared, id: id.to_owned() })
}

async fn token(With(of): With<Of>, headers: HeaderMap) -> Response {
    match of.meet().await {
        Some(MetadataFault::NoToken) => return StatusCode::FORBIDDEN.into_response(),
        Some(MetadataFault::ServerError) => {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        _ => {}
    }
    let Some(seconds) = headers.get(TTL).cloned() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut state = of.shared.state();
    let record = state.record(&of.id);
    let token = format!("{}-{}", of.id, record.looks);
    record.tokens.insert(token.clone());
    ([(TTL, seconds)], token).into_response()
}

async fn look(With(of): With<Of>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    match of.meet().await {
        Some(MetadataFault::Unauthorized) => return StatusCode::UNAUTHORIZED.into_response(),
        Some(MetadataFault::ServerError) => {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Some(MetadataFault::Garbled) => return "<html>{".into_response(),
        _ => {}
    }
    let mut state = of.shared.state();
    let record = state.record(&of.id);
    let given = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    if !given.is_some_and(|token| record.tokens.contains(token)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let found = document(record, &of.id, &path);
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

fn document(record: &Record, id: &str, path: &str) -> Option<String> {
    match path {
        "instance-id" => Some(id.to_owned()),
        "autoscaling/target-lifecycle-state" => {
            let target = match record.life {
                Life::InService => "InService",
                Life::Standby => "Standby",
                Life::TerminatingWait | Life::Terminated => "Terminated",
            };
            Some(target.to_owned())
        }
        other => record.notices.get(other).cloned(),
    }
}

impl Of {
    /// Counts a request, and lets it meet what is wrong.
    async fn meet(&self) -> Option<MetadataFault> {
        let fault = {
            let mut state = self.shared.state();
            let record = state.record(&self.id);
            record.looks += 1;
            record.fault
        };
        match fault {
            Some(MetadataFault::Silent) => std::future::pending().await,
            Some(MetadataFault::Slow(long)) => tokio::time::sleep(long).await,
            _ => {}
        }
        fault
    }
}
