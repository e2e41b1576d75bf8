//! Eight instruments for made sets, out of the 22 of the official one: name, look, movement and voice.

use super::{looks, voices};
use crate::{
    catalog::{Category, Look, Motion},
    picture::{mini::Pose, shape::Surface},
    sound::voice::{Voice, VoiceFn},
};

const fn instrument(
    name: &'static str,
    hue: f32,
    look: fn(f32, f32, &Pose) -> Surface,
    motion: Motion,
    sound: VoiceFn,
) -> Category {
    Category { name, hue, look: Look::Drawn(look), motion, movement: 1.0, voice: Voice { sound, register: 0.0 } }
}

/// By number; names are answers and words of the official set.
pub(super) const INSTRUMENTS: [Category; 8] = [
    instrument("violin", 0.03, looks::violin, Motion::Still, voices::violin),
    instrument("piano", 0.68, looks::piano, Motion::Still, voices::piano),
    instrument("drum", 0.98, looks::drum, Motion::Shake, voices::drum),
    instrument("flute", 0.5, looks::flute, Motion::Swing, voices::flute),
    instrument("accordion", 0.85, looks::accordion, Motion::Still, voices::accordion),
    instrument("trumpet", 0.14, looks::trumpet, Motion::Swing, voices::trumpet),
    instrument("xylophone", 0.35, looks::xylophone, Motion::Still, voices::xylophone),
    instrument("acoustic_guitar", 0.08, looks::guitar, Motion::Still, voices::guitar),
];

#[cfg(test)]
mod tests {
    use super::*;
    use copl_datasets::music_avqa::vocabulary::{answer_index, word_index};

    #[test]
    fn every_instrument_is_an_official_word_and_answer() {
        for instrument in &INSTRUMENTS {
            assert!(word_index(instrument.name).is_some() && answer_index(instrument.name).is_some());
        }
    }
}
