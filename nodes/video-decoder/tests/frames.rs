//! The frames that are taken, proven on clips whose every frame carries its number, and on real clips against a decode of
//! all frames.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use copl_media::testing::{ffmpeg, write_broken_set, write_good_clip, write_program};
use copl_media::{Cache, Limits, MediaError, Pool, ReasonCode, Stage};
use copl_video_decoder::{FrameRule, FrameSettings, Frames, decode_all, decode_frames, decode_pictures};

fn decode(path: &Path, settings: &FrameSettings) -> Frames {
    decode_frames(path, settings, &Limits::default()).unwrap()
}

fn decode_cached(cache: &Cache, path: &Path, settings: &FrameSettings, limits: &Limits) -> Frames {
    decode_all(Some(cache), &[path], settings, limits).remove(0).unwrap()
}

/// A picture of 8 x 8 blocks of 8 pixels; block b is white if bit b of the frame's number is set.
fn write_numbered(path: &Path, frames: usize, before: &[&str], after: &[&str]) {
    let mut raw = Vec::new();
    for number in 0..frames {
        for y in 0..64 {
            for x in 0..64 {
                raw.push(if number >> (x / 8 + 8 * (y / 8)).min(31) & 1 == 1 { 235_u8 } else { 16 });
            }
        }
    }
    let source = path.with_extension("gray");
    std::fs::write(&source, raw).unwrap();
    let input = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "64x64"];
    let args = [&input[..], before, &["-i", source.to_str().unwrap()], after, &[path.to_str().unwrap()]].concat();
    ffmpeg(&args).unwrap();
}

/// The number in a frame of 64 x 64.
fn number(frame: &[u8]) -> usize {
    (0..20).filter(|bit| frame[((bit / 8 * 8 + 4) * 64 + bit % 8 * 8 + 4) * 3] > 128).map(|bit| 1 << bit).sum()
}

fn numbers(frames: &Frames) -> Vec<usize> {
    (0..frames.segments).map(|t| number(frames.frame(t))).collect()
}

fn small(segments: usize) -> FrameSettings {
    FrameSettings { segments, size: 64, ..FrameSettings::default() }
}

