//! The nodes this program holds.

use copl_contract::{ExitCode, Node, NodeSpec};

use crate::outcome::{Failure, Outcome};

macro_rules! catalog {
    ($($node:ty),* $(,)?) => {
        /// Descriptions of all nodes, in the order of a dataflow.
        pub(crate) fn specs() -> Vec<NodeSpec> {
            vec![$(<$node>::spec()),*]
        }

        /// Runs the node of this name in this process; the engine starts nodes so.
        pub(crate) fn launch(name: &str) -> Outcome {
            $(if <$node>::spec().name == name {
                copl_contract::launch::<$node>()
            })*
            let specs = specs();
            let hint = copl_contract::settings::nearest(name, specs.iter().map(|s| s.name)).map(|n| format!("; did you mean {n}?"));
            Err(Failure::new(ExitCode::Usage, format!("no node `{name}`{}", hint.unwrap_or_default())))
        }
    };
}

catalog![
    copl_clip_source::ClipSource,
    copl_video_decoder::node::VideoDecoder,
    copl_spectrogram::node::Spectrogram,
    copl_text_encoder::node::TextEncoderNode,
    copl_model::CoplModel,
    copl_encoder::EncoderNode,
    copl_loss_metrics::LossMetrics,
    copl_report_writer::ReportWriter,
    copl_bench_nodes::TensorSource,
    copl_bench_nodes::TensorSink,
    copl_bench_nodes::Faulty,
];
