//! The node's loop: predictions meet their targets, gradients go back, rows go to the report.

use std::collections::VecDeque;

use arrow::datatypes::Float32Type;
use copl_contract::events::{Event, ProgressMeter};
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::settings::Settings;
use copl_contract::{EdgeSpec, Edges, ExitCode, Header, Kind, Message, Node, NodeError, NodeSpec, Split, tensor};

use crate::accuracy::{Confusion, argmax};
use crate::ave::{TaskLoss, consistency};
use crate::clips::Targets;
use crate::report::{self, Metric, Sample};

copl_contract::settings! {
    /// Settings of `loss-metrics`.
    pub struct LossMetricsSettings {
        "LOSS" loss: TaskLoss = "cross-entropy", "Task loss: cross entropy over the classes and the background, or binary cross entropy of the softmax, as the compared codebases have it.";
        "CONSISTENCY" consistency: f64 = "0.005", "Weight lambda of the consistency loss L_con (equation 11); 0 leaves it out.";
    }
}

/// The node.
#[derive(Debug)]
pub struct LossMetrics;

impl Node for LossMetrics {
    type Settings = LossMetricsSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "loss-metrics",
            about: "loss, its gradients sent back to the model, and metrics; picks the model on the validation split",
            settings: LossMetricsSettings::specs(),
            inputs: vec![
                EdgeSpec::required("clips", &[Schema::Clips], "the clips with their targets"),
                EdgeSpec::required(
                    "predictions",
                    &[Schema::Predictions],
                    "what the model says of each batch; tombstones of clips that were not decoded",
                ),
            ],
            outputs: vec![
                EdgeSpec::required(
                    "gradients",
                    &[Schema::Gradients, Schema::Verdict],
                    "the loss's gradient for each training batch; a verdict after each validation pass",
                ),
                EdgeSpec::optional(
                    "report",
                    copl_contract::spec::REPORT_TABLES,
                    "a `samples` row for every clip, `metrics`, `quarantine`, `nodes`",
                ),
            ],
            check: |env| {
                let settings = LossMetricsSettings::from_env(env)?;
                if settings.consistency >= 0.0 {
                    Ok(())
                } else {
                    Err(("CONSISTENCY".to_owned(), "a weight is not negative".to_owned()))
                }
            },
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let mut node = Running {
            settings,
            targets: Targets::default(),
            pass: Pass::default(),
            best: None,
            step: 0,
            progress: ProgressMeter::default(),
        };
        let mut waiting: VecDeque<Message> = VecDeque::new();
        while let Some(message) = edges.recv()? {
            match (message.input.as_str(), message.header.kind) {
                ("clips", Kind::Data) => node.targets.add(&message)?,
                ("clips", _) => {}
                _ => waiting.push_back(message),
            }
            // A prediction may overtake its target: the two come on different edges.
            while let Some(head) = waiting.front() {
                if !node.targets.have(&positions(head)?) {
                    break;
                }
                if let Some(message) = waiting.pop_front() {
                    node.take(edges, &message)?;
                }
            }
        }
        match waiting.len() {
            0 => Ok(()),
            n => Err(NodeError::contract("predictions", format!("{n} predictions have no target"))),
        }
    }
}

fn positions(message: &Message) -> Result<Vec<u64>, NodeError> {
    Ok(match message.header.kind {
        Kind::Data => {
            let column =
                schema::int64(&message.batch, "position").map_err(|e| NodeError::contract("predictions", e))?;
            column.values().iter().map(|p| *p as u64).collect()
        }
        Kind::Tombstone => vec![message.header.position],
        Kind::Boundary | Kind::End => Vec::new(),
    })
}

/// What a pass over a split has seen so far.
#[derive(Default)]
struct Pass {
    confusion: Option<Confusion>,
    loss: f64,
    consistency: f64,
    clips: u64,
    quarantined: u64,
}

struct Running {
    settings: LossMetricsSettings,
    targets: Targets,
    pass: Pass,
    best: Option<f64>,
    step: u64,
    progress: ProgressMeter,
}

impl Running {
    fn take(&mut self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
        match message.header.kind {
            Kind::Data => self.batch(edges, message),
            Kind::Tombstone => self.tombstone(edges, message),
            Kind::Boundary => self.end_of_pass(edges, &message.header),
            Kind::End => Ok(()),
        }
    }

