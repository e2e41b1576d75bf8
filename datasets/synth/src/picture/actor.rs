//! One specimen of a category in a shot: its colours, size, path through the picture, and how it is laid on a frame.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{mini::Pose, shape::Surface};
use crate::{
    catalog::{Category, Look, Motion},
    math::{colour, cos_turns, length, mix, sin_turns, smooth},
    options::SynthOptions,
    random::between,
};

/// A specimen; lengths in pixels.
#[derive(Clone)]
pub(crate) struct Actor {
    look: Look,
    motion: Motion,
    /// Turns a second of its own movement.
    speed: f32,
    phase: f32,
    detail: [f32; 4],
    paint: [[f32; 3]; 3],
    centre: (f32, f32),
    path: (f32, f32),
    path_speed: f32,
    /// The path is an ellipse.
    round: bool,
    radius: f32,
    tilt: f32,
    light: (f32, f32),
    mirrored: bool,
}

impl Actor {
    /// `aside`: behind and smaller, near a side.
    pub fn draw(rng: &mut ChaCha8Rng, category: &Category, options: &SynthOptions, aside: bool) -> Self {
        let (width, height) = (options.width as f32, options.height as f32);
        let paint = paint(rng, category, options);
        let share = between(rng, options.object_scale[0], options.object_scale[1]);
        let radius = height * share * if aside { 0.6 } else { 1.0 };
        let across = if aside {
            if rng.random() { between(rng, 0.1, 0.22) } else { between(rng, 0.78, 0.9) }
        } else {
            between(rng, 0.34, 0.66)
        };
        let light = rng.random::<f32>();
        Self {
            look: category.look,
            motion: category.motion,
            speed: category.movement * between(rng, 0.8, 1.25),
            phase: rng.random(),
            detail: rng.random(),
            paint,
            centre: (width * across, height * between(rng, 0.4, 0.6)),
            path: (width * between(rng, 0.02, 0.07), height * between(rng, 0.02, 0.06)),
            path_speed: between(rng, 0.05, 0.2),
            round: false,
            radius,
            tilt: between(rng, -0.06, 0.06),
            light: (cos_turns(light), sin_turns(light)),
            mirrored: rng.random(),
        }
    }

    /// A specimen at a fixed place, `radius` and `centre` in pixels, that moves `speed` turns in a second of the time it is
    /// rendered at, and stands still while that time does.
    pub fn stand(
        rng: &mut ChaCha8Rng,
        category: &Category,
        options: &SynthOptions,
        centre: (f32, f32),
        radius: f32,
        speed: f32,
    ) -> Self {
        let paint = paint(rng, category, options);
        let light = rng.random::<f32>();
        Self {
            look: category.look,
            motion: category.motion,
            speed: category.movement * speed,
            phase: rng.random(),
            detail: rng.random(),
            paint,
            centre,
            path: (0.0, 0.0),
            path_speed: 0.0,
            round: false,
            radius,
            tilt: between(rng, -0.02, 0.02),
            light: (cos_turns(light), sin_turns(light)),
            mirrored: rng.random(),
        }
    }

    /// Sends the specimen round the picture's middle, which it keeps clear of, one way or the other.
    pub fn roam(&mut self, rng: &mut ChaCha8Rng, options: &SynthOptions) {
        let (width, height) = (options.width as f32, options.height as f32);
        self.centre = (0.5 * width, 0.5 * height);
        self.path = (width * between(rng, 0.26, 0.34), height * between(rng, 0.26, 0.34));
        self.round = true;
        self.path_speed = between(rng, 0.06, 0.16) * if rng.random() { 1.0 } else { -1.0 };
        self.phase = rng.random();
    }

    /// Where its middle is, but for its own movement.
    fn place(&self, secs: f32) -> (f32, f32) {
        let wander = self.phase + self.path_speed * secs;
        let x = self.centre.0 + self.path.0 * sin_turns(wander);
        let wander = if self.round { wander + 0.25 } else { wander * 1.3 + 0.2 };
        (x, self.centre.1 + self.path.1 * sin_turns(wander))
    }

    /// How far it is from another, where 1 is touching.
    pub fn distance(&self, other: &Self, secs: f32) -> f32 {
        let ((x, y), (x1, y1)) = (self.place(secs), other.place(secs));
        length(x - x1, y - y1) / (self.radius + other.radius)
    }

