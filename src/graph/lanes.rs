//! Edges that run around the boxes: reports above, feedback beneath, each on a level of its own. Reports to one node share
//! their level, as a trunk.

use super::flow::{Class, Flow};
use super::ports::{LABEL_SIZE, Ports, text_width};

/// A point in pixels.
pub(super) type Point = (f64, f64);

const FEEDBACK_LANE: f64 = 26.0;
const REPORT_LANE: f64 = 20.0;
const CLEARANCE: f64 = 30.0;
/// Distance from a box's corner at which an edge leaves or enters sideways, and between two such edges.
const SIDE_PORT: f64 = 12.0;
const SIDE_PORT_GAP: f64 = 7.0;

/// An edge with its way.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) edge: usize,
    /// Corners of the way.
    pub(super) points: Vec<Point>,
    /// Middle and base line of the label; none for a trunk's other edges.
    pub(super) label: Option<Point>,
}

/// The way of every edge that is not data.
pub(super) fn lanes(flow: &Flow, ports: &Ports) -> Vec<Lane> {
    let top = ports.layers.places.iter().map(|p| p.y - p.height / 2.0).fold(0.0, f64::min);
    let bottom = ports.layers.places.iter().map(|p| p.y + p.height / 2.0).fold(0.0, f64::max);
    let mut lanes = Vec::new();
    for class in [Class::Report, Class::Feedback] {
        let ends = ends(flow, ports, class);
        let levels = levels(flow, class, &ends);
        for ((edge, start, end), level) in ends.into_iter().zip(levels) {
            let y = match class {
                Class::Report => top - CLEARANCE - REPORT_LANE * level as f64,
                _ => bottom + CLEARANCE + 6.0 + FEEDBACK_LANE * level as f64,
            };
            let mut points = start.clone();
            points.extend([start[start.len() - 1], end[end.len() - 1]].map(|(x, _)| (x, y)));
            points.extend(end.iter().rev());
            lanes.push(Lane { edge, points, label: None });
        }
    }
    place_labels(flow, &mut lanes);
    lanes
}

type Ends = (usize, Vec<Point>, Vec<Point>);

/// Both ends of each edge of a class: from the box to the point where it turns up or down.
fn ends(flow: &Flow, ports: &Ports, class: Class) -> Vec<Ends> {
    let below = class == Class::Feedback;
    let side = |node: usize, leaves: bool, index: usize, nth: usize| {
        let frame = ports.frames[node];
        let inset = SIDE_PORT + SIDE_PORT_GAP * nth as f64;
        let y = if below { frame.bottom - inset } else { frame.top + inset };
        let x = ports.track(node, index, leaves);
        vec![(if leaves { frame.right } else { frame.left }, y), (x, y)]
    };
    let mut tracks = vec![[0, 0]; ports.columns.len()];
    let mut sides = vec![[0, 0]; ports.frames.len()];
    let mut ends: Vec<Ends> = Vec::new();
    for (i, edge) in flow.of(class) {
        let mut end = |node: usize, leaves: bool| {
            if ports.is_outermost(node, below) {
                vec![port(flow, ports, node, i, class, leaves)]
            } else {
                let track = &mut tracks[ports.layers.places[node].column][usize::from(leaves)];
                let nth = &mut sides[node][usize::from(leaves)];
                *track += 1;
                *nth += 1;
                side(node, leaves, *track - 1, *nth - 1)
            }
        };
        ends.push((i, end(edge.from, true), end(edge.to, false)));
    }
    ends
}

/// Where an edge touches the top or bottom of a box: ends are spread in the order of their other ends; reports share.
fn port(flow: &Flow, ports: &Ports, node: usize, edge: usize, class: Class, leaves: bool) -> Point {
    let middle = |n: usize| (ports.frames[n].left + ports.frames[n].right) / 2.0;
    let mut touching: Vec<(f64, usize, bool)> = Vec::new();
    for (i, other) in flow.of(class) {
        let shared = class == Class::Report && touching.iter().any(|(_, _, l)| !*l);
        if other.from == node {
            touching.push((middle(other.to), i, true));
        }
        if other.to == node && !shared {
            touching.push((middle(other.from), i, false));
        }
    }
    touching.sort_by(|a, b| a.0.total_cmp(&b.0));
    let is_here = |(_, i, l): &(f64, usize, bool)| *l == leaves && (*i == edge || (class == Class::Report && !leaves));
    let index = touching.iter().position(is_here).unwrap_or(0);
    let frame = ports.frames[node];
    let share = (index as f64 + 1.0) / (touching.len() as f64 + 1.0);
    (frame.left + share * (frame.right - frame.left), if class == Class::Feedback { frame.bottom } else { frame.top })
}

