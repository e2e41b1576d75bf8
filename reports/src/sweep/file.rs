//! A sweep file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use crate::error::ReportError;
use crate::paper::{self, PaperRow, PaperTable};

/// A sweep as its YAML states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepFile {
    /// Name: of the folder its table goes to.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// What a reader must know: which reading of the paper it takes, what differs.
    #[serde(default)]
    pub note: String,
    /// The base dataflow, relative to the sweep file.
    pub dataflow: PathBuf,
    /// A run a seed; the dataflow's own seeds, once, if there are none.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Overrides of every run: `node.KEY: value`.
    #[serde(default)]
    pub set: Mapping,
    /// Named cases; with a grid, each case has all of it.
    #[serde(default)]
    pub cases: Vec<Case>,
    /// Axes whose product is run.
    #[serde(default)]
    pub grid: Vec<Axis>,
    /// The metric that is shown, on the test split; the one by which the models are picked if unset.
    #[serde(default)]
    pub metric: Option<String>,
    /// Further metrics of the test split, a column each.
    #[serde(default)]
    pub also: Vec<String>,
    /// What else the table shows.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// The paper's table that stands beside it, such as `table-4`.
    #[serde(default)]
    pub paper: Option<String>,
    /// Name of the axis of the figure; the first axis of the grid if unset.
    #[serde(default)]
    pub axis: Option<String>,
}

/// A named set of overrides.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name: a row of the table.
    pub name: String,
    /// Another dataflow, relative to the sweep file.
    #[serde(default)]
    pub dataflow: Option<PathBuf>,
    /// Its overrides.
    #[serde(default)]
    pub set: Mapping,
    /// The row of the paper's table it is: the method, and the encoders where the method has several rows.
    #[serde(default)]
    pub paper: Option<String>,
}

/// An axis of a grid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Name in the table and the figure.
    pub name: String,
    /// The settings it sets, all to the same value.
    pub set: Vec<String>,
    /// Its values.
    pub values: Vec<Value>,
}

/// A column of the table besides the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Numbers that learn beside the head, in millions.
    Additional,
    /// Numbers that learn, in millions.
    Trainable,
    /// All numbers, in millions.
    Total,
    /// Most memory the model's node held, in megabytes.
    Memory,
    /// Wall time in seconds.
    Time,
    /// The metric the model is picked by, on the validation split.
    Validation,
}

impl Column {
    /// Its heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Additional => "additional M",
            Self::Trainable => "trainable M",
            Self::Total => "total M",
            Self::Memory => "peak memory MB",
            Self::Time => "time s",
            Self::Validation => "validation %",
        }
    }
}

impl SweepFile {
    /// Reads a sweep file.
    ///
    /// # Errors
    /// If it cannot be read, is no sweep, or contradicts itself; with line and column where YAML knows them.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let wrong = |problem: String| ReportError::Sweep { file: path.display().to_string(), problem };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Self = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if file.name.is_empty() || !file.name.chars().all(plain) {
            return Err(format!("name: `{}` is no name: letters, digits, `-` and `_` only", file.name));
        }
        if file.cases.is_empty() && file.grid.is_empty() {
            return Err("nothing to sweep: `cases:` or `grid:` is needed".to_owned());
        }
        for axis in &file.grid {
            if axis.set.is_empty() || axis.values.is_empty() {
                return Err(format!("grid: axis `{}` needs settings under `set:` and `values:`", axis.name));
            }
        }
        for (i, case) in file.cases.iter().enumerate() {
            if file.cases[i + 1..].iter().any(|c| c.name == case.name) {
                return Err(format!("cases: two are called `{}`", case.name));
            }
        }
        let published = file.published();
        if let (Some(name), None) = (&file.paper, published) {
            let known: Vec<&str> = paper::TABLES.iter().map(|t| t.name).collect();
            return Err(format!("paper: no table `{name}`; there are {}", known.join(", ")));
        }
        for case in &file.cases {
            if let (Some(row), None) = (&case.paper, file.row(case)) {
                return Err(format!("cases: {}: the paper's table has no row `{row}`", case.name));
            }
        }
        Ok(file)
    }

    /// The paper's table beside this sweep.
    pub fn published(&self) -> Option<&'static PaperTable> {
        paper::by_name(self.paper.as_deref()?)
    }

    /// The paper's row of a case: `method`, or `method, encoders`.
    pub fn row(&self, case: &Case) -> Option<&'static PaperRow> {
        let wanted = case.paper.as_deref()?;
        self.published()?.rows.iter().find(|r| wanted == r.method || wanted == format!("{}, {}", r.method, r.encoders))
    }
}
