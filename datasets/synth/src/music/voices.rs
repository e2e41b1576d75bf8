//! How the instruments sound. A part's tempo is notes a second; each voice draws its own tune, within about an octave of
//! a pitch that is its own.

use rand::Rng;

use crate::{
    math::{exp2, mix, sin_turns, smooth, triangle},
    random::between,
    sound::voice::{Band, Part, Turns},
};

/// Where notes begin and how high they are, as a factor of the voice's pitch: steps of a pentatonic scale.
fn tune(part: &mut Part) -> Vec<(usize, f32)> {
    part.onsets(1.0, 0.04)
        .into_iter()
        .map(|onset| (onset, exp2([0.0, 2.0, 4.0, 7.0, 9.0][part.rng.random_range(0..5)] / 12.0)))
        .collect()
}

/// Notes that are held until the next begins: `wave(phase, seconds into the note, share of the note gone)`.
fn held(part: &mut Part, hertz: f32, vibrato: f32, mut wave: impl FnMut(f32, f32, f32) -> f32) -> Vec<f32> {
    let notes = tune(part);
    let f = part.hertz(hertz, hertz);
    let rate = part.rate;
    let mut out = vec![0.0; part.samples];
    for (n, (onset, ratio)) in notes.iter().enumerate() {
        let end = notes.get(n + 1).map_or(part.samples, |next| next.0);
        let mut turns = Turns::default();
        for at in 0..end - onset {
            let secs = at as f32 / rate;
            let bend = 1.0 + vibrato * sin_turns(secs * 5.7) * smooth(0.05, 0.25, secs);
            let turn = turns.next(f * ratio * bend, rate);
            out[onset + at] = wave(turn, secs, at as f32 / (end - onset) as f32);
        }
    }
    out
}

/// Notes that are struck: each rings through its modes (ratio, gain, seconds until it is 60 dB down).
fn struck(part: &mut Part, hertz: f32, modes: &[(f32, f32, f32)]) -> Vec<f32> {
    let notes = tune(part);
    let f = part.hertz(hertz, hertz);
    let mut out = vec![0.0; part.samples];
    let ratios: Vec<f32> = notes.iter().map(|note| note.1).collect();
    let mut pitches = ratios.clone();
    pitches.sort_unstable_by(f32::total_cmp);
    pitches.dedup();
    for pitch in pitches {
        let onsets: Vec<usize> = notes.iter().filter(|note| note.1 == pitch).map(|note| note.0).collect();
        let train = part.impulses(&onsets, 0.8);
        let modes: Vec<_> = modes.iter().map(|(ratio, gain, decay)| (f * pitch * ratio, *gain, *decay)).collect();
        for (sample, more) in out.iter_mut().zip(part.ring(&train, &modes)) {
            *sample += more;
        }
    }
    out
}

/// A bowed string: every harmonic, with vibrato and a soft onset.
pub(super) fn violin(part: &mut Part) -> Vec<f32> {
    let mut body = Band::new(1100.0, 0.8, part.rate);
    held(part, 560.0, 0.012, |turn, secs, gone| {
        let string = 2.0 * turn - 1.0;
        let bowed = string * smooth(0.0, 0.12, secs) * (1.0 - 0.6 * smooth(0.85, 1.0, gone));
        bowed * 0.5 + body.next(bowed)
    })
}

/// Struck strings: nearly harmonic, low ones longer.
pub(super) fn piano(part: &mut Part) -> Vec<f32> {
    struck(
        part,
        262.0,
        &[
            (1.0, 1.0, 2.2),
            (2.002, 0.6, 1.6),
            (3.01, 0.35, 1.2),
            (4.02, 0.22, 0.9),
            (5.04, 0.12, 0.7),
            (6.07, 0.07, 0.5),
        ],
    )
}

/// A skin, and the noise of the stroke.
pub(super) fn drum(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(95.0, 95.0);
    let onsets = part.onsets(1.0, 0.03);
    let train = part.impulses(&onsets, 0.8);
    let modes = [(1.0, 1.0, 0.55), (1.59, 0.6, 0.4), (2.14, 0.4, 0.3), (2.65, 0.3, 0.2)];
    let mut out = part.ring(&train, &modes.map(|(ratio, gain, decay)| (f * ratio, gain, decay)));
    let noise = part.band_noise(1900.0, 0.6);
    let mut level = 0.0;
    for ((sample, noise), strike) in out.iter_mut().zip(noise).zip(&train) {
        level = level * 0.9988 + strike * 0.9;
        *sample += level * noise;
    }
    out
}

