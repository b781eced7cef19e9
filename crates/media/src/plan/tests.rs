use super::*;
use crate::probe::{Audio, Hdr, Rate, Video};
use crate::profile::Profiles;

/// A plain picture track that has to be encoded.
pub(crate) fn video(width: u32, height: u32) -> Video {
    Video {
        index: 0,
        codec: "vp9".into(),
        profile: String::new(),
        level: None,
        width,
        height,
        pixel_aspect: (1, 1),
        quarter_turn: false,
        has_matrix: false,
        pix_fmt: "yuv420p".into(),
        rate: Rate::whole(25),
        constant_rate: true,
        hdr: None,
        full_range: false,
        matrix_709: false,
        interlaced: false,
        start_s: 0.0,
        duration_s: Some(60.0),
        noted_end_s: None,
        bit_rate: Some(2_000_000),
    }
}

pub(crate) fn source(video: Video) -> Source {
    let audio = Audio {
        index: 1,
        codec: "aac".into(),
        profile: "LC".into(),
        channels: 2,
        sample_rate: 48_000,
        start_s: 0.0,
        noted_end_s: None,
    };
    Source {
        container: "mov,mp4,m4a,3gp,3g2,mj2".into(),
        duration_s: Some(60.0),
        video,
        audio: Some(audio),
        bit_rate: Some(2_200_000),
        encrypted: false,
        all_used: true,
    }
}

fn conforming() -> Source {
    let mut video = video(1280, 720);
    video.codec = "h264".into();
    video.profile = "High".into();
    video.level = Some(31);
    source(video)
}

fn text(source: &Source, profile: &str) -> String {
    let profiles = Profiles::builtin();
    let profile = profiles.get(profile).expect("a built-in profile");
    plan(source, profile, 2, &Limits::default()).args.join("\n")
}

#[test]
fn web_encodes_what_does_not_conform() {
    insta::assert_snapshot!(text(&source(video(1920, 1080)), "web"));
}

#[test]
fn web_copies_what_conforms() {
    insta::assert_snapshot!(text(&conforming(), "web"));
}

#[test]
fn web_tone_maps_a_turned_hdr_phone_video_without_sound() {
    let mut source = source(video(3840, 2160));
    source.video.quarter_turn = true;
    source.video.has_matrix = true;
    source.video.hdr = Some(Hdr::Hlg);
    source.video.pix_fmt = "yuv420p10le".into();
    source.video.rate = Rate { num: 240, den: 1 };
    source.audio = None;
    insta::assert_snapshot!(text(&source, "web"));
}

#[test]
fn hls_makes_the_ladder_and_the_mp4_from_one_decode() {
    insta::assert_snapshot!(text(&source(video(1920, 1080)), "hls"));
}

#[test]
fn showcase_pads_marks_and_frames_with_cards() {
    insta::assert_snapshot!(text(&source(video(1080, 1920)), "showcase"));
}

#[test]
fn each_thing_that_does_not_conform_prevents_the_copy() {
    let profiles = Profiles::builtin();
    let web = profiles.get("web").expect("web");
    let copies =
        |source: &Source| plan(source, web, 1, &Limits::default()).strategy == Strategy::Copy;
    assert!(copies(&conforming()));
    type Spoil = fn(&mut Source);
    let spoil: [(&str, Spoil); 14] = [
        ("codec", |s| s.video.codec = "hevc".into()),
        ("profile", |s| s.video.profile = "High 10".into()),
        ("level", |s| s.video.level = Some(51)),
        ("no level", |s| s.video.level = None),
        ("pixels", |s| s.video.pix_fmt = "yuv422p".into()),
        ("range", |s| s.video.full_range = true),
        ("fields", |s| s.video.interlaced = true),
        ("turned", |s| s.video.has_matrix = true),
        ("aspect", |s| s.video.pixel_aspect = (4, 3)),
        ("size", |s| s.video.width = 1920),
        ("odd", |s| s.video.height = 719),
        ("variable rate", |s| s.video.constant_rate = false),
        ("late start", |s| s.video.start_s = 3.0),
        ("bit rate", |s| s.video.bit_rate = Some(20_000_000)),
    ];
    for (what, spoil) in spoil {
        let mut source = conforming();
        spoil(&mut source);
        assert!(!copies(&source), "{what}");
    }
}
