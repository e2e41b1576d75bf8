//! Frames of an ensemble: instruments side by side on a stage, each moving while it sounds and at no other time.

use copl_datasets::ave::SEGMENTS;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{ensemble::Ensemble, ensemble::Player, instruments::INSTRUMENTS, stage};
use crate::{
    options::SynthOptions,
    picture::actor::Actor,
    random::{ClipKey, Hiss, Purpose, between},
};

/// Entries of the noise table; a power of two.
const NOISE: usize = 1 << 14;

/// A clip's pictures.
pub(super) struct Film<'a> {
    options: &'a SynthOptions,
    stage: Vec<[f32; 3]>,
    actors: Vec<(&'a Player, Actor)>,
    /// Grey levels.
    noise: Vec<f32>,
    sensor: ChaCha8Rng,
    canvas: Vec<[f32; 3]>,
}

impl<'a> Film<'a> {
    pub fn new(key: ClipKey, ensemble: &'a Ensemble, options: &'a SynthOptions) -> Self {
        let (width, height) = (options.width as f32, options.height as f32);
        let size = (options.width as usize, options.height as usize);
        let stage = stage::draw(&mut key.stream(Purpose::Backdrop, 0), size, ensemble.outdoor);
        let count = ensemble.seen().count();
        let radius = (width / (2.5 * count as f32)).min(0.3 * height);
        let actors = ensemble.seen().enumerate().map(|(n, player)| {
            let mut rng = key.stream(Purpose::Specimen, n as u32);
            let shift = between(&mut rng, -0.04, 0.04);
            let across = width * (n as f32 + 0.5 + shift) / count as f32;
            let centre = (across, height * between(&mut rng, 0.5, 0.64));
            let radius = radius * between(&mut rng, 0.9, 1.0);
            let instrument = &INSTRUMENTS[player.instrument];
            (player, Actor::stand(&mut rng, instrument, options, centre, radius, player.notes as f32 * 0.1))
        });
        let actors = actors.collect();
        let mut sensor = key.stream(Purpose::Sensor, 0);
        let mut hiss = Hiss::new(&mut sensor);
        // The sum of four uniform numbers has variance 4/3 and is near enough to a normal one.
        let scale = options.noise * 0.866;
        let noise = (0..NOISE).map(|_| scale * (hiss.next() + hiss.next() + hiss.next() + hiss.next())).collect();
        Self { options, canvas: stage.clone(), stage, actors, noise, sensor }
    }

    /// Frames of the whole clip.
    pub fn frames(&self) -> usize {
        SEGMENTS * self.options.frames_per_sec as usize
    }

    /// Draws the frame `index` into `rgb`, three bytes a pixel; frames are to be asked for in order.
    pub fn render(&mut self, index: usize, rgb: &mut Vec<u8>) {
        let secs = index as f32 / self.options.frames_per_sec as f32;
        let width = self.options.width as usize;
        self.canvas.copy_from_slice(&self.stage);
        for (player, actor) in &self.actors {
            actor.render(&mut self.canvas, width, played_secs(player, secs));
        }
        rgb.clear();
        for row in self.canvas.chunks_exact(width) {
            let offset = self.sensor.random_range(0..NOISE);
            for (column, pixel) in row.iter().enumerate() {
                let noise = self.noise[(offset + column * 3) & (NOISE - 1)];
                rgb.extend((0..3).map(|c| (pixel[c] * 255.0 + noise + 0.5).clamp(0.0, 255.0) as u8));
            }
        }
    }
}

/// How long a player has sounded at a time.
fn played_secs(player: &Player, secs: f32) -> f32 {
    player.sounds.map_or(0.0, |span| (secs - span.from_secs as f32).clamp(0.0, span.secs() as f32))
}