/// Nearly a sine, with breath.
pub(super) fn flute(part: &mut Part) -> Vec<f32> {
    let mut hiss = part.hiss();
    let mut breath = Band::new(2600.0, 0.7, part.rate);
    held(part, 1050.0, 0.006, |turn, secs, gone| {
        let level = smooth(0.0, 0.09, secs) * (1.0 - 0.8 * smooth(0.9, 1.0, gone));
        level * (sin_turns(turn) + 0.12 * sin_turns(turn * 2.0) + 0.3 * breath.next(hiss.next()))
    })
}

/// Two reeds slightly apart, and a fifth, under a steady bellows.
pub(super) fn accordion(part: &mut Part) -> Vec<f32> {
    let mut second = Turns::default();
    let mut fifth = Turns::default();
    let (f, rate) = (part.hertz(330.0, 330.0), part.rate);
    let reed = |turn: f32| (sin_turns(turn) * 4.0).clamp(-1.0, 1.0) + 0.4 * sin_turns(turn * 5.0);
    held(part, 330.0, 0.0, |turn, secs, gone| {
        let level = smooth(0.0, 0.05, secs) * (1.0 - 0.7 * smooth(0.93, 1.0, gone));
        level * (reed(turn) + 0.8 * reed(second.next(f * 1.009, rate)) + 0.5 * reed(fifth.next(f * 1.498, rate)))
    })
}

/// Brass: brighter the louder, with a swelling onset.
pub(super) fn trumpet(part: &mut Part) -> Vec<f32> {
    held(part, 420.0, 0.004, |turn, secs, gone| {
        let level = smooth(0.0, 0.06, secs) * (1.0 - 0.75 * smooth(0.8, 1.0, gone));
        let bright = 0.4 + 0.6 * level;
        let partials: f32 = (1..=9)
            .map(|n| (1.0 - 0.05 * n as f32) * mix(1.0 / n as f32, 1.0, 0.5 * bright) * sin_turns(turn * n as f32))
            .sum();
        level * partials
    })
}

/// Wooden bars: short, high, inharmonic.
pub(super) fn xylophone(part: &mut Part) -> Vec<f32> {
    struck(part, 1250.0, &[(1.0, 1.0, 0.45), (3.0, 0.45, 0.2), (5.9, 0.2, 0.1)])
}

/// Plucked strings: noise that runs round a loop and dulls.
pub(super) fn guitar(part: &mut Part) -> Vec<f32> {
    let notes = tune(part);
    let f = part.hertz(147.0, 147.0);
    let mut hiss = part.hiss();
    let mut out = vec![0.0; part.samples];
    for (n, (onset, ratio)) in notes.iter().enumerate() {
        let period = ((part.rate / (f * ratio)) as usize).max(2);
        let mut string: Vec<f32> = (0..period).map(|_| hiss.next()).collect();
        let end = notes.get(n + 1).map_or(part.samples, |next| next.0);
        for (at, sample) in out[*onset..end].iter_mut().enumerate() {
            let here = at % period;
            *sample = string[here];
            string[here] = 0.4985 * (string[here] + string[(here + 1) % period]);
        }
    }
    out
}

/// Someone speaking: pulses through two formants that change with every syllable.
pub(super) fn speech(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(135.0, 135.0);
    let mut out = vec![0.0; part.samples];
    let syllables = part.onsets(0.24, 0.25);
    for (n, onset) in syllables.iter().enumerate() {
        let end = syllables.get(n + 1).copied().unwrap_or(part.samples);
        let (low, high) = (between(part.rng, 300.0, 750.0), between(part.rng, 1000.0, 2300.0));
        let mut bands = [Band::new(low, 6.0, part.rate), Band::new(high, 8.0, part.rate)];
        let pitch = f * between(part.rng, 0.88, 1.15);
        let mut turns = Turns::default();
        for at in 0..end - onset {
            let gone = at as f32 / (end - onset) as f32;
            let turn = turns.next(pitch * (1.05 - 0.1 * gone), part.rate);
            let pulse = smooth(0.8, 1.0, turn) * smooth(0.02, 0.5, triangle(gone));
            out[onset + at] = bands[0].next(pulse) + 0.6 * bands[1].next(pulse);
        }
    }
    out
}
