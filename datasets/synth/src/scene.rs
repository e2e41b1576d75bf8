//! What happens in a clip, before anything is drawn: who is in view and who is heard, segment by segment.
//!
//! An event is a category seen *and* heard. Outside it the same object may be in view without its sound, its sound be heard
//! without it, or either be joined by another category, so neither eye nor ear alone can tell an event.

use std::ops::RangeInclusive;

use copl_datasets::ave::SEGMENTS;
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    options::SynthOptions,
    random::{between, chance},
};

/// Which of a scene's segments something fills.
pub(super) type Mask = Vec<bool>;

/// A category in view or heard, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Presence {
    pub category: usize,
    pub when: Mask,
    /// Smaller or softer than the clip's own category.
    pub aside: bool,
}

/// A clip's plot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scene {
    pub category: usize,
    pub start_secs: usize,
    pub end_secs: usize,
    pub seen: Vec<Presence>,
    pub heard: Vec<Presence>,
    /// First segments of the shots; the first is 0.
    pub shots: Vec<usize>,
    /// Of one second each.
    #[serde(default = "ave_segments", skip_serializing_if = "is_ave_segments")]
    pub segments: usize,
}

/// Sets made before clips had lengths of their own do not record one.
fn ave_segments() -> usize {
    SEGMENTS
}

fn is_ave_segments(segments: &usize) -> bool {
    *segments == SEGMENTS
}

/// Categories taking part: the clip's own, and two others that never make an event.
struct Cast {
    own: usize,
    /// Heard or seen outside the event, never both at once.
    other: usize,
    /// In view only.
    bystander: usize,
}

impl Scene {
    /// Draws a scene of a category out of `categories`. `spread` (0..1) decides how long the event lasts, see
    /// [`event_length`]; all else is drawn.
    pub fn draw(rng: &mut ChaCha8Rng, spread: f32, category: usize, categories: usize, options: &SynthOptions) -> Self {
        let length = event_length(spread, options.full_events);
        let start_secs = rng.random_range(0..=SEGMENTS - length);
        let end_secs = start_secs + length;
        let mut others: Vec<usize> = (0..categories).filter(|other| *other != category).collect();
        others.shuffle(rng);
        let cast = Cast { own: category, other: others[0], bystander: others[1 % others.len()] };

        let mut own_seen = vec![false; SEGMENTS];
        own_seen[start_secs..end_secs].fill(true);
        let mut own_heard = own_seen.clone();
        let mut other_seen = vec![false; SEGMENTS];
        let mut other_heard = vec![false; SEGMENTS];
        for gap in [0..start_secs, end_secs..SEGMENTS] {
            let mut from = gap.start;
            while from < gap.end {
                let to = (from + rng.random_range(1..=4)).min(gap.end);
                if chance(rng, options.distractors) {
                    match rng.random_range(0..4) {
                        0 => own_seen[from..to].fill(true),
                        1 => own_heard[from..to].fill(true),
                        2 => {
                            own_seen[from..to].fill(true);
                            other_heard[from..to].fill(true);
                        }
                        _ => {
                            own_heard[from..to].fill(true);
                            other_seen[from..to].fill(true);
                        }
                    }
                }
                from = to;
            }
        }
        let mut seen = vec![presence(cast.own, own_seen, false), presence(cast.other, other_seen.clone(), false)];
        let mut heard = vec![presence(cast.own, own_heard, false), presence(cast.other, other_heard.clone(), false)];
        if chance(rng, options.bystanders) && cast.bystander != cast.other {
            seen.push(presence(cast.bystander, stretch(rng, 3..=SEGMENTS, SEGMENTS), true));
        }
        if chance(rng, options.intruders) {
            let stretch = stretch(rng, 3..=SEGMENTS, SEGMENTS);
            let when = (0..SEGMENTS).map(|t| stretch[t] && !other_seen[t] && !other_heard[t]).collect();
            heard.push(presence(cast.other, when, true));
        }
        seen.retain(|presence| presence.when.contains(&true));
        heard.retain(|presence| presence.when.contains(&true));
        let shots = draw_shots(rng, options.shots, SEGMENTS);
        Self { category, start_secs, end_secs, seen, heard, shots, segments: SEGMENTS }
    }

