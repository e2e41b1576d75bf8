//! The node's loop: steps, validation verdicts, the best parameters, checkpoints.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use copl_contract::checkpoint::{self, Mark};
use copl_contract::events::{Event, ProgressMeter};
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Edges, ExitCode, Header, Kind, Message, NodeError, Split, tensor};
use copl_learning::heads::avqa::QuestionBatch;
use copl_learning::heads::avqa::negatives::NegativePool;
use copl_learning::methods::ClipShape;
use copl_learning::model::{Batch, Graph, Model, OutputGradients, Predictions};
use copl_learning::train::{Adam, checkpoint as adapters};
use copl_networks::device;
use copl_networks::encoders::Modality;
use copl_networks::tensor_file::read_tensors;
use copl_networks::weights::sha256_of_file;

use super::join::{Clip, Join, Joined, frames, segments};
use super::nodes::{EncoderNodes, modality};
use super::questions::{Videos, questions};
use super::resume::{self, RunPlace};
use super::settings::CoplModelSettings;

/// Checkpoints that are left on a machine where nobody completes them.
const CHECKPOINTS_UNDER_WAY: usize = 16;

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::failed(ExitCode::NodeFailed, error)
}

/// Runs the node until its inputs end.
pub(super) fn run(settings: &CoplModelSettings, edges: &mut Edges) -> Result<(), NodeError> {
    edges.state("loading the encoders");
    // Beside an encoder node the arithmetic has a thread of its own.
    let alone = edges.input_names().all(|name| modality(name).is_none());
    device::start_threads(settings.own.threads, alone).map_err(failed)?;
    let choice = device::parse(&settings.own.device).map_err(failed)?;
    let (device, name) = device::open(choice).map_err(|e| NodeError::failed(ExitCode::Missing, e))?;
    let (execution, dtype) = settings.compute(&device).map_err(|e| NodeError::failed(ExitCode::Missing, e))?;
    let asks = edges.input_names().any(|name| name == "questions");
    if asks != settings.head.asks() {
        let task = settings.own.task.name;
        let problem = if asks { "which reads no questions" } else { "which needs questions" };
        return Err(NodeError::contract("questions", format!("the task is {task}, {problem}")));
    }
    let mut join = Join::new(asks);
    let (nodes, [visual, audio]) = EncoderNodes::meet(settings, edges, &mut join, &device)?;
    let model = Model::build_beside(&settings.model(), execution, dtype, &device, (visual, audio))
        .map_err(|e| NodeError::failed(ExitCode::Missing, e))?;
    let table = model.table();
    Event::Device { name: name.clone() }.emit();
    Event::info(format!("{} on {name}", settings.method.word())).emit();
    table.text().lines().for_each(|line| Event::info(line).emit());
    if let Some(path) = &settings.own.adapters {
        edges.state("reading the checkpoint");
        adapters::read_adapters(path, &model).map_err(|e| NodeError::failed(ExitCode::Missing, e))?;
    }
    if let Some((path, prefixes)) = settings.head.start() {
        start_head(&model, path, prefixes)?;
    }
    let adam = Adam::new(settings.adam(), model.parameters()).map_err(failed)?;
    let mut node = Running {
        settings,
        edges,
        model,
        adam,
        device,
        join,
        pool: NegativePool::new(settings.head.negatives().unwrap_or(0), settings.own.seed),
        nodes,
        batch: Vec::new(),
        place: RunPlace::default(),
        kept_at: 0,
        begun: VecDeque::new(),
        best: None,
        progress: ProgressMeter::default(),
    };
    node.restore()?;
    node.report_params()?;
    loop {
        // Clips may have come while encoders were waited for.
        while let Some(joined) = node.join.next()? {
            node.on_joined(joined)?;
        }
        if node.edges.forward_ended() {
            break;
        }
        let Some(message) = node.edges.recv()? else { break };
        if message.input == "gradients" || modality(&message.input).is_some() {
            return Err(NodeError::contract(&message.input, "an answer nobody asked for"));
        }
        node.join.add(message);
    }
    node.keep_unvalidated(None)?;
    if let Some((sent, received)) = node.nodes.bytes_a_step() {
        Event::info(format!("{sent} bytes a training step to encoder nodes, {received} back")).emit();
    }
    Ok(())
}

