//! How the mini set's eight categories sound. Pairs share a range of pitch (struck metal, low thumps, low drones, high and
//! bright); within a pair the envelope and the rhythm decide.

use rand::Rng;

use super::voice::{Band, Part, Turns};
use crate::{
    math::{sin_turns, smooth, triangle},
    random::between,
};

/// Inharmonic partials that ring on.
pub(crate) fn bell(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(620.0, 620.0);
    let onsets = part.onsets(0.62, 0.12);
    let train = part.impulses(&onsets, 0.6);
    let modes = [
        (0.5, 0.6, 1.6),
        (1.0, 1.0, 1.2),
        (1.19, 0.7, 1.0),
        (1.56, 0.5, 0.8),
        (2.0, 0.5, 0.6),
        (2.74, 0.35, 0.4),
        (3.76, 0.2, 0.25),
    ];
    part.ring(&train, &modes.map(|(ratio, gain, decay)| (f * ratio, gain, decay)))
}

/// The same partials, stopped at once, tick and tock.
pub(crate) fn clock(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(620.0, 620.0);
    let onsets = part.onsets(0.26, 0.03);
    let mut tick = part.impulses(&onsets, 0.8);
    let mut tock = vec![0.0; tick.len()];
    for onset in onsets.iter().skip(1).step_by(2) {
        tock[*onset] = std::mem::take(&mut tick[*onset]);
    }
    let modes = |f: f32| {
        [(1.0, 1.0, 0.09), (1.56, 0.8, 0.07), (2.74, 0.7, 0.05), (4.1, 0.5, 0.04)]
            .map(|(ratio, gain, decay)| (f * ratio, gain, decay))
    };
    let mut out = part.ring(&tick, &modes(f));
    add(&mut out, &part.ring(&tock, &modes(f * 0.8)));
    out
}

/// A skin and a short breath of noise.
pub(crate) fn drum(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(140.0, 140.0);
    let onsets = part.onsets(0.32, 0.08);
    let train = part.impulses(&onsets, 0.4);
    let modes = [(1.0, 1.0, 0.3), (1.59, 0.6, 0.22), (2.14, 0.45, 0.18), (2.65, 0.35, 0.12), (3.5, 0.25, 0.1)];
    let mut out = part.ring(&train, &modes.map(|(ratio, gain, decay)| (f * ratio, gain, decay)));
    let noise = part.band_noise(f * 7.0, 0.7);
    let mut level = 0.0;
    for ((sample, noise), strike) in out.iter_mut().zip(noise).zip(&train) {
        level = level * 0.998 + strike * 0.5;
        *sample += level * noise;
    }
    out
}

/// Calls of pulses through two resonances.
pub(crate) fn frog(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(230.0, 230.0);
    let calls = part.onsets(0.5, 0.12);
    let pulse = part.rate / (part.tempo * between(part.rng, 38.0, 48.0));
    let long = between(part.rng, 0.2, 0.28) * part.rate;
    let mut pulses = Vec::new();
    for call in calls {
        let mut at = 0.0;
        while at < long && call + (at as usize) < part.samples {
            pulses.push(call + at as usize);
            at += pulse;
        }
    }
    let train = part.impulses(&pulses, 0.7);
    part.ring(&train, &[(f, 1.0, 0.05), (f * 2.6, 0.8, 0.035), (f * 5.2, 0.4, 0.02)])
}

/// Air, and the blades that cut it.
pub(crate) fn fan(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(96.0, 96.0);
    let mut out = part.band_noise(f * 4.0, 0.7);
    let mut blades = Turns::new(part.rng);
    let mut sway = Turns::new(part.rng);
    let swing = 5.5 * part.tempo;
    for sample in &mut out {
        let turn = blades.next(f, part.rate);
        let tone = sin_turns(turn) + 0.5 * sin_turns(turn * 2.0) + 0.3 * sin_turns(turn * 3.0);
        *sample = (*sample + 0.12 * tone) * (1.0 + 0.35 * sin_turns(sway.next(swing, part.rate)));
    }
    out
}

/// Firing strokes, never quite even.
pub(crate) fn engine(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(96.0, 96.0);
    let strokes = part.onsets(1.0 / 23.0, 0.14);
    let train = part.impulses(&strokes, 0.5);
    let mut out =
        part.ring(&train, &[(f, 1.0, 0.08), (f * 2.2, 0.8, 0.06), (f * 4.1, 0.6, 0.04), (f * 9.0, 0.35, 0.02)]);
    let noise = part.band_noise(f * 4.0, 0.7);
    for (sample, noise) in out.iter_mut().zip(noise) {
        *sample += 0.25 * noise;
    }
    out
}

/// Groups of falling chirps.
pub(crate) fn bird(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(2900.0, 2900.0);
    let long = part.length(0.075);
    let mut out = vec![0.0; part.samples];
    for group in part.onsets(0.5, 0.15) {
        for chirp in 0..part.rng.random_range(2..=4) {
            let start = group + chirp * part.length(0.105 / part.tempo);
            let mut turns = Turns::default();
            for n in 0..long.min(part.samples.saturating_sub(start)) {
                let along = n as f32 / long as f32;
                let turn = turns.next(f * (1.15 - 0.4 * along), part.rate);
                out[start + n] += triangle(along) * (sin_turns(turn) + 0.25 * sin_turns(turn * 2.0));
            }
        }
    }
    out
}

/// Teeth rasping, forth and back.
pub(crate) fn saw(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(2900.0, 2900.0);
    let mut hiss = part.hiss();
    let mut bands = [Band::new(f * 0.88, 1.6, part.rate), Band::new(f * 1.15, 1.6, part.rate)];
    let mut stroke = Turns::new(part.rng);
    let mut teeth = Turns::new(part.rng);
    let pace = 1.0 * part.tempo;
    (0..part.samples)
        .map(|_| {
            let turn = stroke.next(pace, part.rate);
            let along = (turn * 2.0).fract();
            let push = smooth(0.0, 0.25, along) * (1.0 - smooth(0.75, 1.0, along));
            let tooth = smooth(-0.3, 0.6, sin_turns(teeth.next(62.0 * part.tempo, part.rate)));
            let noise = hiss.next() * push * tooth;
            let [forth, back] = &mut bands;
            let forwards = turn < 0.5;
            forth.next(if forwards { noise } else { 0.0 }) + back.next(if forwards { 0.0 } else { noise })
        })
        .collect()
}

fn add(sum: &mut [f32], more: &[f32]) {
    for (sample, more) in sum.iter_mut().zip(more) {
        *sample += more;
    }
}
