//! Segmentation of the sounding object (AVSBench): the mask of every segment's frame.
//!
//! Training sees the first frame's mask of each clip alone, as S4 has it, or those of all frames, as MS3
//! ([`copl_losses::masks`]); metrics see every mask the dataset has ([`metrics`]). `matched` is what MS3 adds to the loss, where
//! the head gives what sound and picture are matched by. `pictures` shows some.

mod masks;
mod matched;
pub mod metrics;
mod pictures;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use copl_contract::schema::{self, Schema};
use copl_contract::{Message, Split, names};
use copl_losses::masks::{mask_loss, probability};
use copl_losses::matching::{Distance, Matching};
use serde_yaml::Value;

use self::masks::{Masks, logits, pixels_on};
use self::matched::{MATCHED, matched};
use self::metrics::{FrameScore, MaskMetrics};
use crate::judged::{Judged, JudgedClip, PassMetrics};
use crate::metric::Metric;
use crate::task::{Task, TaskKind};

copl_contract::choice! {
    /// The masks that training sees.
    pub enum Supervised { First = "first", All = "all" }
}

copl_contract::choice! {
    /// Whether and how sound and picture are matched.
    pub enum MatchingLoss {
        /// Not at all.
        None = "none",
        /// By a divergence of their channels.
        Kl = "kl",
        /// By their distance.
        Euclid = "euclid",
    }
}

copl_contract::settings! {
    /// Settings of segmentation.
    pub struct AvsSettings {
        "MASKS" masks: Supervised = "first", "Of segmentation: the masks that the loss is of in training and evaluation: that of a clip's first frame, as AVSBench-S4 has it, or those of all its frames, as MS3; the model must then predict all frames in training.";
        "MATCHING" matching: MatchingLoss = "none", "Of segmentation of several sources: whether sound and picture are matched in training, by kl (the official setting of MS3) or euclid; the model must give what they are matched by (TASK avs-ms3, MATCHING_SCALES).";
        "MATCHING_WEIGHT" matching_weight: f64 = "0.5", "Weight of that loss; the official code has 0.5. With kl it is a sum over the frames of a batch, and grows with it.";
        "MATCHING_UNIT" matching_unit: bool = "false", "Whether unit vectors are taken of both first (off in the official command).";
        "MATCHING_NEAREST" matching_nearest: bool = "false", "Whether a frame's target is the picture of the frame of the batch whose sound is nearest to its own (AVM-VV), instead of its own sound.";
        "METRIC_CLIPS" metric_clips: usize = "1", "Of segmentation: clips over whose frames mIoU and F-score are taken together before the mean over all such groups; 1 as the official test script (DG-SCT takes 4, and the F-score depends on it).";
        "SHOW_CLIPS" show_clips: usize = "8", "Of segmentation: clips of the test split whose masks are written as pictures.";
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct Avs {
    /// The masks that the loss is of.
    supervised: Supervised,
    /// How sound and picture are matched, and the loss's weight.
    matching: Option<(Matching, f64)>,
    /// Whether predictions bring what they are matched by.
    is_matched: bool,
    /// Clips whose frames are taken together.
    metric_clips: usize,
    /// Clips whose masks are shown.
    show_clips: usize,
    metrics: MaskMetrics,
    /// Sum of the IoUs of a category's frames, and their number.
    by_category: BTreeMap<String, (f64, u64)>,
}

impl Avs {
    /// The masks of a clip that the loss is of; `predicted` logits are there.
    fn supervised<'a>(&self, clip: &Message, masks: &Masks<'a>, predicted: usize) -> Result<&'a [u8], String> {
        let id = &clip.header.clip;
        match self.supervised {
            Supervised::First => masks.mask(0).ok_or_else(|| format!("clip {id} has no mask of its first frame")),
            Supervised::All if masks.known.contains(&0) => {
                Err(format!("clip {id} has not the masks of all frames: MASKS first needs that of the first alone"))
            }
            Supervised::All if predicted < masks.bits.len() => {
                Err(format!("of clip {id} not all frames are predicted, as MASKS all needs them"))
            }
            Supervised::All => Ok(masks.bits),
        }
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

impl TaskKind for Avs {
    type Settings = AvsSettings;
    const NAME: &'static str = "segmentation";
    const CLIPS: Schema = Schema::MaskClips;

    fn check(settings: &AvsSettings) -> Result<(), (String, String)> {
        let weight = settings.matching_weight;
        match settings.metric_clips {
            0 => Err(("METRIC_CLIPS".to_owned(), "at least one clip is needed".to_owned())),
            _ if !(weight >= 0.0 && weight.is_finite()) => {
                Err(("MATCHING_WEIGHT".to_owned(), format!("{weight}: a weight is not negative")))
            }
            _ => Ok(()),
        }
    }

    fn new(settings: &AvsSettings) -> Self {
        let &AvsSettings { masks: supervised, metric_clips, show_clips, .. } = settings;
        let distance = match settings.matching {
            MatchingLoss::None => None,
            MatchingLoss::Kl => Some(Distance::Kl),
            MatchingLoss::Euclid => Some(Distance::Euclid),
        };
        let (unit, nearest) = (settings.matching_unit, settings.matching_nearest);
        let matching = distance.map(|distance| (Matching { distance, unit, nearest }, settings.matching_weight));
        Self {
            supervised,
            matching,
            is_matched: false,
            metric_clips,
            show_clips,
            metrics: MaskMetrics::new(metric_clips),
            by_category: BTreeMap::new(),
        }
    }
}

impl Task for Avs {
    fn predictions(&self) -> &'static [Schema] {
        &[Schema::MaskPredictions, Schema::MatchedMaskPredictions]
    }

    fn gradients(&self) -> Schema {
        if self.is_matched { Schema::MatchedMaskGradients } else { Schema::MaskGradients }
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
            let own_loss = mask_loss(own, self.supervised(clip, &masks, own.len())?, clips.len());
            let category = schema::utf8(&clip.batch, "category_name")?.value(0);
            let (row, iou, frames) = self.clip(own, &masks, category, own_loss.value);
            loss += own_loss.value / clips.len() as f64;
            (sum, count) = (sum + iou, count + frames);
            gradient.extend(own_loss.gradient);
            judged.push(row);
            shape = own_shape;
        }
        let mut step = vec![Metric::percent("step/miou", sum / count.max(1) as f64)];
        let mut gradients = vec![(gradient, shape)];
        let mut joint = 0.0;
        self.is_matched = MATCHED.iter().all(|name| predictions.column_by_name(name).is_some());
        match (&self.matching, self.is_matched) {
            (Some((matching, weight)), true) => {
                let (value, slopes) = matched(predictions, matching, *weight)?;
                joint = weight * value;
                step.push(Metric::loss("step/matching", value, "nats"));
                gradients.extend(slopes);
            }
            (Some(_), false) => {
                return Err(
                    "MATCHING needs what sound and picture are matched by: set MATCHING_SCALES of copl-model, or \
                            MATCHING to none"
                        .to_owned(),
                );
            }
            (None, true) => gradients.extend(matched::unused(predictions)?),
            (None, false) => {}
        }
        Ok(Judged { loss: loss + joint, joint, gradients, clips: judged, step })
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
            metrics
                .extend(categories.map(|(name, (sum, frames))| {
                    Metric::percent(names::joined(&["miou", &name]), sum / frames as f64)
                }));
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

    fn pictures_wanted(&self) -> usize {
        self.show_clips
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
