//! The corpus of real files beside the repository, if it is there.

use std::path::PathBuf;

/// What is known of one file.
#[derive(Debug, Clone)]
pub struct Known {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// It has a video stream whose size is known.
    pub picture: bool,
    /// A careful recipe of ffmpeg's can transcode it.
    pub transcodable: bool,
    /// Seconds, if known.
    pub duration_s: Option<f64>,
    /// Size of its picture as it is shown: turned where the file says so.
    pub shown: Option<(u64, u64)>,
}

/// The files, or none where the corpus is not beside this repository.
#[must_use]
pub fn corpus() -> Vec<Known> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
    let Ok(table) = std::fs::read_to_string(folder.join("MANIFEST.tsv")) else {
        return Vec::new();
    };
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    let column = |name: &str| head.iter().position(|head| *head == name).unwrap_or(usize::MAX);
    let (file, size, duration, robust, streams, rotation) = (
        column("file"),
        column("size"),
        column("duration_s"),
        column("robust_rc"),
        column("streams"),
        column("rotation"),
    );
    lines
        .filter_map(|row| {
            let of = |index: usize| row.get(index).copied().unwrap_or_default();
            let name = of(file).to_owned();
            let path = folder.join("files").join(&name);
            path.exists().then(|| Known {
                path,
                name,
                picture: of(size).contains('x') && !of(streams).starts_with("0v"),
                transcodable: of(robust) == "0",
                duration_s: of(duration).parse().ok(),
                shown: shown(of(size), of(rotation)),
            })
        })
        .collect()
}

fn shown(size: &str, rotation: &str) -> Option<(u64, u64)> {
    let (width, height) = size.split_once('x')?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    Some(if matches!(rotation, "90" | "-90" | "270") { (height, width) } else { (width, height) })
}
