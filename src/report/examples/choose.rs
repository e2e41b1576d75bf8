//! Which clips of many are shown.

/// Evenly spread over the order of their score: the best, those between, the worst.
pub(super) fn choose<T>(all: &[T], wanted: usize, score: impl Fn(&T) -> f64, name: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut usable: Vec<&T> = all.iter().filter(|s| score(s).is_finite()).collect();
    usable.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| name(a).cmp(name(b))));
    let last = usable.len().saturating_sub(1);
    let count = wanted.min(usable.len());
    (0..count).map(|i| usable[if count > 1 { i * last / (count - 1) } else { 0 }]).collect()
}