    /// Draws a scene in which one category sounds from beginning to end, in view, beside silent ones that no one can tell from
    /// it without listening. `others` are the categories silent objects may be of.
    ///
    /// `options.bystanders` is the probability of a silent object, then `options.distractors` that of a second one.
    /// `options.intruders` is the probability of a soft voice of a category out of view.
    pub fn draw_single_source(
        rng: &mut ChaCha8Rng,
        category: usize,
        mut others: Vec<usize>,
        segments: usize,
        options: &SynthOptions,
    ) -> Self {
        others.shuffle(rng);
        let mut silent = 0;
        if chance(rng, options.bystanders) {
            silent = if chance(rng, options.distractors) { 2 } else { 1 };
        }
        let all = |category, aside| presence(category, vec![true; segments], aside);
        let mut seen: Vec<Presence> = others.drain(..silent).map(|other| all(other, false)).collect();
        // Who stands in front tells nothing.
        seen.insert(rng.random_range(0..=silent), all(category, false));
        let mut heard = vec![all(category, false)];
        if chance(rng, options.intruders) {
            heard.extend(others.first().map(|other| all(*other, true)));
        }
        let shots = draw_shots(rng, options.shots, segments);
        Self { category, start_secs: 0, end_secs: segments, seen, heard, shots, segments }
    }

    /// Draws a scene in which one category or two sound, in view, beside a silent one. No two of them look or sound alike:
    /// `alike` says by category which would.
    ///
    /// `options.distractors` is the probability of a second one that sounds, `options.bystanders` that of a silent one and
    /// `options.full_events` that of a voice to last as long as the clip; the others last two segments to all but one, so that
    /// there are segments in which nothing sounds. `options.intruders` is the probability of a soft voice of a category out
    /// of view.
    pub fn draw_several_sources(
        rng: &mut ChaCha8Rng,
        category: usize,
        alike: &[[usize; 2]],
        segments: usize,
        options: &SynthOptions,
    ) -> Self {
        let mut others: Vec<usize> = (0..alike.len()).filter(|other| *other != category).collect();
        others.shuffle(rng);
        let sources = 1 + usize::from(chance(rng, options.distractors));
        let silent = usize::from(chance(rng, options.bystanders));
        let mut cast = vec![category];
        for other in &others {
            let unlike = cast.iter().all(|one| !alike[*one].contains(other));
            if cast.len() < sources + silent && unlike {
                cast.push(*other);
            }
        }
        let mut heard: Vec<Presence> = Vec::new();
        for source in cast.iter().take(sources) {
            let throughout = chance(rng, options.full_events);
            let when = if throughout { vec![true; segments] } else { stretch(rng, 2..=segments - 1, segments) };
            heard.push(presence(*source, when, false));
        }
        if chance(rng, options.intruders) {
            let unseen = others.iter().find(|other| !cast.contains(other));
            heard.extend(unseen.map(|other| presence(*other, vec![true; segments], true)));
        }
        // Who stands in front tells nothing.
        cast.shuffle(rng);
        let seen = cast.into_iter().map(|one| presence(one, vec![true; segments], false)).collect();
        let shots = draw_shots(rng, options.shots, segments);
        Self { category, start_secs: 0, end_secs: segments, seen, heard, shots, segments }
    }

    /// Whether a category is heard in a segment.
    pub fn is_heard(&self, category: usize, segment: usize) -> bool {
        self.heard.iter().any(|voice| voice.category == category && voice.when[segment])
    }

    /// The category that is seen and heard in each segment, derived from the presences alone.
    #[cfg(test)]
    pub fn events(&self) -> Vec<Vec<usize>> {
        let at = |t: usize| {
            let seen = self.seen.iter().filter(|actor| actor.when[t]).map(|actor| actor.category);
            seen.filter(|category| self.is_heard(*category, t)).collect()
        };
        (0..self.segments).map(at).collect()
    }

    /// The shot a segment belongs to.
    pub fn shot_of(&self, segment: usize) -> usize {
        self.shots.partition_point(|first| *first <= segment) - 1
    }
}

