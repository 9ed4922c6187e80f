//! Markdown tables of figures.

use std::fmt::Write as _;

use kapok_benches::results::Results;

/// How a figure is written.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    Nanoseconds,
    Milliseconds,
    Megabytes,
    Times,
}

impl Unit {
    pub fn write(self, figure: f64) -> String {
        match self {
            Self::Nanoseconds if figure < 100.0 => format!("{figure:.1} ns"),
            Self::Nanoseconds => format!("{figure:.0} ns"),
            Self::Milliseconds if figure < 100e6 => format!("{:.2} ms", figure / 1e6),
            Self::Milliseconds => format!("{:.0} ms", figure / 1e6),
            Self::Megabytes => format!("{:.1} MB", figure / 1e6),
            Self::Times => format!("{figure:.2}"),
        }
    }
}

/// A row of figures, each by its name or `""` for none: Kapok's fresh, Kapok's in use, and others'. The least of the first and
/// the others is bold.
pub fn row(results: &Results, label: &str, unit: Unit, names: &[&str]) -> String {
    let figures: Vec<Option<f64>> =
        names.iter().map(|name| (!name.is_empty()).then(|| figure(results, name))).collect();
    let others = figures.get(2..).unwrap_or_default();
    let least = figures.first().into_iter().chain(others).flatten().copied().fold(f64::INFINITY, f64::min);
    let several = others.iter().flatten().count() > 0;
    let mut out = format!("| {label} |");
    for figure in figures {
        match figure {
            Some(figure) if several && figure <= least => write!(out, " **{}** |", unit.write(figure)).unwrap(),
            Some(figure) => write!(out, " {} |", unit.write(figure)).unwrap(),
            None => out.push_str(" |"),
        }
    }
    out.push('\n');
    out
}

pub fn figure(results: &Results, name: &str) -> f64 {
    let found = results.figures.get(name);
    assert!(found.is_some(), "the last run did not measure {name:?}: run it whole, without a filter");
    found.copied().unwrap_or_default()
}
