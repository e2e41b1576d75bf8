//! Segmentation of the sounding object (AVSBench-S4): the mask of every segment's frame.
//!
//! Training sees the first frame's mask of each clip alone ([`loss`]); metrics see every mask the dataset has
//! ([`metrics`]). `pictures` shows some.

pub mod loss;
pub mod metrics;
mod pictures;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Float32Type, Int32Type, UInt8Type};
use copl_contract::schema::{self, Schema};
use copl_contract::{Message, Split, tensor};
use serde_yaml::Value;

use self::loss::first_frame_loss;
use self::metrics::{FrameScore, MaskMetrics, probability};
use crate::report::Metric;
use crate::task::{Judged, JudgedClip, PassMetrics, Task};

/// The task.
#[derive(Debug)]
pub(crate) struct Avs {
    /// Clips whose frames are taken together.
    metric_clips: usize,
    metrics: MaskMetrics,
    /// Sum of the IoUs of a category's frames, and their number.
    by_category: BTreeMap<String, (f64, u64)>,
}

/// Masks of a clip: [T, H, W], and which of them there are.
pub(crate) struct Masks<'a> {
    pub(crate) bits: &'a [u8],
    pub(crate) known: &'a [i32],
    pub(crate) shape: [usize; 3],
}

impl<'a> Masks<'a> {
    /// Of a clip's row.
    pub(crate) fn of(clip: &'a RecordBatch) -> Result<Self, String> {
        let masks = tensor::view::<UInt8Type>(clip, "masks")?;
        let known = tensor::view::<Int32Type>(clip, "known")?;
        match masks.shape[..] {
            [segments, height, width] if known.values.len() == segments => {
                Ok(Self { bits: masks.values, known: known.values, shape: [segments, height, width] })
            }
            _ => Err(format!("masks of {:?} of which {} are known or not", masks.shape, known.values.len())),
        }
    }

    /// Pixels of a mask.
    pub(crate) fn pixels(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// The mask of a segment, if there is one.
    pub(crate) fn mask(&self, segment: usize) -> Option<&'a [u8]> {
        let pixels = self.pixels();
        let known = self.known.get(segment).is_some_and(|known| *known != 0);
        known.then(|| &self.bits[segment * pixels..][..pixels])
    }
}

impl Avs {
    pub(crate) fn new(metric_clips: usize) -> Self {
        Self { metric_clips, metrics: MaskMetrics::new(metric_clips), by_category: BTreeMap::new() }
    }

    /// Judges the masks of a clip: its row, and the sum and number of its IoUs. A frame that is not predicted has -1 pixels.
    fn clip(&mut self, logits: &[f32], masks: &Masks<'_>, category: &str, loss: f64) -> (JudgedClip, f64, u64) {
        let [segments, height, width] = masks.shape;
        let (mut prediction, mut sum, mut count) = (Vec::with_capacity(segments), 0.0, 0_u64);
        for (segment, logits) in logits.chunks_exact(masks.pixels().max(1)).enumerate() {
            prediction.push(logits.iter().filter(|x| probability(**x) > 0.5).count() as i32);
            let Some(mask) = masks.mask(segment) else { continue };
            let score = FrameScore::of(logits, mask, [height, width]);
            sum += score.iou;
            count += 1;
            self.metrics.add(&score);
        }
        self.metrics.end_clip();
        prediction.resize(segments, -1);
        // Clips of several sources have no category.
        if !category.is_empty() {
            let (total, frames) = self.by_category.entry(category.to_owned()).or_default();
            (*total, *frames) = (*total + sum, *frames + count);
        }
        let target = pixels_on(masks);
        let score = if count > 0 { sum / count as f64 } else { f64::NAN };
        (JudgedClip { prediction, target, score, loss }, sum, count)
    }
}

/// Pixels of the object in each mask, -1 where there is none.
fn pixels_on(masks: &Masks<'_>) -> Vec<i32> {
    let on = |mask: &[u8]| mask.iter().filter(|bit| **bit != 0).count() as i32;
    (0..masks.shape[0]).map(|segment| masks.mask(segment).map_or(-1, on)).collect()
}