/// Level of each edge, 0 nearest to the boxes: short ways first, so that long ones run around them.
fn levels(flow: &Flow, class: Class, ends: &[Ends]) -> Vec<usize> {
    let span = |e: &Ends| {
        let (a, b) = (e.1[e.1.len() - 1].0, e.2[e.2.len() - 1].0);
        (a.min(b), a.max(b))
    };
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by(|a, b| {
        let length = |i: usize| span(&ends[i]).1 - span(&ends[i]).0;
        length(*a).total_cmp(&length(*b))
    });
    let mut levels: Vec<usize> = vec![0; ends.len()];
    let mut taken: Vec<Vec<usize>> = Vec::new();
    let target = |i: usize| flow.edges[ends[i].0].to;
    for i in order {
        let (left, right) = span(&ends[i]);
        let is_free = |others: &Vec<usize>| {
            others.iter().all(|o| {
                let (l, r) = span(&ends[*o]);
                (class == Class::Report && target(*o) == target(i)) || right + 12.0 < l || r + 12.0 < left
            })
        };
        let level = taken.iter().position(is_free).unwrap_or(taken.len());
        if level == taken.len() {
            taken.push(Vec::new());
        }
        taken[level].push(i);
        levels[i] = level;
    }
    levels
}

/// Labels go on the level part of a way, near its middle, where no other way runs up or down through them.
fn place_labels(flow: &Flow, lanes: &mut [Lane]) {
    let walls: Vec<(f64, f64, f64)> = lanes
        .iter()
        .flat_map(|l| {
            l.points.windows(2).filter(|w| w[0].0 == w[1].0).map(|w| (w[0].0, w[0].1.min(w[1].1), w[0].1.max(w[1].1)))
        })
        .collect();
    let longest_of_trunk: Vec<bool> =
        (0..lanes.len()).map(|i| (0..lanes.len()).all(|o| !shadows(flow, lanes, o, i))).collect();
    for (lane, has_label) in lanes.iter_mut().zip(longest_of_trunk) {
        let edge = &flow.edges[lane.edge];
        let Some(level) =
            lane.points.windows(2).find(|w| w[0].0 != w[1].0 && w[0].1 == w[1].1 && w[0] != lane.points[0])
        else {
            continue;
        };
        let (a, b, y) = (level[0].0, level[1].0, level[0].1);
        let half = text_width(&edge.output, LABEL_SIZE) / 2.0 + 6.0;
        let is_clear = |x: f64| {
            walls.iter().all(|(wall, top, bottom)| (wall - x).abs() > half || *top > y - 3.0 || *bottom < y - 16.0)
        };
        let steps = (0..40).map(|s| 0.5 + f64::from((s + 1) / 2) * if s % 2 == 0 { 0.0125 } else { -0.0125 });
        let spot = steps.map(|share| a + (b - a) * share).find(|x| is_clear(*x)).unwrap_or((a + b) / 2.0);
        lane.label = has_label.then_some((spot, y - 5.0));
    }
}

/// Whether `other` is the longer edge of the same trunk.
fn shadows(flow: &Flow, lanes: &[Lane], other: usize, lane: usize) -> bool {
    let edge = |i: usize| &flow.edges[lanes[i].edge];
    let same =
        edge(lane).class == Class::Report && edge(other).class == Class::Report && edge(lane).to == edge(other).to;
    let length = |i: usize| lanes[i].points.windows(2).map(|w| (w[0].0 - w[1].0).abs()).sum::<f64>();
    same && (length(other), lane) > (length(lane), other)
}
