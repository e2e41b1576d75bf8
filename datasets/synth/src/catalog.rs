//! The categories of the two generators: name, look, movement and voice. Nothing is shared between the two but the tools.

use std::path::{Path, PathBuf};

use copl_datasets::{Split, avsbench::Subset};

use crate::{
    files::SetFiles,
    layout::Layout,
    picture::{
        backdrop::Scenery,
        mini::{self as looks, Pose},
        objects::{OUTLINES, Outline, PATTERNS, Pattern},
        shape::Surface,
    },
    scene::Scene,
    sound::{
        mini as voices,
        objects::VOICES,
        voice::{Voice, VoiceFn},
    },
};

/// How a category is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Drawn(fn(f32, f32, &Pose) -> Surface),
    Composed { outline: Outline, pattern: Pattern },
}

impl Look {
    pub fn at(self, x: f32, y: f32, pose: &Pose) -> Surface {
        match self {
            Self::Drawn(draw) => draw(x, y, pose),
            Self::Composed { outline, pattern } => {
                Surface { distance: outline(x, y, pose), tone: pattern(x, y, pose), accent: 0.0 }
            }
        }
    }
}

/// How a category moves, besides wandering about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    Still,
    Swing,
    Shake,
    Hop,
    Pulse,
    Slide,
    Turn,
}

/// What makes an object and its sound a category.
#[derive(Debug, Clone, Copy)]
pub(super) struct Category {
    pub name: &'static str,
    /// In turns; see `SynthOptions::colour_jitter`.
    pub hue: f32,
    pub look: Look,
    pub motion: Motion,
    /// Turns a second.
    pub movement: f32,
    pub voice: Voice,
}

/// A generator's categories and places.
#[derive(Debug, Clone)]
pub(super) struct Catalog {
    /// Recorded in synth.json and part of every random stream.
    pub name: &'static str,
    pub number: u32,
    /// Goes up whenever the same options give other frames, masks or samples.
    pub version: u32,
    pub scenery: Scenery,
    pub layout: Layout,
    /// Objects go round the picture's middle, each somewhere else, instead of wandering about in it.
    pub roaming: bool,
    /// By category, those that look or sound like it; empty where no scene asks.
    pub alike: &'static [[usize; 2]],
    pub categories: Vec<Category>,
}

impl SetFiles<Scene> for Catalog {
    fn lists(&self) -> Vec<&'static str> {
        self.layout.lists()
    }

    fn of_clip(&self, set: &Path, split: Split, video_id: &str, scene: &Scene) -> Vec<PathBuf> {
        let Some(category) = self.categories.get(scene.category) else { return Vec::new() };
        self.layout.files(set, split, category.name, video_id)
    }

    fn needs_ffmpeg(&self) -> bool {
        self.layout.media_files() == 1
    }
}

/// The mini set. Looks pair as (Bell, Drum), (Clock, Fan), (Frog, Bird), (Engine, Saw); sounds pair as (Bell, Clock),
/// (Drum, Frog), (Fan, Engine), (Bird, Saw): a look-alike never sounds alike.
pub(super) fn mini() -> Catalog {
    let category = |name, hue, look, motion, movement, voice: VoiceFn| Category {
        name,
        hue,
        look: Look::Drawn(look),
        motion,
        movement,
        voice: Voice { sound: voice, register: 0.0 },
    };
    Catalog {
        name: "ave",
        number: 1,
        version: 1,
        scenery: Scenery { roughness: [0.5, 0.8], angular: false, light: [0.3, 0.75] },
        layout: Layout::Ave,
        roaming: false,
        alike: &[],
        categories: vec![
            category("Bell", 0.12, looks::bell, Motion::Swing, 0.8, voices::bell),
            category("Clock", 0.58, looks::clock, Motion::Still, 0.1, voices::clock),
            category("Drum", 0.02, looks::drum, Motion::Shake, 3.0, voices::drum),
            category("Frog (croaking)", 0.3, looks::frog, Motion::Pulse, 2.0, voices::frog),
            category("Fan", 0.5, looks::fan, Motion::Still, 0.9, voices::fan),
            category("Engine, idling", 0.95, looks::engine, Motion::Shake, 3.7, voices::engine),
            category("Bird (small)", 0.15, looks::bird, Motion::Hop, 2.2, voices::bird),
            category("Hand saw, sawing", 0.65, looks::saw, Motion::Slide, 0.95, voices::saw),
        ],
    }
}

