//! How the pre-training set sounds: twelve kinds, none of them the mini set's, each in a low and a high register.

use rand::Rng;

use super::voice::{Band, Part, Turns, VoiceFn};
use crate::{
    math::{exp2, mix, sin_turns, smooth, triangle},
    random::{between, chance},
};

pub(crate) const VOICES: [VoiceFn; 12] =
    [drone, siren, arpeggio, vowel, wind, crackle, plucks, organ, wobble, steam, glides, choir];

/// Samples of a function of the phase of one steady oscillator and the time in seconds.
fn tone(part: &mut Part, hertz: f32, mut wave: impl FnMut(f32, f32) -> f32) -> Vec<f32> {
    let mut turns = Turns::new(part.rng);
    let rate = part.rate;
    (0..part.samples).map(|n| wave(turns.next(hertz, rate), n as f32 / rate)).collect()
}

/// One oscillator bends another.
fn drone(part: &mut Part) -> Vec<f32> {
    let (f, pace) = (part.hertz(170.0, 360.0), 0.7 * part.tempo);
    let mut carrier = Turns::default();
    let rate = part.rate;
    tone(part, f * 1.41, |turn, secs| {
        let depth = 0.45 + 0.25 * sin_turns(secs * pace);
        sin_turns(carrier.next(f, rate) + depth * sin_turns(turn))
    })
}

fn siren(part: &mut Part) -> Vec<f32> {
    let (f, pace) = (part.hertz(450.0, 1000.0), part.tempo * between(part.rng, 0.7, 1.1));
    let mut turns = Turns::default();
    let rate = part.rate;
    tone(part, pace, |sweep, _| {
        let turn = turns.next(f * (1.0 + triangle(sweep)), rate);
        sin_turns(turn) + 0.3 * sin_turns(turn * 3.0)
    })
}

/// Square-wave notes of a chord in turn.
fn arpeggio(part: &mut Part) -> Vec<f32> {
    let (f, pace) = (part.hertz(220.0, 520.0), 6.0 * part.tempo);
    let rate = part.rate;
    let mut turns = Turns::default();
    tone(part, pace * 0.25, |bar, _| {
        let note = bar * 4.0;
        let ratio = [1.0, 1.26, 1.498, 2.0][(note as usize).min(3)];
        let turn = turns.next(f * ratio, rate);
        let gate = 1.0 - smooth(0.7, 0.95, note.fract());
        gate * (sin_turns(turn) * 6.0).clamp(-1.0, 1.0)
    })
}

/// A throat: pulses through formants, in syllables.
fn vowel(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(115.0, 230.0);
    let open = part.register < 0.5;
    let step = part.rate / f;
    let vibrato = between(part.rng, 0.02, 0.05);
    let mut at = 0.0;
    let mut pulses = Vec::new();
    while (at as usize) < part.samples {
        pulses.push(at as usize);
        at += step * (1.0 + vibrato * sin_turns(at / part.rate * 5.0));
    }
    let train = part.impulses(&pulses, 0.9);
    let formants = if open {
        [(720.0, 1.0, 0.02), (1150.0, 0.7, 0.02), (2600.0, 0.3, 0.012)]
    } else {
        [(320.0, 1.0, 0.025), (2250.0, 0.7, 0.015), (3000.0, 0.4, 0.012)]
    };
    let mut out = part.ring(&train, &formants);
    let pace = 2.3 * part.tempo / part.rate;
    for (n, sample) in out.iter_mut().enumerate() {
        *sample *= smooth(0.05, 0.5, triangle(n as f32 * pace));
    }
    out
}

/// Noise through a band that moves.
fn wind(part: &mut Part) -> Vec<f32> {
    let (f, pace) = (part.hertz(500.0, 1600.0), 0.6 * part.tempo);
    let mut hiss = part.hiss();
    let mut bands = [0.6_f32, 1.0, 1.7].map(|ratio| Band::new(f * ratio, 4.0, part.rate));
    tone(part, pace, |sweep, _| {
        let noise = hiss.next();
        let place = 2.0 * triangle(sweep);
        bands.iter_mut().enumerate().map(|(n, band)| band.next(noise) * (1.0 - (place - n as f32).abs()).max(0.0)).sum()
    })
}

