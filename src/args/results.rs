//! Arguments of the verbs that look at what runs left: runs, report, sweep, eval, predict, export.

use std::path::PathBuf;

use clap::Subcommand;

use super::flow::FileArgs;
use crate::run::watch::TimeLimits;

#[derive(Debug, clap::Args)]
pub(crate) struct EvalArgs {
    /// What was learned: runs/ID/checkpoints/best.safetensors, or a run: the beginning of its id, its letters, `last`, `last~1` for the one before
    pub(crate) checkpoint: PathBuf,
    #[command(flatten)]
    pub(crate) flow: FileArgs,
    /// At most this many clips
    #[arg(long)]
    pub(crate) limit_clips: Option<usize>,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    #[command(flatten)]
    pub(crate) limits: TimeLimits,
    /// Print errors and the result only
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print every event as a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PredictArgs {
    /// What was learned: runs/ID/checkpoints/best.safetensors, or a run: the beginning of its id, its letters, `last`, `last~1` for the one before
    pub(crate) checkpoint: PathBuf,
    /// A video file with sound
    pub(crate) clip: PathBuf,
    /// The dataflow whose decoder and spectrogram settings hold; that of the checkpoint's run if not given
    #[arg(long)]
    pub(crate) dataflow: Option<PathBuf>,
    /// The picture: frames, spectrogram and what is said of them, as SVG; CLIP.svg in this folder if not given
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
    /// Segmentation: write the masks to this folder, a PNG file a segment
    #[arg(long, value_name = "FOLDER")]
    pub(crate) masks: Option<PathBuf>,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Print JSON, with the probability of every class
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// What was learned: runs/ID/checkpoints/best.safetensors, or a run: the beginning of its id, its letters, `last`, `last~1` for the one before
    pub(crate) checkpoint: PathBuf,
    /// Folder to make
    pub(crate) folder: PathBuf,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    /// The sweep file
    pub(crate) file: PathBuf,
    /// Runs at once; a quarter of the cores if not given
    #[arg(long, short)]
    pub(crate) jobs: Option<usize>,
    /// Seeds in place of the file's
    #[arg(long, value_delimiter = ',')]
    pub(crate) seeds: Vec<u64>,
    /// Change a setting in every run; may be given many times
    #[arg(long = "set", value_name = "NODE.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: TimeLimits,
    /// Say what would be run
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Run nothing: the table and the figure of the runs that are done
    #[arg(long)]
    pub(crate) table: bool,
    /// Print the table as JSON and nothing else; with --dry-run, what would be run
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder of the runs; table and figure go to its folder sweeps/NAME
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<RunsVerb>,
    /// Folder of the runs
    #[arg(long, default_value = "runs", global = true)]
    pub(crate) runs: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsVerb {
    /// One line a run, the newest last
    List,
    /// One run: what was run, with what, how it ended, its numbers
    Show {
        /// The beginning of its id or of its letters, `last`, or `last~1` for the one before
        #[arg(default_value = "last")]
        run: String,
    },
    /// Remove runs; says which, and removes them with --yes. A run that goes on stays
    Prune {
        /// Keep the newest so many
        #[arg(long, default_value_t = 10)]
        keep: usize,
        /// Only runs that failed, were interrupted or killed
        #[arg(long)]
        unfinished: bool,
        /// Only runs that started more than so many days ago
        #[arg(long, value_name = "DAYS")]
        older_than: Option<f64>,
        /// Remove them
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<ReportVerb>,
    /// Runs: beginnings of their ids or letters, or `last`; several stand side by side
    #[arg(required = true)]
    pub(crate) run: Vec<String>,
    /// Write one HTML page that needs no network, and the figures as SVG and PNG (the default)
    #[arg(long)]
    pub(crate) html: bool,
    /// Print Markdown
    #[arg(long, conflicts_with_all = ["html", "json"])]
    pub(crate) md: bool,
    /// Print JSON: everything the page is made of
    #[arg(long, conflicts_with = "html")]
    pub(crate) json: bool,
    /// Write here; the page of one run goes to runs/ID/report.html if not given
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
    /// Clips shown with their frames and spectrograms
    #[arg(long, default_value_t = 6)]
    pub(crate) examples: usize,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReportVerb {
    /// Settings and results of runs side by side, in the terminal
    Compare(CompareArgs),
    /// How far runs are ahead of others on the same clips, and whether by more than chance
    ///
    /// The lead is the mean score of the clips of the runs' last test pass (table `samples`), less that of the others; its
    /// 95 % interval comes of resampling the videos and, where a side has several runs, the runs. Give the seeds of one
    /// method, and over them those of another.
    Lead(LeadArgs),
    /// Write runs for another tracker: TensorBoard's event files, MLflow's folders, offline runs of Weights & Biases
    Export(ReportExportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct LeadArgs {
    /// Runs: beginnings of their ids or letters, or `last`
    #[arg(required = true)]
    pub(crate) run: Vec<String>,
    /// Runs to measure them against
    #[arg(long, required = true, num_args = 1.., value_name = "RUN")]
    pub(crate) over: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportExportArgs {
    /// Runs: beginnings of their ids or letters, or `last`
    #[arg(required = true)]
    pub(crate) run: Vec<String>,
    /// The tracker
    #[arg(long, value_enum)]
    pub(crate) to: Tracker,
    /// Folder to write to; default: tensorboard, mlruns or wandb in the folder of the runs
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tracker {
    /// `tensorboard --logdir FOLDER`
    Tensorboard,
    /// `mlflow ui --backend-store-uri FOLDER`
    Mlflow,
    /// Weights & Biases: `wandb sync FOLDER`
    Wandb,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// Runs: beginnings of their ids or letters, or `last`
    #[arg(required = true, num_args = 2..)]
    pub(crate) run: Vec<String>,
    /// Leave out settings that are the same
    #[arg(long)]
    pub(crate) only_changed: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder of the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}
