//! What a model is given: a batch of clips, and its parts where it is walked through the model in parts.

use candle_core::{Device, Tensor};
use copl_networks::encoders::InputShape;
use copl_networks::images::normalised;
use copl_networks::{Error, Result};

use crate::batch_parts::runs;
use crate::heads::avqa::QuestionBatch;
use crate::methods::ClipShape;

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
    pub questions: Option<QuestionBatch>,
    /// The training step it is for, for random numbers; 0 in evaluation.
    pub step: u64,
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
            step: 0,
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
            step: 0,
        })
    }

    /// Clips and segments.
    ///
    /// # Errors
    /// If frames and spectrograms are of different ones.
    pub(crate) fn shape(&self) -> Result<ClipShape> {
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

    /// The batch in `parts` runs of clips with their questions; the whole as one part where a part would have no question,
    /// or questions do not come in the order of their clips.
    pub(crate) fn parts(&self, parts: usize) -> Result<Vec<Self>> {
        if parts < 2 {
            return Ok(vec![self.clone()]);
        }
        let ClipShape { clips, .. } = self.shape()?;
        let mut found = Vec::with_capacity(parts);
        for run in runs(clips, parts) {
            let questions = match &self.questions {
                None => None,
                Some(asked) => match asked.about(run.clone())? {
                    Some(asked) => Some(asked),
                    None => return Ok(vec![self.clone()]),
                },
            };
            let of = |images: &Tensor| images.narrow(0, run.start, run.len());
            found.push(Self {
                frames: of(&self.frames)?,
                spectrogram: of(&self.spectrogram)?,
                questions,
                step: self.step,
            });
        }
        Ok(found)
    }
}
