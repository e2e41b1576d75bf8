//! Building blocks of objects in their own plane (about -1..1, x to the right, y down): distances to outlines, negative
//! inside, and the pattern on a surface.

use crate::math::{length, sin_turns, turn_of};

/// What is at a point of an object's plane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surface {
    /// To the outline, negative inside; exact enough near it to soften the edge.
    pub distance: f32,
    /// 0 the first colour, 1 the second, between them a mixture.
    pub tone: f32,
    /// 0..1: how much of the third colour covers that.
    pub accent: f32,
}

impl Surface {
    /// Lays `top` over this, where it covers.
    pub fn under(self, top: Self) -> Self {
        if top.distance < 0.0 || top.distance < self.distance {
            Self { distance: top.distance.min(self.distance), ..top }
        } else {
            self
        }
    }
}

pub(crate) fn surface(distance: f32, tone: f32, accent: f32) -> Surface {
    Surface { distance, tone, accent }
}

pub(crate) fn disc(x: f32, y: f32, radius: f32) -> f32 {
    length(x, y) - radius
}

/// About right for ellipses that are not too thin.
pub(crate) fn ellipse(x: f32, y: f32, half_width: f32, half_height: f32) -> f32 {
    (length(x / half_width, y / half_height) - 1.0) * half_width.min(half_height)
}

pub(crate) fn rectangle(x: f32, y: f32, half_width: f32, half_height: f32, corner: f32) -> f32 {
    let (dx, dy) = (x.abs() - half_width + corner, y.abs() - half_height + corner);
    length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0) - corner
}

/// A line from one point to another, of a half-width.
pub(crate) fn stroke(x: f32, y: f32, from: (f32, f32), to: (f32, f32), half_width: f32) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (px, py) = (x - from.0, y - from.1);
    let along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    length(px - dx * along, py - dy * along) - half_width
}

/// A closed curve around the middle whose radius depends on the direction (in turns).
pub(crate) fn around(x: f32, y: f32, radius: impl Fn(f32) -> f32) -> f32 {
    length(x, y) - radius(turn_of(x, y))
}

/// A regular star with `points` points; `inner` 1 makes it a polygon-like disc.
pub(crate) fn star(x: f32, y: f32, points: f32, inner: f32) -> f32 {
    let turn = turn_of(x, y) * points;
    let edge = crate::math::triangle(turn);
    length(x, y) - (inner + (1.0 - inner) * edge)
}

/// Random-looking dots: one a cell, moved about in it. 1 on a dot.
pub(crate) fn dots(x: f32, y: f32, cells: f32, radius: f32) -> f32 {
    let (cx, cy) = (x * cells, y * cells);
    let (ix, iy) = (cx.floor(), cy.floor());
    let jump = |salt: f32| 0.5 + 0.25 * sin_turns(ix * 0.37 + iy * 0.71 + salt);
    let away = length(cx - ix - jump(0.0), cy - iy - jump(0.3));
    1.0 - crate::math::smooth(radius * 0.75, radius * 1.25, away)
}

/// Smooth waves that cross and bend, 0..1, like marble.
pub(crate) fn marble(x: f32, y: f32, seed: f32) -> f32 {
    let bend = sin_turns(x * 0.7 + y * 1.1 + seed) + 0.6 * sin_turns(x * 1.9 - y * 1.3 + seed * 1.7);
    0.5 + 0.5 * sin_turns(x * 0.9 + y * 0.5 + bend * 0.35)
}
