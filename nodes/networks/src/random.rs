//! Random streams as pure functions of a seed and a purpose.
//!
//! A stream's key is SHA-256 of both, its generator ChaCha with 8 rounds: the same numbers on every machine, whatever
//! else has been drawn. Candle's own CPU generator cannot be seeded and is never used.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

/// A stream of random numbers.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of (seed, purpose), from its beginning.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// A number from N(0, 1).
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// A number from [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// A whole number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_purpose_alone() {
        let draw = |seed, purpose: &str| {
            let mut stream = Stream::new(seed, purpose);
            (0..4).map(|_| stream.normal()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "prompts"), draw(1, "prompts"));
        assert_ne!(draw(1, "prompts"), draw(2, "prompts"));
        assert_ne!(draw(1, "prompts"), draw(1, "head"));
    }

    #[test]
    fn numbers_have_the_moments_they_should() {
        let mut stream = Stream::new(7, "moments");
        let n = 20_000;
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05);
        assert!((0..1000).all(|_| (-2.0..3.0).contains(&stream.uniform(-2.0, 3.0)) && stream.below(3) < 3));
    }
}
