//! Bytes made to harm.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Files that name other files or addresses, under the looks of a video: a short name and the bytes.
#[must_use]
pub fn pointers(victim: &str, port: u16) -> Vec<(&'static str, String)> {
    let playlist = |target: &str| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2.0,\n{target}\n#EXT-X-ENDLIST\n"
        )
    };
    let http = format!("http://127.0.0.1:{port}/x.ts");
    // From the job's folder up to the root, however deep it lies.
    let relative = format!("{}{victim}", "../".repeat(12).trim_end_matches('/'));
    vec![
        ("hls to a file", playlist(victim)),
        ("hls to a file url", playlist(&format!("file://{victim}"))),
        ("hls to a relative path", playlist(&relative)),
        ("hls to http", playlist(&http)),
        ("hls to concat", playlist(&format!("concat:{victim}|{victim}"))),
        (
            "hls with a key",
            format!(
                "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{http}\"\n#EXTINF:2.0,\n{victim}\n#EXT-X-ENDLIST\n"
            ),
        ),
        ("hls master", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{http}\n")),
        ("ffconcat to a sibling", "ffconcat version 1.0\nfile 'victim.mp4'\n".to_owned()),
        ("ffconcat to itself", "ffconcat version 1.0\nfile 'in'\n".to_owned()),
        ("ffconcat to a file", format!("ffconcat version 1.0\nfile '{victim}'\n")),
        ("ffconcat to http", format!("ffconcat version 1.0\nfile '{http}'\n")),
        (
            "sdp",
            format!(
                "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
            ),
        ),
        (
            "dash",
            format!(
                "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT2S\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{http}</BaseURL></Representation></AdaptationSet></Period></MPD>"
            ),
        ),
        ("smil", format!("<smil><body><video src=\"{http}\"/></body></smil>")),
        ("rtsp text", format!("RTSPtext\nrtsp://127.0.0.1:{port}/x\n")),
        (
            "svg",
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file://{victim}\"/></svg>"
            ),
        ),
    ]
}

/// A GIF of 65535×65535 pixels in 35 bytes.
#[must_use]
pub fn gif() -> Vec<u8> {
    let mut gif = b"GIF89a\xff\xff\xff\xff\x80\0\0".to_vec();
    gif.resize(35, 0);
    gif
}

/// Harms files at random, the same way every time.
#[derive(Debug)]
pub struct Harm(StdRng);

impl Harm {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        self.0.random_range(0..most.max(1))
    }

    /// The file up to somewhere.
    pub fn cut(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let at = 1 + self.below(bytes.len() - 1);
        bytes.truncate(at);
        bytes
    }

    /// The file with one bit in a hundred thousand flipped, at least one.
    pub fn flip(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..(bytes.len() * 8).div_ceil(100_000) {
            let at = self.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << self.0.random_range(0..8);
            }
        }
        bytes
    }
}
