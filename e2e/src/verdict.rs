//! How one file ended, and whether that may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Fleet, playable};

/// Every reason for which a video itself is refused (the list in `crates/media`).
pub const CODES: [&str; 17] = [
    "empty",
    "not_a_video",
    "unsupported_container",
    "no_picture",
    "unsupported_codec",
    "encrypted",
    "too_long",
    "picture_too_large",
    "too_many_frames",
    "frame_rate_too_high",
    "too_many_streams",
    "undecodable",
    "truncated",
    "output_mismatch",
    "output_too_large",
    "too_slow",
    "too_much_memory",
];

/// Those that a good video may be refused for.
pub const LIMITS: [&str; 8] = [
    "too_long",
    "picture_too_large",
    "too_many_frames",
    "frame_rate_too_high",
    "too_many_streams",
    "output_too_large",
    "too_slow",
    "too_much_memory",
];

/// How a video ended.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The video as its owner sees it.
    pub video: Value,
    /// Why it failed; empty if it did not.
    pub code: String,
    /// Charged tries.
    pub attempts: u64,
}

impl Verdict {
    /// Looks at a video that is final.
    ///
    /// # Panics
    ///
    /// Nobody answers.
    #[must_use]
    pub fn of(fleet: &Fleet, video: &Value) -> Self {
        let job = video["job"].as_str().unwrap_or_default();
        let job = fleet
            .client()
            .call("GET", &format!("/api/jobs/{job}"))
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            video: video.clone(),
            code: video["error"]["code"].as_str().unwrap_or_default().to_owned(),
            attempts: job.json["attempts"].as_u64().unwrap_or_default(),
        }
    }

    /// Waits for a video's end.
    #[must_use]
    pub fn wait(fleet: &Fleet, id: &str) -> Self {
        Self::of(fleet, &fleet.wait_final(id))
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.video["status"] == "ready"
    }

    /// `ready`, or the code it failed with.
    #[must_use]
    pub fn word(&self) -> &str {
        if self.is_ready() { "ready" } else { &self.code }
    }

    /// What is wrong with the way it ended, whatever the file was: it is
    /// ready or failed at the first try, for a documented reason told in a plain sentence.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.attempts != 1 {
            faults.push(format!("it was tried {} times", self.attempts));
        }
        if self.is_ready() {
            return faults;
        }
        if self.video["status"] != "failed" {
            faults.push(format!("it ended {}", self.video["status"]));
        }
        if !CODES.contains(&self.code.as_str()) {
            faults.push(format!("code {:?} is not documented", self.code));
        }
        let said = self.video["error"]["message"].as_str().unwrap_or_default();
        let begins = said.chars().next().is_some_and(char::is_uppercase);
        let plain =
            !said.contains(['/', '_', '{', '\n']) && !said.to_lowercase().contains("ffmpeg");
        if !begins || !said.ends_with('.') || !plain || said.len() < 15 {
            faults.push(format!("{said:?} is no plain sentence"));
        }
        faults
    }

    /// Fetches every file of the video into a folder, as a player would; the path of the MP4.
    ///
    /// # Panics
    ///
    /// A file cannot be had, or is not what was announced.
    #[must_use]
    pub fn fetch(&self, fleet: &Fleet, folder: &Path) -> PathBuf {
        let _ = fs::create_dir_all(folder);
        let base = format!("/api/videos/{}/files/", self.video["id"].as_str().unwrap_or_default());
        let get = |name: &str| {
            let url = format!("{base}{name}");
            let answer = fleet.client().call("GET", &url).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(answer.status, 200, "{url}");
            fs::write(folder.join(name), &answer.bytes).unwrap_or_else(|error| panic!("{error}"));
            answer.bytes
        };
        for file in self.video["files"].as_array().into_iter().flatten() {
            let name = file["name"].as_str().unwrap_or_default();
            let bytes = get(name);
            assert_eq!(file["bytes"].as_u64(), Some(bytes.len() as u64), "{name}");
            if name.ends_with(".m3u8") && name != "master.m3u8" {
                named_in(&String::from_utf8_lossy(&bytes)).iter().for_each(|name| drop(get(name)));
            }
        }
        folder.join("video.mp4")
    }

    /// What is wrong with the files of a ready video: by ffprobe's word and decoded to the end.
    #[must_use]
    pub fn file_faults(&self, fleet: &Fleet, folder: &Path) -> Vec<String> {
        let mp4 = self.fetch(fleet, folder);
        let mut faults = playable::faults(&mp4);
        for name in ["poster.jpg", "master.m3u8"] {
            let path = folder.join(name);
            let complaints =
                if path.exists() { playable::complaints(&path) } else { String::new() };
            if !complaints.is_empty() {
                faults.push(format!("{name}: {complaints}"));
            }
        }
        if self.video["profile"] == "hls" && !folder.join("master.m3u8").exists() {
            faults.push("there is no ladder".to_owned());
        }
        if !folder.join("poster.jpg").exists() {
            faults.push("there is no poster".to_owned());
        }
        faults
    }
}

/// Files that a playlist names: they are not listed with the video.
fn named_in(playlist: &str) -> Vec<String> {
    let init = playlist.lines().filter_map(|line| line.split_once("URI=\"")?.1.strip_suffix('"'));
    let segments = playlist.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    init.chain(segments).map(ToOwned::to_owned).collect()
}
