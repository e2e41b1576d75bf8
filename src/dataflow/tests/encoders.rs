//! Encoders in nodes of their own: the model and the edges must agree.

use super::super::check::check;
use super::super::resolve::{of_run, resolve};
use super::shown;

const SPLIT: &str = include_str!("../../../dataflows/ave-mini-split.yml");

/// What is said of the split dataflow with one text replaced, which must be there once.
fn said(old: &str, new: &str) -> String {
    assert_eq!(SPLIT.matches(old).count(), 1, "{old:?} must be in the dataflow once");
    shown(&check("flow.yml", &SPLIT.replace(old, new), &[], &crate::catalog::specs()))
}

#[test]
fn the_cycle_of_model_and_encoders_is_right() {
    let found = check("flow.yml", SPLIT, &[], &crate::catalog::specs());
    assert!(found.is_empty(), "{}", shown(&found));
}

#[test]
fn what_an_encoder_node_needs_and_lacks_is_named() {
    let text = said("      visual: { source: visual/answers, queue_size: 64 }\n", "");
    assert!(
        text.contains("the input `visual` of `model` is not connected, which VISUAL_ENCODER: node needs"),
        "{text}"
    );
    assert!(text.contains("connect `visual: { source: visual/answers, queue_size: NUMBER }`"), "{text}");
    let text = said("[predictions, visual, audio, report]", "[predictions, audio, report]");
    assert!(text.contains("`model` does not declare its output `visual`, which VISUAL_ENCODER: node needs"), "{text}");
}

#[test]
fn edges_that_nobody_uses_are_refused() {
    let text = said("VISUAL_ENCODER: node", "VISUAL_ENCODER: swin-v2-nano");
    assert!(text.contains("`model` has no use for `visual` unless VISUAL_ENCODER is node"), "{text}");
}

#[test]
fn an_encoder_node_serves_one_modality_and_keeps_its_own_weights() {
    let text = said("AUDIO_ENCODER: node", "AUDIO_ENCODER: shared");
    assert!(text.contains("an encoder node serves one modality"), "{text}");
    let text = shown(&check("flow.yml", SPLIT, &["model.METHOD=full".to_owned()], &crate::catalog::specs()));
    assert!(text.contains("they must be in this process"), "{text}");
    let text = said("METHOD: copl", "METHOD: copl\n      VISUAL_WEIGHTS: random");
    assert!(text.contains("WEIGHTS is a setting of that node"), "{text}");
}

#[test]
fn a_setting_of_another_method_is_refused_in_the_file_and_left_out_where_the_method_is_changed() {
    let text = said("METHOD: copl", "METHOD: linear-probe");
    assert!(text.contains("`GLOBAL_LEN` applies with METHOD copl alone"), "{text}");
    assert!(text.contains("leave it out, or choose METHOD copl"), "{text}");
    let checked = |changes: &[&str]| {
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        shown(&check("flow.yml", SPLIT, &changes, &crate::catalog::specs()))
    };
    assert_eq!(checked(&["model.METHOD=linear-probe"]), "");
    let text = checked(&["model.METHOD=linear-probe", "model.BANK_LEN=4"]);
    assert!(text.contains("`BANK_LEN` applies with METHOD copl alone"), "{text}");
    let resolved = resolve("flow.yml", SPLIT, &["model.METHOD=linear-probe".to_owned()]).unwrap();
    assert!(resolved.contains("#   model.GLOBAL_LEN left out: it applies with METHOD copl alone"), "{resolved}");
    assert!(!resolved.contains("\n      GLOBAL_LEN"), "{resolved}");
    let old = SPLIT.replace("METHOD: copl", "METHOD: linear-probe");
    assert!(!of_run("dataflow.yml", &old).unwrap().contains("GLOBAL_LEN"), "a run of before is read");
}
