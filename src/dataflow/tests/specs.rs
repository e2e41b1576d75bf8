//! Nodes as the real ones are, as far as checks look at them.

use copl_contract::schema::Schema;
use copl_contract::settings::{Settings, nearest};
use copl_contract::spec::REPORT_TABLES;
use copl_contract::{EdgeSpec, NodeSpec};

copl_contract::choice! {
    /// How the model is adapted.
    pub enum Method { Copl = "copl", Full = "full", Probe = "linear-probe" }
}

copl_contract::settings! {
    /// Settings of the source.
    pub struct Source {
        "DATASET" dataset: String = required, "Name of a dataset.";
        "ROOT" root: std::path::PathBuf = required, "Folder of the dataset.";
        "EPOCHS" epochs: u32 = "10", "Passes over the training split.";
        "WINDOW" window: usize = "8", "Clips under way at once.";
    }
}

copl_contract::settings! {
    /// Settings of a decoder.
    pub struct Decoder {
        "SIZE" size: usize = "192", "Edge of the frames in pixels.";
        "WORKERS" workers: usize = "1", "Clips decoded at once.";
    }
}

copl_contract::settings! {
    /// Settings of the model.
    pub struct Model {
        "METHOD" method: Method = "copl", "How the model is adapted.";
        "VISUAL_ENCODER" visual_encoder: String = "swin-v2-nano", "Name of the visual encoder.";
        "BATCH" batch: usize = "2", "Clips a step.";
        "LR_HEAD" lr_head: f64 = "0.001", "Learning rate of the head.";
    }
}

copl_contract::settings! {
    /// Settings of a node that has none of its own.
    pub struct Other {
        "FLUSH_SECS" flush_secs: f64 = "2", "Seconds between two flushes.";
    }
}

fn node<S: Settings>(name: &'static str, inputs: Vec<EdgeSpec>, outputs: Vec<EdgeSpec>) -> NodeSpec {
    NodeSpec { name, about: "", settings: S::specs(), inputs, outputs, check: |env| S::from_env(env).map(|_| ()) }
}

fn report() -> EdgeSpec {
    EdgeSpec::optional("report", REPORT_TABLES, "rows")
}

/// The nodes of `ave-mini.yml`.
pub(super) fn specs() -> Vec<NodeSpec> {
    let (required, gradients) = (EdgeSpec::required, &[Schema::Gradients, Schema::Verdict]);
    let clips = || required("clips", &[Schema::Clips], "clips");
    let mut model = node::<Model>(
        "copl-model",
        vec![
            required("frames", &[Schema::Frames], "frames"),
            required("spectrogram", &[Schema::Spectrogram], "segments"),
            required("gradients", gradients, "gradients").feedback(),
        ],
        vec![required("predictions", &[Schema::Predictions], "predictions"), report()],
    );
    model.check = |env| {
        let name = Model::from_env(env)?.visual_encoder;
        let known = ["swin-v2-nano", "swin-v2-tiny"];
        if known.contains(&name.as_str()) {
            return Ok(());
        }
        let hint = nearest(&name, known).map_or_else(String::new, |n| format!("; did you mean {n}?"));
        Err(("VISUAL_ENCODER".to_owned(), format!("no encoder `{name}`{hint}")))
    };
    vec![
        node::<Source>(
            "clip-source",
            vec![required("credits", &[Schema::Credits], "credits").feedback()],
            vec![clips(), report()],
        ),
        node::<Decoder>(
            "video-decoder",
            vec![clips()],
            vec![required("frames", &[Schema::Frames], "frames"), report()],
        ),
        node::<Decoder>(
            "spectrogram",
            vec![clips()],
            vec![required("segments", &[Schema::Spectrogram], "segments"), report()],
        ),
        model,
        node::<Other>(
            "loss-metrics",
            vec![clips(), required("predictions", &[Schema::Predictions], "predictions")],
            vec![required("gradients", gradients, "gradients"), report().messages(2, 4)],
        ),
        node::<Other>(
            "report-writer",
            vec![required("report", REPORT_TABLES, "rows").many()],
            vec![required("credits", &[Schema::Credits], "credits").feedback()],
        ),
    ]
}
