//! The official loss of question answering: cross entropy of the answers, and of the matches of sound and frame.
//!
//! L = w_a CE(answers) + w_m CE(matches), mean over Q questions and over all 2 Q T matches, positive (class 1) and negative
//! (class 0) together (AVST: w_a = 1, w_m = 0.5). A match that is NaN had no frame of another video: it does not count.

use crate::ave::loss::TaskLoss;

/// Weights of the two parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the answers.
    pub answer: f64,
    /// Of the matches.
    pub matching: f64,
}

/// The loss of a batch and its gradients.
#[derive(Debug)]
pub struct AnswerLoss {
    /// Cross entropy of each question's answer, not weighted.
    pub by_question: Vec<f64>,
    /// The weighted sum.
    pub total: f64,
    /// Mean cross entropy of the matches, not weighted; 0 without any.
    pub matching: f64,
    /// Right matches, and matches in all.
    pub matched: (u64, u64),
    /// dL / d answer logits, [Q, answers].
    pub answers: Vec<f32>,
    /// dL / d match logits of positives, [Q T, 2].
    pub positive: Vec<f32>,
    /// dL / d match logits of negatives, [Q T, 2]; 0 where they do not count.
    pub negative: Vec<f32>,
}

/// Loss of answer `logits` [Q, classes] against `answers` `[Q]`, and of the match logits of positives and negatives, both
/// [Q T, 2].
///
/// # Errors
/// If an answer is no class, or the sizes do not match.
pub fn answer_loss(
    logits: &[f32],
    answers: &[i32],
    classes: usize,
    positive: &[f32],
    negative: &[f32],
    weights: Weights,
) -> Result<AnswerLoss, String> {
    let answered = TaskLoss::CrossEntropy.evaluate(logits, answers, classes)?;
    let scaled = |gradient: Vec<f32>, weight: f64| -> Vec<f32> {
        gradient.into_iter().map(|g| (f64::from(g) * weight) as f32).collect()
    };
    let all = positive.chunks_exact(2).map(|row| (row, 1)).chain(negative.chunks_exact(2).map(|row| (row, 0)));
    let counts: Vec<bool> = all.clone().map(|(row, _)| row.iter().all(|x| !x.is_nan())).collect();
    let (rows, labels): (Vec<&[f32]>, Vec<i32>) = all.zip(&counts).filter(|(_, c)| **c).map(|(row, _)| row).unzip();
    let matched = TaskLoss::CrossEntropy.evaluate(&rows.concat(), &labels, 2)?;
    let right = rows.iter().zip(&labels).filter(|(row, label)| (row[1] > row[0]) == (**label == 1)).count();
    let mut slopes = scaled(matched.gradient, weights.matching).into_iter();
    let mut spread = counts
        .iter()
        .flat_map(|counts| [*counts; 2].map(|counts| if counts { slopes.next().unwrap_or(0.0) } else { 0.0 }));
    let positive_slopes: Vec<f32> = spread.by_ref().take(positive.len()).collect();
    let negative_slopes: Vec<f32> = spread.collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let matching = mean(&matched.by_segment);
    Ok(AnswerLoss {
        total: weights.answer * mean(&answered.by_segment) + weights.matching * matching,
        by_question: answered.by_segment,
        matching,
        matched: (right as u64, labels.len() as u64),
        answers: scaled(answered.gradient, weights.answer),
        positive: positive_slopes,
        negative: negative_slopes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: Weights = Weights { answer: 1.0, matching: 0.5 };
    const ANSWERS: [i32; 2] = [2, 0];

    fn at(inputs: &[Vec<f32>; 3], weights: Weights) -> AnswerLoss {
        answer_loss(&inputs[0], &ANSWERS, 3, &inputs[1], &inputs[2], weights).unwrap()
    }

    fn inputs() -> [Vec<f32>; 3] {
        [vec![0.3, -1.2, 0.7, 0.1, 0.9, -0.4], vec![0.5, -0.25, 0.1, 0.75], vec![-1.0, 0.5, 0.2, 0.1]]
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut inputs = inputs();
        let loss = at(&inputs, WEIGHTS);
        let analytic = [loss.answers, loss.positive, loss.negative];
        for which in 0..3 {
            for element in 0..inputs[which].len() {
                inputs[which][element] += 1e-2;
                let up = at(&inputs, WEIGHTS).total;
                inputs[which][element] -= 2e-2;
                let down = at(&inputs, WEIGHTS).total;
                inputs[which][element] += 1e-2;
                let slope = (up - down) / 2e-2;
                assert!((slope - f64::from(analytic[which][element])).abs() < 2e-5, "{which} {element}: {slope}");
            }
        }
    }

    #[test]
    fn matches_without_a_negative_do_not_count() {
        let mut inputs = inputs();
        inputs[2][2..].fill(f32::NAN);
        let loss = at(&inputs, WEIGHTS);
        assert_eq!(loss.negative[2..], [0.0, 0.0]);
        assert_eq!(loss.matched.1, 3);
        inputs[2].truncate(2);
        let without = at(&inputs, WEIGHTS);
        assert_eq!((loss.total, loss.positive), (without.total, without.positive));
    }

    #[test]
    fn right_matches_are_those_of_the_larger_logit() {
        // Positives: wrong, right; negatives: wrong, right.
        assert_eq!(at(&inputs(), WEIGHTS).matched, (2, 4));
    }

    #[test]
    fn either_part_can_be_left_out() {
        let grounding = at(&inputs(), Weights { answer: 0.0, matching: 1.0 });
        assert!((grounding.total - grounding.matching).abs() < 1e-12);
        assert!(grounding.answers.iter().all(|g| *g == 0.0));
        let answers = at(&inputs(), Weights { answer: 1.0, matching: 0.0 });
        assert!(answers.positive.iter().chain(&answers.negative).all(|g| *g == 0.0));
    }
}
