//! A linear axis: round ticks, and places of values on the page.

/// An axis from `low` to `high` in data, `start` to `end` on the page.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    pub(super) ticks: Vec<f64>,
    step: f64,
}

impl Axis {
    /// An axis that holds all `values` and ends at round numbers, with about `count` ticks.
    pub(super) fn around(values: impl Iterator<Item = f64>, count: usize, (start, end): (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 * high.abs().max(1e-9) {
            let pad = if high == 0.0 { 1.0 } else { 0.05 * high.abs() };
            (low, high) = (low - pad, high + pad);
        }
        let step = round_step((high - low) / count.max(1) as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        Self { low: first * step, high: last * step, start, end, ticks, step }
    }

    /// The same without the ends beyond the data: for steps and epochs, which have no halves.
    pub(super) fn tight(values: impl Iterator<Item = f64> + Clone, count: usize, page: (f64, f64)) -> Self {
        let mut axis = Self::around(values.clone(), count, page);
        if values.clone().all(|v| v.fract() == 0.0) {
            axis.step = axis.step.max(1.0);
            axis.ticks.retain(|t| t.fract().abs() < 1e-9);
            if axis.ticks.is_empty() {
                axis.ticks = values.clone().take(1).collect();
            }
        }
        let (low, high) = values
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low < high {
            (axis.low, axis.high) = (low, high);
            axis.ticks.retain(|t| (low..=high).contains(t));
        }
        axis
    }

    /// Where a value stands on the page.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// A tick's text, with the digits its neighbours need.
    pub(super) fn label(&self, tick: f64) -> String {
        if tick != 0.0 && (tick.abs() >= 1e6 || self.step < 1e-4) {
            return format!("{tick:.1e}");
        }
        let digits = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        format!("{tick:.digits$}")
    }
}

/// The round number (1, 2 or 5 times a power of ten) that is no smaller.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|t| t * power >= step * 0.999_999).unwrap_or(10.0);
    times * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_data() {
        let axis = Axis::around([46.3, 55.7].into_iter(), 5, (100.0, 0.0));
        assert_eq!(axis.ticks, [46.0, 48.0, 50.0, 52.0, 54.0, 56.0]);
        assert_eq!((axis.at(46.0), axis.at(56.0)), (100.0, 0.0));
        assert_eq!(axis.label(48.0), "48");
        assert_eq!(Axis::around([0.0, 0.011].into_iter(), 4, (0.0, 1.0)).label(0.005), "0.005");
    }

    #[test]
    fn one_value_and_none_make_an_axis_too() {
        let axis = Axis::around([5.0].into_iter(), 4, (0.0, 1.0));
        assert!(axis.at(5.0).is_finite() && axis.ticks.len() > 1);
        let axis = Axis::around([f64::NAN].into_iter(), 4, (0.0, 1.0));
        assert_eq!((axis.at(0.0), axis.at(1.0)), (0.0, 1.0));
    }

    #[test]
    fn a_tight_axis_ends_with_the_data() {
        let axis = Axis::tight([1.0, 8.0].into_iter(), 4, (0.0, 70.0));
        assert_eq!((axis.at(1.0), axis.at(8.0)), (0.0, 70.0));
        assert_eq!(axis.ticks, [2.0, 4.0, 6.0, 8.0]);
        let first = Axis::tight([1.0].into_iter(), 4, (0.0, 70.0));
        assert_eq!((first.ticks.as_slice(), first.label(1.0)), (&[1.0][..], "1".to_owned()));
        assert_eq!(Axis::tight([0.0, 2.0].into_iter(), 6, (0.0, 70.0)).ticks, [0.0, 1.0, 2.0]);
    }
}