/// Numbers of 0..1 that fill it evenly however many are taken (multiples of the golden section): the share of background is
/// nearly the same in every split and for every category, small sets too.
pub(super) fn spread(index: u32) -> f32 {
    (f64::from(index) * 0.618_033_988_749_895).fract() as f32
}

/// All segments below `full`, and above it from 2 to one less than all, evenly.
fn event_length(spread: f32, full: f32) -> usize {
    if spread < full {
        return SEGMENTS;
    }
    let lengths = (SEGMENTS - 2) as f32;
    2 + (((spread - full) / (1.0 - full) * lengths) as usize).min(SEGMENTS - 3)
}

fn presence(category: usize, when: Mask, aside: bool) -> Presence {
    Presence { category, when, aside }
}

/// A run of one of the lengths.
fn stretch(rng: &mut impl Rng, lengths: RangeInclusive<usize>, segments: usize) -> Mask {
    let length = rng.random_range(lengths);
    let from = rng.random_range(0..=segments - length);
    (0..segments).map(|t| (from..from + length).contains(&t)).collect()
}

/// At most as many shots as segments.
fn draw_shots(rng: &mut impl Rng, most: usize, segments: usize) -> Vec<usize> {
    let most = most.min(segments);
    let count = 1 + (between(rng, 0.0, most as f32) as usize).min(most - 1);
    let mut shots = vec![0];
    let mut cuts: Vec<usize> = (1..segments).collect();
    cuts.shuffle(rng);
    shots.extend(&cuts[..count - 1]);
    shots.sort_unstable();
    shots
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// 2000 scenes with every distractor at its most frequent.
    fn scenes() -> impl Iterator<Item = Scene> {
        let mut options = SynthOptions::ave();
        (options.distractors, options.bystanders, options.intruders) = (0.9, 0.9, 0.9);
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        (0..2000).map(move |n| Scene::draw(&mut rng, spread(n), n as usize % 8, 8, &options))
    }

    #[test]
    fn the_event_is_where_the_category_is_seen_and_heard() {
        for scene in scenes() {
            let labelled: Vec<Vec<usize>> = (0..SEGMENTS)
                .map(
                    |t| if (scene.start_secs..scene.end_secs).contains(&t) { vec![scene.category] } else { Vec::new() },
                )
                .collect();
            assert_eq!(scene.events(), labelled, "{scene:?}");
        }
    }

    #[test]
    fn eye_and_ear_alone_are_misled() {
        let (mut silent, mut unseen) = (0, 0);
        for scene in scenes() {
            let events = scene.events();
            let own =
                |presences: &[Presence], t: usize| presences.iter().any(|p| p.category == scene.category && p.when[t]);
            for (t, _) in events.iter().enumerate().filter(|(_, categories)| categories.is_empty()) {
                silent += usize::from(own(&scene.seen, t));
                unseen += usize::from(own(&scene.heard, t));
            }
        }
        assert!(silent > 1000 && unseen > 1000, "silent {silent}, unseen {unseen}");
    }

    #[test]
    fn background_takes_about_three_segments_of_ten_however_few_the_clips() {
        for count in [24, 48, 64, 2000] {
            let length: usize = (0..count).map(|n| event_length(spread(n), SynthOptions::ave().full_events)).sum();
            let share = 1.0 - length as f64 / (f64::from(count) * SEGMENTS as f64);
            assert!((0.26..0.33).contains(&share), "{share} of {count} clips");
        }
    }

    #[test]
    fn events_last_two_segments_to_all() {
        let lengths: std::collections::BTreeSet<usize> = (0..200).map(|n| event_length(spread(n), 0.35)).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), (2..=SEGMENTS).collect::<Vec<_>>());
        assert!((0..200).all(|n| event_length(spread(n), 1.0) == SEGMENTS));
        assert!((0..200).all(|n| event_length(spread(n), 0.0) < SEGMENTS));
    }

    #[test]
    fn shots_rise_from_the_first_segment() {
        for scene in scenes() {
            assert!(scene.shots[0] == 0 && scene.shots.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(scene.shot_of(SEGMENTS - 1), scene.shots.len() - 1);
        }
    }
}