/// Presentation times of all frames, from the container's start, by ffprobe; the reference the node is held against.
fn reference_stamps(path: &Path) -> Vec<f64> {
    let ask = |what: &[&str]| {
        let output =
            Command::new("ffprobe").args(["-v", "error", "-of", "csv=p=0"]).args(what).arg(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let start: f64 = ask(&["-show_entries", "format=start_time"]).trim().parse().unwrap();
    // ffmpeg's choice among several pictures: the largest.
    let streams = ask(&["-select_streams", "V", "-show_entries", "stream=index,width"]);
    let largest = streams
        .lines()
        .filter(|line| line.contains(','))
        .max_by_key(|line| line.split(',').nth(1).unwrap().parse::<u32>().unwrap())
        .unwrap();
    let index = largest.split(',').next().unwrap();
    let frames = ask(&["-select_streams", index, "-show_entries", "frame=best_effort_timestamp_time"]);
    // Frames with side data are followed by an empty line.
    let stamps = frames.lines().map(|line| line.trim_matches(',')).filter(|line| !line.is_empty());
    stamps.map(|line| line.parse::<f64>().unwrap() - start).collect()
}

/// Index of the frame on screen at `secs`.
fn on_screen(stamps: &[f64], secs: f64) -> usize {
    stamps.iter().rposition(|stamp| *stamp <= secs + 2e-6).unwrap_or(0)
}

#[test]
fn centre_takes_the_frame_on_screen_at_each_middle_for_any_rate() {
    let dir = tempfile::tempdir().unwrap();
    for rate in ["25", "30", "24000/1001", "30000/1001", "15", "3", "10"] {
        let path = dir.path().join(format!("r{}.mp4", rate.replace('/', "_")));
        let (top, bottom) = rate.split_once('/').unwrap_or((rate, "1"));
        let (top, bottom): (f64, f64) = (top.parse().unwrap(), bottom.parse().unwrap());
        let count = (10.0 * top / bottom).ceil() as usize;
        write_numbered(&path, count, &["-r", rate], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
        let expected: Vec<usize> = (0..10).map(|t| ((t as f64 + 0.5) * top / bottom + 1e-9) as usize).collect();
        assert_eq!(numbers(&decode(&path, &small(10))), expected, "{rate} frames a second");
        // Half-second cells see the same clip twice as finely; the first ten cells end in the middle of it.
        let halves = FrameSettings { segment_secs: 0.5, ..small(10) };
        let expected: Vec<usize> = (0..10).map(|t| ((t as f64 * 0.5 + 0.25) * top / bottom + 1e-9) as usize).collect();
        assert_eq!(numbers(&decode(&path, &halves)), expected, "{rate} frames a second, half seconds");
    }
}

#[test]
fn centre_is_exact_when_frames_come_irregularly() {
    let dir = tempfile::tempdir().unwrap();
    for (name, container) in [("vfr.mp4", "mp4"), ("vfr.mkv", "matroska")] {
        let path = dir.path().join(name);
        // Frame n at n/30 s plus a slow swing and, from frame 120 on, a hold of 1.7 s.
        let times = "setpts='(N/30+0.2*(1-cos(N/9))/4+if(gte(N,120),1.7,0))/TB'";
        let after = ["-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-c:v", "libx264"];
        write_numbered(&path, 240, &["-r", "30"], &[&after[..], &["-pix_fmt", "yuv420p", "-f", container]].concat());
        let stamps = reference_stamps(&path);
        assert_eq!(stamps.len(), 240);
        let gaps: Vec<f64> = stamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().any(|gap| *gap > 1.6) && gaps.iter().any(|gap| *gap < 0.02), "the clip is irregular");
        for (segment_secs, segments) in [(1.0, 9), (0.37, 24), (1.95, 5)] {
            let settings = FrameSettings { segment_secs, ..small(segments) };
            let expected: Vec<usize> =
                (0..segments).map(|t| on_screen(&stamps, (t as f64 + 0.5) * segment_secs)).collect();
            assert_eq!(numbers(&decode(&path, &settings)), expected, "{name}, {segment_secs} s");
        }
    }
}

#[test]
fn a_short_clip_ends_on_its_last_frame_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("short.mp4");
    write_numbered(&path, 92, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let frames = decode(&path, &small(6));
    assert_eq!(numbers(&frames), [12, 37, 62, 87, 91, 91]);
    assert_eq!(frames.notes, ["video ends at 3.68 s: its last frame stands for the last 2 segments"]);
    // Less than the middle of the first cell, but more than the least.
    let path = dir.path().join("tiny.mp4");
    write_numbered(&path, 3, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    assert_eq!(numbers(&decode(&path, &FrameSettings { min_secs: 0.1, ..small(2) })), [2, 2]);
    let error = decode_frames(&path, &small(2), &Limits::default()).unwrap_err();
    assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::TooShort);
}

#[test]
fn a_late_video_is_placed_by_the_clock_it_shares_with_the_sound() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["late.mkv", "late.ts", "late.mp4"] {
        late_video(&dir.path().join(name));
    }
}

fn late_video(path: &Path) {
    let sound = ["-f", "lavfi", "-i", "sine=440:d=6", "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-c:a", "aac"];
    let late = ["-vf", "setpts=PTS+2/TB", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"];
    write_numbered(path, 100, &["-r", "25"], &[&sound[..], &late].concat());
    let frames = decode(path, &small(6));
    let stamps = reference_stamps(path);
    assert!((stamps[0] - 2.0).abs() < 0.1, "{path:?}: {}", stamps[0]);
    // Versions of ffmpeg differ on whether the encoder's delay of the sound, 0.02 s, belongs to the container's start.
    let chosen = numbers(&frames);
    let places = chosen.iter().enumerate().all(|(t, frame)| frame.abs_diff(on_screen(&stamps, t as f64 + 0.5)) <= 1);
    assert!(places && chosen[..2] == [0, 0], "{path:?}: {chosen:?}");
    assert!(
        frames.notes[0].starts_with("video begins at 2.0") || frames.notes[0].starts_with("video begins at 1.9"),
        "{path:?}: {:?}",
        frames.notes
    );
}

#[test]
fn linspace_spreads_over_the_extracted_frames() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ten.mp4");
    write_numbered(&path, 250, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let settings = FrameSettings { rule: FrameRule::Linspace, extract_fps: 3.0, ..small(10) };
    // 30 frames, each on screen in the middle of its third of a second; of those 1, 4, 7, 10, 13, 17, 20, 23, 26, 30.
    let third = |i: usize| ((i as f64 - 0.5) / 3.0 * 25.0 + 1e-9) as usize;
    assert_eq!(numbers(&decode(&path, &settings)), [1, 4, 7, 10, 13, 17, 20, 23, 26, 30].map(third));
    let settings = FrameSettings { rule: FrameRule::Linspace, extract_fps: 1.0, ..small(10) };
    assert_eq!(numbers(&decode(&path, &settings)), numbers(&decode(&path, &small(10))));
}

#[test]
fn a_still_that_is_shown_for_long_counts_for_as_long() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("still.mp4");
    write_numbered(&path, 3, &["-r", "1/4"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let frames = decode(&path, &small(10));
    assert_eq!(numbers(&frames), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    assert!(frames.notes.is_empty(), "{:?}", frames.notes);
}

#[test]
fn a_name_that_looks_like_an_option_or_an_address_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["-i.mp4", "http:__x.mp4", "concat:a|b.mp4", "a%03d 'b' [c],d.mp4", "ünï.mp4"] {
        let path = dir.path().join("plain.mp4");
        write_numbered(&path, 50, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
        let odd = dir.path().join(name);
        std::fs::rename(&path, &odd).unwrap();
        assert_eq!(numbers(&decode(&odd, &small(2))), [12, 37], "{name}");
    }
}

#[test]
fn a_play_list_does_not_open_other_files() {
    let dir = tempfile::tempdir().unwrap();
    write_numbered(&dir.path().join("a.ts"), 50, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";
    for (name, text) in
        [("list.m3u8", list), ("list.mp4", list), ("list.ffconcat", "ffconcat version 1.0\nfile a.ts\n")]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = decode_frames(&path, &small(2), &Limits::default()).unwrap_err();
        assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::NotMedia, "{name}: {error}");
    }
}

#[test]
fn every_kind_of_broken_clip_has_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    for (name, path, reason) in write_broken_set(dir.path()).unwrap() {
        let result = decode_frames(&path, &small(10), &Limits::default());
        if matches!(reason, ReasonCode::NoAudio | ReasonCode::NanAudio) {
            assert!(result.is_ok(), "{name}: the video is sound");
            continue;
        }
        let error = result.unwrap_err();
        let bad = error.bad_clip().unwrap();
        assert_eq!(bad.reason, reason, "{name}: {bad}");
        let expected = match reason {
            ReasonCode::EmptyFile | ReasonCode::NotMedia => Stage::File,
            _ => Stage::Video,
        };
        assert_eq!(bad.stage, expected, "{name}");
    }
}

#[test]
fn damage_is_seen_although_ffmpeg_exits_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good.mp4");
    write_numbered(&path, 250, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25"]);
    let good = std::fs::read(&path).unwrap();
    // The index stands at the end here: without it nothing opens.
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let error = decode_frames(&path, &small(10), &Limits::default()).unwrap_err();
    assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::Truncated, "{error}");
    let mut flipped = good;
    let media = flipped.windows(4).position(|part| part == b"mdat").unwrap() + 800;
    let end = flipped.windows(4).position(|part| part == b"moov").unwrap();
    for position in (media..end).step_by(53) {
        flipped[position] ^= 0x10;
    }
    std::fs::write(&path, &flipped).unwrap();
    let error = decode_frames(&path, &small(10), &Limits::default()).unwrap_err();
    assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::DecodeError, "{error}");
}

