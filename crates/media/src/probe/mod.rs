//! Asks ffprobe, in the sandbox, what the input claims to be.

mod choose;
mod gate;
mod raw;
mod source;

use std::fs;

use tokio_util::sync::CancellationToken;

use crate::child::{Bounds, Cut, Ended, Stdout, Task, supervise};
use crate::tools::Bound;
use crate::{Code, Error, JobDir, Limits, Tools};

pub use gate::gate;
pub use raw::RawProbe;
pub use source::{Audio, Hdr, Rate, Source, Video};

/// Containers we let ffmpeg open. Everything that names other files (HLS,
/// DASH, concat, SDP, image sequences) is absent: that is the defence against
/// a playlist uploaded as a video.
pub(crate) const CONTAINERS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif";

/// Exactly the fields the gate reads. Of the tags only those that hold a time,
/// and they are read as nothing else: no text of the uploader's goes further.
const ENTRIES: &str = "format=format_name,duration,start_time,size,bit_rate,nb_streams\
:stream=index,codec_type,codec_name,codec_tag_string,profile,level,width,height,pix_fmt,\
sample_aspect_ratio,field_order,color_range,color_space,color_transfer,color_primaries,\
r_frame_rate,avg_frame_rate,start_time,duration,duration_ts,bit_rate,nb_frames,channels,\
sample_rate:stream_disposition=default,attached_pic,timed_thumbnails\
:stream_tags=DURATION,DURATION-eng:stream_side_data=side_data_type,rotation";

/// Probes the job's input and decides whether it may be processed.
pub async fn probe(
    tools: &Tools,
    dir: &JobDir,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<Source, Error> {
    let bytes =
        fs::metadata(dir.input()).map_err(|err| Error::io("reading the input", &err))?.len();
    if bytes == 0 {
        return Err(Code::Empty.into());
    }
    let bound = Bound::new(dir, limits.memory, 0, limits.probe_cpu).without_grace();
    let task = Task {
        command: tools.ffprobe(&args(limits), &bound),
        stdout: Stdout::Keep(limits.probe_stdout),
    };
    let bounds = Bounds { wall: limits.probe_wall, stall: None };
    let ended = supervise(task, bounds, stop, |_| {})
        .await
        .map_err(|err| Error::io("starting ffprobe", &err))?;
    judge(&ended, &bound, limits)
}

fn args(limits: &Limits) -> Vec<String> {
    let words = ["-hide_banner", "-loglevel", "level+warning", "-protocol_whitelist", "file"];
    let mut args: Vec<String> = words.map(str::to_owned).into();
    for (option, value) in [
        ("-format_whitelist", CONTAINERS.to_owned()),
        ("-max_pixels", limits.max_pixels.to_string()),
        ("-threads", "1".to_owned()),
        ("-print_format", "json=compact=1".to_owned()),
        ("-show_entries", ENTRIES.to_owned()),
    ] {
        args.extend([option.to_owned(), value]);
    }
    args.push("file:in".to_owned());
    args
}

/// What ffprobe's end and answer mean.
fn judge(ended: &Ended, bound: &Bound, limits: &Limits) -> Result<Source, Error> {
    match ended.cut {
        Some(Cut::Stopped) => return Err(Error::Stopped),
        Some(Cut::WallTime | Cut::Stalled) => {
            return Err(Error::Failed(format!("ffprobe did not answer within {:?}", ended.wall)));
        }
        None => {}
    }
    if !ended.status.success() {
        let unlisted = ended.log.unlisted_container;
        let bad_input = if unlisted { Code::UnsupportedContainer } else { Code::NotAVideo };
        return Err(crate::classify::exit(ended, bound, bad_input));
    }
    if ended.stdout.len() >= limits.probe_stdout {
        return Err(Code::TooManyStreams.into());
    }
    let mut raw = RawProbe::parse(&ended.stdout).ok_or(Code::NotAVideo)?;
    raw.guessed_duration = ended.log.guessed_duration;
    Ok(gate(&raw, limits)?)
}
