//! Made sets are described as they are made by default.

use std::collections::BTreeMap;

use copl_datasets::{Descriptor, Split};
use copl_synth::{MusicOptions, SynthOptions};

#[test]
fn made_sets_are_described_as_they_are_made_by_default() {
    let made = [SynthOptions::ave(), SynthOptions::objects(), SynthOptions::avs(), SynthOptions::ms3()];
    for (name, options) in ["ave-mini", "ave-objects", "avs-s4-mini", "avs-ms3-mini"].into_iter().zip(made) {
        let descriptor = Descriptor::load(name).unwrap();
        let made = [(Split::Train, options.train), (Split::Val, options.val), (Split::Test, options.test)];
        assert_eq!(descriptor.expect.split_clips, BTreeMap::from(made), "{name}");
        assert!(descriptor.generator.is_some());
    }
}

#[test]
fn the_made_questions_are_described_as_they_are_made_by_default() {
    let options = MusicOptions::default();
    let expect = Descriptor::load("music-avqa-mini").unwrap().expect;
    let made = [(Split::Train, options.train), (Split::Val, options.val), (Split::Test, options.test)];
    assert_eq!(expect.split_clips, made.map(|(split, videos)| (split, videos * options.questions)).into());
    assert_eq!(expect.videos, Some(options.train + options.val + options.test));
}
