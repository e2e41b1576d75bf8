//! How the instruments look. One turn of the pose's phase is one note: bow, fingers, sticks and bellows go once to and fro.

use crate::{
    math::{length, sin_turns, smooth, stripes, triangle},
    picture::{
        mini::Pose,
        shape::{Surface, disc, ellipse, rectangle, stroke, surface},
    },
};

/// A waisted body, a neck upwards and a bow that crosses it.
pub(super) fn violin(x: f32, y: f32, pose: &Pose) -> Surface {
    let body = ellipse(x, y - 0.5, 0.42, 0.42).min(ellipse(x, y + 0.05, 0.33, 0.33));
    let neck = stroke(x, y, (0.0, -0.2), (0.0, -0.98), 0.07);
    let holes = 1.0 - smooth(0.03, 0.07, (x.abs() - 0.17).abs());
    let holes = holes * (1.0 - smooth(0.14, 0.2, (y - 0.35).abs()));
    let shift = 0.42 * sin_turns(pose.phase);
    let bow = stroke(x, y, (shift - 0.7, 0.42), (shift + 0.7, 0.1), 0.06);
    surface(neck, 1.0, 0.0).under(surface(body, holes, 0.0)).under(surface(bow, 0.0, 0.95))
}

/// A case, a row of keys, and one key after another pressed.
pub(super) fn piano(x: f32, y: f32, pose: &Pose) -> Surface {
    let case = rectangle(x, y + 0.12, 0.98, 0.5, 0.05);
    let keys = rectangle(x, y - 0.5, 0.98, 0.2, 0.02);
    let legs = rectangle(x.abs() - 0.85, y - 0.75, 0.08, 0.22, 0.02);
    let ivory = smooth(-0.1, 0.25, stripes(x * 4.0) - 0.3);
    let hand = 0.7 * sin_turns(pose.phase * 0.5);
    let pressed = 1.0 - smooth(0.12, 0.2, (x - hand).abs());
    let lift = 0.08 * sin_turns(pose.phase);
    let fingers = ellipse(x - hand, y - 0.42 - lift, 0.17, 0.14);
    surface(legs, 0.0, 0.0)
        .under(surface(case, 0.0, 0.0))
        .under(surface(keys, 1.0 - 0.6 * ivory, 0.5 * pressed))
        .under(surface(fingers, 0.5, 0.95))
}

/// A wide shell and two sticks that strike in turn.
pub(super) fn drum(x: f32, y: f32, pose: &Pose) -> Surface {
    let shell = rectangle(x, y - 0.35, 0.75, 0.42, 0.06);
    let skin = ellipse(x, y + 0.08, 0.75, 0.22);
    let cords = 1.0 - smooth(0.1, 0.22, (triangle(x * 1.6 + 0.25) - (y - 0.35 + 0.5)).abs());
    let swing = 0.3 * sin_turns(pose.phase);
    let left = stroke(x, y, (-0.2, -0.05 + swing.min(0.0)), (-0.8, -0.75 + 2.0 * swing.min(0.0) * 0.6), 0.06);
    let right = stroke(x, y, (0.2, -0.05 - swing.max(0.0)), (0.8, -0.75 - 2.0 * swing.max(0.0) * 0.6), 0.06);
    surface(shell, cords, 0.0).under(surface(skin, 0.9, 0.2)).under(surface(left.min(right), 0.0, 0.95))
}

/// A long tube with holes and fingers that leave them.
pub(super) fn flute(x: f32, y: f32, pose: &Pose) -> Surface {
    let tube = stroke(x, y, (-0.98, 0.0), (0.98, 0.0), 0.13);
    let holes = (1.0 - smooth(0.03, 0.07, (y + 0.02).abs())) * stripes(x * 3.0) * smooth(-0.5, -0.3, x);
    let mouth = disc(x + 0.78, y + 0.06, 0.17);
    let finger = |at: f32, turn: f32| {
        let lift = 0.2 * smooth(-0.6, 0.6, sin_turns(pose.phase + turn));
        ellipse(x - at, y + 0.12 + lift, 0.11, 0.2)
    };
    let fingers = finger(-0.05, 0.0).min(finger(0.3, 0.5)).min(finger(0.65, 0.0));
    surface(tube, holes, 0.0).under(surface(mouth, 0.0, 0.6)).under(surface(fingers, 0.3, 0.95))
}

