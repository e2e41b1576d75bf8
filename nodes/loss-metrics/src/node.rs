//! The node's loop: predictions meet their targets, gradients go back, rows go to the report.

use std::collections::VecDeque;
use std::path::Path;

use arrow::datatypes::Float32Type;
use copl_contract::checkpoint::{self, Mark};
use copl_contract::events::{Event, ProgressMeter};
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::settings::Settings;
use copl_contract::{EdgeSpec, Edges, ExitCode, Header, Kind, Message, Node, NodeError, NodeSpec, Split, tensor};

use serde::{Deserialize, Serialize};

use crate::ave::loss::TaskLoss;
use crate::clips::{Arrived, Waiting};
use crate::consistency::consistency;
use crate::report::{self, Metric, Sample};
use crate::task::{self, Judged, JudgedClip, Task};

copl_contract::settings! {
    /// Settings of `loss-metrics`.
    pub struct LossMetricsSettings {
        "LOSS" loss: TaskLoss = "cross-entropy", "Loss of event localisation: cross entropy over the classes and the background, or binary cross entropy of the softmax, as the compared codebases have it.";
        "CONSISTENCY" consistency: f64 = "0.005", "Weight lambda of the consistency loss L_con (equation 11); 0 leaves it out.";
        "ANSWER" answer: f64 = "1", "Of question answering: weight of the answers' cross entropy; 0 for grounding pretraining, where the match alone is learned and picks the model.";
        "MATCH" matching: f64 = "0.5", "Of question answering: weight of the cross entropy of matches between sounds and frames; the official code has 0.5.";
        "METRIC_CLIPS" metric_clips: usize = "1", "Of segmentation: clips over whose frames mIoU and F-score are taken together before the mean over all such groups; 1 as the official test script (DG-SCT takes 4, and the F-score depends on it).";
        "SHOW_CLIPS" show_clips: usize = "8", "Of segmentation: clips of the test split whose masks are written as pictures.";
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
                EdgeSpec::required(
                    "clips",
                    copl_contract::spec::CLIPS,
                    "the clips with their targets, which decide the task",
                ),
                EdgeSpec::required(
                    "predictions",
                    copl_contract::spec::PREDICTIONS,
                    "what the model says of each batch; tombstones of clips that were not decoded",
                ),
                EdgeSpec::optional("frames", &[Schema::Frames], "the frames, to show masks over them in the report"),
            ],
            outputs: vec![
                EdgeSpec::required(
                    "gradients",
                    copl_contract::spec::ANSWERS,
                    "the loss's gradient for each training batch; a verdict after each validation pass",
                ),
                EdgeSpec::required(
                    "report",
                    copl_contract::spec::REPORT_TABLES,
                    "a `samples` row for every clip, `metrics`, `quarantine`, `nodes`, `masks`, `answers`",
                )
                // Of a batch of one clip its sample, and its metrics, answers, masks or quarantine before that; of a pass
                // its metrics, the node's own time, the boundary, a checkpoint.
                .messages(2, 4),
            ],
            check: |env| {
                let settings = LossMetricsSettings::from_env(env)?;
                let wrong = |key: &str, problem: &str| Err((key.to_owned(), problem.to_owned()));
                let weights = [("ANSWER", settings.answer), ("MATCH", settings.matching)];
                if let Some((key, _)) = weights.into_iter().find(|(_, weight)| !(*weight >= 0.0 && weight.is_finite()))
                {
                    return wrong(key, "a weight is not negative");
                }
                match (settings.consistency >= 0.0, settings.metric_clips) {
                    (false, _) => wrong("CONSISTENCY", "a weight is not negative"),
                    (_, 0) => wrong("METRIC_CLIPS", "at least one clip is needed"),
                    _ => Ok(()),
                }
            },
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let reads_frames = edges.input_names().any(|name| name == "frames");
        let mut node = Running {
            settings,
            task: None,
            clips: Waiting::new(reads_frames),
            pass: Pass::default(),
            best: None,
            step: 0,
            shown: 0,
            progress: edges.progress(),
        };
        if let Some(resume) = &edges.place().resume {
            node.restore(&resume.checkpoint)?;
        }
        let mut waiting: VecDeque<Message> = VecDeque::new();
        while let Some(message) = edges.recv()? {
            match message.input.as_str() {
                "clips" | "frames" => node.clips.add(message),
                _ => waiting.push_back(message),
            }
            // A prediction may overtake its target: the two come on different edges.
            while let Some(head) = waiting.front() {
                if !node.clips.have(&positions(head)?) {
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
        Kind::Data | Kind::Repeat => {
            let column =
                schema::int64(&message.batch, "position").map_err(|e| NodeError::contract("predictions", e))?;
            column.values().iter().map(|p| *p as u64).collect()
        }
        Kind::Tombstone => vec![message.header.position],
        Kind::Boundary | Kind::Checkpoint | Kind::End => Vec::new(),
    })
}

/// What a pass over a split has seen so far, beside the task's own metrics.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Pass {
    loss: f64,
    consistency: f64,
    clips: u64,
    quarantined: u64,
}

