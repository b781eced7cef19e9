//! Figures and how they are told.

use serde_json::{Value, json};

use crate::Result;

/// What a batch took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    /// Of all processors, by everything on this machine.
    pub(crate) processor: f64,
}

/// Processor time used on this machine so far, in seconds: the first line of
/// `/proc/stat`, in hundredths, without idling, waiting and what the host took.
pub(crate) fn processor_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let ticks = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.filter_map(|field| field.parse().ok()).collect();
    // user nice system [idle iowait] irq softirq [steal guest guest_nice]
    Ok([0, 1, 2, 5, 6].iter().filter_map(|at| ticks.get(*at)).sum::<f64>() / 100.0)
}

/// Some figures of one thing.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    figures: Vec<f64>,
}

impl Measured {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), figures: Vec::new() }
    }

    pub(crate) fn add(&mut self, figure: f64) {
        self.figures.push(figure);
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The figure that this part of them does not exceed.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    fn json(&self) -> Value {
        json!({"name": self.name, "median": self.median(), "p90": self.quantile(0.9), "figures": self.figures})
    }
}

/// Bare ffmpeg and the fleet over the same clips, seconds.
#[derive(Debug)]
pub(crate) struct Case {
    name: String,
    ffmpeg: String,
    count: usize,
    bare: Measured,
    ours: Measured,
    ratio: Measured,
    processor_ratio: Measured,
}

impl Case {
    pub(crate) fn new(name: &str, ffmpeg: &str, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            ffmpeg: ffmpeg.to_owned(),
            count,
            bare: Measured::new("bare_s"),
            ours: Measured::new("fleet_s"),
            ratio: Measured::new("ratio"),
            processor_ratio: Measured::new("processor_ratio"),
        }
    }

    pub(crate) fn add(&mut self, bare: Cost, ours: Cost) {
        self.bare.add(bare.wall);
        self.ours.add(ours.wall);
        self.ratio.add(ours.wall / bare.wall);
        self.processor_ratio.add(ours.processor / bare.processor);
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{} ffmpeg, {} × {}: bare {:.2} s, fleet {:.2} s, ratio {:.3} (median of {} rounds, {:.3} to {:.3}); \
             of processor time {:.3} ({:.3} to {:.3})",
            self.ffmpeg,
            self.count,
            self.name,
            self.bare.median(),
            self.ours.median(),
            self.ratio.median(),
            self.ratio.figures.len(),
            self.ratio.quantile(0.0),
            self.ratio.quantile(1.0),
            self.processor_ratio.median(),
            self.processor_ratio.quantile(0.0),
            self.processor_ratio.quantile(1.0),
        )
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "ffmpeg": self.ffmpeg,
            "clips": self.count,
            "bare": self.bare.json(),
            "fleet": self.ours.json(),
            "ratio": self.ratio.json(),
            "processor_ratio": self.processor_ratio.json(),
        })
    }
}

/// Everything, with the machine it was measured on.
pub(crate) fn report(cases: &[Case], per_hour: &[Measured], pick_up: &Measured) -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({
        "commit": reelfleet_e2e::commit(),
        "machine": {"cores": cores, "cpu": model.map(|model| model.trim_start_matches(['\t', ' ', ':']))},
        "ratios": cases.iter().map(Case::json).collect::<Vec<_>>(),
        "videos_per_hour": per_hour.iter().map(Measured::json).collect::<Vec<_>>(),
        "queued_to_running_ms": pick_up.json(),
    })
}