/// Two boxes and the folds between them, drawn apart and together.
pub(super) fn accordion(x: f32, y: f32, pose: &Pose) -> Surface {
    let apart = 0.42 + 0.22 * sin_turns(pose.phase);
    let folds = rectangle(x, y, apart + 0.05, 0.5, 0.02);
    let boxes = rectangle(x.abs() - apart - 0.16, y, 0.17, 0.66, 0.05);
    let pleats = stripes(x / apart * 3.0);
    let buttons = 1.0 - smooth(0.04, 0.09, length((x.abs() - apart - 0.16) * 1.2, (y * 2.5).fract().abs() * 0.4 - 0.2));
    surface(folds, pleats, 0.0).under(surface(boxes, 0.2, 0.8 * buttons))
}

/// A tube that widens to a bell, and three valves.
pub(super) fn trumpet(x: f32, y: f32, pose: &Pose) -> Surface {
    let tube = stroke(x, y, (-0.95, 0.0), (0.5, 0.0), 0.08).min(stroke(x, y, (-0.5, 0.32), (0.3, 0.32), 0.07));
    let bend = (length(x - 0.3, y - 0.16) - 0.16).abs() - 0.07;
    let flare = (y.abs() - 0.06 - 0.5 * smooth(0.3, 1.0, x)).max((x - 0.62).abs() - 0.36) * 0.8;
    let valve = |at: f32, turn: f32| {
        let press = 0.16 * smooth(-0.5, 0.5, sin_turns(pose.phase + turn));
        rectangle(x - at, y + 0.12 - press, 0.07, 0.36, 0.02)
    };
    let valves = valve(-0.35, 0.0).min(valve(-0.12, 0.35)).min(valve(0.11, 0.7));
    surface(tube.min(bend), 0.0, 0.0).under(surface(flare, smooth(0.4, 1.0, x), 0.0)).under(surface(valves, 0.4, 0.9))
}

/// Bars that grow shorter, and two mallets.
pub(super) fn xylophone(x: f32, y: f32, pose: &Pose) -> Surface {
    let tall = 0.62 - 0.22 * x;
    let frame = rectangle(x, y - 0.2, 1.0, tall.max(0.1), 0.03).max(y - 0.2 - tall);
    let bars = smooth(-0.2, 0.2, stripes(x * 2.75 + 0.2) - 0.35);
    let rail = 1.0 - smooth(0.03, 0.07, ((y - 0.2).abs() - 0.25).abs());
    let hit = sin_turns(pose.phase);
    let mallet = |side: f32, up: f32| {
        let head = (side * 0.45 + 0.2 * sin_turns(pose.phase * 0.5), 0.05 - 0.4 * up.max(0.0));
        disc(x - head.0, y - head.1, 0.13).min(stroke(x, y, head, (side * 0.75, -0.85 - 0.1 * up), 0.045))
    };
    surface(frame, 1.0 - bars, 0.4 * rail).under(surface(mallet(-1.0, hit).min(mallet(1.0, -hit)), 0.0, 0.95))
}

/// A large waisted body with a round hole, a long slanting neck, and a hand at the strings.
pub(super) fn guitar(x: f32, y: f32, pose: &Pose) -> Surface {
    // The neck points to the upper right.
    let (u, v) = ((x - y) * 0.707, (x + y) * 0.707);
    let body = ellipse(u + 0.5, v, 0.46, 0.5).min(ellipse(u + 0.02, v, 0.36, 0.36));
    let neck = stroke(u, v, (0.2, 0.0), (1.15, 0.0), 0.09);
    let head = rectangle(u - 1.15, v, 0.13, 0.16, 0.03);
    let hole = 1.0 - smooth(0.15, 0.19, length(u + 0.1, v));
    let strings = 1.0 - smooth(0.02, 0.05, v.abs());
    let hand = disc(u + 0.3, v - 0.32 * sin_turns(pose.phase), 0.17);
    surface(neck.min(head), 1.0, 0.3 * strings)
        .under(surface(body, hole, 0.3 * strings))
        .under(surface(hand, 0.3, 0.95))
}
