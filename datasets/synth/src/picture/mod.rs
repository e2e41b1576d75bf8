//! Frames of a scene: a place, the objects in view, what passes before them, and what a camera adds.

pub(super) mod actor;
pub(super) mod backdrop;
pub(super) mod mini;
pub(super) mod objects;
pub(super) mod shape;
pub(super) use backdrop::Lattice;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{
    catalog::Catalog,
    math::{colour, mix, sin_turns, smooth},
    options::SynthOptions,
    random::{ClipKey, Hiss, Purpose, between, chance},
    scene::{Mask, Scene},
};
use actor::Actor;
use backdrop::Backdrop;

/// The place is this much larger than the frame.
const MARGIN: f32 = 1.4;
/// When in its second a mask is taken: AVSBench keeps the last of sixteen frames a second.
pub(super) const MASK_SECS: f32 = 15.0 / 16.0;
/// Roaming objects are this far apart at least, where 1 is touching.
const LEAST_APART: f32 = 0.75;
/// Entries of the noise table; a power of two.
const NOISE: usize = 1 << 15;

/// A clip's pictures.
pub(super) struct Film<'a> {
    scene: &'a Scene,
    options: &'a SynthOptions,
    shots: Vec<Shot>,
    /// Grey levels.
    noise: Vec<f32>,
    sensor: ChaCha8Rng,
    canvas: Vec<[f32; 3]>,
}

/// Everything that stays for a shot.
struct Shot {
    backdrop: Backdrop,
    /// In the order they are laid down.
    actors: Vec<Placed>,
    camera: Camera,
    occluder: Option<Occluder>,
}

/// A specimen and when it is in view.
struct Placed {
    category: usize,
    when: Mask,
    actor: Actor,
}

struct Camera {
    phase: f32,
    speed: f32,
    sway: (f32, f32),
    zoom: f32,
    tint: [f32; 3],
    flicker: f32,
}

/// Gives every actor a route of its own, such that none hides another at the times of the masks: the first of up to 64
/// draws in which they overlap by a little at most, else the one in which they overlap least.
fn send_roaming(actors: &mut [Placed], rng: &mut ChaCha8Rng, segments: usize, options: &SynthOptions) {
    let mut best: Option<(f32, Vec<Actor>)> = None;
    for _ in 0..64 {
        actors.iter_mut().for_each(|placed| placed.actor.roam(rng, options));
        let mut nearest = f32::INFINITY;
        for (n, one) in actors.iter().enumerate() {
            for other in &actors[n + 1..] {
                for segment in 0..segments {
                    nearest = nearest.min(one.actor.distance(&other.actor, segment as f32 + MASK_SECS));
                }
            }
        }
        if best.as_ref().is_none_or(|(most, _)| nearest > *most) {
            best = Some((nearest, actors.iter().map(|placed| placed.actor.clone()).collect()));
        }
        if nearest >= LEAST_APART {
            break;
        }
    }
    let routes = best.map(|(_, routes)| routes).unwrap_or_default();
    actors.iter_mut().zip(routes).for_each(|(placed, actor)| placed.actor = actor);
}

/// Something near the camera that crosses the picture, such as a post or a twig.
struct Occluder {
    colour: [f32; 3],
    half_width: f32,
    slope: f32,
    from: f32,
    speed: f32,
}

impl<'a> Film<'a> {
    pub fn new(key: ClipKey, scene: &'a Scene, catalog: &Catalog, options: &'a SynthOptions) -> Self {
        let mut sensor = key.stream(Purpose::Sensor, 0);
        let mut hiss = Hiss::new(&mut sensor);
        // The sum of four uniform numbers has variance 4/3 and is near enough to a normal one.
        let scale = options.noise * 0.866;
        let noise = (0..NOISE).map(|_| scale * (hiss.next() + hiss.next() + hiss.next() + hiss.next())).collect();
        let shots = (0..scene.shots.len() as u32).map(|shot| Shot::draw(key, shot, scene, catalog, options)).collect();
        let canvas = vec![[0.0; 3]; (options.width * options.height) as usize];
        Self { scene, options, shots, noise, sensor, canvas }
    }

    /// Frames of the whole clip.
    pub fn frames(&self) -> usize {
        self.scene.segments * self.options.frames_per_sec as usize
    }

    /// Draws the frame `index` into `rgb`, three bytes a pixel; frames are to be asked for in order.
    pub fn render(&mut self, index: usize, rgb: &mut Vec<u8>) {
        let rate = self.options.frames_per_sec as usize;
        let segment = index / rate;
        let secs = index as f32 / rate as f32;
        let shot = &self.shots[self.scene.shot_of(segment)];
        let (width, height) = (self.options.width as usize, self.options.height as usize);
        shot.place(&mut self.canvas, width, height, secs);
        for Placed { when, actor, .. } in &shot.actors {
            if when[segment] {
                actor.render(&mut self.canvas, width, secs);
            }
        }
        if let Some(occluder) = &shot.occluder {
            occluder.render(&mut self.canvas, width, height, secs);
        }
        let gain = shot.camera.gain(secs, self.options.brightness);
        rgb.clear();
        for row in self.canvas.chunks_exact(width) {
            let offset = self.sensor.random_range(0..NOISE);
            for (column, pixel) in row.iter().enumerate() {
                let noise = self.noise[(offset + column * 3) & (NOISE - 1)];
                rgb.extend((0..3).map(|c| (pixel[c] * gain[c] * 255.0 + noise + 0.5).clamp(0.0, 255.0) as u8));
            }
        }
    }

    /// The frame on screen at a time in seconds.
    pub fn frame_at(&self, secs: f32) -> usize {
        (secs * self.options.frames_per_sec as f32) as usize
    }

