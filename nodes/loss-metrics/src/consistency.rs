//! The consistency loss L_con (equation 10), which every task has beside its own: the mean over all elements of
//! (f_v - W f_a)^2, with its gradients.

/// Consistency loss of features `[n]` each and its gradients, scaled by `weight`.
///
/// Returns (unweighted loss, gradient of `weight` x loss with respect to the visual and to the audio features).
///
/// # Errors
/// If the two differ in size.
pub fn consistency(visual: &[f32], audio: &[f32], weight: f64) -> Result<(f64, Vec<f32>, Vec<f32>), String> {
    if visual.len() != audio.len() {
        return Err(format!(
            "visual features of {} and audio features of {} values cannot be compared",
            visual.len(),
            audio.len()
        ));
    }
    let n = visual.len().max(1) as f64;
    let difference: Vec<f64> = visual.iter().zip(audio).map(|(v, a)| f64::from(*v) - f64::from(*a)).collect();
    let loss = difference.iter().map(|d| d * d).sum::<f64>() / n;
    let slope: Vec<f32> = difference.iter().map(|d| (2.0 * weight * d / n) as f32).collect();
    let back = slope.iter().map(|s| -s).collect();
    Ok((loss, slope, back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consistency_is_the_mean_square() {
        let (loss, dv, da) = consistency(&[1.0, 2.0], &[0.0, 4.0], 0.5).unwrap();
        assert!((loss - 2.5).abs() < 1e-12);
        assert_eq!((dv, da), (vec![0.5, -1.0], vec![-0.5, 1.0]));
        assert!(consistency(&[1.0], &[], 1.0).is_err());
    }
}
