//! Which clips share a video file: a video that several questions ask about need be read and decoded once for all of them.

use std::collections::HashMap;

use crate::dataset::Clip;

/// Clips by video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoIndex {
    /// For each video, in order of first appearance, the positions of its clips, ascending.
    groups: Vec<Vec<usize>>,
    /// By clip: the video's position in `groups`.
    group_of: Vec<usize>,
}

impl VideoIndex {
    /// Of the clips of a split (or any others); positions are those in `clips`.
    pub fn new(clips: &[Clip]) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let group_of = clips
            .iter()
            .enumerate()
            .map(|(position, clip)| {
                let number = *numbers.entry(&clip.video_id).or_insert_with(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                });
                groups[number].push(position);
                number
            })
            .collect();
        Self { groups, group_of }
    }

    /// How many videos there are.
    pub fn videos(&self) -> usize {
        self.groups.len()
    }

    /// The clips of each video, in order of the videos' first appearance.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// All clips of the video of the clip at `position`, itself included; none if there is no such clip.
    pub fn sharing(&self, position: usize) -> &[usize] {
        self.group_of.get(position).map_or(&[], |group| &self.groups[*group])
    }

    /// The positions in an order that keeps the clips of a video together: videos as `order`, a permutation of the videos
    /// such as [`crate::sampler::epoch_order`] gives, has them. A decoder that keeps one clip then decodes each video once.
    pub fn together(&self, order: &[usize]) -> Vec<usize> {
        order.iter().filter_map(|video| self.groups.get(*video)).flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::{Media, Split, Target},
        music_avqa::QuestionKind,
        sampler::epoch_order,
    };

    fn clips(videos: &[&str]) -> Vec<Clip> {
        let clip = |(row, video): (usize, &&str)| Clip {
            id: format!("{video}#{row}"),
            video_id: (*video).to_owned(),
            media: Media::Video(format!("/{video}.mp4").into()),
            split: Split::Train,
            target: Target::Question {
                question_id: row as u64,
                kind: QuestionKind::AudioCounting,
                words: Vec::new(),
                answer: 0,
            },
            row,
        };
        videos.iter().enumerate().map(clip).collect()
    }

    #[test]
    fn clips_are_grouped_by_video_in_order_of_appearance() {
        let index = VideoIndex::new(&clips(&["b", "a", "b", "c", "a", "b"]));
        assert_eq!(index.groups(), [vec![0, 2, 5], vec![1, 4], vec![3]]);
        assert_eq!((index.videos(), index.sharing(4), index.sharing(6)), (3, &[1, 4][..], &[][..]));
    }

    #[test]
    fn an_order_of_videos_visits_every_clip_once_and_each_video_in_one_go() {
        let clips = clips(&["b", "a", "b", "c", "a", "b", "d"]);
        let index = VideoIndex::new(&clips);
        let order = index.together(&epoch_order(1, 2, index.videos()));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..clips.len()).collect::<Vec<_>>());
        let changes = order.windows(2).filter(|pair| clips[pair[0]].video_id != clips[pair[1]].video_id).count();
        assert_eq!(changes, index.videos() - 1);
    }
}