/// The node's part of a checkpoint.
#[derive(Serialize, Deserialize)]
struct State {
    pass: Pass,
    best: Option<f64>,
    step: u64,
    shown: usize,
    /// Schema of the clips, and what their task has counted.
    task: Option<(String, serde_yaml::Value)>,
}

/// Name of its file.
const STATE: &str = "loss.yml";

struct Running {
    settings: LossMetricsSettings,
    /// Known from the first clip on, with the schema of its clips.
    task: Option<(Schema, Box<dyn Task>)>,
    clips: Waiting,
    pass: Pass,
    best: Option<f64>,
    step: u64,
    shown: usize,
    progress: ProgressMeter,
}

impl Running {
    fn take(&mut self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
        match message.header.kind {
            Kind::Data | Kind::Repeat => self.batch(edges, message),
            Kind::Tombstone => self.tombstone(edges, message),
            Kind::Boundary => self.end_of_pass(edges, &message.header),
            Kind::Checkpoint => self.checkpoint(edges, message),
            Kind::End => Ok(()),
        }
    }

    /// Everything before this message is judged: keeps that, and passes the message on behind the rows.
    fn checkpoint(&self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
        let failed = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::NodeFailed, e);
        let mut mark = Mark::read(&message.batch).map_err(|e| NodeError::contract("predictions", e))?;
        let task = self.task.as_ref().map(|(schema, task)| Ok((schema.name().to_owned(), task.state()?)));
        let state = State {
            pass: self.pass.clone(),
            best: self.best,
            step: self.step,
            shown: self.shown,
            task: task.transpose().map_err(|e: serde_yaml::Error| failed(&e))?,
        };
        let folder = checkpoint::partial(&edges.place().run_dir, &mark.name).map_err(|e| failed(&e))?;
        checkpoint::write_part(&folder, STATE, &state).map_err(|e| failed(&e))?;
        mark.parts.push(STATE.to_owned());
        self.report(edges, &message.header.with_kind(Kind::Checkpoint), mark.rows())
    }

    /// Goes on from a checkpoint.
    fn restore(&mut self, folder: &Path) -> Result<(), NodeError> {
        let missing = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::Missing, e);
        let state: State = checkpoint::read_part(folder, STATE).map_err(|e| missing(&e))?;
        if let Some((schema, counted)) = state.task {
            let schema = Schema::by_name(&schema).ok_or_else(|| missing(&format!("{STATE}: no schema `{schema}`")))?;
            let mut task = task::task(schema, &self.settings).map_err(|e| missing(&e))?;
            task.restore(counted).map_err(|e| missing(&format!("{}: {e}", folder.join(STATE).display())))?;
            self.task = Some((schema, task));
        }
        (self.pass, self.best, self.step, self.shown) = (state.pass, state.best, state.step, state.shown);
        Ok(())
    }

    /// The task of a clip, which is that of all clips.
    fn task(&mut self, clip: &Message) -> Result<&mut dyn Task, NodeError> {
        let broken = |e: String| NodeError::contract("clips", e);
        let schema = clip.header.schema.ok_or_else(|| broken("a clip without a schema".to_owned()))?;
        let (known, task) = match self.task.take() {
            Some(known) => self.task.insert(known),
            None => self.task.insert((schema, task::task(schema, &self.settings).map_err(broken)?)),
        };
        if *known != schema {
            return Err(broken(format!("a clip of `{}` among those of `{}`", schema.name(), known.name())));
        }
        Ok(task.as_mut())
    }

    fn batch(&mut self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
        let broken = |e: String| NodeError::contract("predictions", e);
        let (header, batch) = (&message.header, &message.batch);
        let positions = positions(message)?;
        let arrived = positions.iter().map(|p| self.clips.take(*p)).collect::<Result<Vec<_>, _>>()?;
        let (clips, frames): (Vec<Message>, Vec<Option<Message>>) =
            arrived.into_iter().map(|Arrived { clip, frames }| (clip, frames)).unzip();
        let Some(first) = clips.first() else { return Err(broken("predictions of no clip".to_owned())) };
        let task = self.task(first)?;
        let Judged { loss: task_loss, gradients, clips: judged, step } = task.judge(batch, &clips).map_err(broken)?;
        let gradient_schema = task.gradients();
        let visual = tensor::view::<Float32Type>(batch, "visual_features").map_err(broken)?;
        let audio = tensor::view::<Float32Type>(batch, "audio_features").map_err(broken)?;
        let weight = self.settings.consistency;
        let (con, d_visual, d_audio) = consistency(visual.values, audio.values, weight).map_err(broken)?;
        let total = task_loss + weight * con;
        let mut slopes = gradients.iter().flat_map(|(values, _)| values).chain(&d_visual);
        if !total.is_finite() || slopes.any(|g| !g.is_finite()) {
            let names: Vec<&str> = clips.iter().map(|clip| clip.header.clip.as_str()).collect();
            return Err(NodeError::failed(
                ExitCode::NotFinite,
                format!(
                    "loss {total} at step {} of epoch {} ({}), clips {}: lower the learning rates",
                    header.step.unwrap_or(0),
                    header.epoch,
                    header.split,
                    names.join(", ")
                ),
            ));
        }
        let training = header.split == Split::Train;
        if training {
            let rows = clips.len();
            let head = gradients
                .into_iter()
                .fold(BatchBuilder::new(gradient_schema), |row, (values, shape)| row.tensor_f32(values, rows, &shape));
            let gradients = head
                .tensor_f32(d_visual, rows, &visual.shape)
                .tensor_f32(d_audio, rows, &audio.shape)
                .build()
                .map_err(|e| NodeError::contract("gradients", e))?;
            edges.send("gradients", header.with_kind(Kind::Data), gradients)?;
            self.step = header.step.unwrap_or(self.step);
        }
        let mut rows = Vec::with_capacity(clips.len());
        for ((judged, clip), position) in judged.into_iter().zip(&clips).zip(&positions) {
            self.pass.clips += 1;
            self.pass.loss += judged.loss;
            self.pass.consistency += con;
            self.progress.clip(header.epoch, header.split);
            let status = if training { "trained" } else { "evaluated" };
            rows.push(Sample { clip: clip.header.clip.clone(), position: *position, status, judged });
        }
        if training {
            let mut metrics = vec![
                Metric::loss("step/loss", total, "nats"),
                Metric::loss("step/task_loss", task_loss, "nats"),
                Metric::loss("step/consistency", con, "squared units"),
            ];
            metrics.extend(step);
            self.tell(header, false, &metrics[..1]);
            self.report(edges, header, report::metrics(self.step, &metrics, None))?;
        }
        if !training {
            let answers = self.task(&clips[0])?.rows(batch, &clips, &positions);
            if let Some(rows) = answers.map_err(|e| NodeError::contract("predictions", e))? {
                self.report(edges, header, Ok(rows))?;
            }
        }
        if header.split == Split::Test {
            self.show(edges, message, &clips, &frames)?;
        }
        self.report(edges, header, report::samples(&rows))
    }

    /// Pictures of the first clips of the test split, where the task has such.
    fn show(
        &mut self,
        edges: &mut Edges,
        message: &Message,
        clips: &[Message],
        frames: &[Option<Message>],
    ) -> Result<(), NodeError> {
        for (row, (clip, frames)) in clips.iter().zip(frames).enumerate() {
            if self.shown == self.settings.show_clips {
                return Ok(());
            }
            let pictures = self.task(clip)?.pictures(&message.batch, row, clip, frames.as_ref());
            if let Some(pictures) = pictures.map_err(|e| NodeError::contract("predictions", e))? {
                self.shown += 1;
                self.report(edges, &message.header, Ok(pictures))?;
            }
        }
        Ok(())
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
        let Arrived { clip, .. } = self.clips.take(header.position)?;
        let target = match clip.header.kind {
            Kind::Data => self.task(&clip)?.target(&clip.batch).map_err(|e| NodeError::contract("clips", e))?,
            _ => Vec::new(),
        };
        self.pass.quarantined += 1;
        self.progress.clip(header.epoch, header.split);
        let judged = JudgedClip { prediction: Vec::new(), target, score: f64::NAN, loss: f64::NAN };
        let (clip, position) = (clip.header.clip, header.position);
        self.report(edges, header, Ok((Schema::Quarantine, message.batch.clone())))?;
        self.report(edges, header, report::samples(&[Sample { clip, position, status: "quarantined", judged }]))
    }

    fn end_of_pass(&mut self, edges: &mut Edges, header: &Header) -> Result<(), NodeError> {
        self.progress.flush();
        let pass = std::mem::take(&mut self.pass);
        let clips = pass.clips.max(1) as f64;
        let mut metrics =
            vec![Metric::count("clips", pass.clips), Metric::count("clips_quarantined", pass.quarantined)];
        let ended = self.task.as_mut().map(|(_, task)| (task.metric(), task.end_of_pass(header.split)));
        let picks = ended.as_ref().map(|(metric, _)| *metric);
        let of_task = ended.map(|(_, of_task)| of_task).unwrap_or_default();
        if pass.clips > 0 {
            metrics.extend([
                Metric::loss("loss", pass.loss / clips + self.settings.consistency * pass.consistency / clips, "nats"),
                Metric::loss("task_loss", pass.loss / clips, "nats"),
                Metric::loss("consistency", pass.consistency / clips, "squared units"),
            ]);
            let told = of_task.metrics.iter().take(of_task.told).cloned();
            let told: Vec<Metric> = std::iter::once(metrics[2].clone()).chain(told).collect();
            metrics.extend(of_task.metrics);
            self.tell(header, true, &told);
        }
        self.report(edges, header, report::metrics(self.step, &metrics, picks))?;
        edges.report_pass(header.epoch, header.split)?;
        if header.split == Split::Val {
            let value = of_task.picked_by.unwrap_or(0.0);
            let best = of_task.picked_by.is_some() && self.best.is_none_or(|b| value > b);
            if best {
                self.best = Some(value);
            }
            let verdict = BatchBuilder::new(Schema::Verdict)
                .utf8([picks.unwrap_or("none")])
                .float64([100.0 * value])
                .int64([i64::from(best)])
                .build();
            let verdict = verdict.map_err(|e| NodeError::contract("gradients", e))?;
            edges.send("gradients", header.with_kind(Kind::Data), verdict)?;
        }
        Ok(())
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
        let kind = if header.kind == Kind::Checkpoint { Kind::Checkpoint } else { Kind::Data };
        edges.send("report", header.with_kind(kind), rows)
    }
}
