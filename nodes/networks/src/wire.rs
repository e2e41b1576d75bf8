//! Messages between a model and an encoder node as rows of an edge (docs/node-contract.md, "Encoders").
//!
//! Every message is one row, but for images, which cross as decoders send them, one row a clip.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Int32Type, UInt8Type};
use candle_core::{DType, Device, Tensor, WithDType};
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::settings::SettingValue;
use copl_contract::{Message, tensor};

use crate::encoders::PromptBias;
use crate::encoders::{BlockInfo, InputShape, Modality};
use crate::handles::{EncoderMessage, HandleInfo};

/// Schemas a model sends an encoder node.
pub const TO_ENCODER: &[Schema] = &[
    Schema::Frames,
    Schema::Spectrogram,
    Schema::Prompts,
    Schema::Latents,
    Schema::Finish,
    Schema::Map,
    Schema::Condensed,
    Schema::Features,
];

/// Schemas an encoder node sends a model.
pub const FROM_ENCODER: &[Schema] =
    &[Schema::Encoder, Schema::Condensed, Schema::Map, Schema::Features, Schema::Latents, Schema::Prompts];

/// What an encoder node says of its encoder.
#[derive(Debug, Clone)]
pub struct Introduction {
    pub name: String,
    pub weights: String,
    pub parameters: usize,
    pub tensors: usize,
    pub frames: Option<InputShape>,
    pub spectrogram: Option<InputShape>,
    pub blocks: Vec<BlockInfo>,
    pub class_tokens: usize,
    pub out_dim: usize,
    pub coupled_sites: usize,
}

type Rows = (Schema, RecordBatch);

/// A message as a row.
///
/// # Errors
/// If a tensor is not as [`EncoderMessage`] says.
pub fn rows(message: &EncoderMessage, clips: usize) -> Result<Rows, String> {
    let int = |value: usize| [value as i64];
    let flag = |value: bool| [i64::from(value)];
    match message {
        EncoderMessage::Images(images) => images_rows(images, clips),
        EncoderMessage::Prompts { blocks, keep, map, bias, shared, own } => {
            let builder = BatchBuilder::new(Schema::Prompts).int64(int(blocks.start)).int64(int(blocks.end));
            let builder = builder.int64(flag(*keep)).int64(flag(*map)).utf8([bias.word()]);
            column(column(builder, shared)?, own)?.build()
        }
        EncoderMessage::Latents { block, keep, latents } => {
            column(BatchBuilder::new(Schema::Latents).int64(int(*block)).int64(flag(*keep)), latents)?.build()
        }
        EncoderMessage::Condensed { block, condensed } => {
            column(BatchBuilder::new(Schema::Condensed).int64(int(*block)), condensed)?.build()
        }
        EncoderMessage::Finish { map } => BatchBuilder::new(Schema::Finish).int64(flag(*map)).build(),
        EncoderMessage::Map { block, tokens } => {
            column(BatchBuilder::new(Schema::Map).int64(int(*block)), tokens)?.build()
        }
        EncoderMessage::Features(pooled) => column(BatchBuilder::new(Schema::Features), pooled)?.build(),
    }
}

fn numbers<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>, String> {
    tensor.flatten_all().and_then(|tensor| tensor.to_vec1::<T>()).map_err(|e| e.to_string())
}

fn column(builder: BatchBuilder, tensor: &Tensor) -> Result<BatchBuilder, String> {
    Ok(builder.tensor_f32(numbers(tensor)?, 1, tensor.dims()))
}

/// Images [B T, ...] of B clips.
fn images_rows(images: &Tensor, clips: usize) -> Result<Rows, String> {
    let segments = images.dims().first().map_or(0, |count| count / clips.max(1));
    match (images.dtype(), images.dims()) {
        (DType::U8, &[_, height, width, channels]) => BatchBuilder::new(Schema::Frames)
            .tensor_u8(numbers(images)?, clips, &[segments, height, width, channels])
            .build(),
        (DType::F32, &[_, 1, time, mel]) => {
            BatchBuilder::new(Schema::Spectrogram).tensor_f32(numbers(images)?, clips, &[segments, time, mel]).build()
        }
        (kind, dims) => Err(format!("images are u8 [N, H, W, 3] or f32 [N, 1, time, mel], not {kind:?} {dims:?}")),
    }
}

