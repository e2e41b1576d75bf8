//! What this machine has and lacks, for `copl doctor`: one line a thing, with what to do where something is missing.

mod machine;

use std::path::{Path, PathBuf};

use machine::{gib, space, total_memory};
pub(crate) use machine::{in_bytes, size_of_folder};

/// Free disk in the runs folder: checkpoints of a large model take a gibibyte or two.
const DISK_BYTES: u64 = 5 << 30;
/// Decoders of what AVE and YouTube sets are made of.
const DECODERS: [&str; 4] = ["h264", "aac", "vp9", "opus"];

/// What to look at.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Folder of the runs.
    pub(crate) runs_dir: PathBuf,
    /// The ffmpeg program.
    pub(crate) ffmpeg: PathBuf,
    /// Weights that should be there.
    pub(crate) weights: Vec<Weights>,
    /// Whether this build can compute on CUDA devices.
    pub(crate) cuda_built: bool,
}

/// Weights of an encoder.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// Encoder.
    pub(crate) name: String,
    /// File; none for weights inside the program.
    pub(crate) path: Option<PathBuf>,
    /// Whether nothing works without them.
    pub(crate) needed: bool,
}

/// How it stands with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// All there.
    Ok,
    /// Something will not work, or only slowly.
    Warn,
    /// Nothing will work.
    Fail,
}

/// A thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The thing.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) state: State,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it.
    pub(crate) todo: Option<String>,
}

impl Line {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Ok, found: found.into(), todo: None }
    }

    fn lacking(name: &str, state: State, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, found: found.into(), todo: Some(todo.into()) }
    }
}

/// Looks at everything.
pub(crate) fn run(options: &Options) -> Vec<Line> {
    let mut lines = ffmpeg(&options.ffmpeg);
    lines.extend([disk(&options.runs_dir), memory()]);
    lines.extend(processor());
    lines.extend([cuda(options.cuda_built), cache()]);
    lines.extend(options.weights.iter().map(weights));
    lines.push(hub());
    lines
}

/// Whether something without which nothing works is missing.
pub(crate) fn failed(lines: &[Line]) -> bool {
    lines.iter().any(|l| l.state == State::Fail)
}

/// The lines as text.
pub(crate) fn render(lines: &[Line]) -> String {
    let width = lines.iter().map(|l| l.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let state = match line.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        text += &format!("{state}  {:width$}  {}\n", line.name, line.found);
        if let Some(todo) = &line.todo {
            text += &format!("      {:width$}  -> {todo}\n", "");
        }
    }
    let count = |state| lines.iter().filter(|l| l.state == state).count();
    text + &match (count(State::Fail), count(State::Warn)) {
        (0, 0) => "\nEverything is here.".to_owned(),
        (0, warnings) => format!("\nReady; warnings: {warnings}."),
        (failures, _) => format!("\nNot ready; missing: {failures}."),
    }
}

fn ffmpeg(program: &Path) -> Vec<Line> {
    let report = match copl_media::doctor::doctor(program) {
        Ok(report) => report,
        Err(e) => {
            let todo =
                "install ffmpeg (`apt-get install ffmpeg`), or give its path with --ffmpeg and the FFMPEG setting";
            return vec![Line::lacking("ffmpeg", State::Fail, e.to_string(), todo)];
        }
    };
    let mut lines = vec![Line::ok("ffmpeg", format!("{} ({})", report.version, program.display()))];
    let lacks: Vec<&str> = report.missing_decoders().into_iter().filter(|d| DECODERS.contains(d)).collect();
    lines.push(if lacks.is_empty() {
        Line::ok("decoders", DECODERS.join(", "))
    } else {
        let todo = "install a full build of ffmpeg: clips in these formats will be quarantined";
        Line::lacking("decoders", State::Fail, format!("missing: {}", lacks.join(", ")), todo)
    });
    let (has, lacks): (Vec<_>, Vec<_>) = report.encoders.iter().partition(|(_, found)| *found);
    let names = |list: Vec<&(&'static str, bool)>| list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    lines.push(if lacks.is_empty() {
        Line::ok("encoders", names(has))
    } else {
        let todo = "synthetic sets (ave-mini, ave-objects) cannot be made here; real sets need no encoder";
        Line::lacking("encoders", State::Warn, format!("missing: {}", names(lacks)), todo)
    });
    lines.push(if report.has_ffprobe {
        Line::ok("ffprobe", "found")
    } else {
        let todo = "install ffprobe beside ffmpeg: without it a truncated clip passes for a short one";
        Line::lacking("ffprobe", State::Warn, "not found", todo)
    });
    lines
}

