//! `copl predict CHECKPOINT clip.mp4`: what a checkpoint says of one video, segment by segment.
//!
//! The clip is decoded with the settings of the run the checkpoint is of, or of a dataflow that is named.
//!
//! - [`asked`]: what is asked, the model and the decoded clip, and the form of what is said;
//! - [`events`]: event localisation, a class a segment, its name from that dataflow's dataset;
//! - [`masks`]: segmentation, where in each frame the sounding object is.

mod asked;
mod events;
mod masks;

use std::path::{Path, PathBuf};

use asked::{Asked, missing, usage};
use copl_contract::ExitCode;
use copl_contract::task::SampleLabels;
use copl_learning::model::Model;
use copl_learning::train::checkpoint;
use copl_networks::device;
use copl_reports::figure::ClipPicture;
use copl_reports::view::{self, NodeSettings};

use crate::args::PredictArgs;
use crate::outcome::{Failure, Outcome};
use crate::report::{defaults, write};
use crate::terminal::shown;
use crate::verbs;

/// The verb.
pub(crate) fn predict(args: &PredictArgs) -> Outcome {
    let args = &PredictArgs { checkpoint: verbs::checkpoint(&args.checkpoint, &args.runs)?, ..args.clone() };
    let card = checkpoint::read_card(&args.checkpoint).map_err(missing)?;
    let task = card.model.task;
    if task.samples == SampleLabels::Answer {
        return Err(usage(format!(
            "predict knows event localisation and segmentation; this checkpoint's task is {} ({}), and a clip alone \
             asks nothing: `copl eval` answers the questions of a dataset",
            task.name, task.about
        )));
    }
    if args.masks.is_some() && task.samples != SampleLabels::Masks {
        return Err(usage(format!("--masks is for segmentation; this checkpoint's task is {}", task.name)));
    }
    let nodes = nodes(args)?;
    // What was learned is small and one clip is short: the processor is fast enough.
    let (device, _) = device::parse("cpu").and_then(device::open).map_err(missing)?;
    let model = Model::build(&card.model, &device).map_err(missing)?;
    checkpoint::read_adapters(&args.checkpoint, &model).map_err(missing)?;
    let asked = Asked::decode(args, &nodes, model, device)?;
    let said = match task.samples {
        SampleLabels::Masks => masks::said(&asked)?,
        SampleLabels::Segments | SampleLabels::Answer => events::said(&asked)?,
    };
    let output = args.output.clone().unwrap_or_else(|| {
        let stem = args.clip.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        PathBuf::from(format!("{stem}.svg"))
    });
    let picture = ClipPicture { title: args.clip.display().to_string(), pictures: said.pictures, words: said.words };
    write(&output, picture.svg().as_bytes())?;
    if args.json {
        println!("{}", said.json);
    } else {
        said.lines.iter().for_each(|line| println!("{}", shown(line)));
        println!("picture: {}", shown(&output.display().to_string()));
    }
    Ok(ExitCode::Success)
}

/// The nodes of the dataflow whose settings hold.
fn nodes(args: &PredictArgs) -> Result<Vec<NodeSettings>, Failure> {
    let file = match &args.dataflow {
        Some(file) => file.clone(),
        None => {
            let run = args.checkpoint.parent().and_then(Path::parent).unwrap_or(Path::new(""));
            let file = run.join("dataflow.yml");
            if !file.is_file() {
                let checkpoint = args.checkpoint.display();
                return Err(usage(format!(
                    "{checkpoint} lies in no run's folder: name its dataflow with --dataflow FILE"
                )));
            }
            file
        }
    };
    view::nodes(&verbs::read(&file)?, &[], &defaults).map_err(|e| usage(format!("{}: {e}", file.display())))
}
