//! A chart of the reads, as SVG: a group of bars for each question, as long as the times that the best answer takes.

use std::fmt::Write as _;

use kapok_benches::results::Results;

use crate::reading::QUESTIONS;
use crate::table::figure;

const BARS: [(&str, &str); 6] = [
    ("Kapok", "#b3446c"),
    ("Kapok, in use", "#dba5bb"),
    ("heap, std's map", "#c9cdd3"),
    ("heap, FxHash", "#8f98a3"),
    ("rkyv", "#5b8dbd"),
    ("capnp's reader", "#7fae7f"),
];
const WIDTH: usize = 860;
const LABELS: u32 = 250;
const BAR: usize = 11;
const GAP: usize = 14;
const TOP: usize = 46;
/// Length of a bar of the best answer, and of the longest.
const UNIT: f64 = 90.0;
const LONGEST: f64 = 500.0;

pub fn draw(results: &Results) -> String {
    let mut bars = String::new();
    let mut y = TOP;
    for question in QUESTIONS.iter().filter(|question| question.stands_alone()) {
        let figures = question.names().map(|name| if name.is_empty() { None } else { Some(figure(results, &name)) });
        let best = figures.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let label = question.label.replace('`', "").replace('&', "&amp;");
        writeln!(bars, r#"<text x="{}" y="{}" text-anchor="end">{label}</text>"#, LABELS - 10, y + 2 * BAR).unwrap();
        for (figure, (_, colour)) in figures.into_iter().zip(BARS) {
            let Some(figure) = figure else { continue };
            let length = (figure / best * UNIT).min(LONGEST);
            let text = question.unit.write(figure);
            let cut = if figure / best * UNIT > LONGEST { " →" } else { "" };
            writeln!(bars, r#"<rect x="{LABELS}" y="{y}" width="{length:.0}" height="{BAR}" fill="{colour}"/>"#)
                .unwrap();
            let x = f64::from(LABELS) + length + 5.0;
            writeln!(bars, r#"<text x="{x:.0}" y="{}" class="figure">{text}{cut}</text>"#, y + BAR - 1).unwrap();
            y += BAR + 1;
        }
        y += GAP;
    }
    let mut legend = String::new();
    for (at, (name, colour)) in BARS.into_iter().enumerate() {
        let x = 20 + at * 138;
        writeln!(legend, r#"<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/>"#).unwrap();
        writeln!(legend, r#"<text x="{}" y="24">{name}</text>"#, x + 17).unwrap();
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>text {{ fill: #333 }} .figure {{ font-size: 10px }}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         {legend}{bars}\
         <text x=\"20\" y=\"{}\" class=\"figure\">One million films; {}; {}. Shorter is better; bars begin at 0 in each group.</text>\n\
         </svg>\n",
        y + 6,
        results.machine,
        results.date,
        height = y + 18,
    )
}
