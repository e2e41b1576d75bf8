//! Dropout whose masks are a pure function of (seed, step, site): the same on every machine, however often a step is taken.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::random::Stream;

/// Dropout of one training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Share of the numbers that become 0; the others grow by 1 / (1 - rate).
    pub rate: f64,
    /// Seed of the run.
    pub seed: u64,
    /// The training step.
    pub step: u64,
    /// Rows of the batch before those that are handed in: a part of a batch drops what the whole batch would drop there.
    pub row: usize,
}

impl Dropout {
    /// `x` [rows, ...] with numbers dropped; `site` says where in the network, and so which mask.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn apply(&self, site: &str, x: &Tensor) -> Result<Tensor> {
        if self.rate <= 0.0 {
            return Ok(x.clone());
        }
        let mut stream = Stream::new(self.seed, &format!("dropout/{}/{site}", self.step));
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let draw = |_| if stream.uniform(0.0, 1.0) < self.rate { 0.0 } else { kept };
        let before = self.row * x.elem_count() / x.dim(0)?.max(1);
        let mask: Vec<f32> = (0..before + x.elem_count()).map(draw).skip(before).collect();
        Ok((x * Tensor::from_vec(mask, x.shape(), x.device())?)?)
    }
}

/// `x` after dropout, or as it is where there is none (evaluation).
///
/// # Errors
/// If a tensor operation fails.
pub(super) fn dropped(dropout: Option<&Dropout>, site: &str, x: &Tensor) -> Result<Tensor> {
    match dropout {
        Some(dropout) => dropout.apply(site, x),
        None => Ok(x.clone()),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn values(dropout: Dropout, site: &str) -> Vec<f32> {
        let ones = Tensor::from_vec(vec![1f32; 4000], (40, 100), &Device::Cpu).unwrap();
        dropout.apply(site, &ones).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_mask_depends_on_seed_step_and_site_alone() {
        let one = Dropout { rate: 0.1, seed: 3, step: 7, row: 0 };
        assert_eq!(values(one, "a"), values(one, "a"));
        assert_ne!(values(one, "a"), values(one, "b"));
        assert_ne!(values(one, "a"), values(Dropout { step: 8, ..one }, "a"));
        assert_ne!(values(one, "a"), values(Dropout { seed: 4, ..one }, "a"));
    }

    #[test]
    fn parts_of_a_batch_drop_what_the_batch_drops() {
        let whole = Dropout { rate: 0.3, seed: 1, step: 2, row: 0 };
        let rest = Tensor::from_vec(vec![1f32; 3000], (30, 100), &Device::Cpu).unwrap();
        let rest = Dropout { row: 10, ..whole }.apply("a", &rest).unwrap();
        assert_eq!(rest.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values(whole, "a")[1000..]);
    }

    #[test]
    fn the_mean_stays() {
        let values = values(Dropout { rate: 0.25, seed: 0, step: 0, row: 0 }, "a");
        let zeros = values.iter().filter(|x| **x == 0.0).count();
        assert!((900..1100).contains(&zeros), "{zeros} of 4000 dropped at a rate of a quarter");
        let mean = values.iter().sum::<f32>() / 4000.0;
        assert!((mean - 1.0).abs() < 0.04, "{mean}");
        assert_eq!(Dropout { rate: 0.0, seed: 0, step: 0, row: 0 }.rate, 0.0);
    }
}
