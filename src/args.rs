//! The command line.

mod flow;
mod results;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::run::watch::TimeLimits;
pub(crate) use flow::FileArgs;
pub(crate) use results::{
    CompareArgs, EvalArgs, ExportArgs, LeadArgs, PredictArgs, ReportArgs, ReportExportArgs, ReportVerb, RunsArgs,
    RunsVerb, SweepArgs, Tracker,
};

/// Audio-visual learning experiments as dataflows: frozen encoders, collaborative prompts, Parquet reports.
///
/// A dataflow is a YAML graph of nodes: clip source, video decoder, spectrogram, model, loss and metrics, report. Start one
/// with `copl run`, change any setting with `--set node.KEY=value`, read the report in runs/ID/ with polars, pandas or
/// DuckDB.
#[derive(Debug, Parser)]
#[command(name = "copl", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  copl run dataflows/ave-mini.yml                                  train and evaluate on the bundled mini set
  copl run dataflows/ave-mini.yml --set model.METHOD=linear-probe  the same with frozen encoders and a head
  copl run dataflows/ave.yml --set source.ROOT=/data/AVE_Dataset   the real AVE
  copl resume last                                                 go on with a run that was cut
  copl runs                                                        the runs so far
  copl report last                                                 the page of the last run
  copl sweep dataflows/sweeps/table-4-mini.yml                     the ablation, on the mini set
  copl nodes describe copl-model                                   every setting of the model, with its default
  copl check my.yml                                                what is wrong with a dataflow, line by line
  copl weights pull swin-v2-large-192                              the encoder of the paper, from the Hugging Face hub
  copl doctor                                                      what this machine has and lacks";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a dataflow to its end and write its report
    Run(RunArgs),
    /// Go on with a run that was cut, from its last checkpoint, to the numbers of a run that was not
    Resume(ResumeArgs),
    /// The runs so far: list them, show one, remove old ones
    Runs(RunsArgs),
    /// A page of a run or several: curves, results beside the paper's, time, quarantine, examples; or what differs
    Report(ReportArgs),
    /// Evaluate a checkpoint on a dataflow's test split: a run without training
    Eval(EvalArgs),
    /// Say what is seen and heard in a video, segment by segment, with times and a picture; or show what sounds
    Predict(PredictArgs),
    /// Write what was learned in a form that others load: safetensors, a JSON description, a loader in Python
    Export(ExportArgs),
    /// Run a dataflow under many settings and seeds; a table and a figure at the end
    Sweep(SweepArgs),
    /// Check a dataflow without starting it: keys, settings, edges, cycles
    Check(FileArgs),
    /// Draw a dataflow as Mermaid or SVG
    Graph(GraphArgs),
    /// List the nodes, or describe one: settings, inputs, outputs with their Arrow schemas
    Nodes(NodesArgs),
    /// Look at this machine: ffmpeg, codecs, disk, device, weights
    Doctor(DoctorArgs),
    /// Count a dataflow's parameters: what learns, what is frozen, beside the paper's table
    Params(ParamsArgs),
    /// Compare with golden numbers of the PyTorch reference
    Parity(ParityArgs),
    /// Datasets: check one, or make a synthetic one
    Data(DataArgs),
    /// Encoder weights: list them, pull them from the Hugging Face hub, verify a file
    Weights(WeightsArgs),
    /// Measure: decoding, spectrograms, a training step, messages, growth over many runs
    Bench(BenchArgs),
    /// What each exit code means
    ExitCodes,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Run one node in this process; the engine does this
    #[command(hide = true)]
    Node {
        /// The node's name
        name: String,
    },
    /// Clean up behind a run whose command is killed; `copl run` starts it
    #[command(hide = true)]
    Guard {
        /// Folder of the run
        run_dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) flow: FileArgs,
    /// Passes over the training split (EPOCHS of the clip source)
    #[arg(long)]
    pub(crate) epochs: Option<u32>,
    /// At most this many clips of each split (LIMIT_CLIPS of the clip source)
    #[arg(long)]
    pub(crate) limit_clips: Option<usize>,
    /// Seed of everything random (SEED of every node that has one)
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    #[command(flatten)]
    pub(crate) limits: TimeLimits,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Name of the sweep the run is part of; `copl sweep` gives it
    #[arg(long, hide = true)]
    pub(crate) sweep: Option<String>,
    /// Name of its case in the sweep
    #[arg(long, hide = true)]
    pub(crate) case: Option<String>,
    /// Process id of the sweep, with which the run ends
    #[arg(long, hide = true)]
    pub(crate) parent: Option<u32>,
}