/// A message from its row.
///
/// # Errors
/// If a value is out of range, or a tensor has not the shape its schema says.
pub fn message(from: &Message) -> Result<EncoderMessage, String> {
    let batch = &from.batch;
    let schema = from.header.schema.ok_or("a message without a schema")?;
    let int = |name: &str| -> Result<usize, String> {
        let value = row(schema::int64(batch, name)?, name)?.value(0);
        usize::try_from(value).map_err(|_| format!("`{name}` is {value}"))
    };
    let flag = |name: &str| int(name).map(|value| value != 0);
    let floats = |name: &str, rank: usize| tensor_of::<Float32Type>(batch, name, rank);
    Ok(match schema {
        Schema::Frames => EncoderMessage::Images(images::<UInt8Type>(batch, "frames")?),
        Schema::Spectrogram => EncoderMessage::Images(images::<Float32Type>(batch, "segments")?),
        Schema::Prompts => EncoderMessage::Prompts {
            blocks: int("first")?..int("end")?,
            keep: flag("keep")?,
            map: flag("map")?,
            bias: PromptBias::parse(row(schema::utf8(batch, "bias")?, "bias")?.value(0))?,
            shared: floats("shared", 2)?,
            own: floats("own", 3)?,
        },
        Schema::Latents => {
            EncoderMessage::Latents { block: int("block")?, keep: flag("keep")?, latents: floats("latents", 2)? }
        }
        Schema::Condensed => EncoderMessage::Condensed { block: int("block")?, condensed: floats("condensed", 3)? },
        Schema::Finish => EncoderMessage::Finish { map: flag("map")? },
        Schema::Map => EncoderMessage::Map { block: int("block")?, tokens: floats("tokens", 3)? },
        Schema::Features => EncoderMessage::Features(floats("pooled", 2)?),
        other => return Err(format!("a `{}` message is not part of a pass", other.name())),
    })
}

fn row<'a, A: Array>(array: &'a A, name: &str) -> Result<&'a A, String> {
    if array.len() == 1 { Ok(array) } else { Err(format!("`{name}` has {} rows, expected one", array.len())) }
}

/// The one tensor of a column, of `rank` dimensions.
fn tensor_of<T>(batch: &RecordBatch, name: &str, rank: usize) -> Result<Tensor, String>
where
    T: ArrowPrimitiveType,
    T::Native: WithDType,
{
    let view = tensor::view::<T>(batch, name)?;
    if view.rows != 1 || view.shape.len() != rank {
        return Err(format!(
            "`{name}` is {} tensor(s) of {:?}, expected one of {rank} dimensions",
            view.rows, view.shape
        ));
    }
    Tensor::from_slice(view.values, view.shape, &Device::Cpu).map_err(|e| e.to_string())
}

/// Images of all clips: [B T, H, W, 3] or [B T, 1, time, mel].
fn images<T>(batch: &RecordBatch, name: &str) -> Result<Tensor, String>
where
    T: ArrowPrimitiveType,
    T::Native: WithDType,
{
    let view = tensor::view::<T>(batch, name)?;
    let shape = match *view.shape {
        [segments, height, width, channels] => vec![view.rows * segments, height, width, channels],
        [segments, time, mel] => vec![view.rows * segments, 1, time, mel],
        _ => return Err(format!("`{name}` has the shape {:?}", view.shape)),
    };
    Tensor::from_slice(view.values, shape, &Device::Cpu).map_err(|e| e.to_string())
}

impl Introduction {
    /// As a row.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn rows(&self) -> Result<Rows, String> {
        let int = |value: usize| [value as i64];
        let narrow = |values: Vec<usize>| -> Result<Vec<i32>, String> {
            values.into_iter().map(|value| i32::try_from(value).map_err(|e| e.to_string())).collect()
        };
        let image = |shape: Option<InputShape>| narrow(shape.map(|shape| shape.dims().to_vec()).unwrap_or_default());
        let blocks = |of: fn(&BlockInfo) -> usize| narrow(self.blocks.iter().map(of).collect());
        let lists = [
            image(self.frames)?,
            image(self.spectrogram)?,
            blocks(|block| block.width)?,
            blocks(|block| block.tokens)?,
            blocks(|block| block.stage)?,
        ];
        let builder = BatchBuilder::new(Schema::Encoder).utf8([&self.name]).utf8([&self.weights]);
        let builder = builder.int64(int(self.parameters)).int64(int(self.tensors));
        let builder = lists.iter().fold(builder, |builder, list| builder.list_i32([list.as_slice()]));
        builder.int64(int(self.class_tokens)).int64(int(self.out_dim)).int64(int(self.coupled_sites)).build()
    }

    /// From a row.
    ///
    /// # Errors
    /// If it contradicts itself.
    pub fn read(batch: &RecordBatch) -> Result<Self, String> {
        let int = |name: &str| -> Result<usize, String> {
            let value = row(schema::int64(batch, name)?, name)?.value(0);
            usize::try_from(value).map_err(|_| format!("`{name}` is {value}"))
        };
        let text = |name: &str| Ok::<_, String>(row(schema::utf8(batch, name)?, name)?.value(0).to_owned());
        let list = |name: &str| -> Result<Vec<usize>, String> {
            let values = row(schema::list(batch, name)?, name)?.value(0);
            let values = values.as_any().downcast_ref::<arrow::array::PrimitiveArray<Int32Type>>();
            let values = values.ok_or_else(|| format!("`{name}` is no list of Int32"))?.values().iter();
            values.map(|value| usize::try_from(*value).map_err(|_| format!("`{name}` holds {value}"))).collect()
        };
        let image = |name: &str| match *list(name)? {
            [] => Ok(None),
            [channels, height, width] => Ok(Some(InputShape { channels, height, width })),
            _ => Err(format!("`{name}` has neither three numbers nor none")),
        };
        let (widths, tokens, stages) = (list("widths")?, list("tokens")?, list("stages")?);
        if widths.is_empty() || widths.len() != tokens.len() || widths.len() != stages.len() {
            return Err("`widths`, `tokens` and `stages` have one number a block each".to_owned());
        }
        let sizes = widths.into_iter().zip(tokens).zip(stages);
        Ok(Self {
            name: text("name")?,
            weights: text("weights")?,
            parameters: int("parameters")?,
            tensors: int("tensors")?,
            frames: image("frames")?,
            spectrogram: image("spectrogram")?,
            // What a token attends to is the encoder's own affair; it is counted as all.
            blocks: sizes.map(|((width, tokens), stage)| BlockInfo { width, tokens, stage, window: tokens }).collect(),
            class_tokens: int("class_tokens")?,
            out_dim: int("out_dim")?,
            coupled_sites: int("coupled_sites")?,
        })
    }

    /// What a model needs to know to use it for a modality.
    ///
    /// # Errors
    /// If it does not serve that modality.
    pub fn handle(&self, modality: Modality) -> Result<HandleInfo, String> {
        let (input, images) = match modality {
            Modality::Visual => (self.frames, "frames"),
            Modality::Audio => (self.spectrogram, "spectrograms"),
        };
        let input = input.ok_or_else(|| format!("the encoder {} takes no {images}", self.name))?;
        Ok(HandleInfo { blocks: self.blocks.clone(), coupled_sites: self.coupled_sites, input })
    }
}

