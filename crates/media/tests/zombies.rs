//! No process is left to init. A binary of its own: it adopts what is left.

mod support;

use reelfleet_media::{Error, Profiles, plan, probe, run};
use support::Bench;

#[tokio::test]
async fn nothing_is_left_to_init_whether_a_run_ends_or_is_killed() {
    // Whatever a child leaves behind becomes ours instead of init's.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("adopting");
    let bench = Bench::new();
    let short = bench.clip("a.avi", "-f lavfi -i testsrc2=s=160x120:d=1 -c:v mpeg4");
    assert_eq!(bench.verdict(&short, "web").await, "ready");

    let long = bench.clip("b.avi", "-f lavfi -i testsrc2=s=1280x720:r=60:d=10 -c:v mpeg4 -q:v 3");
    let dir = bench.job(&long);
    let source = probe(&bench.tools, &dir, &bench.limits, &bench.stop).await.expect("a video");
    let profiles = Profiles::builtin();
    let plan = plan(&source, profiles.get("web").expect("web"), 1, &bench.limits);
    let stop = bench.stop.clone();
    let ended = run(&bench.tools, &plan, &dir, &bench.limits, &bench.stop, move |_| stop.cancel());
    assert!(matches!(ended.await, Err(Error::Stopped)));
    dir.remove().expect("removal");

    let mut left = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").expect("our threads").flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        left.extend(children.split_whitespace().map(str::to_owned));
    }
    assert!(left.is_empty(), "left behind: {left:?}");
}
