use std::sync::Arc;

use axum::{
    Extension,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

macro_rules! files {
    ($($name:literal $kind:expr;)*) => {
        &[$(($name, $kind, include_str!(concat!("../../static/", $name)))),*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Everything under `/static/`: name, media type, text.
const FILES: &[(&str, &str, &str)] = files! {
    "console.css" "text/css; charset=utf-8";
    "console.js" SCRIPT;
    "live.js" SCRIPT;
    "operate.js" SCRIPT;
    "reel.svg" "image/svg+xml";
    "stream.js" SCRIPT;
    "upload.js" SCRIPT;
    "video.js" SCRIPT;
    "videos.js" SCRIPT;
    "words.js" SCRIPT;
};

/// The embedded files with their tags, which are made once.
#[derive(Clone)]
pub(super) struct Assets(Arc<[Asset]>);

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    tag: String,
}

impl Assets {
    pub(super) fn new() -> Self {
        let tagged = |&(name, kind, text): &(&'static str, &'static str, &'static str)| {
            let hash = hex::encode(Sha256::digest(text.as_bytes()));
            Asset { name, kind, text, tag: format!("\"{}\"", hash.get(..24).unwrap_or(&hash)) }
        };
        Self(FILES.iter().map(tagged).collect())
    }
}

/// One embedded file.
pub(super) async fn asset(
    Extension(assets): Extension<Assets>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = assets.0.iter().find(|asset| asset.name == name).ok_or_else(Problem::not_found)?;
    // Modules name each other without a version, so each is asked for again: after an
    // upgrade no page may run half of the old scripts. The tag keeps that to a few bytes.
    let kept = [(header::ETAG, asset.tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
    if knows(&headers, &asset.tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, [(header::CONTENT_TYPE, asset.kind)], asset.text).into_response())
}

/// The icon, for browsers that show something of ours which cannot name it, such as a picture.
pub(super) async fn icon(
    assets: Extension<Assets>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asset(assets, Path("reel.svg".to_owned()), headers).await
}

fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let sent = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    sent.is_some_and(|tags| {
        tags.split(',').any(|one| matches!(one.trim().trim_start_matches("W/"), t if t == tag))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_own_tag() {
        let assets = Assets::new();
        let mut tags: Vec<_> = assets.0.iter().map(|asset| &asset.tag).collect();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), FILES.len());
    }

    #[test]
    fn a_browser_that_has_the_file_is_not_sent_it_again() {
        for (sent, known) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("\"b\"", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, sent.parse().unwrap());
            assert_eq!(knows(&headers, "\"a\""), known, "{sent}");
        }
    }

    #[test]
    fn scripts_import_only_files_that_are_embedded() {
        for (name, _, text) in FILES {
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let from = line.split('"').nth(1).unwrap().trim_start_matches("./");
                assert!(FILES.iter().any(|(known, ..)| *known == from), "{name}: {from}");
            }
        }
    }
}