/// What a run shows while it goes on.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct ShowArgs {
    /// Print errors and the result only
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print every event as a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Show a dashboard of curves, nodes and waiting clips; plain lines where there is no terminal
    #[arg(long, conflicts_with_all = ["quiet", "json"])]
    pub(crate) live: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// The run: its id or the beginning of it, or `last`
    pub(crate) run: String,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    #[command(flatten)]
    pub(crate) limits: TimeLimits,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Process id of the sweep, with which the run ends
    #[arg(long, hide = true)]
    pub(crate) parent: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ParamsArgs {
    #[command(flatten)]
    pub(crate) flow: FileArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) flow: FileArgs,
    /// What to draw
    #[arg(long, value_enum, default_value = "mermaid")]
    pub(crate) format: GraphFormat,
    /// Write here instead of to standard output; `.svg` and `.mmd` choose the format
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    /// Text that GitHub and many editors draw
    Mermaid,
    /// A picture
    Svg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NodesArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<NodesVerb>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesVerb {
    /// One line a node
    List,
    /// A JSON Schema of dataflows, for editors that complete and check YAML
    Schema,
    /// Settings, inputs and outputs of a node
    Describe {
        /// The node's name
        node: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Folder of the runs, whose disk is looked at
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// The ffmpeg program
    #[arg(long, default_value = "ffmpeg")]
    pub(crate) ffmpeg: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ParityArgs {
    /// Fixtures: safetensors files with inputs, weights and expected results
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = WEIGHTS)]
pub(crate) struct WeightsArgs {
    #[command(subcommand)]
    pub(crate) verb: WeightsVerb,
}

const WEIGHTS: &str = "\
Weights come from a file that VISUAL_WEIGHTS or AUDIO_WEIGHTS names (safetensors; PyTorch's .pth,
.ckpt and .bin, read as data), else from inside the program, else from the cache of the Hugging
Face hub. A run fetches nothing; `pull` does.

Variables: HF_HOME or HF_HUB_CACHE (where the cache is), HF_ENDPOINT (another hub),
HF_HUB_OFFLINE=1 (no network), HF_TOKEN (private and gated repositories), HTTPS_PROXY.";

