//! mIoU and F-score of masks, as the official AVSBench code computes them, streaming.
//!
//! - IoU of a frame: p = sigmoid(logit) > 0.5; |p ∧ m| / (|p ∨ m| + 1e-7). A frame whose mask is empty has the share of
//!   pixels that are background in both. *mIoU*: the mean over the frames of a group, then the mean over groups.
//! - F-score: at each of 255 thresholds τ, precision and recall of p ≥ τ and F = 1.3 P R / (0.3 P + R). *Batch
//!   convention* (`f_score`): the curves of a group's frames are averaged, frames with an empty mask left out; the maximum
//!   over τ; the mean over groups, 0 for one without a curve. It depends on the size of the groups.
//!   *Per frame* (`f_score_per_frame`): the maximum of each frame's own curve, the mean over all frames with a mask.
//!
//! A group is what the official test script calls a batch: one clip, unless `METRIC_CLIPS` says otherwise. Beside them
//! stands what two trivial answers would score: no pixel at all (`empty_miou`), and a centred square of half the picture's
//! side (`centred_miou`).

use copl_losses::masks::probability;
use serde::{Deserialize, Serialize};

/// Thresholds of the F-score.
pub const THRESHOLDS: usize = 255;
/// β² of the F-score.
const BETA2: f64 = 0.3;

/// Threshold `index`, as torch.linspace(0, 1 - 1e-10, 255) has it in single precision: from both ends to the middle.
pub fn threshold(index: usize) -> f32 {
    let step = 1.0 / (THRESHOLDS - 1) as f32;
    match index < THRESHOLDS / 2 {
        true => step * index as f32,
        false => 1.0 - step * (THRESHOLDS - 1 - index) as f32,
    }
}

/// The last threshold that `p` reaches; all before it are reached too.
fn last_reached(p: f32) -> Option<usize> {
    let mut index = ((p * (THRESHOLDS - 1) as f32) as usize).min(THRESHOLDS - 1);
    while index + 1 < THRESHOLDS && p >= threshold(index + 1) {
        index += 1;
    }
    while p < threshold(index) {
        index = index.checked_sub(1)?;
    }
    (!p.is_nan()).then_some(index)
}

/// What a frame scores.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameScore {
    /// IoU.
    pub iou: f64,
    /// IoU of an empty answer.
    pub empty_iou: f64,
    /// IoU of a centred square of half the picture's side.
    pub centred_iou: f64,
    /// F at each threshold; none if the mask is empty.
    pub curve: Option<Vec<f64>>,
}

impl FrameScore {
    /// Of `logits` against the `mask` (not 0: on the object), both [height, width].
    pub fn of(logits: &[f32], mask: &[u8], [height, width]: [usize; 2]) -> Self {
        let centred = |index: usize| {
            let (y, x) = (index / width.max(1), index % width.max(1));
            (height / 4..height - height / 4).contains(&y) && (width / 4..width - width / 4).contains(&x)
        };
        Self {
            iou: iou(mask, |index| probability(logits[index]) > 0.5),
            empty_iou: iou(mask, |_| false),
            centred_iou: iou(mask, centred),
            curve: mask.iter().any(|bit| *bit != 0).then(|| curve(logits, mask)),
        }
    }
}

/// IoU of an answer, with the rule for empty masks.
pub fn iou(mask: &[u8], answer: impl Fn(usize) -> bool) -> f64 {
    let (mut both, mut either, mut neither, mut on) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (index, bit) in mask.iter().enumerate() {
        let (truth, said) = (*bit != 0, answer(index));
        both += u64::from(truth && said);
        either += u64::from(truth || said);
        neither += u64::from(!truth && !said);
        on += u64::from(truth);
    }
    let (inter, union) = if on == 0 { (neither, mask.len() as u64) } else { (both, either) };
    inter as f64 / (union as f64 + 1e-7)
}

