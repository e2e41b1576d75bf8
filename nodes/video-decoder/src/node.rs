//! The node: a pool of workers decodes clips, results leave in the order the clips came.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use copl_contract::schema::{BatchBuilder, Schema};
use copl_contract::{EdgeSpec, Edges, Node, NodeError, NodeSpec};
use copl_media::cache::Cache;
use copl_media::limits::Limits;
use copl_media::stream::{self, ClipWork};

use crate::frames::{FrameRule, FrameSettings, Frames, decode_frames_cached};

copl_contract::choice! {
    /// Which frame stands for a segment.
    pub enum Rule { Centre = "centre", Linspace = "linspace" }
}

copl_contract::settings! {
    /// Settings of `video-decoder`.
    pub struct VideoDecoderSettings {
        "SEGMENTS" segments: usize = "10", "T, the segments (and frames) of a clip.";
        "SEGMENT_SECS" segment_secs: f64 = "1.0", "Length of a segment in seconds.";
        "SIZE" size: usize = "192", "Edge of the square frames in pixels; the encoder's image size.";
        "FRAME_RULE" rule: Rule = "centre", "centre: the frame shown at the middle of each segment; linspace: frames at EXTRACT_FPS, then T of them spread evenly and cut to whole numbers, as the compared codebases do.";
        "EXTRACT_FPS" extract_fps: f64 = "1.0", "Frames a second the linspace rule picks from.";
        "MIN_SECS" min_secs: f64 = "0.5", "A shorter clip is quarantined; a clip that ends before its last segment repeats its last frame.";
        "WORKERS" workers: usize = "2", "Clips decoded at once, one ffmpeg process each.";
        "TIMEOUT_SECS" timeout_secs: f64 = "120", "Seconds a clip may take.";
        "MAX_PIXELS" max_pixels: u64 = "67108864", "Width x height a video may have.";
        "CACHE" cache: bool = "true", "Keep decoded clips on disk, so that they are decoded once.";
        "CACHE_DIR" cache_dir: Option<PathBuf> = "", "Folder of the cache; the user's cache folder if unset.";
        "CACHE_MAX_GIB" cache_max_gib: f64 = "20", "Size the cache may have; the clips used longest ago make room.";
        "FFMPEG" ffmpeg: PathBuf = "ffmpeg", "The ffmpeg program.";
    }
}

impl VideoDecoderSettings {
    /// Which frames are taken of a clip.
    pub fn frames(&self) -> FrameSettings {
        FrameSettings {
            rule: match self.rule {
                Rule::Centre => FrameRule::Centre,
                Rule::Linspace => FrameRule::Linspace,
            },
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

/// The node.
#[derive(Debug)]
pub struct VideoDecoder;

impl Node for VideoDecoder {
    type Settings = VideoDecoderSettings;

    fn spec() -> NodeSpec {
        use copl_contract::settings::Settings;
        NodeSpec {
            name: "video-decoder",
            about: "T frames of each clip, RGB u8, one ffmpeg process a clip",
            settings: VideoDecoderSettings::specs(),
            inputs: vec![EdgeSpec::required("clips", &[Schema::Clips], "clips to decode")],
            outputs: vec![
                EdgeSpec::required(
                    "frames",
                    &[Schema::Frames],
                    "the frames of each clip, in the clips' order; a tombstone for a clip that cannot be decoded",
                ),
                EdgeSpec::optional("report", copl_contract::spec::REPORT_TABLES, "rows of the `nodes` table"),
            ],
            check: |env| VideoDecoderSettings::from_env(env).map(|_| ()),
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let (limits, frames) = (settings.limits(), settings.frames());
        let cache: Option<Arc<Cache>> =
            stream::open_cache(settings.cache, settings.cache_dir.as_deref(), settings.cache_max_gib)?;
        let work = ClipWork {
            output: "frames",
            workers: settings.workers,
            decode: move |path: &std::path::Path| decode_frames_cached(cache.as_deref(), path, &frames, &limits),
            notes: |frames: &Frames| frames.notes.clone(),
            batch: |frames: Frames| {
                let shape = [frames.segments, frames.size, frames.size, 3];
                BatchBuilder::new(Schema::Frames).tensor_u8(frames.rgb, 1, &shape).build()
            },
        };
        stream::run(edges, work)
    }
}