#[derive(Debug, Subcommand)]
pub(crate) enum WeightsVerb {
    /// Every preset: parameters, size, licence, where its weights come from, and where they are
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring weights from the hub into its usual cache; goes on where an earlier pull was cut, and checks SHA-256
    Pull {
        /// Presets, or files as hub:OWNER/NAME/FILE
        #[arg(required = true)]
        names: Vec<String>,
        /// Print errors and the result only
        #[arg(long, short)]
        quiet: bool,
    },
    /// Read weights strictly: what is missing, unexpected or mis-shaped, and whether every number is finite
    Verify {
        /// A preset, or a file
        what: String,
        /// The preset a file belongs to; found by its tensors if not given
        #[arg(long = "as", value_name = "PRESET")]
        preset: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) verb: DataVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    /// Read a dataset and compare it with what its descriptor expects: counts, labels, masks, missing files
    Check {
        /// Descriptor: ave, avs-s4, avs-ms3, music-avqa, their -mini twins, ..., or a YAML file
        dataset: String,
        /// Folder of the dataset
        root: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a synthetic dataset of real files in an official layout
    Synth {
        /// Which one
        #[arg(value_enum)]
        kind: SynthKind,
        /// Folder to make; default: data/ave-mini, data/avs-s4-mini, data/avs-ms3-mini, data/ave-objects or data/music-avqa-mini
        #[arg(long, short)]
        out: Option<PathBuf>,
        #[command(flatten)]
        set: SetArgs,
    },
}

/// What the command line says about a made set, whichever it is.
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Seed of the scenes
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Clips (videos) of the training split
    #[arg(long)]
    pub(crate) train: Option<usize>,
    /// Clips of the validation split
    #[arg(long)]
    pub(crate) val: Option<usize>,
    /// Clips of the test split
    #[arg(long)]
    pub(crate) test: Option<usize>,
    /// Width and height of pictures and masks in pixels; AVSBench's are 224
    #[arg(long)]
    pub(crate) size: Option<u32>,
    /// Of avs and ms3: raw videos, to be decoded, instead of extracted pictures and sounds; the other sets are videos always
    #[arg(long)]
    pub(crate) raw_videos: bool,
    /// Of avqa: questions a video
    #[arg(long)]
    pub(crate) questions: Option<usize>,
    /// Of avqa: kinds of instruments, 8 at most, one more than players at least
    #[arg(long)]
    pub(crate) instruments: Option<usize>,
    /// Of avqa: players in view at most, from 1 to 4
    #[arg(long)]
    pub(crate) players: Option<usize>,
    /// Make it again where a different or incomplete set lies
    #[arg(long)]
    pub(crate) rebuild: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum SynthKind {
    /// The mini AVE: events only where an object is seen and heard
    Ave,
    /// The mini AVSBench-S4: masks of the one object that sounds, among silent ones
    Avs,
    /// The mini AVSBench-MS3: masks of one or two objects that sound, in every frame
    Ms3,
    /// Other objects and sounds, to train swin-v2-nano on
    Objects,
    /// The mini MUSIC-AVQA: ensembles of instruments and questions about them
    Avqa,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) verb: BenchVerb,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DecodeArgs {
    /// Media files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Passes over the files
    #[arg(long, default_value_t = 3)]
    pub(crate) passes: usize,
    /// Clips handed to the decoder at once, as a node hands it those that wait: short ones share an ffmpeg
    #[arg(long, default_value_t = 4)]
    pub(crate) together: usize,
    /// Edge of the frames in pixels
    #[arg(long, default_value_t = 192)]
    pub(crate) size: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FeaturesArgs {
    /// Preset of the encoder
    #[arg(long, default_value = "clip-vit-base-patch32")]
    pub(crate) encoder: String,
    /// Its weights: a file, or `random`
    #[arg(long, default_value = "random")]
    pub(crate) weights: String,
    /// The layer that is wanted; the pooled vector if not given, or the last layer
    #[arg(long)]
    pub(crate) layer: Option<String>,
    /// Images at once
    #[arg(long, default_value_t = 10)]
    pub(crate) images: usize,
    /// Passes that are timed
    #[arg(long, default_value_t = 5)]
    pub(crate) passes: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchVerb {
    /// Decode clips: time and CPU time a clip, of frames and of audio
    Decode(DecodeArgs),
    /// A feature encoder: time an image
    Features(FeaturesArgs),
    /// Kaldi fbank: how many times faster than the audio plays
    Fbank {
        /// Ten-second clips
        #[arg(long, default_value_t = 50)]
        clips: usize,
    },
    /// One training step of a model: milliseconds forward and backward
    Step(StepArgs),
    /// Share of a run's wall time that is not the model's arithmetic, by pass
    Overhead {
        /// A run's folder
        run: PathBuf,
    },
    /// Run the mini tasks for a long time and see whether memory, handles, shared memory or disk grow
    Soak(SoakArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct StepArgs {
    /// Encoder, of both modalities unless another is named
    #[arg(long, default_value = "swin-v2-nano")]
    pub(crate) encoder: String,
    /// Encoder of the spectrograms
    #[arg(long)]
    pub(crate) audio_encoder: Option<String>,
    /// Method, with its settings for the task
    #[arg(long, default_value = "copl")]
    pub(crate) method: String,
    /// Task: ave, or avs with masks of 224 x 224
    #[arg(long, default_value = "ave")]
    pub(crate) task: String,
    /// Clips a step
    #[arg(long, default_value_t = 1)]
    pub(crate) clips: usize,
    /// Steps measured
    #[arg(long, default_value_t = 10)]
    pub(crate) steps: usize,
    /// Its weights: a file, or random
    #[arg(long, default_value = "random")]
    pub(crate) weights: String,
    /// Weights of the audio encoder: a file, or random
    #[arg(long, default_value = "random")]
    pub(crate) audio_weights: String,
    /// Spectrograms as large as frames, where the encoder takes such
    #[arg(long)]
    pub(crate) same_size: bool,
    /// Stages whose activations are computed again: none, all, or numbers such as 0,1
    #[arg(long, default_value = "none")]
    pub(crate) checkpoint_stages: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SoakArgs {
    /// How long; Ctrl-C ends it early, with its table
    #[arg(long, default_value_t = 30.0)]
    pub(crate) minutes: f64,
    /// Share of the time for the one long run at the end; the rest goes to short runs
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub(crate) long: f64,
    /// Folder of the dataflows
    #[arg(long, default_value = "dataflows")]
    pub(crate) dataflows: PathBuf,
    /// Folder for the made sets, the cache and the runs; sets stay for the next soak
    #[arg(long, default_value = "runs/soak")]
    pub(crate) folder: PathBuf,
    /// Write every value to this CSV file
    #[arg(long, value_name = "FILE")]
    pub(crate) samples: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