/// F at each threshold.
fn curve(logits: &[f32], mask: &[u8]) -> Vec<f64> {
    let (mut all, mut on) = ([0_u64; THRESHOLDS], [0_u64; THRESHOLDS]);
    for (x, bit) in logits.iter().zip(mask) {
        if let Some(index) = last_reached(probability(*x)) {
            all[index] += 1;
            on[index] += u64::from(*bit != 0);
        }
    }
    let truth = mask.iter().filter(|bit| **bit != 0).count() as f64;
    let (mut said, mut right) = (0, 0);
    let mut curve = vec![0.0; THRESHOLDS];
    for index in (0..THRESHOLDS).rev() {
        (said, right) = (said + all[index], right + on[index]);
        let (precision, recall) = (right as f64 / (said as f64 + 1e-20), right as f64 / (truth + 1e-20));
        let f = (1.0 + BETA2) * precision * recall / (BETA2 * precision + recall);
        curve[index] = if f.is_nan() { 0.0 } else { f };
    }
    curve
}

/// Metrics of a pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskResults {
    /// Mean IoU, a share.
    pub miou: f64,
    /// F-score by the batch convention, a share.
    pub f_score: f64,
    /// F-score by frame, a share.
    pub f_score_per_frame: f64,
    /// Mean IoU of empty answers.
    pub empty_miou: f64,
    /// Mean IoU of a centred square.
    pub centred_miou: f64,
    /// Frames with a known mask.
    pub frames: u64,
}

/// Sums over the frames of the group under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    clips: usize,
    frames: u64,
    /// IoU, empty IoU, centred IoU.
    ious: [f64; 3],
    curve: Vec<f64>,
    curves: u64,
}

/// Metrics of masks, frame by frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaskMetrics {
    clips_a_group: usize,
    group: Group,
    groups: u64,
    /// Sums over groups: IoU, empty IoU, centred IoU.
    ious: [f64; 3],
    f_scores: f64,
    /// Over frames with a curve.
    f_by_frame: f64,
    curves: u64,
    frames: u64,
}

impl MaskMetrics {
    /// With groups of so many clips.
    pub fn new(clips_a_group: usize) -> Self {
        Self {
            clips_a_group: clips_a_group.max(1),
            group: Group::default(),
            groups: 0,
            ious: [0.0; 3],
            f_scores: 0.0,
            f_by_frame: 0.0,
            curves: 0,
            frames: 0,
        }
    }

    /// Adds a frame of the clip under way.
    pub fn add(&mut self, score: &FrameScore) {
        let group = &mut self.group;
        group.frames += 1;
        for (sum, iou) in group.ious.iter_mut().zip([score.iou, score.empty_iou, score.centred_iou]) {
            *sum += iou;
        }
        self.frames += 1;
        if let Some(curve) = &score.curve {
            group.curve.resize(THRESHOLDS, 0.0);
            group.curve.iter_mut().zip(curve).for_each(|(sum, f)| *sum += f);
            group.curves += 1;
            self.curves += 1;
            self.f_by_frame += largest(curve);
        }
    }

    /// Ends a clip; a full group is counted.
    pub fn end_clip(&mut self) {
        self.group.clips += 1;
        if self.group.clips == self.clips_a_group {
            self.end_group();
        }
    }

    fn end_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        if group.frames == 0 {
            return;
        }
        self.groups += 1;
        for (sum, ious) in self.ious.iter_mut().zip(group.ious) {
            *sum += ious / group.frames as f64;
        }
        self.f_scores += largest(&group.curve) / group.curves.max(1) as f64;
    }

    /// The results, of a last group that may be smaller too; none if there was no frame.
    pub fn finish(mut self) -> Option<MaskResults> {
        self.end_group();
        let groups = self.groups as f64;
        let [miou, empty_miou, centred_miou] = self.ious.map(|sum| sum / groups);
        (self.groups > 0).then(|| MaskResults {
            miou,
            f_score: self.f_scores / groups,
            f_score_per_frame: self.f_by_frame / self.curves.max(1) as f64,
            empty_miou,
            centred_miou,
            frames: self.frames,
        })
    }
}

