//! The node at work: batches are judged, gradients go back, rows go to the report.

use std::path::Path;

use arrow::datatypes::Float32Type;
use copl_contract::checkpoint::{self, Mark};
use copl_contract::events::{Event, ProgressMeter};
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Edges, ExitCode, Header, Kind, Message, NodeError, Split, tensor};
use serde::{Deserialize, Serialize};

use crate::clips::{Arrived, Waiting};
use crate::consistency::consistency;
use crate::judged::{Judged, JudgedClip};
use crate::metric::Metric;
use crate::registry::{Refused, TaskSettings};
use crate::report::{self, Sample};
use crate::task::Task;

/// Places in the run of the clips a message is about.
pub(crate) fn positions(message: &Message) -> Result<Vec<u64>, NodeError> {
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

pub(crate) struct Running {
    /// Weight of the consistency loss.
    consistency: f64,
    settings: TaskSettings,
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
    /// At the beginning, or where a checkpoint left off.
    pub(crate) fn new(
        consistency: f64,
        settings: TaskSettings,
        reads_frames: bool,
        edges: &Edges,
    ) -> Result<Self, NodeError> {
        let mut node = Self {
            consistency,
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
        Ok(node)
    }

    /// Keeps a clip, or its frames, until it is predicted.
    pub(crate) fn add(&mut self, message: Message) {
        self.clips.add(message);
    }

    /// Whether all that is known of these clips has come.
    pub(crate) fn have(&self, positions: &[u64]) -> bool {
        self.clips.have(positions)
    }

    /// Takes what the model says next, whose clips are there.
    pub(crate) fn take(&mut self, edges: &mut Edges, message: &Message) -> Result<(), NodeError> {
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
            let mut task = self.made(schema, STATE)?;
            task.restore(counted).map_err(|e| missing(&format!("{}: {e}", folder.join(STATE).display())))?;
            self.task = Some((schema, task));
        }
        (self.pass, self.best, self.step, self.shown) = (state.pass, state.best, state.step, state.shown);
        Ok(())
    }

    /// The task of clips with this schema, which came from `origin`.
    fn made(&self, schema: Schema, origin: &str) -> Result<Box<dyn Task>, NodeError> {
        self.settings.task(schema).map_err(|refused| match refused {
            Refused::Clips(schema) => NodeError::contract(origin, format!("there is no loss for `{}`", schema.name())),
            Refused::Setting(key, problem) => NodeError::Setting { key, problem },
        })
    }

    /// The task of a clip, which is that of all clips.
    fn task(&mut self, clip: &Message) -> Result<&mut dyn Task, NodeError> {
        let broken = |e: String| NodeError::contract("clips", e);
        let schema = clip.header.schema.ok_or_else(|| broken("a clip without a schema".to_owned()))?;
        let (known, task) = match self.task.take() {
            Some(known) => self.task.insert(known),
            None => {
                let made = self.made(schema, "clips")?;
                self.task.insert((schema, made))
            }
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
        let due = task.predictions();
        if !header.schema.is_some_and(|schema| due.contains(&schema)) {
            let found = header.schema.map_or("no schema", Schema::name);
            let due = due.iter().map(|schema| schema.name()).collect::<Vec<_>>().join("` or `");
            return Err(broken(format!("`{found}` where `{due}` are due")));
        }
        let Judged { loss: task_loss, joint, gradients, clips: judged, step } =
            task.judge(batch, &clips).map_err(broken)?;
        let gradient_schema = task.gradients();
        let visual = tensor::view::<Float32Type>(batch, "visual_features").map_err(broken)?;
        let audio = tensor::view::<Float32Type>(batch, "audio_features").map_err(broken)?;
        let weight = self.consistency;
        let [widths_v, widths_a] = [&visual.shape, &audio.shape].map(|shape| shape.split_last());
        let (con, d_visual, d_audio) = match (widths_v, widths_a) {
            // Features that nobody aligned (ALIGN false, or nothing adapts them) cannot be compared.
            (Some((v, rest_v)), Some((a, rest_a))) if v != a && rest_v == rest_a => {
                (0.0, vec![0.0; visual.values.len()], vec![0.0; audio.values.len()])
            }
            _ => consistency(visual.values, audio.values, weight).map_err(broken)?,
        };
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
            self.pass.loss += judged.loss + joint;
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
            self.tell(header, false, &metrics[..1], None);
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
            let shown = self.shown;
            let task = self.task(clip)?;
            if shown >= task.pictures_wanted() {
                return Ok(());
            }
            let pictures = task.pictures(&message.batch, row, clip, frames.as_ref());
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
                Metric::loss("loss", pass.loss / clips + self.consistency * pass.consistency / clips, "nats"),
                Metric::loss("task_loss", pass.loss / clips, "nats"),
                Metric::loss("consistency", pass.consistency / clips, "squared units"),
            ]);
            let told = of_task.metrics.iter().take(of_task.told).cloned();
            let told: Vec<Metric> = std::iter::once(metrics[2].clone()).chain(told).collect();
            metrics.extend(of_task.metrics);
            self.tell(header, true, &told, picks);
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

    fn tell(&self, header: &Header, whole: bool, metrics: &[Metric], picks: Option<&str>) {
        let values = metrics.iter().map(|m| (m.name.clone(), m.value)).collect();
        let units = metrics.iter().map(|m| m.unit.to_owned()).collect();
        let (split, picks) = (header.split.to_string(), picks.map(str::to_owned));
        Event::Metrics { epoch: header.epoch, split, whole, values, units, picks }.emit();
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
