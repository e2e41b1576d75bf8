//! The masks of a clip, and what a model says of them.

use arrow::array::RecordBatch;
use arrow::datatypes::{Float32Type, Int32Type, UInt8Type};
use copl_contract::{Message, Split, tensor};

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

/// Pixels of the object in each mask, -1 where there is none.
pub(super) fn pixels_on(masks: &Masks<'_>) -> Vec<i32> {
    let on = |mask: &[u8]| mask.iter().filter(|bit| **bit != 0).count() as i32;
    (0..masks.shape[0]).map(|segment| masks.mask(segment).map_or(-1, on)).collect()
}

/// Logits of a clip's row of the predictions, [T, H, W], and their shape; in training the first frame's [1, H, W] do.
/// Refuses those of another size than the masks.
pub(super) fn logits<'a>(
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