#[test]
fn truncated_files_of_other_containers_are_told_from_short_ones() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.mkv", "a.webm", "a.avi", "a.flv"] {
        let path = dir.path().join(name);
        let codec = if name == "a.webm" {
            "libvpx"
        } else if name == "a.avi" {
            "mpeg4"
        } else {
            "libx264"
        };
        write_numbered(&path, 250, &["-r", "25"], &["-c:v", codec, "-pix_fmt", "yuv420p", "-g", "25"]);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() * 6 / 10]).unwrap();
        let error = decode_frames(&path, &small(10), &Limits::default()).unwrap_err();
        assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::Truncated, "{name}: {error}");
        // What is needed comes before the break: the clip is used.
        assert_eq!(numbers(&decode(&path, &small(3))), [12, 37, 62], "{name}");
    }
}

#[test]
fn a_clip_whose_video_ends_before_its_sound_is_short_not_truncated() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.mp4", "a.mkv"] {
        let path = dir.path().join(name);
        let sound =
            ["-f", "lavfi", "-i", "sine=440:d=10", "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-c:a", "aac"];
        write_numbered(&path, 100, &["-r", "25"], &[&sound[..], &["-pix_fmt", "yuv420p"]].concat());
        let frames = decode(&path, &small(10));
        assert_eq!(frames.notes.len(), 1, "{name}: {:?}", frames.notes);
        assert_eq!(numbers(&frames)[9], 99, "{name}");
    }
}

