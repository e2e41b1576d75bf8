//! A model: encoders, method and head together, and one training step cut where the loss node stands.
//!
//! `forward` gives predictions and a handle of the graph; whoever computes the loss returns its gradients with respect
//! to the predictions; `Graph::backward` carries them on to the parameters. The graph walk recurses once an operation:
//! train on a thread with a large stack (64 MiB is ample).
//!
//! Where nothing but the loss joins the clips of a batch, and the encoders are in this process and on the CPU, each part of
//! a batch is walked by threads of its own (`batch_parts`); the gradients of the parts are summed in their order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use copl_networks::encoders::{self, EncoderCard, EncoderShape, LoadedEncoder, Maps, Modality};
use copl_networks::handles::{EncoderSource, IntroducedEncoder};
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

pub use crate::batch::{Batch, Inputs};
use crate::batch_parts::{BatchParts, runs};
use crate::config::{ModelConfig, SHARED};
use crate::heads::align::Alignment;
use crate::heads::{Head, HeadInput, HeadOutput};
use crate::methods::{Adapted, Built, Context, EncoderSources, Features, Learned, Method, MethodInput};
use crate::parameters::{Gradients, Parameters};
use crate::params::{ParameterTable, Trainable};

/// Predictions of a batch, outside any graph.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Event logits [B, T, classes], mask logits [B, T, H, W] or answer logits [B, answers].
    pub logits: Tensor,
    /// What else of the head enters the loss, by the name of its column, [B, ...] each.
    pub others: Vec<(&'static str, Tensor)>,
    /// [B, T, d_v]
    pub visual_features: Tensor,
    /// [B, T, d_v], aligned to the visual ones; [B, T, d_a] if the consistency loss is off, [B, T, 0] if the method has none.
    pub audio_features: Tensor,
}