/// Logits of a clip's row of the predictions, [T, H, W], and their shape; in training the first frame's [1, H, W] do.
/// Refuses those of another size than the masks.
fn logits<'a>(
    predictions: &'a RecordBatch,
    row: usize,
    clip: &Message,
    masks: &Masks<'_>,
) -> Result<(&'a [f32], Vec<usize>), String> {
    let logits = tensor::view::<Float32Type>(predictions, "logits")?;
    let [_, height, width] = masks.shape;
    let first_alone = clip.header.split == Split::Train && logits.shape == [1, height, width];
    if logits.shape != masks.shape && !first_alone {
        return Err(format!(
            "masks of {:?} are predicted, those of the dataset are {:?}: set MASK_SIZE and SEGMENTS of the model to match",
            logits.shape, masks.shape
        ));
    }
    let values = logits.shape.iter().product::<usize>();
    Ok((&logits.values[row * values..][..values], logits.shape))
}

impl Task for Avs {
    fn gradients(&self) -> Schema {
        Schema::MaskGradients
    }

    fn metric(&self) -> &'static str {
        "miou"
    }

    fn target(&self, clip: &RecordBatch) -> Result<Vec<i32>, String> {
        Ok(pixels_on(&Masks::of(clip)?))
    }

    fn judge(&mut self, predictions: &RecordBatch, clips: &[Message]) -> Result<Judged, String> {
        let (mut gradient, mut judged) = (Vec::new(), Vec::with_capacity(clips.len()));
        let (mut loss, mut sum, mut count, mut shape) = (0.0, 0.0, 0, Vec::new());
        for (row, clip) in clips.iter().enumerate() {
            let masks = Masks::of(&clip.batch)?;
            let (own, own_shape) = logits(predictions, row, clip, &masks)?;
            let Some(first) = masks.mask(0) else {
                return Err(format!("clip {} has no mask of its first frame", clip.header.clip));
            };
            let own_loss = first_frame_loss(own, first, clips.len());
            let category = schema::utf8(&clip.batch, "category_name")?.value(0);
            let (row, iou, frames) = self.clip(own, &masks, category, own_loss.value);
            loss += own_loss.value / clips.len() as f64;
            (sum, count) = (sum + iou, count + frames);
            gradient.extend(own_loss.gradient);
            judged.push(row);
            shape = own_shape;
        }
        let step = vec![Metric::percent("step/miou", sum / count.max(1) as f64)];
        Ok(Judged { loss, gradients: vec![(gradient, shape)], clips: judged, step })
    }

    fn end_of_pass(&mut self, split: Split) -> PassMetrics {
        let ended = std::mem::replace(&mut self.metrics, MaskMetrics::new(self.metric_clips)).finish();
        let by_category = std::mem::take(&mut self.by_category);
        let Some(found) = ended else { return PassMetrics::default() };
        let mut metrics = vec![
            Metric::percent("miou", found.miou),
            Metric::percent("f_score", found.f_score),
            Metric::percent("f_score_per_frame", found.f_score_per_frame),
            Metric::percent("empty_miou", found.empty_miou),
            Metric::percent("centred_miou", found.centred_miou),
            Metric::count("frames", found.frames),
        ];
        if split != Split::Train {
            let categories = by_category.into_iter().filter(|(_, (_, frames))| *frames > 0);
            metrics.extend(
                categories.map(|(name, (sum, frames))| Metric::percent(format!("miou/{name}"), sum / frames as f64)),
            );
        }
        PassMetrics { metrics, told: 2, picked_by: Some(found.miou) }
    }

    fn state(&self) -> serde_yaml::Result<Value> {
        serde_yaml::to_value((&self.metrics, &self.by_category))
    }

    fn restore(&mut self, state: Value) -> serde_yaml::Result<()> {
        (self.metrics, self.by_category) = serde_yaml::from_value(state)?;
        Ok(())
    }

    fn pictures(
        &self,
        predictions: &RecordBatch,
        row: usize,
        clip: &Message,
        frames: Option<&Message>,
    ) -> Result<Option<(Schema, RecordBatch)>, String> {
        let masks = Masks::of(&clip.batch)?;
        let (own, _) = logits(predictions, row, clip, &masks)?;
        pictures::rows(own, &masks, clip, frames).map(Some)
    }
}