/// An ffmpeg that writes a line to `starts` for each time it decodes.
fn counting_ffmpeg(dir: &Path) -> (Limits, impl Fn() -> usize) {
    let (program, starts) = (dir.join("ffmpeg"), dir.join("starts"));
    let lines = format!("case \"$*\" in *-version*) ;; *) echo >> '{}' ;; esac; exec ffmpeg \"$@\"", starts.display());
    write_program(&program, &lines).unwrap();
    let count = move || {
        let lines = std::fs::read_to_string(&starts).unwrap_or_default().lines().count();
        let _ = std::fs::remove_file(&starts);
        lines
    };
    (Limits { ffmpeg: program, ..Limits::default() }, count)
}

#[test]
fn short_clips_share_an_ffmpeg_and_have_the_frames_they_have_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (limits, starts) = counting_ffmpeg(dir.path());
    let clips: Vec<PathBuf> = ["a.mp4", "b.mkv", "c.mov", "d.mp4"].map(|name| dir.path().join(name)).into();
    let h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
    write_numbered(&clips[0], 250, &["-r", "25"], &h264);
    write_numbered(&clips[1], 87, &["-r", "24000/1001"], &h264);
    // Turned by its metadata, and with a picture that starts late.
    write_numbered(&clips[2], 200, &["-r", "12.5"], &[&h264[..], &["-metadata:s:v", "rotate=90"]].concat());
    late_video(&clips[3]);
    let paths: Vec<&Path> = clips.iter().map(PathBuf::as_path).collect();
    for settings in [small(10), FrameSettings { rule: FrameRule::Sixteenth, ..small(4) }] {
        let alone: Vec<Frames> = paths.iter().map(|path| decode(path, &settings)).collect();
        let together = decode_all(None, &paths, &settings, &limits).into_iter().map(Result::unwrap);
        assert_eq!(together.collect::<Vec<_>>(), alone);
        assert_eq!(starts(), 1, "one ffmpeg for all");
    }
    // Frames of a whole clip have no bound that an output file keeps.
    let linspace = FrameSettings { rule: FrameRule::Linspace, ..small(4) };
    decode_all(None, &paths[..2], &linspace, &limits).into_iter().for_each(|frames| drop(frames.unwrap()));
    assert_eq!(starts(), 2);
}

#[test]
fn a_bad_clip_among_others_is_told_of_as_if_it_were_alone_and_they_are_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let (limits, starts) = counting_ffmpeg(dir.path());
    let good: Vec<PathBuf> = (0..2).map(|number| dir.path().join(format!("good-{number}.mp4"))).collect();
    good.iter().enumerate().for_each(|(number, path)| write_numbered(path, 60 + 20 * number, &["-r", "25"], &[]));
    let two = dir.path().join("two.mkv");
    let [first, second] = [&good[0], &good[1]].map(|path| path.to_str().unwrap());
    ffmpeg(&["-i", first, "-i", second, "-map", "0", "-map", "1", "-c", "copy", two.to_str().unwrap()]).unwrap();
    let broken = dir.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    let mut odd: Vec<PathBuf> = write_broken_set(&broken).unwrap().into_iter().map(|(_, path, _)| path).collect();
    odd.extend([two.clone(), dir.path().join("none.mp4")]);
    let text = |result: Result<Frames, MediaError>| match result {
        Ok(frames) => format!("{:?} {:?}", numbers(&frames), frames.notes),
        Err(error) => error.to_string(),
    };
    for path in &odd {
        let paths = [good[0].as_path(), path, good[1].as_path()];
        let alone = paths.map(|path| text(decode_frames(path, &small(3), &limits)));
        starts();
        let together = decode_all(None, &paths, &small(3), &limits);
        assert_eq!(together.into_iter().map(text).collect::<Vec<_>>(), alone, "{}", path.display());
        match (starts(), path) {
            (count, path) if *path == two => assert_eq!(count, 2, "which of two streams, ffmpeg says alone"),
            (count, path) if path.ends_with("none.mp4") => assert_eq!(count, 1, "no part of what is run"),
            _ => {}
        }
    }
}

