//! Where an ensemble plays: a room with wall and floor, or under the sky. It stays as it is for the whole clip, so what
//! moves is an instrument.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{
    math::{colour, mix, sin_turns, smooth},
    picture::Lattice,
    random::between,
};

/// A picture of linear colours, row by row; sizes in pixels.
pub(super) fn draw(rng: &mut ChaCha8Rng, (width, height): (usize, usize), outdoor: bool) -> Vec<[f32; 3]> {
    let lattice = Lattice::new(rng);
    let horizon = between(rng, 0.55, 0.72);
    let place = if outdoor { Place::under_the_sky(rng) } else { Place::in_a_room(rng) };
    let unit = 1.0 / height as f32;
    (0..width * height)
        .map(|index| {
            let (x, y) = ((index % width) as f32 * unit, (index / width) as f32 * unit);
            // Hills meet the sky in a wavy line, a wall meets the floor in a straight one.
            let edge = horizon + if outdoor { 0.06 * (lattice.at(x * 3.0, 3.3) - 0.5) } else { 0.0 };
            let below = smooth(edge - 0.008, edge + 0.008, y);
            let (upper, lower) = (place.upper(&lattice, x, y), place.lower(&lattice, x, y - edge));
            std::array::from_fn(|c| mix(upper[c], lower[c], below))
        })
        .collect()
}

/// Colours and sizes that are drawn once.
struct Place {
    outdoor: bool,
    upper: [[f32; 3]; 2],
    lower: [[f32; 3]; 2],
    /// Of wallpaper or clouds.
    scale: f32,
    /// A window's or the sun's place.
    mark: f32,
}

impl Place {
    fn under_the_sky(rng: &mut ChaCha8Rng) -> Self {
        let (sky, grass) = (between(rng, 0.53, 0.62), between(rng, 0.2, 0.36));
        let light = between(rng, 0.7, 0.95);
        Self {
            outdoor: true,
            upper: [colour(sky, between(rng, 0.3, 0.6), light), colour(sky, 0.06, light)],
            lower: [colour(grass, 0.5, 0.55 * light), colour(grass + 0.04, 0.6, 0.35 * light)],
            scale: between(rng, 1.5, 3.0),
            mark: rng.random(),
        }
    }

    fn in_a_room(rng: &mut ChaCha8Rng) -> Self {
        let (wall, wood) = (rng.random::<f32>(), between(rng, 0.05, 0.1));
        let light = between(rng, 0.35, 0.8);
        let saturation = between(rng, 0.05, 0.3);
        Self {
            outdoor: false,
            upper: [colour(wall, saturation, light), colour(wall + 0.03, saturation, 0.88 * light)],
            lower: [colour(wood, 0.5, 0.6 * light), colour(wood, 0.55, 0.42 * light)],
            scale: between(rng, 3.0, 6.0),
            mark: rng.random(),
        }
    }

    fn upper(&self, lattice: &Lattice, x: f32, y: f32) -> [f32; 3] {
        let [first, second] = self.upper;
        let amount = if self.outdoor {
            smooth(0.45, 0.75, lattice.fractal(x * self.scale, y * self.scale * 2.0, 0.55))
        } else {
            let window = (x - 0.15 - self.mark).abs() < 0.14 && (y - 0.2).abs() < 0.13;
            if window {
                return [0.92, 0.94, 0.98];
            }
            smooth(-0.2, 0.2, sin_turns(x * self.scale))
        };
        std::array::from_fn(|c| mix(first[c], second[c], amount))
    }

    /// `depth` counts down from the edge.
    fn lower(&self, lattice: &Lattice, x: f32, depth: f32) -> [f32; 3] {
        let [first, second] = self.lower;
        let amount = if self.outdoor {
            lattice.fractal(x * 14.0, depth * 22.0, 0.7)
        } else {
            // Boards run to a point far behind.
            let board = (x - 0.66) / (0.25 + depth.max(0.0)) * 1.6;
            0.8 * smooth(0.38, 0.48, (board - board.floor() - 0.5).abs()) + 0.2 * lattice.at(x * 9.0, depth * 4.0)
        };
        std::array::from_fn(|c| mix(first[c], second[c], amount))
    }
}