/// Starts the parameters of these prefixes from a checkpoint; all of them must be there.
fn start_head(model: &Model, path: &Path, prefixes: &[&str]) -> Result<(), NodeError> {
    let missing = |e: copl_networks::Error| NodeError::failed(ExitCode::Missing, e);
    let (stored, _) = read_tensors(path, &Device::Cpu).map_err(missing)?;
    let starts = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let mut all = model.parameters().snapshot().map_err(failed)?;
    let names: Vec<String> = all.keys().filter(|name| starts(name)).cloned().collect();
    for name in &names {
        let problem =
            || copl_networks::Error::BadFile { path: path.to_owned(), reason: format!("it holds no tensor '{name}'") };
        all.insert(name.clone(), stored.get(name).ok_or_else(problem).map_err(missing)?.clone());
    }
    model.parameters().load(&path.display().to_string(), &all).map_err(missing)?;
    Event::info(format!("{} tensors of the head start from {}", names.len(), path.display())).emit();
    Ok(())
}

struct Running<'a> {
    settings: &'a CoplModelSettings,
    edges: &'a mut Edges,
    model: Model,
    adam: Adam,
    device: Device,
    join: Join,
    pool: NegativePool,
    nodes: EncoderNodes,
    batch: Vec<Clip>,
    place: RunPlace,
    /// Step of the last checkpoint.
    kept_at: u64,
    /// Names of the last checkpoints.
    begun: VecDeque<String>,
    best: Option<BTreeMap<String, Tensor>>,
    progress: ProgressMeter,
}

