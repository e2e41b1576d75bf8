//! A model: encoders, method and head together, and one training step cut where the loss node stands.
//!
//! `forward` gives predictions and a handle of the graph; whoever computes the loss returns its gradients with respect
//! to the predictions; `Graph::backward` carries them on to the parameters. The graph walk recurses once an operation:
//! train on a thread with a large stack (64 MiB is ample).

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::config::{MethodKind, ModelConfig, SHARED};
use crate::encoders::{self, EncoderCard, InputShape, LoadedEncoder, Maps, Modality, Outputs};
use crate::error::{Error, Result};
use crate::heads::align::Alignment;
use crate::heads::avqa::Asked;
use crate::heads::{self, Head, HeadInput, HeadOutput};
use crate::images::normalised;
use crate::kernels::Execution;
use crate::methods::copl::Copl;
use crate::methods::full::Full;
use crate::methods::linear_probe::LinearProbe;
use crate::methods::{ClipShape, Encoders, Features, Method};
use crate::parameters::{Gradients, Parameters};
use crate::params::ParameterTable;
use crate::segments::{Here, Introduced, Source, Tower};
use crate::weights::Tensors;

/// One image of each modality as a model's encoders take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// A frame.
    pub visual: InputShape,
    /// A spectrogram segment.
    pub audio: InputShape,
}

/// A batch of clips. Images for an encoder elsewhere are as decoders send them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// [B, T, C, H, W], normalised as the encoder was trained; [B, T, H, W, 3] u8 for an encoder elsewhere.
    pub frames: Tensor,
    /// [B, T, C', H', W']: rows are time, columns mel bands; [B, T, 1, time, mel] for an encoder elsewhere.
    pub spectrogram: Tensor,
    /// Questions about the clips, any number of each; none where nothing is asked. With questions, predictions have a row
    /// a question instead of a row a clip.
    pub questions: Option<Asked>,
}

impl Batch {
    /// From numbers as they cross an edge: frames [B, T, C, H, W] and spectrograms [B, T, H', W'] (time, mel), which
    /// are repeated to the channels of the audio encoder's images.
    ///
    /// # Errors
    /// If a slice has another length.
    pub fn from_slices(
        frames: &[f32],
        spectrogram: &[f32],
        shape: ClipShape,
        inputs: Inputs,
        device: &Device,
    ) -> Result<Self> {
        let ClipShape { clips, segments } = shape;
        let ([channels, height, width], [repeats, time, mels]) = (inputs.visual.dims(), inputs.audio.dims());
        let check = |what: &str, found: usize, dims: &[usize]| {
            if found == dims.iter().product::<usize>() {
                return Ok(());
            }
            let expected = format!("the numbers of {dims:?}");
            Err(Error::Shape { what: what.to_string(), found: vec![found], expected })
        };
        check("frames", frames.len(), &[clips, segments, channels, height, width])?;
        check("spectrogram", spectrogram.len(), &[clips, segments, time, mels])?;
        let spectrogram = Tensor::from_slice(spectrogram, (clips, segments, 1, time, mels), device)?;
        Ok(Self {
            frames: Tensor::from_slice(frames, (clips, segments, channels, height, width), device)?,
            spectrogram: spectrogram.broadcast_as((clips, segments, repeats, time, mels))?.contiguous()?,
            questions: None,
        })
    }

