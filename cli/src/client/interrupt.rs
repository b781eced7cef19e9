use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use super::view::Video;

/// The videos that the fleet has accepted so far, for when their user stops watching.
#[derive(Debug, Clone, Default)]
pub(super) struct Accepted(Arc<Mutex<Vec<(String, String)>>>);

impl Accepted {
    pub(super) fn add(&self, video: &Video) {
        self.lock().push((video.id.clone(), video.name()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What to say when their user leaves.
    fn farewell(&self) -> String {
        let accepted = self.lock();
        if accepted.is_empty() {
            return "Stopped. No video was accepted yet.".to_owned();
        }
        let mut text = "Stopped watching; the videos go on. Look with:".to_owned();
        for (id, name) in accepted.iter() {
            text.push_str(&format!("\n  reelfleet job {id}  # {name}"));
        }
        text
    }
}

/// Says goodbye on Ctrl-C and ends the process. The rest of it blocks on files
/// and sockets, so a thread of its own listens.
pub(super) fn install(accepted: &Accepted) {
    let accepted = accepted.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without the listener Ctrl-C still ends the process, only in silence.
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let _ = writeln!(std::io::stderr(), "\n{}", accepted.farewell());
            // The code by which shells know an interrupt.
            std::process::exit(130);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_learns_that_the_videos_go_on() {
        let accepted = Accepted::default();
        assert!(accepted.farewell().contains("No video was accepted"));
        let video = Video { id: "v1".into(), title: "Cat\x07".into(), ..Video::default() };
        accepted.add(&video);
        let text = accepted.farewell();
        assert!(
            text.contains("go on") && text.contains("reelfleet job v1  # Cat\u{fffd}"),
            "{text}"
        );
    }
}
