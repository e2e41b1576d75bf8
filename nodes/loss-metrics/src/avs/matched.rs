//! The matching loss on a batch of predictions: columns `matched_maps` and `matched_sounds`, [T, S, C] a clip.

use arrow::array::RecordBatch;
use arrow::datatypes::Float32Type;
use copl_contract::tensor;
use copl_losses::matching::Matching;

/// The columns, in the order of the gradients.
pub(super) const MATCHED: [&str; 2] = ["matched_maps", "matched_sounds"];

/// Values and shape of one clip's row.
type Slopes = (Vec<f32>, Vec<usize>);

/// The loss, unweighted, and `weight` times its slopes towards both columns.
///
/// # Errors
/// If the columns do not fit each other.
pub(super) fn matched(
    predictions: &RecordBatch,
    matching: &Matching,
    weight: f64,
) -> Result<(f64, [Slopes; 2]), String> {
    let [maps, sounds] = MATCHED.map(|name| tensor::view::<Float32Type>(predictions, name));
    let (maps, sounds) = (maps?, sounds?);
    let [segments, scales, channels] = maps.shape[..] else {
        return Err(format!("`{}` of {:?}: [T, S, C] is expected", MATCHED[0], maps.shape));
    };
    if sounds.shape != maps.shape {
        return Err(format!("`{}` of {:?}, `{}` of {:?}", MATCHED[0], maps.shape, MATCHED[1], sounds.shape));
    }
    let frames = maps.rows * segments;
    // [N, S, C] -> S of [N, C]
    let of_scale = |values: &[f32], scale: usize| -> Vec<f32> {
        values
            .chunks_exact(scales * channels)
            .flat_map(|frame| frame[scale * channels..][..channels].to_vec())
            .collect()
    };
    let each: Vec<[Vec<f32>; 2]> =
        (0..scales).map(|scale| [of_scale(maps.values, scale), of_scale(sounds.values, scale)]).collect();
    let each: Vec<[&[f32]; 2]> = each.iter().map(|[seen, heard]| [&seen[..], &heard[..]]).collect();
    let found = matching.loss(frames, &each)?;
    let back = |which: usize| -> Slopes {
        let mut slopes = vec![0.0; frames * scales * channels];
        for (scale, of_scale) in found.scales.iter().enumerate() {
            let rows = slopes.chunks_exact_mut(scales * channels).zip(of_scale[which].chunks_exact(channels));
            for (row, slopes) in rows {
                let own = row[scale * channels..][..channels].iter_mut();
                own.zip(slopes).for_each(|(to, slope)| *to = (weight * f64::from(*slope)) as f32);
            }
        }
        (slopes, maps.shape.clone())
    };
    Ok((found.value, [back(0), back(1)]))
}

/// Slopes of columns that no loss reads.
///
/// # Errors
/// If a column is no tensor.
pub(super) fn unused(predictions: &RecordBatch) -> Result<Vec<Slopes>, String> {
    let zeros = |name: &str| -> Result<Slopes, String> {
        let column = tensor::view::<Float32Type>(predictions, name)?;
        Ok((vec![0.0; column.values.len()], column.shape))
    };
    MATCHED.iter().map(|name| zeros(name)).collect()
}
