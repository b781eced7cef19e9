//! Outputs we cannot read are our failure, never the video's. A binary of its
//! own: it takes the process's file descriptors away.

mod support;

use reelfleet_media::{Error, Profiles, plan, probe, run, verify};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::Bench;

#[tokio::test]
async fn an_output_that_cannot_be_read_is_temporary() {
    let bench = Bench::new();
    let clip = bench.clip("a.avi", "-f lavfi -i testsrc2=s=320x240:r=25:d=1 -c:v mpeg4");
    let dir = bench.job(&clip);
    let source = probe(&bench.tools, &dir, &bench.limits, &bench.stop).await.expect("a video");
    let profiles = Profiles::builtin();
    let plan = plan(&source, profiles.get("hls").expect("hls"), 1, &bench.limits);
    let ran = run(&bench.tools, &plan, &dir, &bench.limits, &bench.stop, |_| {}).await;
    let report = ran.expect("it runs");
    let check =
        async || verify(&bench.tools, &plan, &report, &dir, &bench.limits, &bench.stop).await;
    let segment = check().await.expect("good outputs").files.pop().expect("a segment");

    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..usual }).expect("no descriptors");
    let ended = check().await;
    setrlimit(Resource::Nofile, usual).expect("descriptors again");
    assert!(matches!(ended, Err(Error::Failed(_))), "out of descriptors: {ended:?}");
    check().await.expect("the outputs are still good");

    std::fs::remove_file(&segment.path).expect("removal");
    let ended = check().await;
    assert!(matches!(ended, Err(Error::Failed(_))), "a listed segment is gone: {ended:?}");
    std::fs::remove_dir_all(dir.out()).expect("removal");
    let ended = check().await;
    assert!(matches!(ended, Err(Error::Failed(_))), "the directory is gone: {ended:?}");
    dir.remove().expect("removal");
}
