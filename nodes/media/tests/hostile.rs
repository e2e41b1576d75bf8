//! Files and programs that mean harm: what they cost is bounded, and each ends in a reason.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use copl_media::ffmpeg::Run;
use copl_media::promise::promised_end;
use copl_media::{BadClip, Limits, MediaError, ReasonCode, Stage, input, testing, verdict};

/// Decodes the picture of a file, as far as ffmpeg and the verdict have a say.
fn decode(path: &Path, limits: &Limits) -> Result<usize, MediaError> {
    let absolute = input::check(path, limits)?;
    let mut args = input::arguments(&absolute, limits);
    args.extend(["-an", "-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"].map(Into::into));
    let output = Run { stage: Stage::Video, args, folder: None, max_bytes: 64 << 20 }.output(limits)?;
    verdict::judge(Stage::Video, &absolute, &output, output.bytes.len().min(1), limits)?;
    Ok(output.bytes.len())
}

fn refused(path: &Path, limits: &Limits) -> BadClip {
    match decode(path, limits) {
        Err(MediaError::Bad(bad)) => bad,
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// Most memory that any child of this process has held so far, in bytes.
fn children_held() -> u64 {
    // SAFETY: a zeroed `rusage` is a valid one, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), 0);
        usage
    };
    usage.ru_maxrss as u64 * 1024
}

/// A program in the place of ffmpeg.
fn script(folder: &Path, text: &str) -> Limits {
    let path = folder.join("ffmpeg");
    testing::write_program(&path, text).unwrap();
    Limits { ffmpeg: path, timeout: Duration::from_secs(2), ..Limits::default() }
}

fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.mp4");
    fs::write(&path, "a file that no program here reads").unwrap();
    path
}

#[test]
fn a_small_file_that_states_gigabytes_is_refused_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("swelling.mov");
    // A table of 1.2 GB out of a few kilobytes.
    testing::write_swelling(&path, 50_000_000).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 200_000);
    let limits = Limits { max_memory_bytes: 700 << 20, ..Limits::default() };
    let begun = Instant::now();
    let bad = refused(&path, &limits);
    assert!(matches!(bad.reason, ReasonCode::Oversized | ReasonCode::DecodeError), "{bad}");
    assert!(children_held() < 700 << 20, "ffmpeg held {} bytes", children_held());
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
    // What is looked at beside the pictures is bounded too.
    let _ = promised_end(&path, Stage::Video, &limits);
    assert!(children_held() < 700 << 20, "ffprobe held {} bytes", children_held());
}

#[test]
fn pictures_that_state_an_enormous_size_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let gif = folder.path().join("huge.gif");
    let side = u16::MAX.to_le_bytes();
    let frame = [b",\0\0\0\0".as_slice(), &side, &side, b"\0\x02\x02\x44\x01\0;"].concat();
    fs::write(&gif, [b"GIF89a".as_slice(), &side, &side, b"\x80\0\0\0\0\0\xff\xff\xff", &frame].concat()).unwrap();
    let bad = refused(&gif, &Limits::default());
    assert!(matches!(bad.reason, ReasonCode::TooLarge | ReasonCode::DecodeError), "{bad}");
    assert!(children_held() < 1 << 30, "ffmpeg held {} bytes", children_held());
}

#[test]
fn what_is_no_file_is_refused_before_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (zero, random) = (folder.path().join("zero.mp4"), folder.path().join("random.mp4"));
    symlink("/dev/zero", &zero).unwrap();
    symlink("/dev/urandom", &random).unwrap();
    let pipe = folder.path().join("pipe.mp4");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let begun = Instant::now();
    for path in [zero, random, pipe, folder.path().to_owned()] {
        assert_eq!(refused(&path, &Limits::default()).reason, ReasonCode::NotAFile);
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_file_that_names_others_is_no_clip() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.mp4");
    testing::write_good_clip(&secret, 1.0).unwrap();
    let name = secret.display();
    for (file, text) in [
        ("list.mp4", format!("ffconcat version 1.0\nfile '{name}'\n")),
        ("hls.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{name}\n#EXT-X-ENDLIST\n")),
        ("address.mp4", "http://127.0.0.1:1/x.mp4\n".to_owned()),
        ("sdp.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n".to_owned()),
    ] {
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        assert_eq!(refused(&path, &Limits::default()).reason, ReasonCode::NotMedia, "{file}");
    }
}

