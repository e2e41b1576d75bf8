//! The sound of a scene: its voices, each let through exactly in the segments where it is heard, over the noise of a place.

pub(super) mod mini;
pub(super) mod objects;
pub(super) mod voice;

use rand_chacha::ChaCha8Rng;

use crate::{
    catalog::Catalog,
    math::{exp2, mix, sin_turns, smooth},
    options::SynthOptions,
    random::{ClipKey, Hiss, Purpose, between},
    scene::{Presence, Scene},
};
use voice::{Part, Voice};

/// Root mean square of a voice of full level, where 1 is the greatest amplitude.
pub(super) const LEVEL: f32 = 0.09;
/// Clicks are sharp and rare: at that level they would clip. Highest amplitude of a voice.
const PEAK: f32 = 0.6;
/// Softer by this for a voice aside (6 dB).
const ASIDE: f32 = 0.5;
/// A voice rises and falls in this time, inside its segments.
pub(super) const FADE_SECS: f32 = 0.004;

/// Samples of the whole clip, channels side by side.
pub(super) fn render(key: ClipKey, scene: &Scene, catalog: &Catalog, options: &SynthOptions) -> Vec<i16> {
    let rate = options.sample_rate_hz as usize;
    let mut rng = key.stream(Purpose::Ambience, 0);
    let snr_db = between(&mut rng, options.snr_db[0], options.snr_db[1]);
    let ambience = ambience(&mut rng, scene.segments, rate, LEVEL * decibels(-snr_db));
    let mut channels = vec![ambience; usize::from(options.channels)];
    for (n, presence) in scene.heard.iter().enumerate() {
        let category = &catalog.categories[presence.category];
        let mut rng = key.stream(Purpose::Voice, n as u32);
        let track = track(&mut rng, category.voice, presence, scene, options);
        let pan = between(&mut rng, 0.3, 0.7);
        for (channel, gain) in channels.iter_mut().zip([2.0 * (1.0 - pan), 2.0 * pan]) {
            let gain = if options.channels == 1 { 1.0 } else { gain };
            for (sample, voice) in channel.iter_mut().zip(&track) {
                *sample += gain * voice;
            }
        }
    }
    let frames = scene.segments * rate;
    let mut pcm = Vec::with_capacity(frames * channels.len());
    for n in 0..frames {
        pcm.extend(channels.iter().map(|channel| (soft(channel[n]) * 32_767.0).round_ties_even() as i16));
    }
    pcm
}

/// One voice over the whole clip: another specimen a shot, a room around it, and silence where it is not heard.
fn track(rng: &mut ChaCha8Rng, voice: Voice, presence: &Presence, scene: &Scene, options: &SynthOptions) -> Vec<f32> {
    let rate = options.sample_rate_hz as usize;
    let mut samples = Vec::with_capacity(scene.segments * rate);
    for (shot, first) in scene.shots.iter().enumerate() {
        let last = scene.shots.get(shot + 1).copied().unwrap_or(scene.segments);
        let semitones = options.pitch_jitter * between(rng, -1.0, 1.0);
        let mut part = Part {
            pitch: exp2(semitones / 12.0),
            tempo: 1.0 + options.tempo_jitter * between(rng, -1.0, 1.0),
            rate: rate as f32,
            samples: (last - first) * rate,
            register: voice.register,
            rng,
        };
        let mut sounds = (voice.sound)(&mut part);
        scale_to(&mut sounds, LEVEL);
        samples.extend(sounds);
    }
    let wet = options.reverb * between(rng, 0.2, 1.0);
    add_room(&mut samples, rate, between(rng, 0.55, 0.8), wet);
    let level = decibels(between(rng, -3.0, 1.0)) * if presence.aside { ASIDE } else { 1.0 };
    gate(&mut samples, &presence.when, rate, level);
    samples
}

/// Lets samples through where the mask says, at a level, and nothing anywhere else.
fn gate(samples: &mut [f32], when: &[bool], rate: usize, level: f32) {
    let fade = FADE_SECS * rate as f32;
    for (t, segment) in samples.chunks_exact_mut(rate).enumerate() {
        if !when[t] {
            segment.fill(0.0);
            continue;
        }
        let begins = t == 0 || !when[t - 1];
        let ends = t + 1 == when.len() || !when[t + 1];
        for (n, sample) in segment.iter_mut().enumerate() {
            let rise = if begins { smooth(0.0, fade, n as f32) } else { 1.0 };
            let fall = if ends { smooth(0.0, fade, (rate - 1 - n) as f32) } else { 1.0 };
            *sample *= level * rise * fall;
        }
    }
}

/// Four echoes that feed on themselves: a small room.
pub(super) fn add_room(samples: &mut [f32], rate: usize, feedback: f32, wet: f32) {
    let mut walls = [0.0297_f32, 0.0371, 0.0411, 0.0437].map(|secs| (vec![0.0; (secs * rate as f32) as usize], 0));
    for sample in samples {
        let mut heard = 0.0;
        for (echo, at) in &mut walls {
            let back = echo[*at];
            heard += back;
            echo[*at] = *sample + feedback * back;
            *at = if *at + 1 == echo.len() { 0 } else { *at + 1 };
        }
        *sample = mix(*sample, 0.5 * heard, wet);
    }
}

/// Noise between pink and brown, a hum, and a level that wanders.
pub(super) fn ambience(rng: &mut ChaCha8Rng, secs: usize, rate: usize, level: f32) -> Vec<f32> {
    let colour = between(rng, 0.0, 1.0);
    let mains = if between(rng, 0.0, 1.0) < 0.5 { 50.0 } else { 60.0 };
    let hum = between(rng, 0.0, 0.12);
    let (phase, pace) = (between(rng, 0.0, 1.0), between(rng, 0.1, 0.4));
    let mut hiss = Hiss::new(rng);
    let (mut pink, mut brown) = ([0.0_f32; 3], 0.0_f32);
    let mut samples: Vec<f32> = (0..secs * rate)
        .map(|n| {
            let white = hiss.next();
            // Paul Kellet's economical pink filter.
            pink = [
                0.997_65 * pink[0] + 0.099_046 * white,
                0.963 * pink[1] + 0.296_516_4 * white,
                0.57 * pink[2] + 1.052_691_3 * white,
            ];
            brown = 0.995 * brown + 0.12 * white;
            let pink = 0.4 * (pink[0] + pink[1] + pink[2] + 0.1848 * white);
            let secs = n as f32 / rate as f32;
            let turn = (secs * mains).fract();
            let tone = hum * (sin_turns(turn) + 0.5 * sin_turns(turn * 2.0) + 0.3 * sin_turns(turn * 3.0));
            (mix(pink, brown, colour) + tone) * (1.0 + 0.3 * sin_turns(phase + pace * secs))
        })
        .collect();
    scale_to(&mut samples, level);
    samples
}

/// Scales to a root mean square, or less if a peak would pass the highest; silence stays silence.
pub(super) fn scale_to(samples: &mut [f32], level: f32) {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
    let rms = (power / samples.len().max(1) as f64).sqrt() as f32;
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if rms > 1e-9 {
        let gain = (level / rms).min(PEAK / peak);
        samples.iter_mut().for_each(|sample| *sample *= gain);
    }
}

pub(super) fn decibels(db: f32) -> f32 {
    exp2(db * 0.166_096_4)
}

/// Bends what would clip; nearly straight below one half.
pub(super) fn soft(sample: f32) -> f32 {
    let x = sample.clamp(-1.5, 1.5);
    x - x * x * x * (4.0 / 27.0)
}
