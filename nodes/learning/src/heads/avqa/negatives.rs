//! Frames of other videos, which a sound must not match.
//!
//! The official code takes, for every second of every question, a frame drawn evenly from all other videos, encoded by the
//! frozen encoder alone: no prompts, no gradient. Here the frames are those of the other videos of the batch and of the last
//! [`NegativePool::capacity`] distinct training videos, so that no video is decoded or encoded again for them; with a
//! capacity as large as the training split that is the official draw, from the second epoch on. A draw is a function of
//! (seed, step) and of the videos met so far, which are a function of (seed, epoch, position): two runs draw the same.

use std::collections::VecDeque;

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::random::Stream;

/// Token maps of the videos met last, by video.
#[derive(Debug)]
pub struct NegativePool {
    capacity: usize,
    seed: u64,
    videos: VecDeque<(String, Tensor)>,
}

impl NegativePool {
    /// An empty pool of at most `capacity` videos, and at least one; `seed` is the run's.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self { capacity: capacity.max(1), seed, videos: VecDeque::new() }
    }

    /// Videos it holds at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The videos it holds with their maps, oldest first.
    pub fn videos(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.videos.iter().map(|(video, maps)| (video.as_str(), maps))
    }

    /// Whether it holds this video. Its maps never change: frozen encoders and the same frames give the same.
    pub fn has(&self, video: &str) -> bool {
        self.videos.iter().any(|(known, _)| known == video)
    }

    /// Takes the maps [T, L, d] of a video, as the newest; the oldest makes room. A video that is known becomes the newest.
    pub fn add(&mut self, video: &str, maps: Tensor) {
        self.videos.retain(|(known, _)| known != video);
        if self.videos.len() == self.capacity {
            self.videos.pop_front();
        }
        self.videos.push_back((video.to_owned(), maps.detach()));
    }

    /// For each question, asked about one of `videos`, T frames of other videos: [Q T, L, d]. None if a question's video is
    /// the only one known.
    ///
    /// # Errors
    /// If the maps of the videos differ in shape.
    pub fn draw(&self, videos: &[&str], seconds: usize, step: u64) -> Result<Option<Tensor>> {
        let mut stream = Stream::new(self.seed, &format!("negatives/{step}"));
        let mut drawn = Vec::with_capacity(videos.len() * seconds);
        for asked in videos {
            let others: Vec<&Tensor> =
                self.videos.iter().filter(|(video, _)| video != asked).map(|(_, maps)| maps).collect();
            if others.is_empty() {
                return Ok(None);
            }
            for _ in 0..seconds {
                let maps = others[stream.below(others.len())];
                drawn.push(maps.get(stream.below(maps.dim(0)?))?);
            }
        }
        Ok(Some(Tensor::stack(&drawn, 0)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// A video whose frames hold its number, two frames of one place and one channel.
    fn maps(number: f32) -> Tensor {
        Tensor::from_vec(vec![number, number + 0.5], (2, 1, 1), &Device::Cpu).unwrap()
    }

    fn drawn(pool: &NegativePool, videos: &[&str], step: u64) -> Vec<f32> {
        pool.draw(videos, 4, step).unwrap().unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn frames_are_of_other_videos_and_a_function_of_seed_and_step() {
        let mut pool = NegativePool::new(8, 5);
        for (number, video) in ["a", "b", "c"].into_iter().enumerate() {
            pool.add(video, maps(number as f32));
        }
        let frames = drawn(&pool, &["b"; 50], 3);
        assert!(frames.iter().all(|frame| frame.floor() != 1.0));
        assert!([0.0, 0.5, 2.0, 2.5].iter().all(|frame| frames.contains(frame)), "all frames of all others are drawn");
        assert_eq!(frames, drawn(&pool, &["b"; 50], 3));
        assert_ne!(frames, drawn(&pool, &["b"; 50], 4));
        pool.seed = 6;
        assert_ne!(frames, drawn(&pool, &["b"; 50], 3));
    }

    #[test]
    fn the_oldest_video_makes_room() {
        let mut pool = NegativePool::new(2, 0);
        pool.add("a", maps(0.0));
        assert!(pool.draw(&["a"], 1, 0).unwrap().is_none(), "a video is no negative of itself");
        pool.add("b", maps(1.0));
        pool.add("a", maps(0.0));
        pool.add("c", maps(2.0));
        assert!(pool.has("a") && pool.has("c") && !pool.has("b"));
        assert_eq!((pool.videos.len(), pool.capacity()), (2, 2));
    }
}