impl Running<'_> {
    /// Schemas of the predictions and of the gradients that answer them.
    fn schemas(&self) -> (Schema, Schema) {
        self.settings.head.schemas(self.settings.own.task)
    }

    /// Goes on from the run's checkpoint, if it has one.
    fn restore(&mut self) -> Result<(), NodeError> {
        let Some(resume) = self.edges.place().resume.clone() else { return Ok(()) };
        self.edges.state("reading the checkpoint");
        let (model, adam, pool) = (&self.model, &mut self.adam, &mut self.pool);
        (self.place, self.best) = resume::restore(&resume.checkpoint, model, adam, pool, &self.device)?;
        self.kept_at = self.place.step;
        self.progress = self.edges.progress();
        Event::info(format!("going on behind step {}", self.place.step)).emit();
        Ok(())
    }

    fn on_joined(&mut self, joined: Joined) -> Result<(), NodeError> {
        self.keep_unvalidated(Some(joined.header().split))?;
        let (header, end_of_pass) = match joined {
            Joined::Clip(clip) => {
                let header = clip.frames.header.clone();
                self.batch.push(*clip);
                if self.batch.len() == self.settings.training.batch {
                    self.step()?;
                }
                (header, false)
            }
            Joined::Tombstone(message) => {
                let header = message.header.clone();
                self.progress.clip(header.epoch, header.split);
                self.edges.send("predictions", message.header, (Schema::Quarantine, message.batch))?;
                (header, false)
            }
            Joined::Boundary(header) => {
                self.end_of_pass(&header)?;
                (header, true)
            }
        };
        self.place.items += 1;
        self.checkpoint_if_due(&header, end_of_pass)
    }

    /// Between two batches, and if it is time: keeps the model's state and begins a checkpoint behind the predictions.
    fn checkpoint_if_due(&mut self, header: &Header, end_of_pass: bool) -> Result<(), NodeError> {
        if !self.batch.is_empty() {
            return Ok(());
        }
        let run_dir = self.edges.place().run_dir.clone();
        let every = self.settings.own.checkpoint_steps;
        let requested = checkpoint::is_requested(&run_dir);
        let steps = every > 0 && self.place.step >= self.kept_at + every;
        if !requested && !steps && (!end_of_pass || header.split == Split::Test) {
            return Ok(());
        }
        self.edges.state("writing a checkpoint");
        let done = if end_of_pass { 0 } else { self.progress.done(header.epoch, header.split) };
        let mark = Mark {
            done,
            checkpoint_rows: self.place.checkpoint_rows,
            requested,
            parts: resume::FILES.map(str::to_owned).into(),
            ..Mark::new(self.place.items, self.place.step)
        };
        let folder = checkpoint::partial(&run_dir, &mark.name).map_err(failed)?;
        let (model, adam, pool, place) = (&self.model, &self.adam, &self.pool, &self.place);
        let state = resume::State { model, adam, best: self.best.as_ref(), pool, place };
        state.write(&folder)?;
        if requested {
            checkpoint::answered(&run_dir).map_err(failed)?;
        }
        self.kept_at = self.place.step;
        self.begun.push_back(mark.name.clone());
        if self.begun.len() > CHECKPOINTS_UNDER_WAY {
            let oldest = self.begun.pop_front().unwrap_or_default();
            // Where the report-writer works it gets its name, however late. On another machine nobody gives it one.
            if !checkpoint::is_claimed(&run_dir) {
                checkpoint::abandon(&run_dir, &oldest).map_err(failed)?;
            }
        }
        let header = Header { clip: String::new(), step: None, ..header.with_kind(Kind::Checkpoint) };
        let rows = mark.rows().map_err(|e| NodeError::contract("predictions", e))?;
        self.edges.send("predictions", header, rows)
    }

    /// One step with the clips of the batch.
    fn step(&mut self) -> Result<(), NodeError> {
        let clips = std::mem::take(&mut self.batch);
        let Some(header) = clips.first().map(|clip| clip.frames.header.clone()) else { return Ok(()) };
        if header.split == Split::Test {
            self.restore_best()?;
        }
        let start = Instant::now();
        let header = Header { clip: String::new(), ..header }.with_step(self.place.step);
        let mut batch = match self.settings.head.asks() {
            true => self.asked(&clips, &header)?,
            false => self.tensors(clips.iter())?,
        };
        batch.step = self.place.step;
        let training = header.split == Split::Train;
        let videos = batch.frames.dim(0).map_err(failed)?;
        let model = &self.model;
        let (predictions, graph) =
            self.nodes.serve(self.edges, &mut self.join, (&header, videos), || match training {
                true => model.forward(&batch).map(|(predictions, graph)| (predictions, Some(graph))),
                false => model.predict(&batch).map(|predictions| (predictions, None)),
            })?;
        let rows = self.prediction_rows(&clips, &predictions)?;
        let others: Vec<&'static str> = predictions.others.iter().map(|(name, _)| *name).collect();
        self.edges.stats().compute(start.elapsed().saturating_sub(self.nodes.waited()));
        self.edges.send("predictions", header.clone(), rows)?;
        if let Some(graph) = graph {
            self.learn(&header, graph, &others)?;
            self.nodes.end_of_step();
            self.place.step += 1;
        }
        for clip in &clips {
            self.progress.clip(clip.frames.header.epoch, clip.frames.header.split);
        }
        Ok(())
    }

    /// A batch of questions: each video once, what is asked of it, and frames of other videos.
    fn asked(&mut self, clips: &[Clip], header: &Header) -> Result<Batch, NodeError> {
        let videos = Videos::of(clips)?;
        let mut batch = self.tensors(videos.first.iter().copied())?;
        let negatives = match self.settings.head.negatives() {
            Some(_) => self.negatives(&videos, &batch.frames, header)?,
            None => None,
        };
        batch.questions = Some(QuestionBatch {
            questions: questions(clips, &self.device)?,
            negatives,
            videos: Tensor::new(videos.of.as_slice(), &self.device).map_err(failed)?,
            before: 0,
        });
        Ok(batch)
    }

    /// Frames of other videos for every question; the `frames` of training videos are kept for later draws.
    fn negatives(
        &mut self,
        videos: &Videos<'_>,
        frames: &Tensor,
        header: &Header,
    ) -> Result<Option<Tensor>, NodeError> {
        let unknown = videos.unknown(&self.pool);
        if header.split == Split::Train && !unknown.is_empty() {
            let (model, pool) = (&self.model, &mut self.pool);
            self.nodes.serve(self.edges, &mut self.join, (header, unknown.len()), || {
                videos.remember(&unknown, pool, model, frames)
            })?;
        }
        videos.negatives(&self.pool, self.settings.own.segments, header.position).map_err(failed)
    }

    /// The batch; images for an encoder node as they came.
    fn tensors<'c>(&self, clips: impl ExactSizeIterator<Item = &'c Clip>) -> Result<Batch, NodeError> {
        let inputs = self.model.inputs();
        let shape = ClipShape { clips: clips.len(), segments: self.settings.own.segments };
        let (mut pictures, mut spectra) = (Vec::new(), Vec::new());
        for clip in clips {
            pictures.extend_from_slice(frames(&clip.frames, shape.segments, inputs.visual)?);
            spectra.extend_from_slice(segments(&clip.spectrogram, shape.segments, inputs.audio)?);
        }
        let [visual, audio] = [Modality::Visual, Modality::Audio].map(|modality| self.nodes.has(modality));
        Batch::from_edges(&pictures, &spectra, shape, inputs, (visual, audio), &self.device).map_err(failed)
    }

    fn prediction_rows(
        &self,
        clips: &[Clip],
        p: &Predictions,
    ) -> Result<(Schema, arrow::array::RecordBatch), NodeError> {
        let values = |t: &Tensor| -> Result<(Vec<f32>, Vec<usize>), NodeError> {
            let values = t.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(failed)?;
            Ok((values, t.dims()[1..].to_vec()))
        };
        let mut row = BatchBuilder::new(self.schemas().0)
            .utf8(clips.iter().map(|clip| &clip.frames.header.clip))
            .int64(clips.iter().map(|clip| clip.frames.header.position as i64));
        let others = p.others.iter().map(|(_, tensor)| tensor);
        for tensor in [&p.logits].into_iter().chain(others).chain([&p.visual_features, &p.audio_features]) {
            let (values, shape) = values(tensor)?;
            row = row.tensor_f32(values, clips.len(), &shape);
        }
        row.build().map_err(|e| NodeError::contract("predictions", e))
    }

    /// Waits for the loss's gradients, carries them back and steps the optimizer.
    fn learn(&mut self, header: &Header, graph: Graph, others: &[&'static str]) -> Result<(), NodeError> {
        let message = self.answer(self.schemas().1)?;
        if message.header.step != header.step {
            return Err(NodeError::contract(
                "gradients",
                format!("gradients of step {:?}, this is step {:?}", message.header.step, header.step),
            ));
        }
        let start = Instant::now();
        let gradient = |name: &str| -> Result<Tensor, NodeError> {
            let view = tensor::view::<arrow::datatypes::Float32Type>(&message.batch, name)
                .map_err(|e| NodeError::contract("gradients", e))?;
            let shape: Vec<usize> = std::iter::once(view.rows).chain(view.shape).collect();
            Tensor::from_slice(view.values, shape, &self.device).map_err(failed)
        };
        let gradients = OutputGradients {
            logits: gradient("logits")?,
            others: others.iter().map(|name| gradient(name)).collect::<Result<_, _>>()?,
            visual_features: Some(gradient("visual_features")?),
            audio_features: Some(gradient("audio_features")?),
        };
        self.edges.state("learning");
        let place = (header, message.batch.num_rows());
        let gradients = self.nodes.serve(self.edges, &mut self.join, place, || graph.backward(&gradients))?;
        self.adam.step(self.model.parameters(), &gradients, u64::from(header.epoch - 1)).map_err(failed)?;
        self.edges.stats().compute(start.elapsed().saturating_sub(self.nodes.waited()));
        Ok(())
    }

    /// The loss node's next message; clips that arrive meanwhile wait their turn.
    fn answer(&mut self, wanted: Schema) -> Result<Message, NodeError> {
        while let Some(message) = self.edges.recv()? {
            if modality(&message.input).is_some() {
                return Err(NodeError::contract(&message.input, "an answer nobody asked for"));
            }
            if message.input != "gradients" {
                self.join.add(message);
                continue;
            }
            return match message.header.schema {
                Some(schema) if schema == wanted => Ok(message),
                _ => Err(NodeError::contract("gradients", format!("expected a `{}` message", wanted.name()))),
            };
        }
        Err(NodeError::contract("gradients", "ended while an answer was due"))
    }

    fn end_of_pass(&mut self, header: &Header) -> Result<(), NodeError> {
        self.step()?;
        self.progress.flush();
        self.edges.send_boundary("predictions", header.epoch, header.split)?;
        if header.split == Split::Val {
            let verdict = self.answer(Schema::Verdict)?;
            let broken = |e: String| NodeError::contract("gradients", e);
            let best = schema::int64(&verdict.batch, "best").map_err(broken)?.value(0) == 1;
            let value = schema::float64(&verdict.batch, "value").map_err(broken)?.value(0);
            let metric = schema::utf8(&verdict.batch, "metric").map_err(broken)?.value(0).to_owned();
            let metric = Some((metric.as_str(), value));
            self.keep(header, "last", false, metric)?;
            if best {
                self.best = Some(self.model.parameters().snapshot().map_err(failed)?);
                self.keep(header, "best", true, metric)?;
            }
        }
        if header.split == Split::Train {
            self.place.unvalidated = Some(header.epoch);
        }
        self.edges.report_pass(header.epoch, header.split)
    }

    /// Behind a training pass that no validation follows (`next` is the split of what comes, if anything does), the
    /// parameters of the last epoch are the best there are.
    fn keep_unvalidated(&mut self, next: Option<Split>) -> Result<(), NodeError> {
        match self.place.unvalidated.take() {
            Some(epoch) if next != Some(Split::Val) => {
                let header = Header::new(Kind::Data, epoch, Split::Train);
                self.keep(&header, "last", false, None)?;
                self.keep(&header, "best", true, None)
            }
            _ => Ok(()),
        }
    }

    /// Writes the parameters to the run's folder, with what validation said of them, and says so in the report.
    fn keep(&mut self, header: &Header, name: &str, best: bool, metric: Option<(&str, f64)>) -> Result<(), NodeError> {
        let relative = Path::new("checkpoints").join(format!("{name}.safetensors"));
        let path = self.edges.place().run_dir.join(&relative);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| failed(format!("{}: {e}", folder.display())))?;
        }
        let validated = metric.map(|(metric, value)| (format!("val/{metric}"), value));
        let metrics = validated.into_iter().chain([("epoch".to_owned(), f64::from(header.epoch))]).collect();
        let card = adapters::write_adapters(&path, &self.model, &metrics).map_err(failed)?;
        if best && let Some(file) = self.settings.method.export(self.model.parameters()).map_err(failed)? {
            let hash = sha256_of_file(&file).map_err(failed)?;
            Event::info(format!("encoder written to {} (sha256 {hash})", file.display())).emit();
        }
        let row = BatchBuilder::new(Schema::Checkpoints)
            .utf8([relative.to_string_lossy()])
            .utf8([card.tensors_sha256])
            .int64([i64::from(best)])
            .build();
        self.place.checkpoint_rows += 1;
        self.report(header, row)
    }

    /// The test split is predicted with the parameters the validation split picked.
    fn restore_best(&mut self) -> Result<(), NodeError> {
        match self.best.take() {
            Some(best) => self.model.parameters().load("the best parameters", &best).map_err(failed),
            None => Ok(()),
        }
    }

    fn report_params(&mut self) -> Result<(), NodeError> {
        let rows = self.model.table().rows;
        let batch = BatchBuilder::new(Schema::Params)
            .utf8(rows.iter().map(|r| &r.group))
            .int64(rows.iter().map(|r| r.tensors as i64))
            .int64(rows.iter().map(|r| r.count as i64))
            .int64(rows.iter().map(|r| i64::from(r.trainable)))
            .build();
        self.report(&Header::new(Kind::Data, 1, Split::Train), batch)
    }

    fn report(
        &mut self,
        header: &Header,
        rows: Result<(Schema, arrow::array::RecordBatch), String>,
    ) -> Result<(), NodeError> {
        let rows = rows.map_err(|e| NodeError::contract("report", e))?;
        self.edges.send("report", Header { clip: String::new(), ..header.with_kind(Kind::Data) }, rows)
    }
}