#[cfg(test)]
mod tests {
    use copl_contract::{Header, Kind, Split};
    use copl_testing::tensors::tensor;

    use super::*;

    /// What a message is after its journey.
    fn journey(sent: &EncoderMessage, clips: usize) -> EncoderMessage {
        let (schema, batch) = rows(sent, clips).unwrap();
        schema.check(&batch).unwrap();
        let header = Header { schema: Some(schema), ..Header::new(Kind::Data, 1, Split::Train) };
        message(&Message { input: "requests".to_owned(), header, batch }).unwrap()
    }

    #[test]
    fn messages_come_back_as_they_were() {
        let prompts = EncoderMessage::Prompts {
            blocks: 2..5,
            keep: true,
            map: false,
            bias: PromptBias::Mean,
            shared: tensor(&[0, 3], 1),
            own: tensor(&[4, 2, 3], 2),
        };
        let sent = [
            prompts,
            EncoderMessage::Images(tensor(&[4, 1, 5, 3], 1)),
            EncoderMessage::Images(
                (tensor(&[4, 5, 6, 3], 1) * 9.0).unwrap().abs().unwrap().to_dtype(DType::U8).unwrap(),
            ),
            EncoderMessage::Latents { block: 7, keep: false, latents: tensor(&[2, 3], 1) },
            EncoderMessage::Condensed { block: 7, condensed: tensor(&[4, 2, 3], 1) },
            EncoderMessage::Finish { map: true },
            EncoderMessage::Map { block: 9, tokens: tensor(&[4, 5, 3], 1) },
            EncoderMessage::Features(tensor(&[4, 3], 1)),
        ];
        for sent in sent {
            let came = journey(&sent, 2);
            assert_eq!(format!("{came:?}"), format!("{sent:?}"));
            assert_eq!(came.bytes(), sent.bytes());
        }
    }

    #[test]
    fn an_introduction_comes_back_as_it_was_and_must_not_contradict_itself() {
        let block = |width, stage| BlockInfo { width, tokens: 16 / width, stage, window: 16 / width };
        let mut sent = Introduction {
            name: "swin".to_owned(),
            weights: "test".to_owned(),
            parameters: 7,
            tensors: 2,
            frames: Some(InputShape { channels: 3, height: 8, width: 8 }),
            spectrogram: None,
            blocks: vec![block(4, 0), block(8, 1)],
            class_tokens: 1,
            out_dim: 8,
            coupled_sites: 2,
        };
        let came = Introduction::read(&sent.rows().unwrap().1).unwrap();
        assert_eq!(format!("{came:?}"), format!("{sent:?}"));
        assert_eq!(came.handle(Modality::Visual).unwrap().blocks, sent.blocks);
        assert!(came.handle(Modality::Audio).unwrap_err().contains("takes no spectrograms"));
        sent.blocks.clear();
        assert!(Introduction::read(&sent.rows().unwrap().1).is_err());
    }
}
