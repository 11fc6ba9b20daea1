//! The table: each figure with its ratio, what is wanted, and whether that was reached.

use std::fmt;

/// What is wanted of a value.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// Nothing: it is there for scale.
    None,
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the table.
#[derive(Debug)]
pub struct Line {
    what: String,
    figure: String,
    value: Value,
    target: Target,
}

/// What the target is compared with.
#[derive(Debug)]
pub enum Value {
    Nothing,
    /// A ratio in each round.
    Ratio(Vec<f64>),
    /// A value in a unit.
    Of(f64, &'static str),
}

/// The table as far as it is.
#[derive(Debug, Default)]
pub struct Report {
    parts: Vec<(String, Vec<Line>)>,
}

impl Report {
    /// Begins a part.
    pub fn part(&mut self, title: &str) {
        self.parts.push((title.to_owned(), Vec::new()));
    }

    /// Adds a line to the part that began last.
    pub fn line(&mut self, what: impl Into<String>, figure: impl Into<String>, value: Value, target: Target) {
        if let Some((_, lines)) = self.parts.last_mut() {
            lines.push(Line {
                what: what.into(),
                figure: figure.into(),
                value,
                target,
            });
        }
    }

    /// How many targets there were and how many were missed.
    pub fn score(&self) -> (usize, usize) {
        let met: Vec<bool> = self
            .parts
            .iter()
            .flat_map(|(_, lines)| lines)
            .filter_map(Line::met)
            .collect();
        (met.len(), met.iter().filter(|met| !**met).count())
    }
}

impl Line {
    fn met(&self) -> Option<bool> {
        let value = match &self.value {
            Value::Nothing => return None,
            Value::Ratio(rounds) => median(rounds),
            Value::Of(value, _) => *value,
        };
        match self.target {
            Target::None => None,
            Target::AtLeast(least) => Some(value >= least),
            Target::AtMost(most) => Some(value <= most),
        }
    }

    fn unit(&self) -> &'static str {
        match self.value {
            Value::Of(_, unit) => unit,
            Value::Nothing | Value::Ratio(_) => "×",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, lines) in &self.parts {
            writeln!(f, "\n{title}")?;
            writeln!(
                f,
                "{:<46} {:>22} {:>24} {:>18}",
                "", "figure", "ratio (range of rounds)", "target"
            )?;
            for line in lines {
                let value = match &line.value {
                    Value::Nothing => String::new(),
                    Value::Ratio(rounds) => ratio(rounds),
                    Value::Of(value, unit) => format!("{} {unit}", number(*value)),
                };
                let target = match line.target {
                    Target::None => String::new(),
                    Target::AtLeast(least) => format!("≥ {} {}", number(least), line.unit()),
                    Target::AtMost(most) => format!("≤ {} {}", number(most), line.unit()),
                };
                let met = match line.met() {
                    None => "",
                    Some(true) => "met",
                    Some(false) => "MISSED",
                };
                let text = format!("{:<46} {:>22} {value:>24} {target:>18}  {met}", line.what, line.figure);
                writeln!(f, "{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// The value in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A number with as many places as one reads.
pub fn number(value: f64) -> String {
    let places = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 && digit.is_ascii_digit() && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

fn ratio(rounds: &[f64]) -> String {
    let middle = number(median(rounds));
    if rounds.len() < 2 {
        return format!("{middle} ×");
    }
    let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rounds.iter().copied().fold(0.0, f64::max);
    format!("{middle} × ({}..{})", number(least), number(most))
}