    /// From numbers as decoders send them: frames [B, T, H, W, 3] u8 and spectrograms [B, T, H', W']. Those of a modality
    /// whose encoder is elsewhere (visual, audio) are left as they are.
    ///
    /// # Errors
    /// If a slice has another length.
    pub fn from_edges(
        frames: &[u8],
        spectrogram: &[f32],
        shape: ClipShape,
        inputs: Inputs,
        elsewhere: (bool, bool),
        device: &Device,
    ) -> Result<Self> {
        let ClipShape { clips, segments } = shape;
        let (picture, sound) = (inputs.visual, inputs.audio);
        let [pixels, points] = [picture, sound].map(|image| image.height * image.width);
        let check = |what: &str, found: usize, per_image: usize| {
            let expected = clips * segments * per_image;
            let error = || Error::Shape {
                what: what.to_string(),
                found: vec![found],
                expected: format!("{expected} numbers of {clips} clips of {segments} segments"),
            };
            if found == expected { Ok(()) } else { Err(error()) }
        };
        check("frames", frames.len(), 3 * pixels)?;
        check("spectrogram", spectrogram.len(), points)?;
        let spectrogram =
            Tensor::from_slice(spectrogram, (clips, segments, 1, sound.height, sound.width), &Device::Cpu)?;
        let repeated = (clips, segments, sound.channels, sound.height, sound.width);
        Ok(Self {
            frames: match elsewhere.0 {
                true => Tensor::from_slice(frames, (clips, segments, picture.height, picture.width, 3), &Device::Cpu)?,
                false => {
                    let images = normalised(frames, pixels);
                    Tensor::from_vec(images, (clips, segments, 3, picture.height, picture.width), device)?
                }
            },
            spectrogram: match elsewhere.1 {
                true => spectrogram,
                false => spectrogram.broadcast_as(repeated)?.contiguous()?.to_device(device)?,
            },
            questions: None,
        })
    }

    fn shape(&self) -> Result<ClipShape> {
        let (clips, segments, _, _, _) = self.frames.dims5()?;
        let (other_clips, other_segments, _, _, _) = self.spectrogram.dims5()?;
        if (clips, segments) != (other_clips, other_segments) {
            return Err(Error::Shape {
                what: "spectrogram".to_string(),
                found: self.spectrogram.dims().to_vec(),
                expected: format!("[{clips}, {segments}, ...] as the frames"),
            });
        }
        Ok(ClipShape { clips, segments })
    }
}

