//! How the pre-training set's objects look: twelve outlines, none of them the mini set's, each with two of twelve patterns.

use super::{
    mini::Pose,
    shape::{around, disc, dots, ellipse, marble, rectangle, star},
};
use crate::math::{cos_turns, length, sin_turns, smooth, stripes, triangle, turn_of};

/// Distance to an outline.
pub(crate) type Outline = fn(f32, f32, &Pose) -> f32;
/// Tone of a pattern, 0..1.
pub(crate) type Pattern = fn(f32, f32, &Pose) -> f32;

pub(crate) const OUTLINES: [Outline; 12] =
    [five_star, ring, cross, crescent, delta, heart, gear, arrow, flower, hexagon, worm, ladder];

pub(crate) const PATTERNS: [Pattern; 12] =
    [checks, polka, diagonals, circles, veins, halves, bricks, waves, hatching, rays, coil, speckles];

fn five_star(x: f32, y: f32, _: &Pose) -> f32 {
    star(x, y, 5.0, 0.45) * 0.7
}

fn ring(x: f32, y: f32, pose: &Pose) -> f32 {
    (length(x, y) - 0.72).abs() - 0.22 - 0.08 * pose.detail[0]
}

fn cross(x: f32, y: f32, pose: &Pose) -> f32 {
    let arm = 0.26 + 0.08 * pose.detail[0];
    rectangle(x, y, 0.95, arm, 0.05).min(rectangle(x, y, arm, 0.95, 0.05))
}

fn crescent(x: f32, y: f32, pose: &Pose) -> f32 {
    disc(x, y, 0.95).max(-disc(x - 0.45 - 0.1 * pose.detail[0], y, 0.75))
}

fn delta(x: f32, y: f32, _: &Pose) -> f32 {
    (y - 0.6).max(0.866 * x.abs() - 0.5 * y - 0.5)
}

fn heart(x: f32, y: f32, _: &Pose) -> f32 {
    let lobes = disc(x.abs() - 0.42, y + 0.3, 0.5);
    let point = (0.72 * x.abs() + 0.69 * y - 0.56).max(-y - 0.2);
    lobes.min(point)
}

fn gear(x: f32, y: f32, pose: &Pose) -> f32 {
    let teeth = around(x, y, |turn| 0.82 + 0.13 * stripes(turn * 8.0 + pose.phase));
    teeth.max(0.24 - length(x, y))
}

fn arrow(x: f32, y: f32, _: &Pose) -> f32 {
    let shaft = rectangle(x + 0.35, y, 0.6, 0.2, 0.02);
    let head = (-x - 0.05).max(0.75 * x + 0.66 * y.abs() - 0.65);
    shaft.min(head)
}

fn flower(x: f32, y: f32, _: &Pose) -> f32 {
    around(x, y, |turn| 0.7 + 0.27 * cos_turns(turn * 6.0)) * 0.7
}

fn hexagon(x: f32, y: f32, _: &Pose) -> f32 {
    (0.866 * x.abs() + 0.5 * y.abs()).max(y.abs()) - 0.82
}

fn worm(x: f32, y: f32, pose: &Pose) -> f32 {
    let spine = 0.38 * sin_turns(x * 0.75 + pose.phase);
    ((y - spine).abs() * 0.75 - 0.2).max(x.abs() - 1.0)
}

fn ladder(x: f32, y: f32, _: &Pose) -> f32 {
    let rails = rectangle(x.abs() - 0.48, y, 0.13, 1.0, 0.03);
    let rung = ((y * 2.0 + 0.5).rem_euclid(1.0) - 0.5).abs() * 0.5 - 0.1;
    rails.min(rung.max(rectangle(x, y, 0.5, 0.95, 0.0)))
}

fn checks(x: f32, y: f32, _: &Pose) -> f32 {
    let product = sin_turns(x * 1.4) * sin_turns(y * 1.4);
    smooth(-0.12, 0.12, product)
}

fn polka(x: f32, y: f32, _: &Pose) -> f32 {
    let (cx, cy) = ((x * 2.0).rem_euclid(1.0) - 0.5, (y * 2.0).rem_euclid(1.0) - 0.5);
    1.0 - smooth(0.24, 0.32, length(cx, cy))
}

fn diagonals(x: f32, y: f32, _: &Pose) -> f32 {
    stripes((x + y) * 1.5)
}

fn circles(x: f32, y: f32, _: &Pose) -> f32 {
    stripes(length(x, y) * 2.4)
}

fn veins(x: f32, y: f32, pose: &Pose) -> f32 {
    smooth(0.35, 0.65, marble(x * 1.3, y * 1.3, pose.detail[1]))
}

fn halves(x: f32, y: f32, pose: &Pose) -> f32 {
    smooth(-0.08, 0.08, x + 0.6 * (pose.detail[2] - 0.5) * y)
}

fn bricks(x: f32, y: f32, _: &Pose) -> f32 {
    let row = (y * 2.2).floor();
    let (u, v) = ((x * 1.3 + row * 0.5).rem_euclid(1.0), (y * 2.2).rem_euclid(1.0));
    smooth(0.04, 0.12, u.min(1.0 - u)) * smooth(0.06, 0.18, v.min(1.0 - v))
}

fn waves(x: f32, y: f32, _: &Pose) -> f32 {
    stripes(y * 2.0 + 0.3 * sin_turns(x * 1.2))
}

fn hatching(x: f32, y: f32, _: &Pose) -> f32 {
    smooth(0.55, 0.8, triangle((x + y) * 1.4).max(triangle((x - y) * 1.4)))
}

fn rays(x: f32, y: f32, _: &Pose) -> f32 {
    stripes(turn_of(x, y) * 7.0)
}

fn coil(x: f32, y: f32, _: &Pose) -> f32 {
    stripes(length(x, y) * 1.8 - turn_of(x, y))
}

fn speckles(x: f32, y: f32, pose: &Pose) -> f32 {
    let coarse = dots(x + pose.detail[1], y, 3.5, 0.25);
    coarse.max(1.0 - smooth(0.0, 0.05, ellipse(x - 0.2, y - 0.1, 0.12, 0.1)))
}