#[test]
fn limits_hold() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.mp4");
    write_numbered(&path, 250, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let reason = |limits: &Limits| {
        let error = decode_frames(&path, &small(10), limits).unwrap_err();
        error.bad_clip().unwrap().reason
    };
    let short = Limits { timeout: std::time::Duration::from_millis(2), ..Limits::default() };
    assert_eq!(reason(&short), ReasonCode::Timeout);
    assert_eq!(reason(&Limits { max_pixels: 64 * 64 - 1, ..Limits::default() }), ReasonCode::TooLarge);
    assert_eq!(reason(&Limits { max_file_bytes: 1000, ..Limits::default() }), ReasonCode::Oversized);
    assert_eq!(reason(&Limits { max_output_bytes: 1000, ..Limits::default() }), ReasonCode::Oversized);
    let none = Limits { ffmpeg: "no-such-ffmpeg".into(), ..Limits::default() };
    assert!(matches!(decode_frames(&path, &small(10), &none), Err(MediaError::NoFfmpeg { .. })));
}

#[test]
fn a_cached_clip_is_the_decoded_clip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.mp4");
    write_numbered(&path, 92, &["-r", "25"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let cache = Cache::open(&dir.path().join("cache"), 1 << 30).unwrap();
    let limits = Limits::default();
    let fresh = decode(&path, &small(6));
    for hits in 0..3 {
        assert_eq!(decode_cached(&cache, &path, &small(6), &limits), fresh);
        assert_eq!(cache.counts().hits, hits);
    }
    let other = decode_cached(&cache, &path, &FrameSettings { size: 32, ..small(6) }, &limits);
    assert_eq!((other.size, cache.counts().misses), (32, 2));
}

/// Real clips in a folder named by `COPL_TEST_CLIPS`: every chosen frame is the one a decode of all frames has at the
/// place the timestamps name, to the bit.
#[test]
fn real_clips_give_the_frames_a_full_decode_gives() {
    let Some(folder) = std::env::var_os("COPL_TEST_CLIPS") else { return };
    let settings = FrameSettings::default();
    for path in &real_clips(folder.as_ref()) {
        let frames = decode(path, &settings);
        let stamps = reference_stamps(path);
        let all = full_decode(path, settings.size);
        let bytes = settings.size * settings.size * 3;
        assert_eq!(all.len() / bytes, stamps.len(), "{}", path.display());
        for t in 0..settings.segments {
            let index = on_screen(&stamps, t as f64 + 0.5);
            assert!(
                frames.frame(t) == &all[index * bytes..][..bytes],
                "{}: segment {t}, frame {index}",
                path.display()
            );
        }
        println!("{}: {} frames, {:?}", path.display(), stamps.len(), frames.notes);
    }
}

/// Not a check: clips a second through a pool of two, decoded and then from the cache.
#[test]
fn speed_is_reported() {
    let Some(folder) = std::env::var_os("COPL_TEST_CLIPS") else { return };
    let clips = real_clips(folder.as_ref());
    let dir = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(dir.path(), 1 << 30).unwrap());
    for what in ["decoded", "from the cache"] {
        let cache = Arc::clone(&cache);
        let decode = move |paths: &[PathBuf]| {
            let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
            decode_all(Some(&cache), &paths, &FrameSettings::default(), &Limits::default())
        };
        let mut pool = Pool::new("decode", 2, 8, decode).unwrap();
        let started = std::time::Instant::now();
        for path in clips.clone() {
            pool.submit(path);
        }
        while let Some(frames) = pool.next_timeout(std::time::Duration::from_secs(60)) {
            frames.unwrap().unwrap();
        }
        println!("{what}: {:.1} clips/s", clips.len() as f64 / started.elapsed().as_secs_f64());
    }
}

fn real_clips(folder: &Path) -> Vec<PathBuf> {
    let mut clips: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    clips.sort();
    clips.retain(|path| path.extension().is_some_and(|kind| kind != "txt"));
    clips
}

/// All frames of the first video stream, scaled as the node scales.
fn full_decode(path: &Path, size: usize) -> Vec<u8> {
    let scale = format!("scale={size}:{size}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=rgb24");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-an", "-vf", &scale, "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"])
        .output()
        .unwrap();
    output.stdout
}

