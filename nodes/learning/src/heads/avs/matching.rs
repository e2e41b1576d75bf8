//! What the audio-visual matching loss of several sources (AVSBench MS3) reads: of each frame and scale, the mean of the map
//! where the sounding objects are said to be, and the frame's aligned sound.
//!
//! The loss itself is loss-metrics' affair. Maps stay here: their masked means are [B T, C] a scale, some hundredth of the
//! maps' numbers, and all that the loss needs of them. Source: AVSBench `loss.py` (f7414af), `A_MaskedV_SimmLoss`.

use std::str::FromStr;

use candle_core::{D, Tensor};
use copl_contract::settings::SettingValue;
use copl_networks::{Error, Result};

use crate::methods::ClipShape;

copl_contract::choice! {
    /// How logits are brought to a map's size before the sigmoid.
    pub enum Pooling {
        /// Their mean.
        Average = "average",
        /// Their maximum.
        Max = "max",
    }
}

/// Scales of the decoder that are matched, finest (0) to coarsest (3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scales(pub Vec<usize>);

impl FromStr for Scales {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let scales: Option<Vec<usize>> = text.split(',').map(|scale| scale.trim().parse().ok()).collect();
        match scales {
            Some(scales) if scales.is_sorted_by(|a, b| a < b) && scales.last() < Some(&4) => Ok(Self(scales)),
            _ => Err(format!("`{text}` is neither none nor scales in their order, such as 0,1,2,3")),
        }
    }
}

impl SettingValue for Scales {
    const TYPE: &'static str = "none, or scales such as 0,1,2,3";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
    fn show(&self) -> String {
        match self.0.is_empty() {
            true => "none".to_owned(),
            false => self.0.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
        }
    }
}

/// What is matched, and how a map is masked.
#[derive(Debug, Clone)]
pub struct Matching {
    /// Scales that take part.
    pub scales: Scales,
    /// How logits are brought to a map's size.
    pub pooling: Pooling,
    /// Places count where their probability is above 0.5, all alike, instead of by their probability.
    pub threshold: bool,
}

impl Matching {
    /// Columns `matched_maps` and `matched_sounds`, [B, T, scales, C] each, from logits [B, T, H, W] and each scale's map
    /// behind the interaction and aligned sound. The map is read after a ReLU: the official one works in place, and has
    /// passed over it when the loss reads it.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub(super) fn columns(
        &self,
        logits: &Tensor,
        scales: &[(Tensor, Tensor); 4],
        shape: ClipShape,
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let logits = logits.flatten(0, 1)?;
        let (mut maps, mut sounds) = (Vec::new(), Vec::new());
        for scale in &self.scales.0 {
            let Some((map, sound)) = scales.get(*scale) else {
                return Err(Error::Config(format!("the decoder has no scale {scale}")));
            };
            maps.push(masked_mean(&map.relu()?, &logits, self.pooling, self.threshold)?);
            sounds.push(sound.clone());
        }
        let column = |rows: &[Tensor]| -> Result<Tensor> {
            let rows = Tensor::stack(rows, 1)?;
            let (_, count, width) = rows.dims3()?;
            Ok(rows.reshape((shape.clips, shape.segments, count, width))?)
        };
        Ok(vec![("matched_maps", column(&maps)?), ("matched_sounds", column(&sounds)?)])
    }
}

/// The mean of `map` [N, h, w, C] over all its places, each weighted with the probability that `logits` [N, H, W], pooled to
/// the map's size, give it: [N, C]. With `threshold`, the mean over the places of a probability above 0.5.
///
/// # Errors
/// If the logits' size is no multiple of the map's.
pub fn masked_mean(map: &Tensor, logits: &Tensor, pooling: Pooling, threshold: bool) -> Result<Tensor> {
    let ((images, height, width, channels), (_, rows, columns)) = (map.dims4()?, logits.dims3()?);
    if rows % height != 0 || columns % width != 0 {
        return Err(Error::Shape {
            what: "logits".to_string(),
            found: logits.dims().to_vec(),
            expected: format!("a multiple of {height} x {width}"),
        });
    }
    let windows = logits.reshape(vec![images, height, rows / height, width, columns / width])?;
    let windows = windows.permute(vec![0, 1, 3, 2, 4])?.contiguous()?.reshape((images, height * width, ()))?;
    let pooled = match pooling {
        Pooling::Average => windows.mean_keepdim(D::Minus1)?,
        Pooling::Max => windows.max_keepdim(D::Minus1)?,
    };
    let places = map.reshape((images, height * width, channels))?;
    if threshold {
        // A probability above 0.5 is a logit above 0; the step has no gradient.
        let on = pooled.detach().gt(0.0)?.to_dtype(map.dtype())?;
        let count = (on.sum(1)? + 1e-6)?;
        return Ok(places.broadcast_mul(&on)?.sum(1)?.broadcast_div(&count)?);
    }
    // The sigmoid by the hyperbolic tangent, which saturates where an exponential would overflow.
    let probability = ((pooled * 0.5)?.tanh()? * 0.5)?.affine(1.0, 0.5)?;
    Ok(places.broadcast_mul(&probability)?.mean(1)?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use copl_testing::tensors::{assert_gradients, tensor, values, var};

    use super::*;

    #[test]
    fn scales_are_read_as_they_are_shown() {
        for text in ["none", "0,1,2,3", "2,3", "1"] {
            assert_eq!(text.parse::<Scales>().unwrap().show(), text);
        }
        for wrong in ["", "4", "1,1", "3,2", "all", "-1"] {
            assert!(wrong.parse::<Scales>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_masked_mean_is_its_definition_and_differentiable() {
        let (map, logits) = (var(&[2, 2, 2, 3], 1), var(&[2, 4, 4], 2));
        for pooling in [Pooling::Average, Pooling::Max] {
            assert_gradients(&[&map, &logits], 20, 5e-3, || masked_mean(&map, &logits, pooling, false).unwrap());
        }
        let sure = Tensor::full(200f32, (2, 4, 4), &Device::Cpu).unwrap();
        let everywhere = values(&masked_mean(&map, &sure, Pooling::Average, false).unwrap());
        let mean = values(&map.reshape((2, 4, 3)).unwrap().mean(1).unwrap());
        assert!(everywhere.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));
        let nowhere = masked_mean(&map, &sure.neg().unwrap(), Pooling::Max, false).unwrap();
        assert!(values(&nowhere).iter().all(|x| x.abs() < 1e-6));
        assert!(
            values(&masked_mean(&map, &sure.neg().unwrap(), Pooling::Max, true).unwrap()).iter().all(|x| *x == 0.0)
        );
        let wrong = masked_mean(&map, &tensor(&[2, 3, 4], 1), Pooling::Max, true).unwrap_err().to_string();
        assert!(wrong.contains("multiple of 2 x 2"), "{wrong}");
    }
}