/// The segmentation set: the mini set's objects and voices under names that can be folders, roaming.
pub(super) fn avs(raw_videos: bool) -> Catalog {
    let names = [
        "ringing_bell",
        "ticking_clock",
        "beating_drum",
        "frog_croaking",
        "fan_humming",
        "engine_idling",
        "bird_chirping",
        "sawing_wood",
    ];
    let mini = mini();
    let categories = mini.categories.into_iter().zip(names).map(|(category, name)| Category { name, ..category });
    Catalog {
        name: if raw_videos { "avs-raw-videos" } else { "avs" },
        number: 3,
        version: 2,
        layout: Layout::Avsbench { subset: Subset::S4, raw_videos },
        roaming: true,
        alike: &[[2, 1], [4, 0], [0, 3], [6, 2], [1, 5], [7, 4], [3, 7], [5, 6]],
        scenery: mini.scenery,
        categories: categories.collect(),
    }
}

/// The segmentation set of several sources: the same objects, other scenes.
pub(super) fn ms3(raw_videos: bool) -> Catalog {
    Catalog {
        name: if raw_videos { "ms3-raw-videos" } else { "ms3" },
        number: 5,
        version: 1,
        layout: Layout::Avsbench { subset: Subset::Ms3, raw_videos },
        ..avs(raw_videos)
    }
}

/// Names of the pre-training set's categories: the outline's, then which of its two patterns.
const OBJECT_NAMES: [&str; 24] = [
    "Star, checked",
    "Ring, dotted",
    "Cross, striped",
    "Crescent, ringed",
    "Delta, veined",
    "Heart, halved",
    "Gear, bricked",
    "Arrow, waved",
    "Flower, hatched",
    "Hexagon, rayed",
    "Worm, coiled",
    "Ladder, speckled",
    "Star, bricked",
    "Ring, waved",
    "Cross, hatched",
    "Crescent, rayed",
    "Delta, coiled",
    "Heart, speckled",
    "Gear, checked",
    "Arrow, dotted",
    "Flower, striped",
    "Hexagon, ringed",
    "Worm, veined",
    "Ladder, halved",
];

/// The pre-training set: outline n mod 12, with pattern n in the first dozen and n + 6 in the second; each of twelve kinds
/// of sound in a low and a high register, given out so that equal outlines do not sound alike.
pub(super) fn objects() -> Catalog {
    let motions = [Motion::Still, Motion::Turn, Motion::Swing, Motion::Pulse, Motion::Slide, Motion::Hop];
    let categories = OBJECT_NAMES.into_iter().enumerate().map(|(n, name)| {
        let second = n / 12;
        Category {
            name,
            hue: n as f32 / 24.0,
            look: Look::Composed { outline: OUTLINES[n % 12], pattern: PATTERNS[(n + 6 * second) % 12] },
            motion: motions[n % 6],
            movement: 0.3 + 0.15 * (n % 5) as f32,
            voice: Voice { sound: VOICES[(n * 5 + 3 * second) % 12], register: second as f32 },
        }
    });
    Catalog {
        name: "objects",
        number: 2,
        version: 1,
        scenery: Scenery { roughness: [0.25, 0.5], angular: true, light: [0.45, 0.95] },
        layout: Layout::Ave,
        roaming: false,
        alike: &[],
        categories: categories.collect(),
    }
}