/// Predictions of a batch, outside any graph.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Event logits [B, T, classes], mask logits [B, T, H, W] or answer logits [B, answers].
    pub logits: Tensor,
    /// What else of the head enters the loss, by the name of its column, [B, ...] each.
    pub others: Vec<(&'static str, Tensor)>,
    /// [B, T, d_v]
    pub visual_features: Tensor,
    /// [B, T, d_v], aligned to the visual ones; [B, T, d_a] if the consistency loss is off.
    pub audio_features: Tensor,
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

/// The graph of one forward pass, used up by its backward pass.
pub struct Graph {
    outputs: Predictions,
    parameters: Vec<(String, Tensor)>,
}

impl Graph {
    /// Carries gradients of the predictions on to the parameters.
    ///
    /// # Errors
    /// If shapes differ from the predictions'.
    pub fn backward(self, gradients: &OutputGradients) -> Result<Gradients> {
        let mut total = inject("logits", &self.outputs.logits, &gradients.logits)?;
        let features = [
            ("visual features", &self.outputs.visual_features, &gradients.visual_features),
            ("audio features", &self.outputs.audio_features, &gradients.audio_features),
        ];
        if self.outputs.others.len() != gradients.others.len() {
            return Err(Error::Shape {
                what: "gradients of the head's other predictions".to_string(),
                found: vec![gradients.others.len()],
                expected: format!("[{}]", self.outputs.others.len()),
            });
        }
        for ((what, output), gradient) in self.outputs.others.iter().zip(&gradients.others) {
            total = (total + inject(what, output, gradient)?)?;
        }
        for (what, output, gradient) in features {
            if let Some(gradient) = gradient {
                total = (total + inject(what, output, gradient)?)?;
            }
        }
        Ok(Gradients::collect(&total.backward()?, &self.parameters))
    }
}

/// A scalar whose gradient with respect to `output` is `gradient`.
fn inject(what: &str, output: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    if output.dims() != gradient.dims() {
        return Err(Error::Shape {
            what: format!("gradient of {what}"),
            found: gradient.dims().to_vec(),
            expected: format!("{:?}", output.dims()),
        });
    }
    Ok((output * gradient)?.sum_all()?)
}

/// Encoders, method, head and their parameters.
pub struct Model {
    config: ModelConfig,
    method: Box<dyn Method>,
    head: Box<dyn Head>,
    alignment: Alignment,
    parameters: Parameters,
    encoders: Vec<(EncoderCard, usize)>,
    inputs: Inputs,
}

impl Model {
    /// Loads the encoders a configuration names and starts the parameters from its seed.
    ///
    /// # Errors
    /// If weights cannot be had or settings do not fit together.
    pub fn build(config: &ModelConfig, device: &Device) -> Result<Self> {
        Self::build_with(config, Execution::Fast, DType::F32, device)
    }

    /// [`Model::build`] with a choice of implementation, and of the precision of the frozen encoders' matrix products:
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
        (visual, audio): (Option<Introduced>, Option<Introduced>),
    ) -> Result<Self> {
        let load = |name: &str, setting: &Option<String>| {
            let mut loaded = encoders::load(name, setting.as_deref(), config.seed, device)?;
            if dtype != DType::F32 {
                loaded.weights = loaded.weights.with_products_in(dtype)?;
            }
            Ok::<_, Error>(Source::Here(loaded))
        };
        let visual = match visual {
            Some(one) => Source::Apart(one),
            None => load(&config.visual_encoder, &config.visual_weights)?,
        };
        let audio = match (audio, config.audio_encoder.as_str()) {
            (Some(one), _) => Some(Source::Apart(one)),
            (None, SHARED) => None,
            (None, name) => Some(load(name, &config.audio_weights)?),
        };
        Self::from_sources(config, visual, audio, execution, device)
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
        Self::from_sources(config, Source::Here(visual), audio.map(Source::Here), execution, device)
    }

    /// [`Model::from_encoders`] with encoders wherever they are.
    ///
    /// # Errors
    /// If settings do not fit together.
    pub fn from_sources(
        config: &ModelConfig,
        visual: Source,
        audio: Option<Source>,
        execution: Execution,
        device: &Device,
    ) -> Result<Self> {
        if config.segments == 0 || config.classes == 0 {
            return Err(Error::Config("segments and classes must be at least 1".to_string()));
        }
        let role = if audio.is_some() { "visual" } else { "visual and audio" };
        let mut cards = vec![(visual.card(role), visual.tensors())];
        cards.extend(audio.iter().map(|audio| (audio.card("audio"), audio.tensors())));
        let other = audio.as_ref().unwrap_or(&visual);
        let inputs = Inputs { visual: visual.input(Modality::Visual)?, audio: other.input(Modality::Audio)? };
        let head = heads::head(config, &visual, other, execution)?;
        let alignment = Alignment::new(visual.out_dim(), other.out_dim(), config.consistency);
        let mut start = None;
        let method: Box<dyn Method> = match config.method {
            MethodKind::Full => {
                let here = |source| match source {
                    Source::Here(loaded) => Ok((loaded.architecture, loaded.weights)),
                    Source::Apart(_) => {
                        Err(Error::Config("method full changes the encoders: they must be in this process".to_string()))
                    }
                };
                let (visual_sizes, visual) = here(visual)?;
                let (audio_sizes, audio) = audio.map(here).transpose()?.unzip();
                let full = Full::new(visual_sizes, audio_sizes);
                start = Some(full.start(&visual, audio.as_ref()));
                Box::new(full)
            }
            MethodKind::Copl | MethodKind::LinearProbe => {
                // Weights are given away, so that they are not in memory twice.
                let tower = |source| -> Result<Arc<dyn Tower>> {
                    Ok(match source {
                        Source::Here(loaded) => Arc::new(Here(loaded.architecture.build(loaded.weights, execution)?)),
                        Source::Apart(one) => one.tower,
                    })
                };
                let visual = tower(visual)?;
                let audio = audio.map_or_else(|| Ok(visual.clone()), tower)?;
                let encoders = Encoders { visual, audio };
                if config.method == MethodKind::Copl {
                    Box::new(Copl::new(config.copl.clone(), config.segments, encoders)?)
                } else {
                    Box::new(LinearProbe::new(encoders))
                }
            }
        };
        let mut specs = method.parameters();
        specs.extend(head.parameters());
        specs.extend(alignment.parameters());
        let parameters = Parameters::initial(specs, head.buffers(), config.seed, device)?;
        for (name, tensor) in start.into_iter().flatten() {
            if let Some(var) = parameters.var(&name) {
                var.set(&tensor)?;
            }
        }
        Ok(Self { config: config.clone(), method, head, alignment, parameters, encoders: cards, inputs })
    }

    /// Predictions of a batch in training, and the graph to carry gradients back through. Running statistics follow the
    /// batch.
    ///
    /// # Errors
    /// If the batch has another shape than the model was made for.
    pub fn forward(&self, batch: &Batch) -> Result<(Predictions, Graph)> {
        let tracked = self.parameters.tracked();
        let outputs = self.run(&tracked, batch, true)?;
        let detached = Predictions {
            logits: outputs.logits.detach(),
            others: outputs.others.iter().map(|(name, tensor)| (*name, tensor.detach())).collect(),
            visual_features: outputs.visual_features.detach(),
            audio_features: outputs.audio_features.detach(),
        };
        Ok((detached, Graph { outputs, parameters: tracked.into_map().into_iter().collect() }))
    }

    /// Predictions of a batch for evaluation: nothing is kept.
    ///
    /// # Errors
    /// If the batch has another shape than the model was made for.
    pub fn predict(&self, batch: &Batch) -> Result<Predictions> {
        self.run(&self.parameters.detached(), batch, false)
    }

    /// Features of a batch, before any head or alignment, outside any graph.
    ///
    /// # Errors
    /// If the batch has another shape than the model was made for.
    pub fn features(&self, batch: &Batch) -> Result<Features> {
        self.adapted(&self.parameters.detached(), batch)
    }

    /// The last token maps of frames [V, T, C, H, W] as the frozen encoder alone leaves them, [V T, L, d]: no prompts, no
    /// graph. (With the method `full`, as the encoder stands.)
    ///
    /// # Errors
    /// If the frames have another size.
    pub fn unadapted_maps(&self, frames: &Tensor) -> Result<Tensor> {
        let maps = self.method.unadapted(&self.parameters.detached(), &frames.flatten(0, 1)?, Maps::Final)?;
        maps.into_iter().next_back().ok_or_else(|| Error::Config("the encoder has no token maps".to_string()))
    }

    fn adapted(&self, parameters: &Tensors, batch: &Batch) -> Result<Features> {
        let shape = batch.shape()?;
        let (frames, spectrogram) = (batch.frames.flatten(0, 1)?, batch.spectrogram.flatten(0, 1)?);
        self.method.features(parameters, &frames, &spectrogram, shape, self.head.maps())
    }

    fn run(&self, parameters: &Tensors, batch: &Batch, training: bool) -> Result<Predictions> {
        let features = self.adapted(parameters, batch)?;
        let (questions, shape) = (batch.questions.as_ref(), batch.shape()?);
        let input = HeadInput { features: &features, questions, shape, training };
        let HeadOutput { logits, others, buffers } =
            self.head.predict(parameters, &self.parameters.buffers(), input)?;
        self.parameters.follow(&buffers)?;
        let (mut visual_features, mut audio_features) =
            (features.visual, self.alignment.aligned(parameters, &features.audio)?);
        if let Some(asked) = questions {
            visual_features = visual_features.index_select(&asked.videos, 0)?;
            audio_features = audio_features.index_select(&asked.videos, 0)?;
        }
        Ok(Predictions { logits, others, visual_features, audio_features })
    }

    /// What learns.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameter table.
    pub fn table(&self) -> ParameterTable {
        ParameterTable::new(self.parameters.specs(), &self.encoders)
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
