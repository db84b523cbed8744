//! Latency over load, as an SVG that any browser shows.

use std::fmt::Write as _;

use crate::{Report, report::format_number};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 60.0;
const COLOURS: [&str; 6] = ["#0b6e99", "#c4501b", "#3d7a3a", "#7a3d8f", "#8a6d00", "#555555"];

/// One curve: its points are (load, latency).
struct Curve {
    label: String,
    colour: &'static str,
    is_dashed: bool,
    points: Vec<(f64, f64)>,
}

/// Draws, for each named list of reports, the median (whole line) and the 99th percentile (dashed) of latency over the
/// deliveries a second. Latency grows upwards on a logarithmic scale.
pub fn latency_over_load(title: &str, lists: &[(&str, &[Report])]) -> String {
    let mut curves = Vec::new();
    for (index, (name, reports)) in lists.iter().enumerate() {
        for (figure, is_dashed) in [("latency_p50", false), ("latency_p99", true)] {
            let points = reports.iter().filter_map(|report| {
                Some((report.figure("deliveries_per_second")?.value, report.figure(figure)?.value.max(1e-3)))
            });
            let mut points: Vec<_> = points.collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let label = format!("{name} {}", figure.trim_start_matches("latency_"));
            curves.push(Curve { label, colour: COLOURS[index % COLOURS.len()], is_dashed, points });
        }
    }
    draw(title, &curves)
}

fn draw(title: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let most_load = points().map(|point| point.0).fold(1.0, f64::max);
    let least_decade = points().map(|point| point.1).fold(f64::MAX, f64::min).log10().floor().clamp(-3.0, 3.0);
    let most_decade = points().map(|point| point.1).fold(1e-3, f64::max).log10().ceil().max(least_decade + 1.0);
    let x = |load: f64| LEFT + load / most_load * (WIDTH - LEFT - RIGHT);
    let y = |latency: f64| {
        let place = (latency.log10() - least_decade) / (most_decade - least_decade);
        HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
    };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"16\">{}</text>\n",
        escape(title)
    );
    // Writing to a string does not fail.
    let mut line = |text: String| {
        let _ = writeln!(svg, "{text}");
    };
    let mut decade = least_decade;
    while decade <= most_decade {
        let (latency, at) = (10_f64.powf(decade), y(10_f64.powf(decade)));
        line(format!("<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/>", WIDTH - RIGHT));
        line(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{latency} ms</text>", LEFT - 6.0, at + 4.0));
        decade += 1.0;
    }
    for quarter in 0..=4 {
        let load = most_load * f64::from(quarter) / 4.0;
        let label = format_number(load.round());
        line(format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            x(load),
            HEIGHT - BOTTOM + 18.0
        ));
    }
    line(format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">deliveries a second</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - BOTTOM + 36.0
    ));
    for (index, curve) in curves.iter().enumerate() {
        let dash = if curve.is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let path: Vec<_> =
            curve.points.iter().map(|(load, latency)| format!("{:.1},{:.1}", x(*load), y(*latency))).collect();
        line(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dash}/>",
            path.join(" "),
            curve.colour
        ));
        let at = TOP + 14.0 * index as f64;
        line(format!(
            "<text x=\"{}\" y=\"{at}\" fill=\"{}\">{}</text>",
            LEFT + 12.0,
            curve.colour,
            escape(&curve.label)
        ));
    }
    svg + "</svg>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Figure;

    fn report(load: f64, p50: f64, p99: f64) -> Report {
        let figure =
            |name: &'static str, value, unit: &'static str| Figure { name: name.into(), value, unit: unit.into() };
        Report {
            mode: "fanout".into(),
            url: String::new(),
            settings: serde_json::Value::Null,
            figures: vec![
                figure("deliveries_per_second", load, "/s"),
                figure("latency_p50", p50, "ms"),
                figure("latency_p99", p99, "ms"),
            ],
            complete: true,
        }
    }

    #[test]
    fn each_list_is_two_curves_from_low_to_high_load() {
        let reports = [report(2000.0, 1.0, 10.0), report(1000.0, 0.5, 2.0)];
        let svg = latency_over_load("a < b", &[("one", &reports)]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("a &lt; b") && svg.contains("one p99") && svg.contains("2,000"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_measured_is_still_a_picture() {
        let svg = latency_over_load("empty", &[("one", &[])]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