impl Predictions {
    /// Those of the parts of a batch, one after the other, outside any graph.
    fn joined(parts: &[Self]) -> Result<Self> {
        let all = |of: &dyn Fn(&Self) -> &Tensor| -> Result<Tensor> {
            match parts {
                [one] => Ok(of(one).detach()),
                several => Ok(Tensor::cat(&several.iter().map(|part| of(part).detach()).collect::<Vec<_>>(), 0)?),
            }
        };
        let others = parts.first().map_or(&[][..], |part| &part.others);
        let other = |(index, (name, _)): (usize, &(&'static str, Tensor))| Ok((*name, all(&|p| &p.others[index].1)?));
        Ok(Self {
            logits: all(&|p| &p.logits)?,
            others: others.iter().enumerate().map(other).collect::<Result<_>>()?,
            visual_features: all(&|p| &p.visual_features)?,
            audio_features: all(&|p| &p.audio_features)?,
        })
    }
}

/// Gradients of a loss with respect to predictions, in their shapes. A prediction without one did not enter the loss.
#[derive(Debug, Clone)]
pub struct OutputGradients {
    /// Of the logits.
    pub logits: Tensor,
    /// Of the head's other predictions, in their order.
    pub others: Vec<Tensor>,
    /// Of the visual features.
    pub visual_features: Option<Tensor>,
    /// Of the aligned audio features.
    pub audio_features: Option<Tensor>,
}

impl OutputGradients {
    /// Checks that the shapes are those of `predictions`.
    fn check(&self, predictions: &[Predictions]) -> Result<()> {
        let others = predictions.first().map_or(0, |part| part.others.len());
        if others != self.others.len() {
            return Err(Error::Shape {
                what: "gradients of the head's other predictions".to_string(),
                found: vec![self.others.len()],
                expected: format!("[{others}]"),
            });
        }
        let same = |what: &str, gradient: &Tensor, of: &dyn Fn(&Predictions) -> &Tensor| {
            let mut expected = predictions.first().map_or_else(Vec::new, |part| of(part).dims().to_vec());
            if let Some(rows) = expected.first_mut() {
                *rows = predictions.iter().map(|part| of(part).dims()[0]).sum();
            }
            if gradient.dims() == expected {
                return Ok(());
            }
            let what = format!("gradient of {what}");
            Err(Error::Shape { what, found: gradient.dims().to_vec(), expected: format!("{expected:?}") })
        };
        same("logits", &self.logits, &|p| &p.logits)?;
        for (index, gradient) in self.others.iter().enumerate() {
            let name = predictions.first().map_or("", |part| part.others[index].0);
            same(name, gradient, &|p| &p.others[index].1)?;
        }
        if let Some(gradient) = &self.visual_features {
            same("visual features", gradient, &|p| &p.visual_features)?;
        }
        if let Some(gradient) = &self.audio_features {
            same("audio features", gradient, &|p| &p.audio_features)?;
        }
        Ok(())
    }

    /// Those of some rows.
    fn rows(&self, rows: Range<usize>) -> Result<Self> {
        let of = |gradient: &Tensor| gradient.narrow(0, rows.start, rows.len());
        Ok(Self {
            logits: of(&self.logits)?,
            others: self.others.iter().map(of).collect::<Result<_, _>>()?,
            visual_features: self.visual_features.as_ref().map(of).transpose()?,
            audio_features: self.audio_features.as_ref().map(of).transpose()?,
        })
    }
}

/// The graph of one forward pass, used up by its backward pass.
pub struct Graph {
    /// Of each part of the batch.
    outputs: Vec<Predictions>,
    parameters: Vec<(String, Tensor)>,
    batch_parts: Arc<BatchParts>,
}

impl Graph {
    /// Carries gradients of the predictions on to the parameters.
    ///
    /// # Errors
    /// If shapes differ from the predictions'.
    pub fn backward(self, gradients: &OutputGradients) -> Result<Gradients> {
        gradients.check(&self.outputs)?;
        let mut start = 0;
        let mut work = Vec::with_capacity(self.outputs.len());
        for part in self.outputs {
            let rows = part.logits.dim(0)?;
            work.push((part, gradients.rows(start..start + rows)?));
            start += rows;
        }
        let of_parts = self.batch_parts.each(work, |(part, gradients)| {
            let total = inject(&part, &gradients)?;
            Ok(Gradients::collect(&total.backward()?, &self.parameters))
        })?;
        Gradients::sum(of_parts)
    }
}

/// A scalar whose gradient with respect to the predictions are these.
fn inject(predictions: &Predictions, gradients: &OutputGradients) -> Result<Tensor> {
    let one = |output: &Tensor, gradient: &Tensor| (output * gradient)?.sum_all();
    let has_numbers = |tensor: &&Tensor| tensor.elem_count() > 0;
    let mut total = one(&predictions.logits, &gradients.logits)?;
    for ((_, output), gradient) in predictions.others.iter().zip(&gradients.others) {
        total = (total + one(output, gradient)?)?;
    }
    let features = [
        (&predictions.visual_features, &gradients.visual_features),
        (&predictions.audio_features, &gradients.audio_features),
    ];
    for (output, gradient) in features {
        if let Some(gradient) = gradient.as_ref().filter(has_numbers) {
            total = (total + one(output, gradient)?)?;
        }
    }
    Ok(total)
}

/// Encoders, method, head and their parameters.
pub struct Model {
    config: ModelConfig,
    method: Box<dyn Method>,
    head: Box<dyn Head>,
    alignment: Alignment,
    parameters: Parameters,
    encoders: Vec<(EncoderCard, usize)>,
    unused: usize,
    inputs: Inputs,
    batch_parts: Arc<BatchParts>,
}

impl Model {
    /// Loads the encoders a configuration names and starts the parameters from its seed.
    ///
    /// # Errors
    /// If weights cannot be had or settings do not fit together.
    pub fn build(config: &ModelConfig, device: &Device) -> Result<Self> {
        Self::build_with(config, Execution::on(device), DType::F32, device)
    }

    /// [`Model::build`] with a choice of implementation, one for tensors on `device`, and of the precision of the frozen encoders' matrix products:
    /// what a model is does not depend on them, what it costs does.
    ///
    /// # Errors
    /// As [`Model::build`].
    pub fn build_with(config: &ModelConfig, execution: Execution, dtype: DType, device: &Device) -> Result<Self> {
        Self::build_beside(config, execution, dtype, device, (None, None))
    }

    /// [`Model::build_with`] with encoders elsewhere, visual and audio, in the place of those the configuration names.
    ///
    /// # Errors
    /// As [`Model::build`].
    pub fn build_beside(
        config: &ModelConfig,
        execution: Execution,
        dtype: DType,
        device: &Device,
        (visual, audio): (Option<IntroducedEncoder>, Option<IntroducedEncoder>),
    ) -> Result<Self> {
        let load = |name: &str, setting: &Option<String>| {
            let mut loaded = encoders::load(name, setting.as_deref(), config.seed, device)?;
            if dtype != DType::F32 {
                loaded.weights = loaded.weights.with_products_in(dtype)?;
            }
            Ok::<_, Error>(EncoderSource::Local(loaded))
        };
        let visual = match visual {
            Some(one) => EncoderSource::Remote(one),
            None => load(&config.visual_encoder, &config.visual_weights)?,
        };
        let audio = match (audio, config.audio_encoder.as_str()) {
            (Some(one), _) => Some(EncoderSource::Remote(one)),
            (None, SHARED) => None,
            (None, name) => Some(load(name, &config.audio_weights)?),
        };
        Self::from_encoder_sources(config, visual, audio, execution, device)
    }

    /// The model on encoders at hand; without `audio`, the visual encoder serves both modalities.
    ///
    /// # Errors
    /// If settings do not fit together.
    pub fn from_encoders(
        config: &ModelConfig,
        visual: LoadedEncoder,
        audio: Option<LoadedEncoder>,
        execution: Execution,
        device: &Device,
    ) -> Result<Self> {
        Self::from_encoder_sources(
            config,
            EncoderSource::Local(visual),
            audio.map(EncoderSource::Local),
            execution,
            device,
        )
    }

    /// [`Model::from_encoders`] with encoders wherever they are.
    ///
    /// # Errors
    /// If settings do not fit together.
    pub fn from_encoder_sources(
        config: &ModelConfig,
        visual: EncoderSource,
        audio: Option<EncoderSource>,
        execution: Execution,
        device: &Device,
    ) -> Result<Self> {
        if config.segments == 0 || config.classes == 0 {
            return Err(Error::Config("segments and classes must be at least 1".to_string()));
        }
        let role = if audio.is_some() { "visual" } else { "visual and audio" };
        let mut cards = vec![(visual.card(role), visual.tensors())];
        cards.extend(audio.iter().map(|audio| (audio.card("audio"), audio.tensors())));
        let is_remote = |source: &EncoderSource| matches!(source, EncoderSource::Remote(_));
        let remote = is_remote(&visual) || audio.as_ref().is_some_and(is_remote);
        if let (true, Some(reason)) = (remote, config.method.in_process()) {
            return Err(Error::Config(format!("{reason}: they must be in this process")));
        }
        let batch_parts = Arc::new(BatchParts::new(!remote && device.is_cpu()));
        let other = audio.as_ref().unwrap_or(&visual);
        let inputs = Inputs { visual: visual.input(Modality::Visual)?, audio: other.input(Modality::Audio)? };
        let parts = Trainable::of(config, &visual, audio.as_ref().map(|audio| audio as &dyn EncoderShape), execution)?;
        let Built { method, start } =
            config.method.build(config.segments, EncoderSources { visual, audio }, execution)?;
        let parameters = Parameters::initial(parts.specs, parts.buffers, config.seed, device)?;
        for (name, tensor) in start {
            if let Some(var) = parameters.var(&name) {
                var.set(&tensor)?;
            }
        }
        let (config, alignment, head, unused) = (config.clone(), parts.alignment, parts.head, parts.unused);
        Ok(Self { config, method, head, alignment, parameters, encoders: cards, unused, inputs, batch_parts })
    }

    /// Predictions of a batch in training, and the graph to carry gradients back through. Running statistics follow the
    /// batch.
    ///
    /// # Errors
    /// If the batch has another shape than the model was made for.
    pub fn forward(&self, batch: &Batch) -> Result<(Predictions, Graph)> {
        let tracked = self.parameters.tracked();
        let outputs = self.run_parts(&tracked, batch, true)?;
        let joined = Predictions::joined(&outputs)?;
        Ok((
            joined,
            Graph {
                outputs,
                parameters: tracked.into_map().into_iter().collect(),
                batch_parts: self.batch_parts.clone(),
            },
        ))
    }

    /// Predictions of a batch for evaluation: nothing is kept.
    ///
    /// # Errors
    /// If the batch has another shape than the model was made for.
    pub fn predict(&self, batch: &Batch) -> Result<Predictions> {
        Predictions::joined(&self.run_parts(&self.parameters.detached(), batch, false)?)
    }

    /// Features of a batch, before any head or alignment, outside any graph.
    ///
    /// # Errors
    /// If the batch has another shape than the model was made for.
    pub fn features(&self, batch: &Batch) -> Result<Features> {
        self.features_as(batch, self.head.maps(), false)
    }

    /// Features of a batch with any token maps, outside any graph; in training mode, with the statistics of the batch, which
    /// are not kept.
    pub(crate) fn features_as(&self, batch: &Batch, maps: Maps, training: bool) -> Result<Features> {
        let (parameters, buffers) = (self.parameters.detached(), self.parameters.buffers());
        let learned = Learned { parameters: &parameters, buffers: &buffers };
        let (frames, spectrogram) = (&batch.frames.flatten(0, 1)?, &batch.spectrogram.flatten(0, 1)?);
        let input =
            MethodInput { frames, spectrogram, shape: batch.shape()?, maps, context: self.context(batch, training) };
        Ok(self.method.features(learned, input)?.features)
    }

    /// The last token maps of frames [V, T, C, H, W] as the frozen encoder alone leaves them, [V T, L, d]: unadapted, no
    /// graph. (Where a method trains the encoder, as it stands.)
    ///
    /// # Errors
    /// If the frames have another size.
    pub fn unadapted_maps(&self, frames: &Tensor) -> Result<Tensor> {
        let (parameters, buffers) = (self.parameters.detached(), self.parameters.buffers());
        let learned = Learned { parameters: &parameters, buffers: &buffers };
        let maps = |frames: Tensor| {
            let maps = self.method.unadapted(learned, &frames.flatten(0, 1)?, Maps::Final)?;
            maps.into_iter().next_back().ok_or_else(|| Error::Config("the encoder has no token maps".to_string()))
        };
        let videos = frames.dim(0)?;
        let parts = runs(videos, self.batch_parts.parts(videos)).map(|run| frames.narrow(0, run.start, run.len()));
        Ok(Tensor::cat(&self.batch_parts.each(parts.collect::<Result<_, _>>()?, maps)?, 0)?)
    }

    fn context(&self, batch: &Batch, training: bool) -> Context {
        Context { training, step: batch.step, seed: self.config.seed }
    }

    fn adapted(&self, learned: Learned<'_>, batch: &Batch, context: Context) -> Result<Adapted> {
        let (frames, spectrogram) = (&batch.frames.flatten(0, 1)?, &batch.spectrogram.flatten(0, 1)?);
        let input = MethodInput { frames, spectrogram, shape: batch.shape()?, maps: self.head.maps(), context };
        self.method.features(learned, input)
    }

    /// The predictions of each part of a batch. Running statistics follow a batch that is walked whole.
    fn run_parts(&self, parameters: &Tensors, batch: &Batch, training: bool) -> Result<Vec<Predictions>> {
        let joins = self.head.joins_clips(training) || self.method.joins_clips(training);
        let count = if joins { 1 } else { self.batch_parts.parts(batch.shape()?.clips) };
        let buffers = self.parameters.buffers();
        let learned = Learned { parameters, buffers: &buffers };
        let found = self.batch_parts.each(batch.parts(count)?, |part| self.run(learned, &part, training))?;
        let parts = found.len();
        let mut predictions = Vec::with_capacity(parts);
        for (of_part, updates) in found {
            if parts > 1 && !updates.is_empty() {
                return Err(Error::Config(
                    "running statistics of a part of a batch: who keeps them joins clips".into(),
                ));
            }
            self.parameters.follow(&updates)?;
            predictions.push(of_part);
        }
        Ok(predictions)
    }

    /// Predictions of a part of a batch, and what the running statistics become.
    fn run(
        &self,
        learned: Learned<'_>,
        batch: &Batch,
        training: bool,
    ) -> Result<(Predictions, BTreeMap<String, Tensor>)> {
        let context = self.context(batch, training);
        let Adapted { features, buffers: mut updates } = self.adapted(learned, batch, context)?;
        let (questions, shape) = (batch.questions.as_ref(), batch.shape()?);
        let input = HeadInput { features: &features, questions, shape, context };
        let HeadOutput { logits, others, buffers } = self.head.predict(learned.parameters, learned.buffers, input)?;
        updates.extend(buffers);
        let (mut visual_features, mut audio_features) =
            (features.visual, self.alignment.aligned(learned.parameters, &features.audio)?);
        if let Some(asked) = questions {
            visual_features = visual_features.index_select(&asked.videos, 0)?;
            audio_features = audio_features.index_select(&asked.videos, 0)?;
        }
        Ok((Predictions { logits, others, visual_features, audio_features }, updates))
    }

    /// What learns.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameter table.
    pub fn table(&self) -> ParameterTable {
        ParameterTable::new(self.parameters.specs(), self.unused, &self.encoders)
    }

    /// The images its encoders take.
    pub fn inputs(&self) -> Inputs {
        self.inputs
    }

    /// The encoders: one if it is shared.
    pub fn encoders(&self) -> Vec<EncoderCard> {
        self.encoders.iter().map(|(card, _)| card.clone()).collect()
    }

    /// The configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }
}
