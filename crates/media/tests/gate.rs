//! The gate on captured answers of ffprobe: no ffmpeg needed.

use proptest::prelude::*;
use reelfleet_media::{Limits, Profiles, RawProbe, Source, gate, plan};
use serde_json::{Value, json};

fn fixture(name: &str) -> RawProbe {
    let path = format!("{}/tests/fixtures/ffprobe/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read(&path).expect(&path);
    RawProbe::parse(&json).expect("an answer of ffprobe")
}

fn accepted(name: &str) -> Source {
    gate(&fixture(name), &Limits::default()).expect(name)
}

#[test]
fn files_without_a_usable_picture_are_refused_with_their_code() {
    for (name, code) in [
        ("audio_init.mp4", "no_picture"),
        ("text_init.mp4", "no_picture"),
        ("chunk_out_of_range.mp4", "no_picture"),
    ] {
        let reason = gate(&fixture(name), &Limits::default()).expect_err(name);
        assert_eq!(reason.code, code, "{name}");
        assert!(reason.message.ends_with('.'));
    }
}

#[test]
fn nonsense_numbers_become_facts() {
    let source = accepted("no_timescale.mp4");
    assert!(!source.video.quarter_turn, "a rotation of INT64_MIN turns nothing");
    let source = accepted("sample_with_fake_auxiliary_tracks.mp4");
    assert_eq!(
        (source.video.rate.to_string().as_str(), source.duration_s),
        ("25/1", None),
        "r_frame_rate 1/0"
    );
    let source = accepted("gif.gif");
    assert_eq!(
        (source.video.rate.to_string().as_str(), source.duration_s),
        ("100/1", None),
        "avg_frame_rate 0/0"
    );
    let source = accepted("video_init.mp4");
    assert_eq!(source.duration_s, None);
}

#[test]
fn a_duration_of_all_ones_is_unknown_and_not_forty_hours() {
    assert_eq!(accepted("sample_fragmented_unsupported_brands.mp4").duration_s, None);
}

#[test]
fn the_clocks_rate_of_a_short_flv_or_mkv_is_not_held_against_it() {
    assert_eq!(accepted("sample.flv").video.rate.fps(), 60.0);
    accepted("sample_with_vobsub.mkv");
}

#[test]
fn covers_thumbnails_and_undecodable_sound_are_passed_over() {
    let source = accepted("metadata.mp4");
    assert_eq!((source.video.index, source.video.codec.as_str()), (0, "h264"));
    let source = accepted("mv_with_2_top_shots.mp4");
    assert_eq!((source.video.index, source.video.quarter_turn), (0, true));
    assert!(accepted("sample_missing_stsd.mp4").audio.is_none());
    let source = accepted("nasa_13013.mp4");
    assert_eq!((source.video.index, source.audio.map(|audio| audio.index)), (0, Some(1)));
    assert_eq!(source.duration_s, Some(13.056), "subtitles do not count");
}

/// A plain video with one field replaced.
fn with(field: &str, value: Value) -> RawProbe {
    let mut stream = json!({
        "index": 0, "codec_type": "video", "codec_name": "h264", "width": 640, "height": 360,
        "pix_fmt": "yuv420p", "r_frame_rate": "25/1", "avg_frame_rate": "25/1",
        "duration": "60.0", "duration_ts": 60000, "nb_frames": "1500"
    });
    stream[field] = value;
    let json = json!({"streams": [stream], "format": {"duration": "60.0", "format_name": "mov,mp4,m4a,3gp,3g2,mj2"}});
    RawProbe::parse(json.to_string().as_bytes()).expect("an answer")
}

#[test]
fn a_matroska_track_ends_where_its_tag_says_unless_that_cannot_be() {
    let noted = |format: &str, start: &str, tag: &str| {
        let json = json!({
            "streams": [{
                "index": 0, "codec_type": "video", "codec_name": "vp9", "width": 640, "height": 360,
                "tags": {"DURATION": tag}
            }],
            "format": {"duration": "60.0", "start_time": start, "format_name": format}
        });
        let raw = RawProbe::parse(json.to_string().as_bytes()).expect("an answer");
        let source = gate(&raw, &Limits::default()).expect("a video");
        assert_eq!(source.duration_s, Some(60.0), "a tag changes nothing else");
        source.video.noted_end_s
    };
    let mkv = "matroska,webm";
    assert_eq!(noted(mkv, "0.0", "00:00:50.500000000"), Some(50.5));
    assert_eq!(noted(mkv, "20.0", "00:00:50.500000000"), Some(30.5), "from the file's start");
    assert_eq!(noted(mkv, "-0.007", "00:00:50.500000000"), Some(50.5));
    assert_eq!(noted(mkv, "0.0", "00:01:00.023000000"), Some(60.023), "the file's is rounded");
    assert_eq!(noted(mkv, "0.0", "00:02:00.000000000"), None, "longer than the file");
    assert_eq!(noted(mkv, "0.0", "0:50"), None, "not a clock");
    assert_eq!(noted("ogg", "0.0", "00:00:50.500000000"), None, "copied there out of a Matroska");
}

#[test]
fn each_limit_has_its_code() {
    for (field, value, code) in [
        ("width", json!(8193), "picture_too_large"),
        ("width", json!(0), "undecodable"),
        ("width", json!("99999999999999999999"), "undecodable"),
        ("duration", json!("14401"), "too_long"),
        ("nb_frames", json!("60000000"), "frame_rate_too_high"),
        ("codec_name", json!("wrapped_avframe"), "unsupported_codec"),
        ("codec_type", json!("audio"), "no_picture"),
    ] {
        let reason = gate(&with(field, value), &Limits::default()).expect_err(code);
        assert_eq!(reason.code, code, "{field}");
    }
    let limits = Limits { max_frames: 1000, ..Limits::default() };
    assert_eq!(
        gate(&with("level", json!(31)), &limits).expect_err("frames").code,
        "too_many_frames"
    );
    let many = json!({"streams": vec![json!({"codec_type": "audio"}); 33], "format": {}});
    let many = RawProbe::parse(many.to_string().as_bytes()).expect("an answer");
    assert_eq!(gate(&many, &Limits::default()).expect_err("streams").code, "too_many_streams");
}

#[test]
fn what_is_not_an_answer_is_not_taken_for_one() {
    for bytes in [&b""[..], b"{", b"null", b"\xff\xfe", b"{\"streams\": 1}"] {
        assert!(RawProbe::parse(bytes).is_none(), "{bytes:?}");
    }
}

/// Values that have been seen, or could be.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<u64>().prop_map(|n| json!(n.to_string())),
        ".{0,12}".prop_map(|s| json!(s)),
        (any::<u32>(), any::<u32>()).prop_map(|(a, b)| json!(format!("{a}/{b}"))),
        (any::<u32>(), any::<u32>()).prop_map(|(a, b)| json!(format!("{a}:{b}"))),
        prop::sample::select(vec![
            "N/A", "1/0", "0/0", "nan", "inf", "-0.0", "1e308", "video", "audio", "h264", "pc"
        ])
        .prop_map(|s| json!(s)),
        Just(Value::Null),
        Just(json!([])),
    ]
}