fn largest(curve: &[f64]) -> f64 {
    curve.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [2, 4];
    /// Certain pixels.
    const ON: f32 = 9.0;
    const OFF: f32 = -9.0;

    fn score(logits: [f32; 8], mask: [u8; 8]) -> FrameScore {
        FrameScore::of(&logits, &mask, SIZE)
    }

    #[test]
    fn iou_counts_pixels_and_an_empty_mask_counts_background() {
        let half = score([ON, ON, OFF, OFF, OFF, OFF, OFF, OFF], [1, 0, 1, 0, 0, 0, 0, 0]);
        assert!((half.iou - 1.0 / 3.0).abs() < 1e-6);
        let empty = score([ON, OFF, OFF, OFF, OFF, OFF, OFF, OFF], [0; 8]);
        assert!((empty.iou - 7.0 / 8.0).abs() < 1e-6 && empty.curve.is_none());
        assert!((empty.empty_iou - 1.0).abs() < 1e-6 && half.empty_iou == 0.0);
        // The centred square of a 4 x 4 picture is its middle four pixels.
        let mut mask = [0; 16];
        mask[5] = 1;
        let square = FrameScore::of(&[0.0; 16], &mask, [4, 4]);
        assert!((square.centred_iou - 0.25).abs() < 1e-6);
        // A logit of 0 is half a probability, which is not more than a half.
        assert_eq!(square.iou, 0.0);
    }

    #[test]
    fn thresholds_are_those_of_linspace() {
        // torch.linspace(0, 1 - 1e-10, 255)[[0, 1, 126, 127, 253, 254]]
        let expected = [0.0, 0.003_937_008, 0.496_063, 0.5, 0.996_063, 1.0];
        for (index, value) in [0, 1, 126, 127, 253, 254].into_iter().zip(expected) {
            assert_eq!(threshold(index), value, "{index}");
        }
        for index in 0..THRESHOLDS {
            assert_eq!(last_reached(threshold(index)), Some(index));
            if index > 0 {
                assert_eq!(last_reached(threshold(index).next_down()), Some(index - 1));
            }
        }
        assert_eq!(last_reached(f32::NAN), None);
    }

    #[test]
    fn the_batch_convention_averages_curves_and_the_other_does_not() {
        // One frame is right at high thresholds, the other at low ones.
        let first = score([2.0, 1.0, OFF, OFF, OFF, OFF, OFF, OFF], [1, 0, 0, 0, 0, 0, 0, 0]);
        let second = score([-1.0, -2.0, OFF, OFF, OFF, OFF, OFF, OFF], [1, 0, 0, 0, 0, 0, 0, 0]);
        let run = |clips_a_group: usize| {
            let mut metrics = MaskMetrics::new(clips_a_group);
            for frame in [&first, &second] {
                metrics.add(frame);
                metrics.end_clip();
            }
            metrics.finish().unwrap()
        };
        let (single, pair) = (run(1), run(2));
        assert!((single.f_score - 1.0).abs() < 1e-9 && (single.f_score_per_frame - 1.0).abs() < 1e-9);
        assert!(pair.f_score < 0.9 && (pair.f_score_per_frame - 1.0).abs() < 1e-9);
        assert_eq!((single.miou, single.frames), (pair.miou, 2));
        assert!(MaskMetrics::new(1).finish().is_none());
    }

    #[test]
    fn a_group_of_empty_masks_has_no_f_score_and_counts() {
        let mut metrics = MaskMetrics::new(1);
        metrics.add(&score([ON; 8], [1; 8]));
        metrics.end_clip();
        metrics.add(&score([OFF; 8], [0; 8]));
        metrics.end_clip();
        let found = metrics.finish().unwrap();
        assert!((found.f_score - 0.5).abs() < 1e-9 && (found.f_score_per_frame - 1.0).abs() < 1e-9);
        assert!((found.miou - 1.0).abs() < 1e-6);
    }
}
