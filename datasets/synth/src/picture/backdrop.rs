//! The place of a shot: a colour gradient, fractal texture and clutter, larger than the frame so the camera can drift.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::shape::{ellipse, rectangle, star};
use crate::{
    math::{colour, cos_turns, mix, sin_turns, smooth},
    random::between,
};

/// How places of a generator differ from another's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenery {
    /// How much weight fine texture has against coarse, low and high.
    pub roughness: [f32; 2],
    /// Clutter has straight sides and points, not round ones.
    pub angular: bool,
    /// Brightness of the place, low and high.
    pub light: [f32; 2],
}

/// A picture of linear colours, row by row.
#[derive(Debug, Clone)]
pub(super) struct Backdrop {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 3]>,
}

/// Values on a lattice, smooth between; 64 x 64 cells, then again from the start.
pub(crate) struct Lattice(Vec<f32>);

impl Lattice {
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        Self((0..4096).map(|_| rng.random::<f32>()).collect())
    }

    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (fx, fy) = (x.floor(), y.floor());
        let (ix, iy) = (fx as i32, fy as i32);
        let cell = |dx: i32, dy: i32| self.0[(((iy + dy) & 63) * 64 + ((ix + dx) & 63)) as usize];
        let (u, v) = (x - fx, y - fy);
        let (u, v) = (u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v));
        mix(mix(cell(0, 0), cell(1, 0), u), mix(cell(0, 1), cell(1, 1), u), v)
    }

    /// Four octaves, about 0..1.
    pub fn fractal(&self, x: f32, y: f32, roughness: f32) -> f32 {
        let (mut sum, mut weight, mut total, mut scale) = (0.0, 1.0, 0.0, 1.0);
        for octave in 0..4 {
            let offset = octave as f32 * 17.3;
            sum += weight * self.at(x * scale + offset, y * scale + offset);
            total += weight;
            weight *= roughness;
            scale *= 2.1;
        }
        sum / total
    }
}

impl Backdrop {
    /// Draws a place of the given size in pixels; `unit` is the frame's height.
    pub fn draw(
        rng: &mut ChaCha8Rng,
        (width, height): (usize, usize),
        unit: f32,
        scenery: &Scenery,
        clutter: f32,
    ) -> Self {
        let lattice = Lattice::new(rng);
        let roughness = between(rng, scenery.roughness[0], scenery.roughness[1]);
        let scale = between(rng, 2.0, 6.0) / unit;
        let light = between(rng, scenery.light[0], scenery.light[1]);
        let hue = rng.random::<f32>();
        let near = colour(hue, between(rng, 0.1, 0.55), light);
        let far = colour(hue + between(rng, -0.2, 0.2), between(rng, 0.1, 0.55), light * between(rng, 0.5, 1.4));
        let texture = colour(hue + between(rng, -0.15, 0.15), between(rng, 0.1, 0.6), light * between(rng, 0.4, 1.3));
        let direction = rng.random::<f32>();
        let (dx, dy) = (cos_turns(direction) / unit, sin_turns(direction) / unit);
        let stretch = between(rng, 0.5, 2.0);
        let strength = mix(0.35, 0.9, clutter);

        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let (x, y) = (column as f32, row as f32);
                let gradient = smooth(-0.2, 1.2, 0.5 + 0.7 * (x * dx + y * dy));
                let grain = lattice.fractal(x * scale, y * scale * stretch, roughness);
                let amount = smooth(0.25, 0.75, grain) * strength;
                pixels.push(std::array::from_fn(|c| mix(mix(near[c], far[c], gradient), texture[c], amount)));
            }
        }
        let mut backdrop = Self { width, height, pixels };
        for _ in 0..(clutter * 16.0) as usize {
            backdrop.add_clutter(rng, &lattice, unit, hue, light, scenery.angular);
        }
        backdrop
    }

    /// A shape with its own texture and soft edges somewhere in the picture.
    fn add_clutter(&mut self, rng: &mut ChaCha8Rng, lattice: &Lattice, unit: f32, hue: f32, light: f32, angular: bool) {
        let radius = unit * between(rng, 0.06, 0.26);
        let (cx, cy) = (rng.random::<f32>() * self.width as f32, rng.random::<f32>() * self.height as f32);
        let aspect = between(rng, 0.25, 1.0);
        let turn = rng.random::<f32>();
        let (sin, cos) = (sin_turns(turn), cos_turns(turn));
        let own_hue = if rng.random() { rng.random() } else { hue + between(rng, -0.1, 0.1) };
        let body = colour(own_hue, between(rng, 0.1, 0.75), light * between(rng, 0.4, 1.5));
        let marks = colour(own_hue + between(rng, -0.1, 0.1), between(rng, 0.1, 0.7), light * between(rng, 0.3, 1.3));
        let (fineness, opacity) = (between(rng, 2.0, 7.0) / radius, between(rng, 0.6, 1.0));
        let kind: bool = rng.random();
        let softness = between(rng, 0.03, 0.3);
        let reach = radius * 1.3;
        let rows = (cy - reach).max(0.0) as usize..((cy + reach).max(0.0) as usize).min(self.height);
        for row in rows {
            for column in (cx - reach).max(0.0) as usize..((cx + reach).max(0.0) as usize).min(self.width) {
                let (px, py) = ((column as f32 - cx) / radius, (row as f32 - cy) / radius);
                let (x, y) = (px * cos + py * sin, py * cos - px * sin);
                let distance = match (angular, kind) {
                    (false, false) => ellipse(x, y, 1.0, aspect),
                    (false, true) => rectangle(x, y, 1.0, aspect, 0.3 * aspect),
                    (true, false) => star(x, y, 3.0, 0.55),
                    (true, true) => rectangle(x, y, 1.0, aspect, 0.0),
                };
                let cover = opacity * (1.0 - smooth(-softness, softness, distance));
                if cover > 0.0 {
                    let grain = smooth(0.3, 0.7, lattice.at(x * radius * fineness + 9.0, y * radius * fineness + 5.0));
                    let shade = 1.0 - 0.25 * (px + py);
                    let pixel = &mut self.pixels[row * self.width + column];
                    *pixel = std::array::from_fn(|c| mix(pixel[c], mix(body[c], marks[c], grain) * shade, cover));
                }
            }
        }
    }

    /// The colour at a point, between pixels; outside, the nearest.
    pub fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let x = x.clamp(0.0, (self.width - 2) as f32);
        let y = y.clamp(0.0, (self.height - 2) as f32);
        let (ix, iy) = (x as usize, y as usize);
        let (u, v) = (x - ix as f32, y - iy as f32);
        let start = iy * self.width + ix;
        let (upper, lower) = (&self.pixels[start..start + 2], &self.pixels[start + self.width..start + self.width + 2]);
        std::array::from_fn(|c| mix(mix(upper[0][c], upper[1][c], u), mix(lower[0][c], lower[1][c], u), v))
    }
}