#[test]
fn sixteenth_takes_the_frame_that_avsbench_draws_its_masks_on() {
    let dir = tempfile::tempdir().unwrap();
    // At 16 frames a second it is the last one of each second; at others the one on screen at 15/16 of it.
    for rate in [16, 25, 30] {
        let path = dir.path().join(format!("r{rate}.mp4"));
        write_numbered(&path, 5 * rate, &["-r", &rate.to_string()], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
        let expected: Vec<usize> = (0..5).map(|t| t * rate + rate * 15 / 16).collect();
        let settings = FrameSettings { rule: FrameRule::Sixteenth, ..small(5) };
        assert_eq!(numbers(&decode(&path, &settings)), expected, "{rate} frames a second");
    }
}

#[test]
fn extracted_pictures_are_taken_in_their_order_and_scaled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("numbered.mp4");
    write_numbered(&path, 5, &["-r", "5"], &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let pattern = dir.path().join("v_%d.png");
    ffmpeg(&["-i", path.to_str().unwrap(), "-vf", "scale=224:224:flags=neighbor", pattern.to_str().unwrap()]).unwrap();
    let picture = |n: usize| dir.path().join(format!("v_{n}.png"));
    let pictures: Vec<PathBuf> = [5, 3, 1].map(picture).into();
    let frames = decode_pictures(&pictures, &small(3), &Limits::default()).unwrap();
    assert_eq!(numbers(&frames), [4, 2, 0]);
    let reason = |pictures: &[PathBuf]| match decode_pictures(pictures, &small(3), &Limits::default()) {
        Err(MediaError::Bad(bad)) => bad.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&[picture(1), picture(2)]), ReasonCode::TooShort);
    assert_eq!(reason(&[picture(1), picture(9), picture(2)]), ReasonCode::Missing);
    std::fs::write(picture(2), "no picture").unwrap();
    assert_ne!(reason(&[picture(1), picture(2), picture(3)]), ReasonCode::Missing);
}

#[test]
fn a_picture_of_the_wanted_size_is_what_ffmpeg_makes_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = small(1);
    let source = format!("testsrc2=s={0}x{0}:d=1", settings.size);
    let [plain, alpha] = ["plain.png", "alpha.png"].map(|name| dir.path().join(name));
    let (from, to) = (plain.to_str().unwrap(), alpha.to_str().unwrap());
    ffmpeg(&["-f", "lavfi", "-i", &source, "-frames:v", "1", "-pix_fmt", "rgb24", from]).unwrap();
    ffmpeg(&["-i", from, "-pix_fmt", "rgba", to]).unwrap();
    let decode = |path: &Path| decode_pictures(&[path.to_owned()], &settings, &Limits::default());
    let taken = decode(&plain).unwrap();
    // An alpha channel is ffmpeg's to take away.
    assert_eq!(taken.rgb, decode(&alpha).unwrap().rgb);
    assert!(taken.rgb.iter().any(|value| *value > 200) && taken.notes.is_empty());
    let whole = std::fs::read(&plain).unwrap();
    std::fs::write(&plain, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(decode(&plain), Err(MediaError::Bad(_))), "half a picture is refused");
}

/// An ffmpeg that says it is of this version.
fn ffmpeg_of_version(path: &Path, version: &str) {
    let lines = format!("case \"$*\" in *-version*) echo 'ffmpeg version {version}' ;; *) exec ffmpeg \"$@\" ;; esac");
    write_program(path, &lines).unwrap();
}

#[test]
fn what_another_ffmpeg_decoded_is_decoded_again() {
    let dir = tempfile::tempdir().unwrap();
    let (clip, folder) = (dir.path().join("clip.mp4"), dir.path().join("cache"));
    write_good_clip(&clip, 2.0).unwrap();
    let program = dir.path().join("ffmpeg");
    let settings = small(2);
    let decoded = |cache: &Cache, program: &Path| {
        let before = cache.counts().misses;
        let limits = Limits { ffmpeg: program.to_owned(), ..Limits::default() };
        decode_cached(cache, &clip, &settings, &limits);
        cache.counts().misses - before
    };
    let cache = Cache::open(&folder, 1 << 30).unwrap();
    ffmpeg_of_version(&program, "1");
    assert_eq!([decoded(&cache, &program), decoded(&cache, &program)], [1, 0]);
    ffmpeg_of_version(&program, "2");
    assert_eq!(
        [decoded(&cache, &program), decoded(&cache, &program)],
        [1, 0],
        "it was upgraded while the cache was open"
    );
    // The same two for another process; the first is still there.
    let later = Cache::open(&folder, 1 << 30).unwrap();
    assert_eq!(decoded(&later, &program), 0);
    ffmpeg_of_version(&program, "1");
    assert_eq!(decoded(&later, &program), 0);
    let elsewhere = dir.path().join("another-ffmpeg");
    ffmpeg_of_version(&elsewhere, "1");
    assert_eq!(decoded(&later, &elsewhere), 1, "another program of the same version");
}
