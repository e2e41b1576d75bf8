//! How the mini set's eight objects look. They come in four pairs of one outline family (vessels, discs, bodies, boxes):
//! within a pair the pattern and the small parts decide.

use super::shape::{Surface, around, disc, dots, ellipse, rectangle, stroke, surface};
use crate::math::{cos_turns, length, sin_turns, smooth, stripes, triangle, turn_of};

/// What varies from specimen to specimen, and with time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    /// Turns of the object's own movement.
    pub phase: f32,
    /// 0..1, four numbers that stay with the specimen.
    pub detail: [f32; 4],
}

/// A tapering body: narrow above, wide below for positive `taper`.
fn vessel(x: f32, y: f32, half_width: f32, taper: f32) -> f32 {
    let width = half_width + taper * (y * 0.6 + 0.3 * y * y);
    (x.abs() - width).max(y.abs() - 0.85) * 0.9
}

pub(crate) fn bell(x: f32, y: f32, pose: &Pose) -> Surface {
    let body = vessel(x, y, 0.5, 0.26 + 0.12 * pose.detail[0]);
    let rings = stripes(y * (1.7 + pose.detail[1] * 0.5) + 0.2);
    let lip = smooth(0.62, 0.68, y);
    let clapper = disc(x - 0.28 * sin_turns(pose.phase), y - 0.9, 0.17);
    surface(clapper, 0.2, 0.8).under(surface(body, rings, lip * 0.8))
}

pub(crate) fn drum(x: f32, y: f32, pose: &Pose) -> Surface {
    let body = vessel(x, y, 0.62, 0.1 - 0.25 * pose.detail[0]);
    let lacing = triangle(x * (1.5 + pose.detail[1] * 0.5) + 0.25);
    let cord = 1.0 - smooth(0.12, 0.24, (lacing - (y * 0.55 + 0.5)).abs());
    let rim = smooth(0.6, 0.66, y.abs());
    let skin = ellipse(x, y + 0.82, 0.62, 0.2 + 0.05 * cos_turns(pose.phase));
    surface(body, cord, rim * 0.8).under(surface(skin, 0.9, 0.25))
}

pub(crate) fn fan(x: f32, y: f32, pose: &Pose) -> Surface {
    let radius = length(x, y);
    let blades = 3.0 + (pose.detail[0] * 2.0).floor();
    let swept = turn_of(x, y) * blades + pose.phase * blades + radius * 0.35;
    let blade = stripes(swept) * (1.0 - smooth(0.82, 0.88, radius));
    let cage = smooth(0.86, 0.92, radius).max(1.0 - smooth(0.16, 0.2, radius));
    surface(radius - 1.0, blade, cage * 0.85)
}

pub(crate) fn clock(x: f32, y: f32, pose: &Pose) -> Surface {
    let radius = length(x, y);
    let marks = 6.0 + (pose.detail[0] * 2.0).floor() * 2.0;
    let along = (turn_of(x, y) * marks).fract() - 0.5;
    let mark = smooth(0.6, 0.64, radius) * (1.0 - smooth(0.14, 0.2, along.abs()));
    let hand = |turn: f32, long: f32, wide: f32| {
        let tip = (long * cos_turns(turn), long * sin_turns(turn));
        1.0 - smooth(-0.02, 0.04, stroke(x, y, (0.0, 0.0), tip, wide))
    };
    let hands = hand(pose.phase, 0.62, 0.07).max(hand(pose.detail[1], 0.4, 0.1));
    let case = smooth(0.88, 0.92, radius);
    surface(radius - 1.0, mark.max(hands), case * 0.85)
}

/// A belly with the head to the right.
fn belly(x: f32, y: f32, plump: f32) -> f32 {
    ellipse(x, y, 0.82, 0.5 + 0.12 * plump)
}

pub(crate) fn bird(x: f32, y: f32, pose: &Pose) -> Surface {
    let body = belly(x, y, pose.detail[0]);
    let head = disc(x - 0.62, y + 0.45, 0.3);
    let beak = stroke(x, y, (0.85, -0.45), (1.12, -0.38), 0.07);
    let tail = stroke(x, y, (-0.7, 0.0), (-1.1, -0.2 - 0.2 * pose.detail[1]), 0.13);
    let feathers = stripes(length(x + 0.5, y + 0.9) * (3.0 + pose.detail[2]));
    let flap = 0.3 * sin_turns(pose.phase);
    let wing = ellipse(x + 0.1, y + 0.15 + flap, 0.5, 0.24);
    let eye = 1.0 - smooth(0.05, 0.08, length(x - 0.68, y + 0.5));
    surface(tail, 1.0, 0.0)
        .under(surface(body, 0.35 * feathers, 0.0))
        .under(surface(head, 0.1, eye))
        .under(surface(beak, 0.0, 0.9))
        .under(surface(wing, feathers, 0.0))
}

pub(crate) fn frog(x: f32, y: f32, pose: &Pose) -> Surface {
    let body = belly(x, y, pose.detail[0]);
    let eyes = disc(x.abs() - 0.38, y + 0.5, 0.22);
    let pupil = 1.0 - smooth(0.08, 0.12, length(x.abs() - 0.38, y + 0.52));
    let throat = ellipse(x - 0.1, y - 0.38, 0.36, 0.2 + 0.1 * sin_turns(pose.phase));
    let legs = stroke(x.abs(), y, (0.55, 0.3), (1.0, 0.6), 0.14);
    let spots = dots(x + pose.detail[1], y + pose.detail[2], 2.6, 0.3);
    surface(legs, spots, 0.0)
        .under(surface(body, spots, 0.0))
        .under(surface(eyes, 0.2, pupil))
        .under(surface(throat, 0.0, 0.5))
}

pub(crate) fn engine(x: f32, y: f32, pose: &Pose) -> Surface {
    let block = rectangle(x + 0.12, y, 0.8, 0.58, 0.12);
    let fins = stripes(y * (2.0 + pose.detail[0] * 0.6));
    let wheel_x = x - 0.62;
    let wheel = disc(wheel_x, y - 0.12, 0.42);
    let spokes = stripes(turn_of(wheel_x, y - 0.12) * 4.0 + pose.phase * 4.0);
    let pipe = stroke(x, y, (-0.6, -0.5), (-0.6, -0.95), 0.11);
    surface(pipe, 0.0, 0.8).under(surface(block, fins, 0.0)).under(surface(wheel, spokes, 0.45))
}

pub(crate) fn saw(x: f32, y: f32, pose: &Pose) -> Surface {
    let teeth = 0.12 * triangle(x * (3.0 + pose.detail[0]));
    let blade = rectangle(x + 0.12, y, 0.8, 0.5, 0.04).max(y - 0.5 + teeth * 1.6);
    let slats = stripes(x * (2.0 + pose.detail[1] * 0.6) + 0.1);
    let grip = disc(x - 0.68, y + 0.02, 0.4);
    let hole = -ellipse(x - 0.7, y + 0.02, 0.13, 0.22);
    let knob = around(x + 0.75, y + 0.3, |turn| 0.13 + 0.03 * sin_turns(turn * 3.0));
    surface(blade, slats, 0.0).under(surface(grip.max(hole), 0.1, 0.75)).under(surface(knob, 0.0, 0.9))
}
