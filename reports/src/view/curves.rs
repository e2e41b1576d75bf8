//! Metrics over epochs and steps.

use serde::Serialize;

/// Steps of a curve that are drawn one by one; longer ones are averaged.
const DRAWN: usize = 240;

/// A metric over epochs or steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Name of the metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// `train`, `val` or `test`.
    pub split: String,
    /// Whether x is a step; else it is an epoch.
    pub by_step: bool,
    /// (x, value).
    pub points: Vec<(f64, f64)>,
}

/// Means of neighbouring points, few enough to be drawn: (mean step, mean value).
pub fn by_step(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(DRAWN).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let (x, y) = chunk.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        (x / chunk.len() as f64, y / chunk.len() as f64)
    };
    points.chunks(size).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_averaged_and_a_short_one_is_not() {
        let points: Vec<_> = (0..480).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let drawn = by_step(&points);
        assert_eq!((drawn.len(), drawn[0], drawn[239]), (240, (0.5, 0.5), (478.5, 0.5)));
        assert_eq!(by_step(&points[..3]), points[..3]);
        assert!(by_step(&[]).is_empty());
    }
}
