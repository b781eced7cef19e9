//! The plot of a run: backlog above, workers below, over the template's minutes. One file that needs
//! nothing else, for light and dark pages.

use std::{fmt::Write as _, time::Duration};

use crate::report::{Report, Sample};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 930.0;

const STYLE: &str = "
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.small{font-size:12px}.note{paint-order:stroke;stroke:#fff;stroke-width:5px}
.paper{fill:#fff}.grid{stroke:#d8dee4}.axis{stroke:#59636e}.mark{stroke:#59636e;stroke-dasharray:2 4}
.line{fill:none;stroke-width:2}.backlog{stroke:#0969da}.desired{stroke:#bc4c00;stroke-dasharray:7 4}
.service{stroke:#1a7f37}.area{fill:#1a7f37;fill-opacity:.18}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}.note{stroke:#0d1117}.grid{stroke:#30363d}
.axis,.mark{stroke:#9198a1}.backlog{stroke:#58a6ff}.desired{stroke:#f0883e}
.service{stroke:#3fb950}.area{fill:#3fb950}}
";

/// A frame with its scales.
struct Panel {
    top: f64,
    bottom: f64,
    /// Of the axis of time and of the values.
    ends: (f64, f64),
}

impl Panel {
    fn x(&self, at: Duration) -> f64 {
        LEFT + (RIGHT - LEFT) * minutes(at) / self.ends.0
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / self.ends.1
    }

    /// Lines of the grid, with their numbers, and what is measured.
    fn frame(&self, named: &str) -> String {
        let mut out = String::new();
        for value in ticks(self.ends.1) {
            let y = self.y(value);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                LEFT - 8.0,
                y + 4.0,
            );
        }
        for minute in ticks(self.ends.0) {
            let x = LEFT + (RIGHT - LEFT) * minute / self.ends.0;
            let (bottom, below) = (self.bottom, self.bottom + 18.0);
            let _ = writeln!(
                out,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{minute}</text>",
                bottom + 5.0,
            );
        }
        let (middle, bottom) = ((self.top + self.bottom) / 2.0, self.bottom);
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
             <text transform=\"translate(22 {middle}) rotate(-90)\" text-anchor=\"middle\">{named}</text>"
        );
        out
    }

    /// A value holds until the next one is known.
    fn steps(&self, samples: &[Sample], value: impl Fn(&Sample) -> f64) -> String {
        let mut path = String::new();
        for (nth, sample) in samples.iter().enumerate() {
            let (x, y) = (self.x(sample.at), self.y(value(sample)));
            let _ = match nth {
                0 => write!(path, "M{x:.1} {y:.1}"),
                _ => write!(path, "H{x:.1}V{y:.1}"),
            };
        }
        path
    }
}

pub(crate) fn draw(report: &Report) -> String {
    let samples = &report.samples;
    let last = samples.last().map_or(1.0, |sample| minutes(sample.at));
    let most = |value: fn(&Sample) -> f64| samples.iter().map(value).fold(1.0, f64::max);
    let jobs = Panel { top: 84.0, bottom: 290.0, ends: (last, most(|s| s.backlog as f64) * 1.05) };
    let workers = most(|s| f64::from(s.desired).max(s.in_service as f64)) + 0.5;
    let workers = Panel { top: 350.0, bottom: 500.0, ends: (last, workers) };
    let n = &report.numbers;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>Backlog, workers in service and desired workers over time</title>\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"28\">A burst of {} videos: {} to {} workers, and back</text>\n\
         <text class=\"small\" x=\"{LEFT}\" y=\"48\">Target: {} jobs for each worker. Real workers in a \
         model of an Auto Scaling group, the template's times run through {} times as fast.</text>\n",
        samples.first().map_or(0, |sample| sample.backlog),
        n.min,
        n.max,
        n.target,
        report.factor,
    );
    out += &jobs.frame("jobs");
    out += &workers.frame("workers");
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"540\" text-anchor=\"middle\">minutes, by the template's time</text>",
        (LEFT + RIGHT) / 2.0
    );
    for (nth, from, to) in report.changes() {
        let x = workers.x(report.observed[nth].at);
        // Whatever stands at the right end would leave the page.
        let (anchor, beside) = if x > WIDTH / 2.0 { ("end", -6.0) } else { ("start", 6.0) };
        let _ = writeln!(
            out,
            "<line class=\"mark axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>\
             <text class=\"small note\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            jobs.top,
            workers.bottom,
            x + beside,
            jobs.top + 12.0,
            report.why(from, to),
        );
    }
    let backlog = jobs.steps(samples, |sample| sample.backlog as f64);
    let service = workers.steps(samples, |sample| sample.in_service as f64);
    let desired = workers.steps(samples, |sample| f64::from(sample.desired));
    let (floor, begin) =
        (workers.bottom, workers.x(samples.first().map_or(Duration::ZERO, |s| s.at)));
    let _ = writeln!(
        out,
        "<path class=\"line backlog\" d=\"{backlog}\"/>\n\
         <path class=\"area\" d=\"{service}V{floor}H{begin:.1}Z\"/>\n\
         <path class=\"line service\" d=\"{service}\"/>\n\
         <path class=\"line desired\" d=\"{desired}\"/>"
    );
    for (at, class, named) in [
        (LEFT, "backlog", "backlog (waiting and running)"),
        (LEFT + 240.0, "service", "workers in service"),
        (LEFT + 410.0, "desired", "workers desired"),
    ] {
        let (to, text) = (at + 26.0, at + 33.0);
        let _ = writeln!(
            out,
            "<line class=\"line {class}\" x1=\"{at}\" x2=\"{to}\" y1=\"64\" y2=\"64\"/>\
             <text class=\"small\" x=\"{text}\" y=\"68\">{named}</text>"
        );
    }
    out + "</svg>\n"
}

fn minutes(at: Duration) -> f64 {
    at.as_secs_f64() / 60.0
}

/// Round numbers from 0 to an end, ten of them at most.
fn ticks(end: f64) -> Vec<f64> {
    let steps = (0..).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)));
    let step = steps.into_iter().find(|step| end / step <= 10.0).unwrap_or(end);
    (0..).map(|nth| f64::from(nth) * step).take_while(|tick| *tick <= end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_an_axis_are_round_and_few() {
        assert_eq!(ticks(3.5), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(44.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]);
        assert_eq!(ticks(210.0).last(), Some(&200.0));
        assert_eq!(ticks(100.0).len(), 11);
    }

    #[test]
    fn a_line_stands_where_its_values_are_and_nothing_leaves_the_page() {
        let sample = |minute: u64, backlog, desired, in_service| Sample {
            at: Duration::from_secs(60 * minute),
            backlog,
            running: 1,
            per_worker: 0.0,
            desired,
            booting: 0,
            in_service,
            draining: 0,
        };
        let mut report = Report::of_model();
        report.samples = vec![sample(0, 200, 1, 1), sample(5, 100, 3, 1), sample(10, 0, 1, 3)];
        let seen = |minute: u64, desired| crate::report::Observed {
            at: Duration::from_secs(60 * minute),
            value: Some(1.0),
            desired,
        };
        report.observed = vec![seen(1, 1), seen(5, 3), seen(10, 1)];
        let svg = draw(&report);
        // 200 jobs of an axis that ends at 210, from 290 up to 84.
        assert!(svg.contains("d=\"M70.0 93.8H500.0V191.9H930.0V290.0\""), "{svg}");
        // Three of three and a half workers, from 500 up to 350.
        assert!(svg.contains("d=\"M70.0 457.1H500.0V371.4H930.0V457.1\""), "desired: {svg}");
        assert!(svg.contains("d=\"M70.0 457.1H500.0V457.1H930.0V371.4V500H70.0Z\""), "area: {svg}");
        for needed in
            ["prefers-color-scheme:dark", ">jobs<", ">workers<", "minutes", "3 values above"]
        {
            assert!(svg.contains(needed), "{needed}: {svg}");
        }
        // Whole, and of itself alone.
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(!svg.contains("href") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
