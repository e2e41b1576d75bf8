//! Losses on plain numbers, with their gradients; of event localisation: L = CE + λ L_con (paper eqs. 10, 11).
//!
//! In a dataflow a node of its own computes losses; these serve the comparison with reference results.

/// Value and gradient of the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// L_task + λ L_con.
    pub total: f64,
    /// L_con.
    pub consistency: f64,
    /// dL / d logits, [segments, classes].
    pub logits: Vec<f32>,
    /// dL / d visual features, [segments, d].
    pub visual: Vec<f32>,
    /// dL / d aligned audio features, [segments, d].
    pub audio: Vec<f32>,
}

/// Cross entropy of `logits` [segments, classes] against one class a segment, mean over segments, plus `weight` times
/// the mean squared difference of `visual` and `audio` features, both [segments, d].
pub fn event_loss(logits: &[f32], labels: &[u32], visual: &[f32], audio: &[f32], weight: f64) -> Loss {
    let segments = labels.len().max(1);
    let classes = (logits.len() / segments).max(1);
    let mut cross_entropy = 0.0;
    let mut dlogits = Vec::with_capacity(logits.len());
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials: Vec<f64> = row.iter().map(|x| f64::from(x - largest).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        cross_entropy += sum.ln() + f64::from(largest) - f64::from(row[label as usize]);
        dlogits.extend(exponentials.iter().enumerate().map(|(class, e)| {
            let target = if class == label as usize { 1.0 } else { 0.0 };
            ((e / sum - target) / segments as f64) as f32
        }));
    }
    let count = visual.len().max(1) as f64;
    let differences = || visual.iter().zip(audio).map(|(v, a)| f64::from(v - a));
    let consistency = differences().map(|d| d * d).sum::<f64>() / count;
    let dvisual: Vec<f32> = differences().map(|d| (weight * 2.0 * d / count) as f32).collect();
    Loss {
        total: cross_entropy / segments as f64 + weight * consistency,
        consistency,
        logits: dlogits,
        audio: dvisual.iter().map(|d| -d).collect(),
        visual: dvisual,
    }
}

/// Value of the loss of question answering and its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerLoss {
    /// The loss.
    pub value: f64,
    /// dL / d answer logits, [Q, answers].
    pub answers: Vec<f32>,
    /// dL / d match logits of positives, [Q T, 2].
    pub positive: Vec<f32>,
    /// dL / d match logits of negatives, [Q T, 2].
    pub negative: Vec<f32>,
}

/// Cross entropy of `logits` [Q, answers] plus `weight` times that of all matches together, `positive` (class 1) and
/// `negative` (class 0), both [Q T, 2] (the official MUSIC-AVQA loss has 0.5).
pub fn answer_loss(logits: &[f32], answers: &[u32], positive: &[f32], negative: &[f32], weight: f64) -> AnswerLoss {
    let matches = [positive, negative].concat();
    let classes: Vec<u32> = (0..matches.len() / 2).map(|row| u32::from(row < positive.len() / 2)).collect();
    let answered = event_loss(logits, answers, &[], &[], 0.0);
    let matched = event_loss(&matches, &classes, &[], &[], 0.0);
    let mut slopes: Vec<f32> = matched.logits.iter().map(|g| (weight * f64::from(*g)) as f32).collect();
    let negative = slopes.split_off(positive.len());
    let value = answered.total + weight * matched.total;
    AnswerLoss { value, answers: answered.logits, positive: slopes, negative }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut inputs = vec![vec![0.3, -1.2, 0.7, 0.1, 0.9, -0.4], vec![0.5, -0.25], vec![0.1, 0.75]];
        let at = |i: &[Vec<f32>]| event_loss(&i[0], &[2, 0], &i[1], &i[2], 0.5);
        let loss = at(&inputs);
        let analytic = [loss.logits.clone(), loss.visual.clone(), loss.audio.clone()];
        for which in 0..3 {
            for element in 0..inputs[which].len() {
                let h = 1e-2;
                inputs[which][element] += h;
                let up = at(&inputs).total;
                inputs[which][element] -= 2.0 * h;
                let down = at(&inputs).total;
                inputs[which][element] += h;
                let numeric = (up - down) / (2.0 * f64::from(h));
                assert!((numeric - f64::from(analytic[which][element])).abs() < 1e-4);
            }
        }
    }
}