    fn batch(&mut self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
        let broken = |e: String| NodeError::contract("predictions", e);
        let (header, batch) = (&message.header, &message.batch);
        let logits = tensor::view::<Float32Type>(batch, "logits").map_err(broken)?;
        let visual = tensor::view::<Float32Type>(batch, "visual_features").map_err(broken)?;
        let audio = tensor::view::<Float32Type>(batch, "audio_features").map_err(broken)?;
        let [segments, classes] = logits.shape[..] else {
            return Err(broken(format!("logits of shape {:?}, expected [T, classes]", logits.shape)));
        };
        let positions = positions(message)?;
        let targets = positions.iter().map(|p| self.targets.take(*p)).collect::<Result<Vec<_>, _>>()?;
        let labels: Vec<i32> = targets.iter().flat_map(|t| t.labels.iter().copied()).collect();
        if labels.len() != segments * targets.len() {
            return Err(broken(format!(
                "predictions of {segments} segments for clips of {}",
                labels.len() / targets.len().max(1)
            )));
        }
        let loss = self.settings.loss.evaluate(logits.values, &labels, classes).map_err(broken)?;
        let weight = self.settings.consistency;
        let (con, d_visual, d_audio) = consistency(visual.values, audio.values, weight).map_err(broken)?;
        let task = loss.by_segment.iter().sum::<f64>() / labels.len().max(1) as f64;
        let total = task + weight * con;
        if !total.is_finite() || loss.gradient.iter().chain(&d_visual).any(|g| !g.is_finite()) {
            let clips: Vec<&str> = targets.iter().map(|t| t.clip.as_str()).collect();
            return Err(NodeError::failed(
                ExitCode::NotFinite,
                format!(
                    "loss {total} at step {} of epoch {} ({}), clips {}: lower the learning rates",
                    header.step.unwrap_or(0),
                    header.epoch,
                    header.split,
                    clips.join(", ")
                ),
            ));
        }
        let training = header.split == Split::Train;
        if training {
            let rows = targets.len();
            let gradients = BatchBuilder::new(Schema::Gradients)
                .tensor_f32(loss.gradient, rows, &[segments, classes])
                .tensor_f32(d_visual, rows, &visual.shape)
                .tensor_f32(d_audio, rows, &audio.shape)
                .build()
                .map_err(|e| NodeError::contract("gradients", e))?;
            edges.send("gradients", header.with_kind(Kind::Data), gradients)?;
            self.step = header.step.unwrap_or(self.step);
        }
        let predicted = argmax(logits.values, classes);
        let confusion = self.pass.confusion.get_or_insert_with(|| Confusion::new(classes));
        let mut rows = Vec::new();
        let mut right_in_batch = 0;
        for (i, target) in targets.into_iter().enumerate() {
            let span = i * segments..(i + 1) * segments;
            let prediction: Vec<i32> = predicted[span.clone()].iter().map(|p| *p as i32).collect();
            let right = prediction.iter().zip(&target.labels).filter(|(p, l)| p == l).count();
            for (p, l) in predicted[span.clone()].iter().zip(&target.labels) {
                confusion.add(*l as usize, *p);
            }
            right_in_batch += right;
            let clip_loss = loss.by_segment[span].iter().sum::<f64>() / segments.max(1) as f64;
            self.pass.clips += 1;
            self.pass.loss += clip_loss;
            self.pass.consistency += con;
            self.progress.clip(header.epoch, header.split);
            rows.push(Sample {
                position: positions[i],
                target,
                status: if training { "trained" } else { "evaluated" },
                prediction,
                score: right as f64 / segments.max(1) as f64,
                loss: clip_loss,
            });
        }
        if training {
            let share = right_in_batch as f64 / labels.len().max(1) as f64;
            let metrics = [
                Metric::loss("step/loss", total, "nats"),
                Metric::loss("step/task_loss", task, "nats"),
                Metric::loss("step/consistency", con, "squared units"),
                Metric::percent("step/accuracy", share),
            ];
            self.tell(header, false, &metrics[..1]);
            self.report(edges, header, report::metrics(self.step, &metrics))?;
        }
        self.report(edges, header, report::samples(&rows))
    }

