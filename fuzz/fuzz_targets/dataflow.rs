//! Dataflows: the input is the YAML. The command's own module is compiled in, with the nodes that need no large library.

#![no_main]
#![allow(dead_code, reason = "the module is the command's, which uses all of it")]

#[path = "../../src/dataflow/mod.rs"]
mod dataflow;
#[path = "../../src/terminal.rs"]
mod terminal;

use copl_contract::{Node, NodeSpec};
use libfuzzer_sys::fuzz_target;

fn specs() -> Vec<NodeSpec> {
    vec![
        copl_clip_source::ClipSource::spec(),
        copl_video_decoder::node::VideoDecoder::spec(),
        copl_spectrogram::node::Spectrogram::spec(),
        copl_model::CoplModel::spec(),
        copl_encoder::EncoderNode::spec(),
        copl_loss_metrics::LossMetrics::spec(),
        copl_bench_nodes::TensorSource::spec(),
        copl_bench_nodes::TensorSink::spec(),
        copl_bench_nodes::Faulty::spec(),
    ]
}

fuzz_target!(|text: &str| {
    let lines = text.lines().count().max(1);
    for found in dataflow::check::check("fuzz.yml", text, &[], &specs()) {
        assert!((1..=lines).contains(&found.line) && found.column >= 1, "{found:?} in {lines} lines");
        assert!(!found.render(true).is_empty());
    }
    let changes = ["source.EPOCHS=3".to_owned()];
    for overrides in [&[][..], &changes] {
        if let Ok(resolved) = dataflow::resolve::resolve("fuzz.yml", text, overrides) {
            assert!(dataflow::document::Document::parse("resolved.yml", &resolved).is_ok(), "{resolved}");
        }
    }
});