/// Random clicks.
fn crackle(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(1300.0, 3200.0);
    let often = mix(22.0, 45.0, part.register) * part.tempo / part.rate;
    let clicks: Vec<usize> = (0..part.samples).filter(|_| chance(part.rng, often)).collect();
    let train = part.impulses(&clicks, 0.2);
    part.ring(&train, &[(f, 1.0, 0.012), (f * 1.7, 0.6, 0.008)])
}

/// Strings: noise that runs round a loop and dulls.
fn plucks(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(150.0, 340.0);
    let mut out = vec![0.0; part.samples];
    let mut hiss = part.hiss();
    let notes = part.onsets(0.38, 0.05);
    for (n, onset) in notes.iter().enumerate() {
        let steps = [0.0, 3.0, 5.0, 7.0, 10.0][part.rng.random_range(0..5)];
        let period = ((part.rate / (f * exp2(steps / 12.0))) as usize).max(2);
        let mut string: Vec<f32> = (0..period).map(|_| hiss.next()).collect();
        let end = notes.get(n + 1).copied().unwrap_or(part.samples);
        for (at, sample) in out[*onset..end].iter_mut().enumerate() {
            let here = at % period;
            let next = string[(here + 1) % period];
            *sample = string[here];
            string[here] = 0.498 * (string[here] + next);
        }
    }
    out
}

/// Even harmonics of a fifth, trembling.
fn organ(part: &mut Part) -> Vec<f32> {
    let (f, pace) = (part.hertz(130.0, 300.0), 6.2 * part.tempo);
    let mut fifth = Turns::default();
    let rate = part.rate;
    let pipes = |turn: f32| {
        [(1.0, 1.0), (2.0, 0.8), (4.0, 0.6), (8.0, 0.35)]
            .map(|(n, gain)| gain * sin_turns(turn * n))
            .iter()
            .sum::<f32>()
    };
    tone(part, f, |turn, secs| {
        (1.0 + 0.3 * sin_turns(secs * pace)) * (pipes(turn) + 0.8 * pipes(fifth.next(f * 1.498, rate)))
    })
}

/// A sawtooth behind a filter that opens and shuts.
fn wobble(part: &mut Part) -> Vec<f32> {
    let (f, pace) = (part.hertz(75.0, 165.0), 3.1 * part.tempo);
    let mut low = 0.0;
    tone(part, f, |turn, secs| {
        let open = 0.02 + 0.3 * smooth(0.1, 0.9, triangle(secs * pace));
        low += open * (2.0 * turn - 1.0 - low);
        low
    })
}

/// Bright noise in puffs.
fn steam(part: &mut Part) -> Vec<f32> {
    let pace = mix(2.2, 7.0, part.register) * part.tempo / part.rate;
    let f = part.hertz(4200.0, 5200.0);
    let mut out = part.band_noise(f, 0.8);
    for (n, sample) in out.iter_mut().enumerate() {
        let puff = (n as f32 * pace).fract();
        *sample *= smooth(0.0, 0.06, puff) * (1.0 - smooth(0.3, 0.65, puff));
    }
    out
}

/// Long falls in pitch; rises in the high register.
fn glides(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(420.0, 600.0);
    let falls = part.register < 0.5;
    let mut out = vec![0.0; part.samples];
    let long = part.length(0.42 / part.tempo);
    for onset in part.onsets(0.5, 0.05) {
        let mut turns = Turns::default();
        for n in 0..long.min(part.samples - onset) {
            let along = n as f32 / long as f32;
            let octaves = 2.2 * if falls { 1.0 - along } else { along };
            let turn = turns.next(f * exp2(octaves), part.rate);
            out[onset + n] += smooth(0.0, 0.05, along) * (1.0 - along) * sin_turns(turn);
        }
    }
    out
}

/// Many voices, slightly apart.
fn choir(part: &mut Part) -> Vec<f32> {
    let f = part.hertz(420.0, 900.0);
    let apart: [f32; 5] = [0.985, 0.994, 1.0, 1.007, 1.017];
    let mut turns = apart.map(|_| Turns::new(part.rng));
    let rate = part.rate;
    tone(part, 0.5, |_, _| {
        turns
            .iter_mut()
            .zip(apart)
            .map(|(turns, ratio)| {
                let turn = turns.next(f * ratio, rate);
                sin_turns(turn) + 0.35 * sin_turns(turn * 2.0)
            })
            .sum()
    })
}
