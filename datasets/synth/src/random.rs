//! Random numbers of a set: one independent stream for each (seed, purpose, split, clip, part), so changing how one part
//! draws leaves the others as they are.

use copl_datasets::Split;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Ids = 1,
    Scene = 2,
    Backdrop = 3,
    Specimen = 4,
    Camera = 5,
    Voice = 6,
    Ambience = 7,
    Sensor = 8,
    Route = 9,
}

/// Names a clip within a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClipKey {
    pub seed: u64,
    pub generator: u32,
    pub split: Split,
    pub index: u32,
}

impl ClipKey {
    /// The stream of a purpose; `part` tells shots and actors apart.
    pub fn stream(self, purpose: Purpose, part: u32) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..12].copy_from_slice(&self.generator.to_le_bytes());
        key[12..16].copy_from_slice(&(self.split as u32).to_le_bytes());
        key[16..20].copy_from_slice(&self.index.to_le_bytes());
        key[20..24].copy_from_slice(&(purpose as u32).to_le_bytes());
        key[24..28].copy_from_slice(&part.to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }
}

/// Uniform between two bounds; the lower one if they are equal.
pub(super) fn between(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

pub(super) fn chance(rng: &mut impl Rng, probability: f32) -> bool {
    rng.random::<f32>() < probability
}

/// A cheap stream for noise, where there are millions of draws.
#[derive(Debug, Clone)]
pub(super) struct Hiss(u64);

impl Hiss {
    pub fn new(rng: &mut impl Rng) -> Self {
        Self(rng.random::<u64>() | 1)
    }

    /// Uniform in -1..1.
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 * (2.0 / 16_777_216.0) - 1.0
    }
}