const FIELDS: [&str; 18] = [
    "width",
    "height",
    "r_frame_rate",
    "avg_frame_rate",
    "duration",
    "duration_ts",
    "start_time",
    "nb_frames",
    "sample_aspect_ratio",
    "pix_fmt",
    "index",
    "level",
    "bit_rate",
    "channels",
    "sample_rate",
    "codec_type",
    "color_transfer",
    "field_order",
];

fn odd_stream() -> impl Strategy<Value = Value> {
    let fields = prop::collection::vec((prop::sample::select(FIELDS.to_vec()), odd_value()), 0..8);
    (fields, odd_value(), any::<bool>()).prop_map(|(fields, rotation, picture)| {
        let mut stream = json!({
            "index": 0, "codec_type": if picture { "video" } else { "audio" },
            "codec_name": if picture { "h264" } else { "aac" }, "width": 640, "height": 360,
            "pix_fmt": "yuv420p", "r_frame_rate": "25/1", "avg_frame_rate": "25/1", "duration": "6.0",
            "channels": 2, "sample_rate": "48000",
            "side_data_list": [{"side_data_type": "Display Matrix", "rotation": rotation}]
        });
        for (field, value) in fields {
            stream[field] = value;
        }
        stream
    })
}

proptest! {
    #[test]
    fn no_answer_makes_the_gate_or_the_plan_panic(
        streams in prop::collection::vec(odd_stream(), 0..4),
        duration in odd_value(),
        start in odd_value(),
    ) {
        let json = json!({"streams": streams, "format": {"duration": duration, "start_time": start}});
        let Some(raw) = RawProbe::parse(json.to_string().as_bytes()) else { return Ok(()) };
        let limits = Limits::default();
        let Ok(source) = gate(&raw, &limits) else { return Ok(()) };
        let profiles = Profiles::builtin();
        for name in profiles.names() {
            let plan = plan(&source, profiles.get(name).expect("listed"), 1, &limits);
            let size = plan.expected.size;
            prop_assert!(size.width >= 2 && size.height >= 2 && size.width.is_multiple_of(2) && size.height.is_multiple_of(2));
            prop_assert!(plan.args.iter().all(|arg| !arg.contains("NaN") && !arg.contains("inf")));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RawProbe::parse(&bytes);
    }
}
