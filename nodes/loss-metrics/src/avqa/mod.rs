//! Question answering: accuracy by kind of question, match of sound and frame, the questions with their answers.

pub mod answers;
pub mod loss;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Float32Type;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Message, Split, tensor};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use self::answers::Answers;
use self::loss::{Weights, answer_loss};
use crate::ave::accuracy::{Confusion, argmax};
use crate::report::Metric;
use crate::task::{Judged, JudgedClip, PassMetrics, Task};

/// The task.
#[derive(Debug)]
pub(crate) struct Avqa {
    weights: Weights,
    pass: Option<Pass>,
    /// Names of the answers seen so far.
    names: BTreeMap<usize, String>,
}

/// What a pass has seen.
#[derive(Debug, Serialize, Deserialize)]
struct Pass {
    answers: Answers,
    /// Right matches, and matches in all.
    matched: (u64, u64),
}

impl Avqa {
    pub(crate) fn new(weights: Weights) -> Self {
        Self { weights, pass: None, names: BTreeMap::new() }
    }

    fn name(&self, answer: usize) -> String {
        self.names.get(&answer).cloned().unwrap_or_else(|| format!("answer {answer}"))
    }

    /// Confusion of answers, all questions together and by kind.
    fn confusions(&self, answers: &Answers, metrics: &mut Vec<Metric>) {
        let mut add = |kind: &str, confusion: &Confusion| {
            for (answer, predicted, questions) in confusion.cells() {
                let name = format!("confusion{kind}/{}/{}", self.name(answer), self.name(predicted));
                metrics.push(Metric::count(name, questions));
            }
        };
        add("", &answers.all());
        for (kind, confusion) in answers.kinds() {
            add(&format!("/{kind}"), confusion);
        }
    }
}

fn answer(clip: &RecordBatch) -> Result<i32, String> {
    let answer = schema::int64(clip, "answer")?.value(0);
    i32::try_from(answer).map_err(|_| format!("{answer} is no class"))
}

fn text<'a>(clip: &'a Message, column: &str) -> Result<&'a str, String> {
    Ok(schema::utf8(&clip.batch, column)?.value(0))
}

impl Task for Avqa {
    fn gradients(&self) -> Schema {
        Schema::AnswerGradients
    }

    fn metric(&self) -> &'static str {
        if self.weights.answer > 0.0 { "accuracy" } else { "match_accuracy" }
    }

    fn target(&self, clip: &RecordBatch) -> Result<Vec<i32>, String> {
        Ok(vec![answer(clip)?])
    }

    fn judge(&mut self, predictions: &RecordBatch, clips: &[Message]) -> Result<Judged, String> {
        let logits = tensor::view::<Float32Type>(predictions, "logits")?;
        let positive = tensor::view::<Float32Type>(predictions, "match_positive")?;
        let negative = tensor::view::<Float32Type>(predictions, "match_negative")?;
        let [classes] = logits.shape[..] else {
            return Err(format!("logits of shape {:?}, expected [answers]", logits.shape));
        };
        let targets = clips.iter().map(|clip| answer(&clip.batch)).collect::<Result<Vec<_>, _>>()?;
        for (clip, target) in clips.iter().zip(&targets) {
            let name = text(clip, "answer_name")?;
            self.names.entry(*target as usize).or_insert_with(|| name.to_owned());
        }
        let loss = answer_loss(logits.values, &targets, classes, positive.values, negative.values, self.weights)?;
        let predicted = argmax(logits.values, classes);
        let pass = self.pass.get_or_insert_with(|| Pass { answers: Answers::new(classes), matched: (0, 0) });
        pass.matched = (pass.matched.0 + loss.matched.0, pass.matched.1 + loss.matched.1);
        let mut judged = Vec::with_capacity(clips.len());
        for (((clip, target), predicted), loss) in clips.iter().zip(&targets).zip(&predicted).zip(&loss.by_question) {
            pass.answers.add(text(clip, "kind")?, *target as usize, *predicted);
            let prediction = *predicted as i32;
            judged.push(JudgedClip {
                prediction: vec![prediction],
                target: vec![*target],
                score: f64::from(u8::from(prediction == *target)),
                loss: *loss,
            });
        }
        let right = judged.iter().map(|clip| clip.score).sum::<f64>() / judged.len().max(1) as f64;
        Ok(Judged {
            loss: loss.total,
            gradients: vec![
                (loss.answers, logits.shape),
                (loss.positive, positive.shape),
                (loss.negative, negative.shape),
            ],
            clips: judged,
            step: vec![Metric::percent("step/accuracy", right), Metric::loss("step/match_loss", loss.matching, "nats")],
        })
    }

    fn end_of_pass(&mut self, split: Split) -> PassMetrics {
        let Some(Pass { answers, matched: (right, matches) }) = self.pass.take() else {
            return PassMetrics::default();
        };
        let all = answers.all();
        let Some(accuracy) = all.accuracy() else { return PassMetrics::default() };
        let matched = (matches > 0).then(|| right as f64 / matches as f64);
        let mut metrics =
            vec![Metric::percent("accuracy", accuracy), Metric::percent("majority", all.majority().unwrap_or(0.0))];
        metrics.extend(matched.map(|share| Metric::percent("match_accuracy", share)));
        let told = metrics.len();
        metrics.push(Metric::count("questions", all.total()));
        if split != Split::Train {
            let shares = answers.shares();
            metrics.extend(shares.into_iter().map(|(name, share)| Metric::percent(format!("accuracy/{name}"), share)));
            self.confusions(&answers, &mut metrics);
        }
        let picked_by = if self.weights.answer > 0.0 { Some(accuracy) } else { matched };
        PassMetrics { metrics, told, picked_by }
    }

    fn state(&self) -> serde_yaml::Result<Value> {
        serde_yaml::to_value((&self.pass, &self.names))
    }

    fn restore(&mut self, state: Value) -> serde_yaml::Result<()> {
        (self.pass, self.names) = serde_yaml::from_value(state)?;
        Ok(())
    }

    fn rows(
        &self,
        predictions: &RecordBatch,
        clips: &[Message],
        positions: &[u64],
    ) -> Result<Option<(Schema, RecordBatch)>, String> {
        let logits = tensor::view::<Float32Type>(predictions, "logits")?;
        let classes = logits.shape.iter().product::<usize>();
        let predicted = argmax(logits.values, classes);
        let probability = |(row, best): (&[f32], &usize)| {
            let top = f64::from(row[*best]);
            1.0 / row.iter().map(|x| (f64::from(*x) - top).exp()).sum::<f64>()
        };
        let column = |name: &'static str| clips.iter().map(|clip| text(clip, name)).collect::<Result<Vec<_>, _>>();
        BatchBuilder::new(Schema::Answers)
            .utf8(clips.iter().map(|clip| &clip.header.clip))
            .int64(positions.iter().map(|position| *position as i64))
            .utf8(column("video")?)
            .utf8(column("kind")?)
            .utf8(column("question")?)
            .utf8(column("answer_name")?)
            .utf8(predicted.iter().map(|answer| self.name(*answer)))
            .float64(logits.values.chunks_exact(classes.max(1)).zip(&predicted).map(probability))
            .build()
            .map(Some)
    }
}