fn disk(runs: &Path) -> Line {
    let absolute = std::path::absolute(runs).unwrap_or_else(|_| runs.to_owned());
    let existing = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    match space(existing) {
        None => Line::lacking(
            "disk",
            State::Warn,
            format!("{}: cannot be measured", runs.display()),
            "choose another folder with --runs",
        ),
        Some(space) => {
            let found = format!("{}: {} free of {}", runs.display(), gib(space.free), gib(space.size));
            if space.free < DISK_BYTES {
                Line::lacking("disk", State::Warn, found, "free some, or choose another folder with --runs")
            } else {
                Line::ok("disk", found)
            }
        }
    }
}

fn memory() -> Line {
    match total_memory() {
        Some(memory) => Line::ok("memory", format!("{} available of {}", gib(memory.free), gib(memory.size))),
        None => Line::lacking("memory", State::Warn, "unknown", "/proc/meminfo cannot be read"),
    }
}

fn processor() -> Vec<Line> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut lines = vec![Line::ok("threads", threads.to_string())];
    if !cfg!(target_arch = "x86_64") {
        return lines;
    }
    // Asked of the system: the standard library's answer is fixed when a program is built for a feature.
    let flags = machine::processor_flags();
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    lines.push(if has("avx2") && has("fma") {
        Line::ok("avx2, fma", "found")
    } else {
        let todo = "this program is built for them; build it without the flags in .cargo/config.toml";
        Line::lacking("avx2, fma", State::Fail, "not found", todo)
    });
    lines.push(Line::ok("avx512f", if has("avx512f") { "found; matrix products use it" } else { "none; not needed" }));
    lines
}

fn cuda(built: bool) -> Line {
    let found = if built { "built in" } else { "not built in; the model computes on the processor" };
    Line::ok("cuda", found)
}

fn cache() -> Line {
    match copl_media::stream::default_cache_dir() {
        None => {
            let todo = "set XDG_CACHE_HOME or HOME, or CACHE_DIR of the decoding nodes";
            Line::lacking("clip cache", State::Warn, "no folder for decoded clips", todo)
        }
        Some(dir) if dir.is_dir() => {
            Line::ok("clip cache", format!("{}: {}", dir.display(), gib(size_of_folder(&dir))))
        }
        Some(dir) => Line::ok("clip cache", format!("{}: not made yet", dir.display())),
    }
}

fn weights(weights: &Weights) -> Line {
    let name = format!("weights {}", weights.name);
    match &weights.path {
        None => Line::ok(&name, "inside the program"),
        Some(path) if path.is_file() => Line::ok(&name, path.display().to_string()),
        Some(path) => {
            let state = if weights.needed { State::Fail } else { State::Warn };
            Line::lacking(
                &name,
                state,
                format!("{}: not found", path.display()),
                "put the file there, or name another in the model's settings",
            )
        }
    }
}

/// The cache in which further weights would lie.
fn hub() -> Line {
    let settings = copl_hub::Settings::from_env();
    let network = if settings.offline { "HF_HUB_OFFLINE: no network" } else { "`copl weights list`: what it can hold" };
    Line::ok("hub cache", format!("{}: {network}", settings.cache.display()))
}

#[cfg(test)]
mod tests;
