//! What holds for any seed, epoch and length: orders are permutations, limits nest, questions of a video stay together.

use copl_datasets::sampler::{epoch_order, limited};
use copl_datasets::{Clip, Dataset, Media, QuestionKind, Split, Target, Task, VideoIndex};
use copl_testing::mutate::runner;
use proptest::prelude::*;

fn sorted(mut order: Vec<usize>) -> Vec<usize> {
    order.sort_unstable();
    order
}

fn clip(row: usize, video: usize, split: Split) -> Clip {
    Clip {
        id: format!("v{video}#{row}"),
        video_id: format!("v{video}"),
        media: Media::Video(format!("/v{video}.mp4").into()),
        split,
        target: Target::Question {
            question_id: row as u64,
            kind: QuestionKind::AudioCounting,
            words: Vec::new(),
            answer: 0,
        },
        row,
    }
}

/// Numbers of videos, some of them more than once.
fn videos() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..12_usize, 0..60)
}

#[test]
fn an_epoch_is_a_permutation_and_a_function_of_seed_and_epoch() {
    runner(2000)
        .run(&(any::<u64>(), any::<u64>(), 0..400_usize), |(seed, epoch, len)| {
            let order = epoch_order(seed, epoch, len);
            prop_assert_eq!(&order, &epoch_order(seed, epoch, len));
            prop_assert_eq!(sorted(order.clone()), (0..len).collect::<Vec<_>>());
            // Two orders of thirty clips are the same once in 10^32 times.
            if len > 30 {
                prop_assert_ne!(&order, &epoch_order(seed, epoch.wrapping_add(1), len));
                prop_assert_ne!(&order, &epoch_order(seed.wrapping_add(1), epoch, len));
                prop_assert_ne!(order, epoch_order(epoch, seed, len).into_iter().rev().collect::<Vec<_>>());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_limit_keeps_so_many_in_order_and_within_any_larger_limit() {
    runner(2000)
        .run(&(any::<u64>(), 0..300_usize, 0..320_usize, 0..320_usize), |(seed, len, one, two)| {
            let (small, large) = (limited(seed, Some(one.min(two)), len), limited(seed, Some(one.max(two)), len));
            prop_assert_eq!(small.len(), one.min(two).min(len));
            prop_assert!(small.is_sorted_by(|a, b| a < b) && large.iter().all(|index| *index < len));
            prop_assert!(small.iter().all(|index| large.contains(index)), "{small:?} is not within {large:?}");
            prop_assert_eq!(limited(seed, None, len), (0..len).collect::<Vec<_>>());
            Ok(())
        })
        .unwrap();
}

#[test]
fn splits_part_the_clips_and_keep_their_order() {
    let clips = (videos(), videos(), videos());
    runner(500)
        .run(&clips, |(train, val, test)| {
            let parts = [(Split::Train, train), (Split::Val, val), (Split::Test, test)];
            let all = parts.iter().flat_map(|(split, videos)| videos.iter().map(move |video| (*split, *video)));
            let clips: Vec<Clip> = all.enumerate().map(|(row, (split, video))| clip(row, video, split)).collect();
            let dataset = Dataset {
                name: "made".to_owned(),
                task: Task::MusicAvqa,
                root: "/".into(),
                classes: Vec::new(),
                background: None,
                segments: 10,
                clips: clips.clone(),
                fingerprint: String::new(),
                unassigned: Vec::new(),
            };
            for (split, videos) in &parts {
                let part = dataset.split(*split);
                prop_assert_eq!(part.len(), videos.len());
                prop_assert!(part.iter().all(|clip| clip.split == *split));
            }
            let joined: Vec<Clip> = Split::ALL.iter().flat_map(|split| dataset.split(*split).to_vec()).collect();
            prop_assert_eq!(joined, clips);
            Ok(())
        })
        .unwrap();
}

#[test]
fn questions_of_a_video_stay_together_in_any_order_of_the_videos() {
    runner(1000)
        .run(&(videos(), any::<u64>(), any::<u64>()), |(videos, seed, epoch)| {
            let clips: Vec<Clip> =
                videos.iter().enumerate().map(|(row, video)| clip(row, *video, Split::Train)).collect();
            let index = VideoIndex::new(&clips);
            let order = index.together(&epoch_order(seed, epoch, index.videos()));
            prop_assert_eq!(sorted(order.clone()), (0..clips.len()).collect::<Vec<_>>());
            let changes = order.windows(2).filter(|pair| videos[pair[0]] != videos[pair[1]]).count();
            prop_assert_eq!(changes, index.videos().saturating_sub(1));
            for (position, video) in videos.iter().enumerate() {
                let sharing = index.sharing(position);
                prop_assert!(sharing.contains(&position) && sharing.iter().all(|other| videos[*other] == *video));
                prop_assert_eq!(sharing.len(), videos.iter().filter(|other| *other == video).count());
            }
            Ok(())
        })
        .unwrap();
}
