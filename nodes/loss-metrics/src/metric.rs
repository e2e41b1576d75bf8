//! A number of a step or a pass, as the table `metrics` has it.

/// A row of the `metrics` table.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// 1, 0, or -1 where neither holds.
    pub(crate) higher_is_better: i64,
}

impl Metric {
    /// A share, in percent; higher is better.
    pub(crate) fn percent(name: impl Into<String>, share: f64) -> Self {
        Self { name: name.into(), value: 100.0 * share, unit: "percent", higher_is_better: 1 }
    }

    /// A loss; lower is better.
    pub(crate) fn loss(name: &str, value: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), value, unit, higher_is_better: 0 }
    }

    /// A number of things.
    pub(crate) fn count(name: impl Into<String>, count: u64) -> Self {
        Self { name: name.into(), value: count as f64, unit: "count", higher_is_better: -1 }
    }
}
