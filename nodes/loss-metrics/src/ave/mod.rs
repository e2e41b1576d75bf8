//! Event localisation: segment accuracy, by class and in a table of confusion.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Float32Type, Int32Type};
use copl_contract::schema::{self, Schema};
use copl_contract::{Message, Split, names, tensor};
use serde_yaml::Value;

use crate::classification::TaskLoss;
use crate::confusion::{Confusion, argmax};
use crate::judged::{Judged, JudgedClip, PassMetrics};
use crate::metric::Metric;
use crate::task::{Task, TaskKind};

copl_contract::settings! {
    /// Settings of event localisation.
    pub struct AveSettings {
        "LOSS" loss: TaskLoss = "cross-entropy", "Of event localisation: cross entropy over the classes and the background, or binary cross entropy of the softmax, as the compared codebases have it.";
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct Ave {
    loss: TaskLoss,
    confusion: Option<Confusion>,
    /// Names of the classes seen so far.
    names: BTreeMap<usize, String>,
}

impl Ave {
    fn learn_name(&mut self, clip: &RecordBatch) -> Result<(), String> {
        let category = schema::int64(clip, "category")?.value(0);
        let name = schema::utf8(clip, "category_name")?.value(0);
        if let (Ok(category), false) = (usize::try_from(category), name.is_empty()) {
            self.names.entry(category).or_insert_with(|| name.to_owned());
        }
        Ok(())
    }

    /// Name of a class; the last one of `classes` is the background.
    fn class_name(&self, class: usize, classes: usize) -> String {
        match self.names.get(&class) {
            Some(name) => name.clone(),
            None if class + 1 == classes => "background".to_owned(),
            None => format!("class {class}"),
        }
    }

    fn by_class(&self, confusion: &Confusion, metrics: &mut Vec<Metric>) {
        let classes = confusion.classes();
        for class in 0..classes {
            if let Some(share) = confusion.class_accuracy(class) {
                metrics.push(Metric::percent(names::joined(&["accuracy", &self.class_name(class, classes)]), share));
            }
        }
        for (target, predicted, segments) in confusion.cells() {
            let name = |c| self.class_name(c, classes);
            metrics.push(Metric::count(names::joined(&["confusion", &name(target), &name(predicted)]), segments));
        }
    }
}

impl TaskKind for Ave {
    type Settings = AveSettings;
    const NAME: &'static str = "event localisation";
    const CLIPS: Schema = Schema::Clips;

    fn check(_settings: &AveSettings) -> Result<(), (String, String)> {
        Ok(())
    }

    fn new(settings: &AveSettings) -> Self {
        Self { loss: settings.loss, confusion: None, names: BTreeMap::new() }
    }
}

impl Task for Ave {
    fn predictions(&self) -> &'static [Schema] {
        &[Schema::Predictions]
    }

    fn gradients(&self) -> Schema {
        Schema::Gradients
    }

    fn metric(&self) -> &'static str {
        "accuracy"
    }

    fn target(&self, clip: &RecordBatch) -> Result<Vec<i32>, String> {
        Ok(tensor::view::<Int32Type>(clip, "labels")?.values.to_vec())
    }

    fn judge(&mut self, predictions: &RecordBatch, clips: &[Message]) -> Result<Judged, String> {
        let logits = tensor::view::<Float32Type>(predictions, "logits")?;
        let [segments, classes] = logits.shape[..] else {
            return Err(format!("logits of shape {:?}, expected [T, classes]", logits.shape));
        };
        let targets = clips.iter().map(|clip| self.target(&clip.batch)).collect::<Result<Vec<_>, _>>()?;
        clips.iter().try_for_each(|clip| self.learn_name(&clip.batch))?;
        let labels: Vec<i32> = targets.iter().flatten().copied().collect();
        if labels.len() != segments * targets.len() {
            return Err(format!(
                "predictions of {segments} segments for clips of {}",
                labels.len() / targets.len().max(1)
            ));
        }
        let loss = self.loss.evaluate(logits.values, &labels, classes)?;
        let task = loss.by_segment.iter().sum::<f64>() / labels.len().max(1) as f64;
        let predicted = argmax(logits.values, classes);
        let confusion = self.confusion.get_or_insert_with(|| Confusion::new(classes));
        let mut judged = Vec::with_capacity(targets.len());
        let mut right_in_batch = 0;
        for (i, target) in targets.into_iter().enumerate() {
            let span = i * segments..(i + 1) * segments;
            let prediction: Vec<i32> = predicted[span.clone()].iter().map(|p| *p as i32).collect();
            let right = prediction.iter().zip(&target).filter(|(p, l)| p == l).count();
            for (p, l) in predicted[span.clone()].iter().zip(&target) {
                confusion.add(*l as usize, *p);
            }
            right_in_batch += right;
            judged.push(JudgedClip {
                prediction,
                target,
                score: right as f64 / segments.max(1) as f64,
                loss: loss.by_segment[span].iter().sum::<f64>() / segments.max(1) as f64,
            });
        }
        let share = right_in_batch as f64 / labels.len().max(1) as f64;
        Ok(Judged {
            loss: task,
            joint: 0.0,
            gradients: vec![(loss.gradient, vec![segments, classes])],
            clips: judged,
            step: vec![Metric::percent("step/accuracy", share)],
        })
    }

    fn end_of_pass(&mut self, split: Split) -> PassMetrics {
        let Some(confusion) = self.confusion.take() else { return PassMetrics::default() };
        let Some(accuracy) = confusion.accuracy() else { return PassMetrics::default() };
        let mut metrics = vec![
            Metric::percent("accuracy", accuracy),
            Metric::percent("majority", confusion.majority().unwrap_or(0.0)),
            Metric::count("segments", confusion.total()),
        ];
        if split != Split::Train {
            self.by_class(&confusion, &mut metrics);
        }
        PassMetrics { metrics, told: 2, picked_by: Some(accuracy) }
    }

    fn state(&self) -> serde_yaml::Result<Value> {
        serde_yaml::to_value((&self.confusion, &self.names))
    }

    fn restore(&mut self, state: Value) -> serde_yaml::Result<()> {
        (self.confusion, self.names) = serde_yaml::from_value(state)?;
        Ok(())
    }
}