    /// Lays the specimen over a frame of `width` pixels a row, as it is at a time in seconds.
    pub fn render(&self, frame: &mut [[f32; 3]], width: usize, secs: f32) {
        let height = frame.len() / width;
        self.each_pixel((width, height), secs, |index, cover, surface, (x, y)| {
            let colour = self.shade(surface, x, y);
            let pixel = &mut frame[index];
            *pixel = std::array::from_fn(|c| mix(pixel[c], colour[c], cover));
        });
    }

    /// Writes `value` to every pixel that it covers by half or more.
    pub fn mark(&self, pixels: &mut [bool], width: usize, secs: f32, value: bool) {
        self.each_pixel((width, pixels.len() / width), secs, |index, cover, _, _| {
            if cover >= 0.5 {
                pixels[index] = value;
            }
        });
    }

    /// Hands over every pixel it touches: index, share covered, what is there, and where that is in radii.
    fn each_pixel(
        &self,
        (width, height): (usize, usize),
        secs: f32,
        mut visit: impl FnMut(usize, f32, Surface, (f32, f32)),
    ) {
        let phase = self.phase + self.speed * secs;
        let wander = self.phase + self.path_speed * secs;
        let (mut x0, mut y0) = self.place(secs);
        let mut radius = self.radius * (1.0 + 0.06 * sin_turns(wander * 0.7));
        let mut tilt = self.tilt + 0.02 * sin_turns(wander * 1.1);
        match self.motion {
            Motion::Swing => tilt += 0.05 * sin_turns(phase),
            Motion::Shake => y0 += 0.04 * radius * sin_turns(phase).abs(),
            Motion::Hop => y0 -= 0.15 * radius * sin_turns(phase * 0.5).abs(),
            Motion::Pulse => radius *= 1.0 + 0.05 * sin_turns(phase),
            Motion::Slide => x0 += 0.2 * radius * sin_turns(phase),
            Motion::Turn => tilt += 0.3 * phase,
            Motion::Still => {}
        }
        let pose = Pose { phase, detail: self.detail };
        let (sin, cos) = (sin_turns(tilt) / radius, cos_turns(tilt) / radius);
        let mirror = if self.mirrored { -1.0 } else { 1.0 };
        let reach = radius * 1.3;
        let span = |middle: f32, end: usize| {
            ((middle - reach).max(0.0) as usize, ((middle + reach).max(0.0) as usize).min(end))
        };
        let ((top, bottom), (left, right)) = (span(y0, height), span(x0, width));
        for row in top..bottom {
            for column in left..right {
                let (px, py) = (column as f32 + 0.5 - x0, row as f32 + 0.5 - y0);
                let (x, y) = ((px * cos + py * sin) * mirror, py * cos - px * sin);
                let surface = self.look.at(x, y, &pose);
                let cover = (0.5 - surface.distance * radius * 0.8).clamp(0.0, 1.0);
                if cover > 0.0 {
                    visit(row * width + column, cover, surface, (px / radius, py / radius));
                }
            }
        }
    }

    /// The colour of a point, lit from a side and darker towards the outline.
    fn shade(&self, surface: Surface, x: f32, y: f32) -> [f32; 3] {
        let lit = 0.9 + 0.22 * (x * self.light.0 + y * self.light.1);
        let rim = mix(0.62, 1.0, smooth(0.0, 0.14, -surface.distance));
        let [first, second, third] = &self.paint;
        std::array::from_fn(|c| mix(mix(first[c], second[c], surface.tone), third[c], surface.accent) * lit * rim)
    }
}

/// A specimen's three colours: two for the pattern, one for small parts.
fn paint(rng: &mut ChaCha8Rng, category: &Category, options: &SynthOptions) -> [[f32; 3]; 3] {
    let hue = category.hue + options.colour_jitter * between(rng, -0.5, 0.5);
    let saturation = between(rng, 0.15, 0.7);
    let value = between(rng, 0.45, 0.95);
    // Light on dark or dark on light.
    let darker = mix(1.0, between(rng, 0.2, 0.45), options.texture_contrast);
    let mut paint = [
        colour(hue, saturation, value),
        colour(hue + between(rng, -0.06, 0.06), saturation, value * darker),
        colour(hue + between(rng, 0.3, 0.7), between(rng, 0.2, 0.8), between(rng, 0.2, 0.9)),
    ];
    if rng.random() {
        paint.swap(0, 1);
    }
    paint
}