#[test]
fn a_program_that_never_ends_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    // The note appears whole, by its new name.
    let lines = format!("sleep 1000 &\necho $! > {0}.new\nmv {0}.new {0}\nwait", note.display());
    let limits = script(folder.path(), &lines);
    let pid = [1, 4, 16, 64].into_iter().find_map(|secs| {
        let limits = Limits { timeout: Duration::from_secs(secs), ..limits.clone() };
        let begun = Instant::now();
        assert_eq!(refused(&clip(folder.path()), &limits).reason, ReasonCode::Timeout);
        // Nothing here ends by itself before 1000 s.
        assert!(begun.elapsed() < Duration::from_secs(secs + 60), "it took {:?}", begun.elapsed());
        // On a busy machine it may not have come to start anything before its time was up.
        fs::read_to_string(&note).ok()
    });
    let pid: u32 = pid.expect("the program never came to its second line").trim().parse().unwrap();
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat"));
    // A process that has ended and was not collected yet is `Z`; a killed one needs a moment to end.
    let is_gone = || stat().map_or(true, |stat| stat.rsplit(')').next().is_some_and(|s| s.trim().starts_with('Z')));
    let killed = Instant::now();
    while !is_gone() {
        assert!(killed.elapsed() < Duration::from_secs(60), "what the program started goes on: {:?}", stat());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn programs_see_few_variables_and_no_secret() {
    if !testing::has_secrets("programs_see_few_variables_and_no_secret").unwrap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let seen = |program: &str| fs::read_to_string(folder.path().join(program)).unwrap();
    let program = |name: &str, to: &str| {
        let lines = format!("env > {}", folder.path().join(to).display());
        testing::write_program(&folder.path().join(name), &lines).unwrap();
    };
    program("ffprobe", "seen-by-ffprobe");
    program("ffmpeg", "seen-by-ffmpeg");
    let limits = Limits { ffmpeg: folder.path().join("ffmpeg"), ..Limits::default() };
    let path = clip(folder.path());
    refused(&path, &limits);
    let _ = promised_end(&path, Stage::Video, &limits);
    for program in ["seen-by-ffmpeg", "seen-by-ffprobe"] {
        let environment = seen(program);
        assert!(testing::is_bare(&environment), "{program}: {environment}");
    }
}

#[test]
fn a_program_can_be_run_as_soon_as_it_is_written_whatever_other_threads_start() {
    let folder = tempfile::tempdir().unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    std::process::Command::new("true").status().unwrap();
                }
            });
        }
        let tried = std::panic::catch_unwind(|| {
            for number in 0..200 {
                let path = folder.path().join(format!("program-{number}"));
                testing::write_program(&path, "exit 0").unwrap();
                assert!(std::process::Command::new(&path).status().unwrap().success());
            }
        });
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        tried.unwrap();
    });
}

#[test]
fn output_without_end_is_cut_and_takes_no_more_memory_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let held = || -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let before = held();
    let limits = script(folder.path(), "exec yes");
    assert_eq!(refused(&clip(folder.path()), &limits).reason, ReasonCode::Oversized);
    // A line without end on the other pipe is read and forgotten.
    let limits = script(folder.path(), "exec tr '\\0' x < /dev/zero >&2");
    assert_eq!(refused(&clip(folder.path()), &limits).reason, ReasonCode::Timeout);
    assert!(held() - before < 300 << 20, "{} bytes more were held", held() - before);
}
