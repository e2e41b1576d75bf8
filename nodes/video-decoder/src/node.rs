//! The node: a pool of workers decodes clips, results leave in the order the clips came.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use copl_contract::schema::{BatchBuilder, Schema};
use copl_contract::settings::{Env, SECS, Settings, within};
use copl_contract::spec::Axis;
use copl_contract::{EdgeSpec, Edges, Node, NodeError, NodeSpec};
use copl_media::cache::Cache;
use copl_media::limits::Limits;
use copl_media::stream::{self, ClipFiles, ClipWork};

use crate::frames::{Frames, decode_all};
use crate::pictures::decode_pictures;
use crate::rule::{FrameRule, FrameSettings};

copl_contract::settings! {
    /// Settings of `video-decoder`.
    pub struct VideoDecoderSettings {
        "SEGMENTS" segments: usize = "10", "T, the segments (and frames) of a clip.";
        "SEGMENT_SECS" segment_secs: f64 = "1.0", "Length of a segment in seconds.";
        "SIZE" size: usize = "192", "Edge of the square frames in pixels; the encoder's image size.";
        "FRAME_RULE" rule: FrameRule = "centre", "centre: the frame shown at the middle of each segment; sixteenth: the last of sixteen a segment, the one AVSBench's masks belong to; linspace: frames at EXTRACT_FPS, then T of them spread evenly and cut to whole numbers, as the compared codebases do.";
        "EXTRACT_FPS" extract_fps: f64 = "1.0", "Frames a second the linspace rule picks from.";
        "MIN_SECS" min_secs: f64 = "0.5", "A shorter clip is quarantined; a clip that ends before its last segment repeats its last frame.";
        "WORKERS" workers: usize = "2", "ffmpeg processes at once; short clips that wait share one.";
        "TIMEOUT_SECS" timeout_secs: f64 = "120", "Seconds a clip may take.";
        "MAX_PIXELS" max_pixels: u64 = "67108864", "Width x height a video may have.";
        "CACHE" cache: bool = "true", "Keep decoded clips on disk, so that they are decoded once.";
        "CACHE_DIR" cache_dir: Option<PathBuf> = "", "Folder of the cache; the user's cache folder if unset.";
        "CACHE_MAX_GIB" cache_max_gib: f64 = "20", "Size the cache may have. Clips no run has asked for lately make room; what does not fit beside the others is decoded anew each time, and each pass tells how much room it would take.";
        "FFMPEG" ffmpeg: PathBuf = "ffmpeg", "The ffmpeg program.";
    }
}

impl VideoDecoderSettings {
    /// Which frames are taken of a clip.
    pub fn frames(&self) -> FrameSettings {
        FrameSettings {
            rule: self.rule,
            segments: self.segments,
            segment_secs: self.segment_secs,
            size: self.size,
            extract_fps: self.extract_fps,
            min_secs: self.min_secs,
        }
    }

    /// What a clip may cost, and the program that decodes it.
    pub fn limits(&self) -> Limits {
        Limits {
            ffmpeg: self.ffmpeg.clone(),
            timeout: Duration::from_secs_f64(self.timeout_secs),
            max_pixels: self.max_pixels,
            ..Limits::default()
        }
    }
}

fn check(env: &Env) -> Result<(), (String, String)> {
    let s = VideoDecoderSettings::from_env(env)?;
    within("SEGMENTS", s.segments, 1..=10_000)?;
    within("SEGMENT_SECS", s.segment_secs, SECS)?;
    within("SIZE", s.size, 1..=4096)?;
    within("EXTRACT_FPS", s.extract_fps, 1e-6..=1000.0)?;
    within("MIN_SECS", s.min_secs, 0.0..=*SECS.end())?;
    within("WORKERS", s.workers, 1..=1024)?;
    within("TIMEOUT_SECS", s.timeout_secs, SECS)?;
    within("MAX_PIXELS", s.max_pixels, 1..=u64::from(u32::MAX))?;
    within("CACHE_MAX_GIB", s.cache_max_gib, 0.0..=1e9)
}

/// [T, H, W, 3] of the frames.
fn shape(env: &Env) -> Option<Vec<Axis>> {
    let settings = VideoDecoderSettings::from_env(env).ok()?;
    Some(vec![(settings.segments, "SEGMENTS"), (settings.size, "SIZE"), (settings.size, "SIZE"), (3, "")])
}

/// The node.
#[derive(Debug)]
pub struct VideoDecoder;

impl Node for VideoDecoder {
    type Settings = VideoDecoderSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "video-decoder",
            about: "T frames of each clip, RGB u8, by ffmpeg",
            settings: VideoDecoderSettings::specs(),
            inputs: vec![EdgeSpec::required("clips", copl_contract::spec::CLIPS, "clips to decode")],
            outputs: vec![
                EdgeSpec::required(
                    "frames",
                    &[Schema::Frames],
                    "the frames of each clip, in the clips' order; a tombstone for a clip that cannot be decoded",
                )
                .shaped(shape),
                EdgeSpec::optional("report", copl_contract::spec::REPORT_TABLES, "rows of the `nodes` table"),
            ],
            check,
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let (limits, frames) = (settings.limits(), settings.frames());
        let cache: Option<Arc<Cache>> =
            stream::open_cache(settings.cache, settings.cache_dir.as_deref(), settings.cache_max_gib)?;
        let work = ClipWork {
            output: "frames",
            workers: settings.workers,
            cache: cache.clone(),
            decode: move |clips: &[ClipFiles]| {
                let of_a_kind = clips.chunk_by(|one, next| one.pictures.is_empty() == next.pictures.is_empty());
                let decoded = |clips: &[ClipFiles]| match clips {
                    [first, ..] if first.pictures.is_empty() => {
                        let paths: Vec<&Path> = clips.iter().map(|files| files.path.as_path()).collect();
                        decode_all(cache.as_deref(), &paths, &frames, &limits)
                    }
                    clips => clips.iter().map(|files| decode_pictures(&files.pictures, &frames, &limits)).collect(),
                };
                of_a_kind.flat_map(decoded).collect()
            },
            notes: |frames: &Frames| frames.notes.clone(),
            batch: |frames: Frames| {
                let shape = [frames.segments, frames.size, frames.size, 3];
                BatchBuilder::new(Schema::Frames).tensor_u8(frames.rgb, 1, &shape).build()
            },
        };
        stream::run(edges, work)
    }
}