    fn tombstone(&mut self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
        let header = &message.header;
        let broken = |e: String| NodeError::contract("predictions", e);
        let text = |name: &str| schema::utf8(&message.batch, name).map(|c| c.value(0).to_owned()).map_err(broken);
        Event::Quarantined {
            clip: text("clip")?,
            path: text("path")?,
            stage: text("stage")?,
            reason: text("reason")?,
            detail: text("detail")?,
        }
        .emit();
        let target = self.targets.take(header.position)?;
        self.pass.quarantined += 1;
        self.progress.clip(header.epoch, header.split);
        let row = Sample {
            position: header.position,
            target,
            status: "quarantined",
            prediction: Vec::new(),
            score: f64::NAN,
            loss: f64::NAN,
        };
        self.report(edges, header, Ok((Schema::Quarantine, message.batch.clone())))?;
        self.report(edges, header, report::samples(&[row]))
    }

    fn end_of_pass(&mut self, edges: &mut Edges, header: &Header) -> Result<(), NodeError> {
        self.progress.flush();
        let pass = std::mem::take(&mut self.pass);
        let clips = pass.clips.max(1) as f64;
        let mut metrics =
            vec![Metric::count("clips", pass.clips), Metric::count("clips_quarantined", pass.quarantined)];
        let accuracy = pass.confusion.as_ref().and_then(Confusion::accuracy);
        if let (Some(confusion), Some(accuracy)) = (&pass.confusion, accuracy) {
            metrics.extend([
                Metric::loss("loss", pass.loss / clips + self.settings.consistency * pass.consistency / clips, "nats"),
                Metric::loss("task_loss", pass.loss / clips, "nats"),
                Metric::loss("consistency", pass.consistency / clips, "squared units"),
                Metric::percent("accuracy", accuracy),
                Metric::percent("majority", confusion.majority().unwrap_or(0.0)),
                Metric::count("segments", confusion.total()),
            ]);
            self.by_class(confusion, header.split, &mut metrics);
            self.tell(header, true, &[metrics[2].clone(), metrics[5].clone(), metrics[6].clone()]);
        }
        self.report(edges, header, report::metrics(self.step, &metrics))?;
        edges.report_pass(header.epoch, header.split)?;
        if header.split == Split::Val {
            let value = accuracy.unwrap_or(0.0);
            let best = accuracy.is_some() && self.best.is_none_or(|b| value > b);
            if best {
                self.best = Some(value);
            }
            let verdict = BatchBuilder::new(Schema::Verdict)
                .utf8(["accuracy"])
                .float64([100.0 * value])
                .int64([i64::from(best)])
                .build();
            let verdict = verdict.map_err(|e| NodeError::contract("gradients", e))?;
            edges.send("gradients", header.with_kind(Kind::Data), verdict)?;
        }
        Ok(())
    }

    fn by_class(&self, confusion: &Confusion, split: Split, metrics: &mut Vec<Metric>) {
        if split == Split::Train {
            return;
        }
        let classes = confusion.classes();
        for class in 0..classes {
            if let Some(share) = confusion.class_accuracy(class) {
                metrics.push(Metric::percent(format!("accuracy/{}", self.targets.class_name(class, classes)), share));
            }
        }
        for (target, predicted, segments) in confusion.cells() {
            let name = |c| self.targets.class_name(c, classes);
            metrics.push(Metric::count(format!("confusion/{}/{}", name(target), name(predicted)), segments));
        }
    }

    fn tell(&self, header: &Header, whole: bool, metrics: &[Metric]) {
        let values = metrics.iter().map(|m| (m.name.clone(), m.value)).collect();
        Event::Metrics { epoch: header.epoch, split: header.split.to_string(), whole, values }.emit();
    }

    fn report(
        &self,
        edges: &mut Edges,
        header: &Header,
        rows: Result<(Schema, arrow::array::RecordBatch), String>,
    ) -> Result<(), NodeError> {
        let rows = rows.map_err(|e| NodeError::contract("report", e))?;
        if !edges.has_output("report") {
            return Ok(());
        }
        edges.send("report", header.with_kind(Kind::Data), rows)
    }
}
