//! The ffmpeg filter graph that picks the frames in one pass over the clip.
//!
//! Time is counted in microseconds from the start of the container. Each frame's time p is replaced by the number of the
//! first cell whose moment m (its middle, unless the rule says otherwise) is not before it, k(p) = ceil((p - m) / cell);
//! `fps=1` then keeps, for k = 0, 1, ..., the last frame with k(p) <= k: the one on screen at moment m of cell k, exactly,
//! for any frame rate. A second branch
//! keeps the very last frame of the clip and is joined at the end, so the output is the frames of all cells the clip
//! covers, then one more. Before that, `metadata` writes the time of every decoded frame to a file (see
//! [`crate::stamps`]); it only prints frames that carry an entry, so each is given one.
//!
//! Scaling comes last, so it touches the kept frames only.

use crate::rule::{FrameRule, FrameSettings};

/// The file, in ffmpeg's working folder, that receives the time of every decoded frame.
pub const STAMPS_FILE: &str = "stamps.txt";

/// The graph, for `-vf`. `late_start_secs` is added to every time (see `copl_media::origin`); `stamps` receives them.
pub fn graph(settings: &FrameSettings, late_start_secs: f64, stamps: &str) -> String {
    let cell = micros(settings.cell_secs());
    let moment = cell * settings.moment();
    let scale = scale(settings.size);
    let (end, cells) = match settings.rule {
        FrameRule::Centre | FrameRule::Sixteenth => {
            // Decoding can stop where the last cell ends; a frame that stays on screen fills no cell beyond it.
            let last = micros(settings.segments as f64 * settings.segment_secs).ceil();
            (format!("trim=end_pts={last},"), format!("trim=end_frame={},", settings.segments))
        }
        FrameRule::Linspace => (String::new(), String::new()),
    };
    let late = if late_start_secs == 0.0 { String::new() } else { format!("setpts=PTS+{},", micros(late_start_secs)) };
    format!(
        "settb=1/1000000,{late}metadata=add:key=copl:value=1,metadata=print:file={stamps},{end}split=2[all][end];\
         [all]setpts=ceil((PTS-{moment})/{cell})*1000000,fps=fps=1:round=near:start_time=0,{cells}{scale}[cells];\
         [end]fps=fps=1/1000000:round=down:start_time=0:eof_action=pass,{scale}[last];\
         [cells][last]concat=n=2:v=1:a=0"
    )
}

/// A frame of any size as `size` x `size` pixels RGB: squeezed, not cropped.
pub(crate) fn scale(size: usize) -> String {
    // Within 0.35 grey levels of Pillow's bicubic in the mean; ffmpeg's default flags are 4 off.
    format!("scale={size}:{size}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=rgb24")
}

fn micros(secs: f64) -> f64 {
    let exact = secs * 1e6;
    // 1.95 s is 1950000 microseconds, not a hair less.
    if (exact - exact.round()).abs() < 1e-3 { exact.round() } else { exact }
}
