//! Rows of the `samples` table: what was said of each clip.

use std::path::Path;

use polars::prelude::DataFrame;

use crate::error::ReportError;
use crate::frame::{binaries, integers, lists, numbers, texts};
use crate::parts::read;
use crate::tables::Table;

/// What was said of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Clip id.
    pub clip: String,
    /// Share of what was right; NaN if the clip was given up.
    pub score: f64,
    /// Predicted class of each segment.
    pub prediction: Vec<i32>,
    /// True class of each segment.
    pub target: Vec<i32>,
}

/// The samples of the last test pass, or of the last validation pass where there was no test.
///
/// # Errors
/// If the table cannot be read.
pub fn last_pass(run_dir: &Path) -> Result<Vec<Sample>, ReportError> {
    of_last_pass(&read(run_dir, Table::Samples)?)
}

fn of_last_pass(frame: &DataFrame) -> Result<Vec<Sample>, ReportError> {
    let (epochs, splits) = (integers(frame, "epoch")?, texts(frame, "split")?);
    let (clips, scores) = (texts(frame, "clip")?, numbers(frame, "score")?);
    let (predictions, targets) = (lists(frame, "prediction")?, lists(frame, "target")?);
    let last = |split: &str| {
        let rows = epochs.iter().zip(&splits).filter(|(_, s)| *s == split);
        rows.map(|(e, _)| *e).max().map(|epoch| (epoch, split.to_owned()))
    };
    let Some((epoch, split)) = last("test").or_else(|| last("val")) else { return Ok(Vec::new()) };
    let rows = (0..clips.len()).filter(|i| epochs[*i] == epoch && splits[*i] == split);
    Ok(rows
        .map(|i| Sample {
            clip: clips[i].clone(),
            score: scores[i],
            prediction: predictions[i].clone(),
            target: targets[i].clone(),
        })
        .collect())
}

/// Masks of a segment as PNG files; empty where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskPicture {
    /// Clip id.
    pub clip: String,
    /// Segment, from 0.
    pub segment: i64,
    /// Class of the sounding object.
    pub category: String,
    /// The frame.
    pub frame: Vec<u8>,
    /// The predicted mask.
    pub predicted: Vec<u8>,
    /// The true mask.
    pub target: Vec<u8>,
    /// Intersection over union; NaN if no true mask is known.
    pub iou: f64,
}

/// The pictures of masks of a run, clip by clip in the order of their segments.
///
/// # Errors
/// If the table cannot be read.
pub fn masks(run_dir: &Path) -> Result<Vec<Vec<MaskPicture>>, ReportError> {
    let frame = read(run_dir, Table::Masks)?;
    let (clips, segments) = (texts(&frame, "clip")?, integers(&frame, "segment")?);
    let (categories, ious) = (texts(&frame, "category")?, numbers(&frame, "iou")?);
    let columns = ["frame", "predicted", "target"].map(|name| binaries(&frame, name));
    let [frames, predicted, targets] = columns;
    let (frames, predicted, targets) = (frames?, predicted?, targets?);
    let mut found: Vec<Vec<MaskPicture>> = Vec::new();
    for i in 0..clips.len() {
        let picture = MaskPicture {
            clip: clips[i].clone(),
            segment: segments[i],
            category: categories[i].clone(),
            frame: frames[i].clone(),
            predicted: predicted[i].clone(),
            target: targets[i].clone(),
            iou: ious[i],
        };
        match found.last_mut() {
            Some(last) if last.iter().all(|p| p.clip == picture.clip && p.segment < picture.segment) => {
                last.push(picture);
            }
            _ => found.push(vec![picture]),
        }
    }
    Ok(found)
}