    /// Where what is heard in the segment of the frame `index` is to be seen in that frame, row by row: what stands or passes
    /// before it is left out.
    pub fn mask(&self, index: usize) -> Vec<bool> {
        let rate = self.options.frames_per_sec as usize;
        let (segment, secs) = (index / rate, index as f32 / rate as f32);
        let shot = &self.shots[self.scene.shot_of(segment)];
        let width = self.options.width as usize;
        let mut pixels = vec![false; self.canvas.len()];
        for placed in shot.actors.iter().filter(|placed| placed.when[segment]) {
            placed.actor.mark(&mut pixels, width, secs, self.scene.is_heard(placed.category, segment));
        }
        if let Some(occluder) = &shot.occluder {
            occluder.each_pixel((width, self.options.height as usize), secs, |index, cover| {
                pixels[index] &= cover < 0.5;
            });
        }
        pixels
    }
}

impl Shot {
    fn draw(key: ClipKey, number: u32, scene: &Scene, catalog: &Catalog, options: &SynthOptions) -> Self {
        let unit = options.height as f32;
        let size = [options.width, options.height].map(|side| (side as f32 * MARGIN) as usize);
        let mut places = key.stream(Purpose::Backdrop, number);
        let backdrop = Backdrop::draw(&mut places, (size[0], size[1]), unit, &catalog.scenery, options.clutter);
        let mut actors: Vec<(bool, Placed)> = scene
            .seen
            .iter()
            .enumerate()
            .map(|(n, presence)| {
                let mut rng = key.stream(Purpose::Specimen, number * 16 + n as u32);
                let actor = Actor::draw(&mut rng, &catalog.categories[presence.category], options, presence.aside);
                (presence.aside, Placed { category: presence.category, when: presence.when.clone(), actor })
            })
            .collect();
        actors.sort_by_key(|(aside, ..)| !aside);
        let mut actors: Vec<Placed> = actors.into_iter().map(|(_, placed)| placed).collect();
        if catalog.roaming {
            send_roaming(&mut actors, &mut key.stream(Purpose::Route, number), scene.segments, options);
        }
        let mut rng = key.stream(Purpose::Camera, number);
        let camera = Camera::draw(&mut rng, options);
        let occluder = chance(&mut rng, options.occlusion).then(|| Occluder::draw(&mut rng, options));
        Self { backdrop, actors, camera, occluder }
    }

    /// The place as the camera sees it.
    fn place(&self, canvas: &mut [[f32; 3]], width: usize, height: usize, secs: f32) {
        let camera = &self.camera;
        let turn = camera.phase + camera.speed * secs;
        let zoom = camera.zoom * (1.0 + 0.04 * sin_turns(turn * 0.6));
        let x0 = 0.5 * self.backdrop.width as f32 + camera.sway.0 * sin_turns(turn);
        let y0 = 0.5 * self.backdrop.height as f32 + camera.sway.1 * sin_turns(turn * 1.4 + 0.1);
        for (index, pixel) in canvas.iter_mut().enumerate() {
            let x = (index % width) as f32 - 0.5 * width as f32;
            let y = (index / width) as f32 - 0.5 * height as f32;
            *pixel = self.backdrop.at(x0 + x * zoom, y0 + y * zoom);
        }
    }
}

impl Camera {
    fn draw(rng: &mut ChaCha8Rng, options: &SynthOptions) -> Self {
        let warm = options.brightness * between(rng, -0.15, 0.15);
        let light = 1.0 + options.brightness * between(rng, -0.35, 0.25);
        Self {
            phase: rng.random(),
            speed: between(rng, 0.03, 0.15),
            sway: (options.width as f32 * between(rng, 0.03, 0.12), options.height as f32 * between(rng, 0.03, 0.12)),
            zoom: between(rng, 0.85, 1.1),
            tint: [light * (1.0 + warm), light, light * (1.0 - warm)],
            flicker: between(rng, 0.1, 0.5),
        }
    }

    /// By colour: the tint of the shot, and a brightness that wanders.
    fn gain(&self, secs: f32, brightness: f32) -> [f32; 3] {
        let wander = 1.0 + 0.15 * brightness * sin_turns(self.phase + self.flicker * secs);
        self.tint.map(|channel| channel * wander)
    }
}

impl Occluder {
    fn draw(rng: &mut ChaCha8Rng, options: &SynthOptions) -> Self {
        let width = options.width as f32;
        Self {
            colour: colour(rng.random(), between(rng, 0.0, 0.5), between(rng, 0.08, 0.5)),
            half_width: width * between(rng, 0.015, 0.05),
            slope: between(rng, -0.5, 0.5),
            from: width * between(rng, 0.1, 0.9),
            speed: width * between(rng, -0.06, 0.06),
        }
    }

    fn render(&self, canvas: &mut [[f32; 3]], width: usize, height: usize, secs: f32) {
        self.each_pixel((width, height), secs, |index, cover| {
            let pixel = &mut canvas[index];
            *pixel = std::array::from_fn(|c| mix(pixel[c], self.colour[c], cover));
        });
    }

    /// Hands over every pixel it may touch, and the share it covers.
    fn each_pixel(&self, (width, height): (usize, usize), secs: f32, mut visit: impl FnMut(usize, f32)) {
        let middle = self.from + self.speed * secs;
        for row in 0..height {
            let x0 = middle + self.slope * (row as f32 - 0.5 * height as f32);
            let reach = self.half_width + 2.0;
            let columns = (x0 - reach).max(0.0) as usize..((x0 + reach).max(0.0) as usize).min(width);
            for column in columns {
                let away = (column as f32 - x0).abs() - self.half_width;
                let cover = 1.0 - smooth(-1.5, 1.5, away);
                visit(row * width + column, cover);
            }
        }
    }
}
