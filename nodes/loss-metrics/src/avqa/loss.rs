//! The official loss of question answering: cross entropy of the answers, and of the matches of sound and frame.
//!
//! L = w_a CE(answers) + w_m CE(matches), mean over Q questions and over all 2 Q T matches, positive (class 1) and negative
//! (class 0) together (AVST: w_a = 1, w_m = 0.5). A match that is NaN had no frame of another video: it does not count.

use crate::classification::TaskLoss;

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
    /// What each question adds to the loss: its answer's cross entropy and those of its matches, weighted. Their mean is the
    /// loss, so that a question with fewer matches that count has less of their part.
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
    let total = weights.answer * mean(&answered.by_segment) + weights.matching * matching;
    let (questions, positives) = (answers.len().max(1), positive.len() / 2);
    let a_question = (positives / questions).max(1);
    let share = weights.matching * questions as f64 / labels.len().max(1) as f64;
    let mut by_question: Vec<f64> = answered.by_segment.iter().map(|loss| weights.answer * loss).collect();
    // Positives of all questions come before the negatives.
    let own_row = |row: usize| row.checked_sub(positives).unwrap_or(row);
    let counted = counts.iter().enumerate().filter(|(_, counts)| **counts).map(|(row, _)| own_row(row));
    for (row, loss) in counted.zip(&matched.by_segment) {
        if let Some(own) = by_question.get_mut(row / a_question) {
            *own += share * loss;
        }
    }
    Ok(AnswerLoss {
        total,
        by_question,
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
    fn questions_share_the_loss_by_their_answers_and_matches() {
        let mean = |loss: &AnswerLoss| loss.by_question.iter().sum::<f64>() / loss.by_question.len() as f64;
        let mut inputs = inputs();
        // Two questions of two seconds each.
        inputs[1].extend([0.3, 0.2, -0.7, 0.9]);
        inputs[2].extend([0.0, 0.4, 2.0, -1.0]);
        for weights in [WEIGHTS, Weights { answer: 0.0, matching: 1.0 }, Weights { answer: 2.0, matching: 0.0 }] {
            let loss = at(&inputs, weights);
            assert!((mean(&loss) - loss.total).abs() < 1e-12, "{weights:?}: {:?}, {}", loss.by_question, loss.total);
        }
        let both = at(&inputs, WEIGHTS);
        // The second question's negatives do not count: it has 2 of 6 matches.
        inputs[2][4..].fill(f32::NAN);
        let loss = at(&inputs, WEIGHTS);
        assert!((mean(&loss) - loss.total).abs() < 1e-12);
        assert!(loss.by_question[1] < both.by_question[1] && loss.by_question[0] > both.by_question[0]);
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
