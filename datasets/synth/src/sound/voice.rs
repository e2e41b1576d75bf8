//! Tools of the voices: what a voice is told, resonances, filters, noise and when to strike.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{
    math::{cos_turns, exp2, mix, sin_turns},
    random::{Hiss, between},
};

/// Makes samples of any loudness.
pub(crate) type VoiceFn = fn(&mut Part) -> Vec<f32>;

/// A category's sound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    pub sound: VoiceFn,
    /// 0 low, 1 high, for kinds of sound that two categories share.
    pub register: f32,
}

/// What a voice is to fill.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub rng: &'a mut ChaCha8Rng,
    /// Hertz.
    pub rate: f32,
    pub samples: usize,
    /// Factors about 1.
    pub pitch: f32,
    pub tempo: f32,
    pub register: f32,
}

impl Part<'_> {
    /// A frequency in hertz by register, at this part's pitch, kept below what the rate can carry.
    pub fn hertz(&self, low: f32, high: f32) -> f32 {
        (mix(low, high, self.register) * self.pitch).min(0.45 * self.rate)
    }

    /// A length in samples.
    pub fn length(&self, secs: f32) -> usize {
        (secs * self.rate) as usize
    }

    pub fn hiss(&mut self) -> Hiss {
        Hiss::new(self.rng)
    }

    /// Onsets about every `secs` at this part's tempo, moved by up to the share `loose`; the first comes at once or nearly.
    pub fn onsets(&mut self, secs: f32, loose: f32) -> Vec<usize> {
        let step = secs / self.tempo * self.rate;
        let mut at = step * between(self.rng, 0.0, 0.4);
        let mut onsets = Vec::new();
        while (at as usize) < self.samples {
            onsets.push(at as usize);
            at += step * between(self.rng, 1.0 - loose, 1.0 + loose);
        }
        onsets
    }

    /// Impulses at onsets, each of a strength drawn from `least`..1.
    pub fn impulses(&mut self, onsets: &[usize], least: f32) -> Vec<f32> {
        let mut train = vec![0.0; self.samples];
        for onset in onsets {
            train[*onset] = between(self.rng, least, 1.0);
        }
        train
    }

    /// The train heard through resonances: (hertz, gain, seconds until it is 60 dB down).
    pub fn ring(&self, train: &[f32], modes: &[(f32, f32, f32)]) -> Vec<f32> {
        let mut out = vec![0.0; train.len()];
        for (hertz, gain, decay_secs) in modes.iter().filter(|mode| mode.0 < 0.48 * self.rate) {
            let mut mode = Mode::new(*hertz, *decay_secs, self.rate);
            for (sample, input) in out.iter_mut().zip(train) {
                *sample += gain * mode.next(*input);
            }
        }
        out
    }

    /// Noise through a band.
    pub fn band_noise(&mut self, hertz: f32, quality: f32) -> Vec<f32> {
        let mut hiss = self.hiss();
        let mut band = Band::new(hertz, quality, self.rate);
        (0..self.samples).map(|_| band.next(hiss.next())).collect()
    }
}

/// A decaying sinusoid: one resonance of a struck body.
struct Mode {
    forward: f32,
    back: f32,
    gain: f32,
    last: [f32; 2],
}

impl Mode {
    fn new(hertz: f32, decay_secs: f32, rate: f32) -> Self {
        // 60 dB are 9.966 halvings of the amplitude.
        let radius = exp2(-9.966 / (decay_secs * rate));
        let turn = hertz / rate;
        Self { forward: 2.0 * radius * cos_turns(turn), back: radius * radius, gain: sin_turns(turn), last: [0.0; 2] }
    }

    fn next(&mut self, input: f32) -> f32 {
        let value = self.gain * input + self.forward * self.last[0] - self.back * self.last[1];
        self.last = [value, self.last[0]];
        value
    }
}

/// A band-pass filter of second order, gain 1 in the middle.
#[derive(Debug)]
pub(crate) struct Band {
    gain: f32,
    forward: f32,
    back: f32,
    input: [f32; 2],
    output: [f32; 2],
}

impl Band {
    pub fn new(hertz: f32, quality: f32, rate: f32) -> Self {
        let turn = (hertz / rate).min(0.48);
        let alpha = sin_turns(turn) / (2.0 * quality);
        let norm = 1.0 / (1.0 + alpha);
        Self {
            gain: alpha * norm,
            forward: 2.0 * cos_turns(turn) * norm,
            back: (1.0 - alpha) * norm,
            input: [0.0; 2],
            output: [0.0; 2],
        }
    }

    pub fn next(&mut self, input: f32) -> f32 {
        let value = self.gain * (input - self.input[1]) + self.forward * self.output[0] - self.back * self.output[1];
        self.input = [input, self.input[0]];
        self.output = [value, self.output[0]];
        value
    }
}

/// Turns of an oscillator whose frequency may change.
#[derive(Debug, Default)]
pub(crate) struct Turns(f64);

impl Turns {
    pub fn new(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }

    /// The phase (0..1) after one more sample.
    pub fn next(&mut self, hertz: f32, rate: f32) -> f32 {
        self.0 += f64::from(hertz / rate);
        self.0 -= self.0.floor();
        self.0 as f32
    }
}
