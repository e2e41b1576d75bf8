//! The fixtures of the repository, by both implementations.

use std::path::Path;

use copl_networks::kernels::Execution;

use super::run_with;

fn assert_parity(name: &str, execution: Execution) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    let report = run_with(&path, execution).unwrap();
    for row in report.rows.iter().filter(|row| !row.passed) {
        eprintln!(
            "{}: max {:.2e}, relative {:.2e}, allowed {:.0e}",
            row.name, row.max_abs, row.rel_norm, row.tolerance
        );
    }
    assert!(report.passed(), "{name} with {execution:?}");
}

#[test]
fn backbone_is_that_of_timm() {
    assert_parity("swin_v2_tiny.safetensors", Execution::PLAIN);
    assert_parity("swin_v2_tiny.safetensors", Execution::CPU);
}

#[test]
fn vit_is_that_of_timm() {
    assert_parity("vit_tiny.safetensors", Execution::PLAIN);
    assert_parity("vit_tiny.safetensors", Execution::CPU);
}

#[test]
fn copl_on_vit_is_that_of_the_reference() {
    assert_parity("copl_vit_shared.safetensors", Execution::PLAIN);
    assert_parity("copl_vit_shared.safetensors", Execution::CPU);
}

#[test]
fn copl_is_that_of_the_reference_with_one_encoder() {
    assert_parity("copl_swin_v2_shared_stage.safetensors", Execution::PLAIN);
    assert_parity("copl_swin_v2_shared_stage.safetensors", Execution::CPU);
}

#[test]
fn copl_is_that_of_the_reference_by_blocks_with_mean_bias() {
    assert_parity("copl_swin_v2_shared_block_meanbias.safetensors", Execution::PLAIN);
    assert_parity("copl_swin_v2_shared_block_meanbias.safetensors", Execution::CPU);
}

#[test]
fn copl_is_that_of_the_reference_with_two_encoders() {
    assert_parity("copl_swin_v2_unshared.safetensors", Execution::PLAIN);
    assert_parity("copl_swin_v2_unshared.safetensors", Execution::CPU);
}

#[test]
fn decoder_is_that_of_avsbench() {
    assert_parity("avs_decoder.safetensors", Execution::PLAIN);
    assert_parity("avs_decoder.safetensors", Execution::CPU);
}

#[test]
fn head_is_that_of_avst() {
    assert_parity("avqa_head.safetensors", Execution::PLAIN);
    assert_parity("avqa_head.safetensors", Execution::CPU);
}

#[test]
fn the_loss_of_several_sources_is_that_of_avsbench() {
    assert_parity("avs_ms3_loss.safetensors", Execution::CPU);
}

#[test]
fn feature_encoders_are_those_of_torchvision_pvt_and_clip() {
    let names = ["vgg", "resnet_basic", "resnet_bottleneck", "pvt_v2", "clip_vit", "clip_text"];
    names.iter().for_each(|name| assert_parity(&format!("{name}_tiny.safetensors"), Execution::CPU));
}

#[test]
fn lavish_is_that_of_the_reference() {
    for name in ["lavish_swin_v2_shared", "lavish_swin_v2_avs", "lavish_vit_shared", "lavish_swin_hts_at"] {
        assert_parity(&format!("{name}.safetensors"), Execution::PLAIN);
        assert_parity(&format!("{name}.safetensors"), Execution::CPU);
    }
}

#[test]
fn dg_sct_is_that_of_the_reference() {
    for name in ["dg_sct_swin_hts_at", "dg_sct_swin_hts_at_avs"] {
        assert_parity(&format!("{name}.safetensors"), Execution::PLAIN);
        assert_parity(&format!("{name}.safetensors"), Execution::CPU);
    }
}
