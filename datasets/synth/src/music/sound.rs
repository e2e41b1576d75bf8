//! The sound of an ensemble: each player from its first to its last second, exactly as loud as the plot says, over the noise
//! of a place, and someone who speaks.

use copl_datasets::ave::SEGMENTS;
use rand_chacha::ChaCha8Rng;

use super::{
    ensemble::{Ensemble, Span},
    instruments::INSTRUMENTS,
    voices,
};
use crate::{
    math::{exp2, smooth},
    options::SynthOptions,
    random::{ClipKey, Purpose, between},
    sound::{
        FADE_SECS, LEVEL, add_room, ambience, decibels, scale_to, soft,
        voice::{Part, VoiceFn},
    },
};

/// Softer than the loudest instrument, in decibels.
const SPEECH_DB: f32 = -3.0;
/// Leaves room for five players at once.
const HEADROOM: f32 = 0.6;

/// Samples of the whole clip, one channel.
pub(super) fn render(key: ClipKey, ensemble: &Ensemble, options: &SynthOptions) -> Vec<i16> {
    let rate = options.sample_rate_hz as usize;
    let mut rng = key.stream(Purpose::Ambience, 0);
    let snr_db = between(&mut rng, options.snr_db[0], options.snr_db[1]);
    let mut mix = ambience(&mut rng, SEGMENTS, rate, LEVEL * HEADROOM * decibels(-snr_db));
    for track in tracks(key, ensemble, options) {
        mix.iter_mut().zip(track).for_each(|(sample, more)| *sample += more);
    }
    mix.into_iter().map(|sample| (soft(sample) * 32_767.0).round_ties_even() as i16).collect()
}

/// The whole clip of each sounding player, in the order of [`Ensemble::heard`], then of the speaker.
pub(super) fn tracks(key: ClipKey, ensemble: &Ensemble, options: &SynthOptions) -> Vec<Vec<f32>> {
    let mut tracks = Vec::new();
    for (n, player) in ensemble.players.iter().enumerate() {
        let Some(span) = player.sounds else { continue };
        let mut rng = key.stream(Purpose::Voice, n as u32);
        let voice = INSTRUMENTS[player.instrument].voice.sound;
        tracks.push(track(&mut rng, voice, span, player.notes as f32 * 0.1, player.level_db as f32, options));
    }
    if let Some(span) = ensemble.voiceover {
        let mut rng = key.stream(Purpose::Voice, u32::MAX);
        tracks.push(track(&mut rng, voices::speech, span, 1.0, SPEECH_DB, options));
    }
    tracks
}

/// A voice in its span, silence around it. The root mean square over the span is the level's.
fn track(
    rng: &mut ChaCha8Rng,
    voice: VoiceFn,
    span: Span,
    tempo: f32,
    level_db: f32,
    options: &SynthOptions,
) -> Vec<f32> {
    let rate = options.sample_rate_hz as usize;
    let semitones = options.pitch_jitter * between(rng, -1.0, 1.0);
    let (feedback, wet) = (between(rng, 0.55, 0.8), options.reverb * between(rng, 0.2, 1.0));
    let pitch = exp2(semitones / 12.0);
    let samples = span.secs() * rate;
    let mut part = Part { rng, rate: rate as f32, samples, pitch, tempo, register: 0.0 };
    let mut sounds = voice(&mut part);
    scale_to(&mut sounds, LEVEL);
    add_room(&mut sounds, rate, feedback, wet);
    let fade = FADE_SECS * rate as f32;
    for (n, sample) in sounds.iter_mut().enumerate() {
        *sample *= smooth(0.0, fade, n as f32) * smooth(0.0, fade, (samples - 1 - n) as f32);
    }
    scale_to(&mut sounds, LEVEL * HEADROOM * decibels(level_db));
    let mut clip = vec![0.0; SEGMENTS * rate];
    clip[span.from_secs * rate..span.to_secs * rate].copy_from_slice(&sounds);
    clip
}
