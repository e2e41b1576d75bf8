//! What happens in a video of an ensemble, before anything is drawn: who stands where, who sounds from when to when, how
//! loud and how quick. Every answer follows from this alone.

use copl_datasets::ave::SEGMENTS;
use rand::{
    Rng,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::random::chance;

/// Notes in ten seconds: each pace is twice the one before.
const PACES: [u32; 3] = [8, 16, 32];
/// Seconds a player sounds at least.
const SHORTEST: usize = 3;

/// From a second up to, and without, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub from_secs: usize,
    pub to_secs: usize,
}

impl Span {
    pub fn secs(self) -> usize {
        self.to_secs - self.from_secs
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.from_secs < other.to_secs && other.from_secs < self.to_secs
    }
}

/// An instrument that is seen, heard, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Player {
    /// Index into [`super::instruments::INSTRUMENTS`].
    pub instrument: usize,
    /// Place from the left; none if it is not in view.
    pub slot: Option<usize>,
    /// When it sounds; none if it stands still and silent.
    pub sounds: Option<Span>,
    /// Decibels below the loudest, as 0, -4, -8; any two sounding players differ.
    pub level_db: i32,
    /// Notes in ten seconds.
    pub notes: u32,
}

/// A video's plot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ensemble {
    pub outdoor: bool,
    /// Someone speaks, unseen.
    pub voiceover: Option<Span>,
    /// Those in view from left to right, then the one that is not.
    pub players: Vec<Player>,
}

impl Ensemble {
    /// Draws an ensemble of at most `players` in view, of the first `instruments`; `index`, the video's number in its split,
    /// decides indoors or outdoors, so both come equally often.
    pub fn draw(rng: &mut ChaCha8Rng, index: u32, instruments: usize, players: usize) -> Self {
        let mut sizes = vec![1, 2, 2, 2, 3, 3, 3, 3, 4, 4];
        sizes.retain(|seen| *seen <= players);
        let seen = *sizes.choose(rng).unwrap_or(&1);
        let mut fresh: Vec<usize> = (0..instruments).collect();
        fresh.shuffle(rng);
        let mut types: Vec<usize> = Vec::new();
        for _ in 0..seen {
            let again = if types.is_empty() || !chance(rng, 0.3) { None } else { types.choose(rng).copied() };
            types.extend(again.or_else(|| fresh.pop()));
        }
        // Sometimes all in view are silent and the sound is another's.
        let mime = chance(rng, 0.15);
        let mut silent: Vec<bool> = types.iter().map(|_| mime || chance(rng, 0.2)).collect();
        let mut slots: Vec<Option<usize>> = (0..types.len()).map(Some).collect();
        if mime || chance(rng, 0.2) {
            types.extend(fresh.pop());
            slots.push(None);
            silent.push(false);
        } else if silent.iter().all(|silent| *silent) {
            silent[0] = false;
        }
        let mut spans = draw_spans(rng, types.len());
        let sounding = silent.iter().filter(|silent| !**silent).count();
        let step = [0, 0, 8, 6, 4, 4][sounding.min(5)];
        let mut levels: Vec<i32> = (0..sounding as i32).map(|n| -step * n).collect();
        levels.shuffle(rng);
        let players = types
            .into_iter()
            .zip(slots)
            .zip(silent)
            .map(|((instrument, slot), silent)| Player {
                instrument,
                slot,
                sounds: spans.pop().filter(|_| !silent),
                level_db: if silent { 0 } else { levels.pop().unwrap_or(0) },
                notes: *PACES.choose(rng).unwrap_or(&PACES[0]),
            })
            .collect();
        let voiceover = chance(rng, 0.4).then(|| {
            let secs = rng.random_range(3..=6);
            let from_secs = rng.random_range(0..=SEGMENTS - secs);
            Span { from_secs, to_secs: from_secs + secs }
        });
        Self { outdoor: index % 2 == 1, voiceover, players }
    }

    /// Those in view, from left to right.
    pub fn seen(&self) -> impl Iterator<Item = &Player> {
        self.players.iter().filter(|player| player.slot.is_some())
    }

    /// Those that sound, with when they do.
    pub fn heard(&self) -> impl Iterator<Item = (&Player, Span)> {
        self.players.iter().filter_map(|player| player.sounds.map(|span| (player, span)))
    }

    /// What a place is called; among four there are no names.
    pub fn place(&self, player: &Player) -> Option<&'static str> {
        let names: &[&str] = match self.seen().count() {
            1 => &["middle"],
            2 => &["left", "right"],
            3 => &["left", "middle", "right"],
            _ => &[],
        };
        names.get(player.slot?).copied()
    }
}

/// A span for each of several players: all from the start, one after another, or as it comes.
fn draw_spans(rng: &mut ChaCha8Rng, players: usize) -> Vec<Span> {
    let latest = SEGMENTS - SHORTEST;
    let mut entries: Vec<usize> = (0..=latest - 1).collect();
    entries.shuffle(rng);
    let way = rng.random_range(0..10);
    (0..players)
        .map(|n| {
            let from_secs = match way {
                0..3 => 0,
                3..8 => entries[n % entries.len()],
                _ => rng.random_range(0..=2) * 2,
            };
            let to_secs = if chance(rng, 0.5) { SEGMENTS } else { rng.random_range(from_secs + SHORTEST..=SEGMENTS) };
            Span { from_secs, to_secs }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn ensembles_keep_what_questions_rely_on() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for index in 0..1000 {
            let (instruments, players) = if index % 2 == 0 { (8, 4) } else { (3, 2) };
            let ensemble = Ensemble::draw(&mut rng, index, instruments, players);
            assert!(ensemble.players.iter().all(|player| player.instrument < instruments));
            let seen: Vec<Option<usize>> = ensemble.seen().map(|player| player.slot).collect();
            assert_eq!(seen, (0..seen.len()).map(Some).collect::<Vec<_>>());
            assert!((1..=players).contains(&seen.len()) && ensemble.heard().count() > 0, "{ensemble:?}");
            let levels: HashSet<i32> = ensemble.heard().map(|(player, _)| player.level_db).collect();
            assert_eq!(levels.len(), ensemble.heard().count(), "two are equally loud: {ensemble:?}");
            for (_, span) in ensemble.heard() {
                assert!(span.secs() >= SHORTEST && span.to_secs <= SEGMENTS, "{ensemble:?}");
            }
        }
    }
}
