//! Golden numbers of the PyTorch reference (tests/fixtures/README.md says where they come from), through `copl parity`.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use common::{copl, root, text};

const FIXTURES: [&str; 18] = [
    "swin_v2_tiny",
    "vit_tiny",
    "copl_vit_shared",
    "copl_swin_v2_shared_stage",
    "copl_swin_v2_shared_block_meanbias",
    "copl_swin_v2_unshared",
    "kaldi_fbank",
    "avqa_head",
    "avs_decoder",
    "avs_metrics",
    "hts_at_tiny",
    "vggish_tiny",
    "vgg_tiny",
    "resnet_basic_tiny",
    "resnet_bottleneck_tiny",
    "pvt_v2_tiny",
    "clip_vit_tiny",
    "clip_text_tiny",
];

#[test]
fn fixtures_pass() {
    let files = FIXTURES.map(|f| root().join("tests/fixtures").join(format!("{f}.safetensors")));
    let done = copl().arg("parity").args(&files).output().unwrap();
    let said = text(&done);
    assert!(done.status.success(), "{said}");
    assert_eq!(said.matches(": passed").count(), FIXTURES.len(), "{said}");
    assert!(said.contains("grad.coupling.0.visual.bank"), "gradients are compared: {said}");
    for part in ["expect.logmel", "expect.image_checksum", "expect.stage.3", "expect.pooled"] {
        assert!(said.contains(part), "{part} of hts_at_tiny is compared: {said}");
    }
    // Of VGGish its front end, its network, and waveforms that hold no example.
    for part in
        ["expect.logmel.avs", "expect.frames.short", "expect.embedding_linear", "expect.block.8", "expect.sentence"]
    {
        assert!(said.contains(part), "{part} is compared: {said}");
    }
}

#[test]
fn a_wrong_number_fails() {
    let work = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(root().join("tests/fixtures/swin_v2_tiny.safetensors")).unwrap();
    let at = expected_tensor(&bytes, "expect.pooled");
    bytes[at..at + 4].copy_from_slice(&1000.0f32.to_le_bytes());
    let file = work.path().join("wrong.safetensors");
    std::fs::write(&file, bytes).unwrap();
    let done = copl().arg("parity").arg(&file).output().unwrap();
    assert_eq!(done.status.code(), Some(10), "{}", text(&done));
    assert!(text(&done).contains("FAIL expect.pooled"), "{}", text(&done));
}

/// Offset of a tensor's first byte in a safetensors file.
fn expected_tensor(bytes: &[u8], name: &str) -> usize {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    8 + length + header[name]["data_offsets"][0].as_u64().unwrap() as usize
}
