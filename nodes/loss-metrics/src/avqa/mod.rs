//! Question answering: accuracy by kind of question, match of sound and frame, the questions with their answers.

pub mod answers;
pub mod loss;

use arrow::array::RecordBatch;
use arrow::datatypes::Float32Type;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Message, Split, names, tensor};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use self::answers::Answers;
use self::loss::{Weights, answer_loss};
use crate::confusion::{Confusion, argmax};
use crate::judged::{Judged, JudgedClip, PassMetrics};
use crate::metric::Metric;
use crate::task::{Task, TaskKind};

copl_contract::settings! {
    /// Settings of question answering.
    pub struct AvqaSettings {
        "ANSWER" answer: f64 = "1", "Of question answering: weight of the answers' cross entropy; 0 for grounding pretraining, where the match alone is learned and picks the model.";
        "MATCH" matching: f64 = "0.5", "Of question answering: weight of the cross entropy of matches between sounds and frames; the official code has 0.5.";
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct Avqa {
    weights: Weights,
    pass: Option<Pass>,
}

/// What a pass has seen.
#[derive(Debug, Serialize, Deserialize)]
struct Pass {
    answers: Answers,
    /// Right matches, and matches in all.
    matched: (u64, u64),
    /// Names of the answers, by class.
    names: Vec<String>,
}

/// Names of the answers, by class: each question has them.
fn names_of(clips: &[Message]) -> Result<Vec<String>, String> {
    clips.first().map_or(Ok(Vec::new()), |clip| schema::texts(&clip.batch, "answers", 0))
}

/// Name of an answer. A model may tell more answers apart than the dataset has.
fn name(names: &[String], answer: usize) -> String {
    names.get(answer).map_or_else(|| format!("answer {answer}"), Clone::clone)
}

/// Confusion of answers, all questions together and by kind.
fn confusions(answers: &Answers, answers_of: &[String]) -> Vec<Metric> {
    let of = |kind: Option<&str>, confusion: &Confusion| -> Vec<Metric> {
        let counts = confusion.cells().map(|(answer, predicted, questions)| {
            let mut parts = vec!["confusion".to_owned()];
            parts.extend(kind.map(str::to_owned));
            parts.extend([name(answers_of, answer), name(answers_of, predicted)]);
            Metric::count(names::joined(&parts), questions)
        });
        counts.collect()
    };
    let mut metrics = of(None, &answers.all());
    metrics.extend(answers.kinds().flat_map(|(kind, confusion)| of(Some(kind), confusion)));
    metrics
}

fn answer(clip: &RecordBatch) -> Result<i32, String> {
    let answer = schema::int64(clip, "answer")?.value(0);
    i32::try_from(answer).map_err(|_| format!("{answer} is no class"))
}

fn text<'a>(clip: &'a Message, column: &str) -> Result<&'a str, String> {
    Ok(schema::utf8(&clip.batch, column)?.value(0))
}

impl TaskKind for Avqa {
    type Settings = AvqaSettings;
    const NAME: &'static str = "question answering";
    const CLIPS: Schema = Schema::QuestionClips;

    fn check(settings: &AvqaSettings) -> Result<(), (String, String)> {
        let weights = [("ANSWER", settings.answer), ("MATCH", settings.matching)];
        match weights.into_iter().find(|(_, weight)| !(*weight >= 0.0 && weight.is_finite())) {
            Some((key, _)) => Err((key.to_owned(), "a weight is not negative".to_owned())),
            None => Ok(()),
        }
    }

    fn new(settings: &AvqaSettings) -> Self {
        Self { weights: Weights { answer: settings.answer, matching: settings.matching }, pass: None }
    }
}

impl Task for Avqa {
    fn predictions(&self) -> &'static [Schema] {
        &[Schema::AnswerPredictions]
    }

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
        let loss = answer_loss(logits.values, &targets, classes, positive.values, negative.values, self.weights)?;
        let predicted = argmax(logits.values, classes);
        let pass = match &mut self.pass {
            Some(pass) => pass,
            none => none.insert(Pass { answers: Answers::new(classes), matched: (0, 0), names: names_of(clips)? }),
        };
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
            joint: 0.0,
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
        let Some(Pass { answers, matched: (right, matches), names: answers_of }) = self.pass.take() else {
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
            metrics.extend(
                shares.into_iter().map(|(name, share)| Metric::percent(names::joined(&["accuracy", &name]), share)),
            );
            metrics.extend(confusions(&answers, &answers_of));
        }
        let picked_by = if self.weights.answer > 0.0 { Some(accuracy) } else { matched };
        PassMetrics { metrics, told, picked_by }
    }

    fn state(&self) -> serde_yaml::Result<Value> {
        serde_yaml::to_value(&self.pass)
    }

    fn restore(&mut self, state: Value) -> serde_yaml::Result<()> {
        self.pass = serde_yaml::from_value(state)?;
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
        let names = names_of(clips)?;
        let right = clips.iter().map(|clip| Ok(name(&names, answer(&clip.batch)? as usize)));
        let right = right.collect::<Result<Vec<_>, String>>()?;
        BatchBuilder::new(Schema::Answers)
            .utf8(clips.iter().map(|clip| &clip.header.clip))
            .int64(positions.iter().map(|position| *position as i64))
            .utf8(column("video")?)
            .utf8(column("kind")?)
            .utf8(column("question")?)
            .utf8(right)
            .utf8(predicted.iter().map(|answer| name(&names, *answer)))
            .float64(logits.values.chunks_exact(classes.max(1)).zip(&predicted).map(probability))
            .build()
            .map(Some)
    }
}
