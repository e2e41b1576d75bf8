//! Adaptive pooling of a picture to a smaller one, as PyTorch's: bin i of n over a length L spans floor(i L / n) to
//! ceil((i + 1) L / n), so that bins may overlap.

copl_contract::choice! {
    /// How a bin becomes one number.
    pub enum Pooling {
        /// Its mean.
        Mean = "mean",
        /// Its largest number, the first of equals.
        Max = "max",
    }
}

/// Rows or columns of a bin.
fn bin(index: usize, bins: usize, length: usize) -> std::ops::Range<usize> {
    index * length / bins..((index + 1) * length).div_ceil(bins)
}

impl Pooling {
    /// The picture [height, width] pooled to `to`, row by row.
    pub(super) fn pooled(self, picture: &[f64], [height, width]: [usize; 2], to: [usize; 2]) -> Vec<f64> {
        let mut out = Vec::with_capacity(to[0] * to[1]);
        for (rows, columns) in bins([height, width], to) {
            let of = rows.clone().flat_map(|y| columns.clone().map(move |x| picture[y * width + x]));
            out.push(match self {
                Self::Mean => of.sum::<f64>() / (rows.len() * columns.len()) as f64,
                Self::Max => of.fold(f64::NEG_INFINITY, f64::max),
            });
        }
        out
    }

    /// Adds to `slopes` [height, width] what the slopes of the pooled picture say of each of its pixels.
    pub(super) fn spread(
        self,
        pooled: &[f64],
        picture: &[f64],
        [height, width]: [usize; 2],
        to: [usize; 2],
        slopes: &mut [f64],
    ) {
        for ((rows, columns), slope) in bins([height, width], to).zip(pooled) {
            let places = rows.clone().flat_map(|y| columns.clone().map(move |x| y * width + x));
            match self {
                Self::Mean => {
                    let share = slope / (rows.len() * columns.len()) as f64;
                    places.for_each(|place| slopes[place] += share);
                }
                Self::Max => {
                    let largest =
                        places.reduce(|best, place| if picture[place] > picture[best] { place } else { best });
                    if let Some(place) = largest {
                        slopes[place] += slope;
                    }
                }
            }
        }
    }
}

/// Rows and columns of every bin, row by row.
fn bins(
    [height, width]: [usize; 2],
    [down, across]: [usize; 2],
) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
    (0..down).flat_map(move |i| (0..across).map(move |j| (bin(i, down, height), bin(j, across, width))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_those_of_pytorch() {
        let spans = |bins, length| (0..bins).map(|i| bin(i, bins, length)).collect::<Vec<_>>();
        assert_eq!(spans(2, 4), [0..2, 2..4]);
        assert_eq!(spans(3, 5), [0..2, 1..4, 3..5]);
    }

    #[test]
    fn a_mean_is_spread_evenly_and_a_maximum_goes_to_its_place() {
        let picture = [1.0, 5.0, 2.0, 0.0, 3.0, 3.0, 4.0, 8.0];
        assert_eq!(Pooling::Mean.pooled(&picture, [2, 4], [1, 2]), [3.0, 3.5]);
        assert_eq!(Pooling::Max.pooled(&picture, [2, 4], [1, 2]), [5.0, 8.0]);
        let mut slopes = [0.0; 8];
        Pooling::Max.spread(&[1.0, 2.0], &picture, [2, 4], [1, 2], &mut slopes);
        assert_eq!(slopes, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
        let mut slopes = [0.0; 8];
        Pooling::Mean.spread(&[4.0, 0.0], &picture, [2, 4], [1, 2], &mut slopes);
        assert_eq!(slopes, [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }
}
