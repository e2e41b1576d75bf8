//! How the official files lie, and how many segments a clip has.

use crate::dataset::Split;

/// Segments a clip, of one second each.
pub const SEGMENTS: usize = 10;
/// The file of all annotations.
pub const ANNOTATIONS: &str = "Annotations.txt";
/// The folder of the videos, inside the dataset's.
pub const VIDEOS: &str = "AVE";

/// The file that lists a split.
pub fn split_file(split: Split) -> &'static str {
    match split {
        Split::Train => "trainSet.txt",
        Split::Val => "valSet.txt",
        Split::Test => "testSet.txt",
    }
}
