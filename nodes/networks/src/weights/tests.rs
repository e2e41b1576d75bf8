//! Whole encoders from files, strictly; where weights come from.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::source::EMBEDDED;
use super::*;
use crate::encoders::preset;
use crate::error::Error;
use crate::tensor_file::write_tensors;

fn file(folder: &Path, tensors: BTreeMap<String, Tensor>) -> PathBuf {
    let path = folder.join("weights.safetensors");
    write_tensors(&path, &tensors, &BTreeMap::new()).unwrap();
    path
}

#[test]
fn everything_wrong_with_a_file_is_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let nano = preset("swin-v2-nano").unwrap();
    let mut tensors = nano.weights(&WeightSource::Random, 0, &Device::Cpu).unwrap().into_map();
    tensors.remove("norm.bias");
    tensors.insert("norm.weight".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    tensors.insert("surprise".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    let error = nano.read(&file(folder.path(), tensors), &Device::Cpu).unwrap_err();
    let Error::Names(mismatch) = error else { panic!("{error}") };
    assert_eq!(mismatch.missing, ["norm.bias"]);
    assert_eq!(mismatch.unexpected, ["surprise"]);
    assert_eq!(mismatch.misshaped, ["norm.weight: [3], expected [192]"]);
}

#[test]
fn heads_and_tables_are_ignored_and_old_names_understood() {
    let folder = tempfile::tempdir().unwrap();
    let nano = preset("swin-v2-nano").unwrap();
    let tensors = nano.weights(&WeightSource::Random, 0, &Device::Cpu).unwrap().into_map();
    let old = |name: &str| match name.strip_prefix("layers.") {
        Some(rest) if rest.contains(".downsample.") => {
            let (stage, rest) = rest.split_once('.').unwrap();
            format!("layers.{}.{rest}", stage.parse::<usize>().unwrap() - 1)
        }
        _ => name.to_string(),
    };
    let mut stored: BTreeMap<String, Tensor> = tensors.iter().map(|(name, t)| (old(name), t.clone())).collect();
    for extra in
        ["head.fc.weight", "head.bias", "layers.0.blocks.1.attn_mask", "layers.0.blocks.0.attn.relative_position_index"]
    {
        stored.insert(extra.into(), Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap());
    }
    let read = nano.read(&file(folder.path(), stored), &Device::Cpu).unwrap().into_map();
    assert_eq!(read.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
    let name = "layers.2.downsample.reduction.weight";
    assert_eq!(read[name].to_vec2::<f32>().unwrap(), tensors[name].to_vec2::<f32>().unwrap());
}

#[test]
fn weights_inside_the_program_are_whole() {
    for (name, _) in EMBEDDED {
        let source = WeightSource::resolve(name, None).unwrap();
        let weights = preset(name).unwrap().weights(&source, 0, &Device::Cpu).unwrap();
        for (name, tensor) in weights.iter() {
            let sum = tensor.sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(sum.is_finite(), "{name}");
        }
    }
}

fn settings(cache: &Path, offline: bool) -> copl_hub::Settings {
    let mut settings = copl_hub::Settings::from_vars(|_| None, None);
    settings.cache = cache.to_owned();
    settings.offline = offline;
    settings
}

#[test]
fn weights_are_never_random_unasked() {
    let empty = tempfile::tempdir().unwrap();
    let resolve = |preset: &str, setting| WeightSource::resolve_in(&settings(empty.path(), false), preset, setting);
    assert!(matches!(resolve("swin-v2-large-window12-192", None), Err(Error::NoWeights { .. })));
    assert_eq!(resolve("swin-v2-nano", Some("random")).unwrap(), WeightSource::Random);
    let path = resolve("swin-v2-nano", Some("a/b.safetensors")).unwrap();
    assert_eq!(path, WeightSource::File(PathBuf::from("a/b.safetensors")));
    assert!(matches!(path.fingerprint(0), Err(Error::Io { .. })));
}

#[test]
fn absent_weights_name_the_command_that_gets_them() {
    let empty = tempfile::tempdir().unwrap();
    let said = |preset: &str, setting, offline| {
        WeightSource::resolve_in(&settings(empty.path(), offline), preset, setting).unwrap_err().to_string()
    };
    let online = said("swin-v2-large-window12-192", None, false);
    assert!(online.contains("`copl weights pull swin-v2-large-window12-192`"), "{online}");
    assert!(online.contains("timm/swinv2_large_window12_192.ms_in22k, 917 MB, MIT"), "{online}");
    assert!(online.contains("VISUAL_WEIGHTS") && online.contains("random"), "{online}");
    let offline = said("swin-v2-large-window12-192", None, true);
    assert!(offline.contains("HF_HUB_OFFLINE forbids the network"), "{offline}");
    assert!(offline.contains(&empty.path().display().to_string()), "{offline}");
    let by_hand = said("hts-at", None, false);
    assert!(by_hand.contains("HTSAT_AudioSet_Saved_1.ckpt") && by_hand.contains("drive.google.com"), "{by_hand}");
    assert!(said("unheard-of", None, false).contains("name a file"));
    let named = said("swin-v2-nano", Some("hub:a/b/c.safetensors"), false);
    assert!(named.contains("`copl weights pull hub:a/b/c.safetensors`"), "{named}");
    assert!(said("swin-v2-nano", Some("hub:nonsense"), false).contains("hub:OWNER/NAME/FILE"));
}

#[test]
fn what_lies_in_the_cache_of_the_hub_is_found() {
    let cache = tempfile::tempdir().unwrap();
    let repo = cache.path().join("models--timm--swinv2_tiny_window8_256.ms_in1k");
    let snapshot = repo.join("snapshots/abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), "abc").unwrap();
    let file = snapshot.join("model.safetensors");
    let resolve =
        |setting| WeightSource::resolve_in(&settings(cache.path(), true), "swin-v2-tiny-window8-256", setting);
    assert!(resolve(None).is_err());
    std::fs::write(&file, "").unwrap();
    assert_eq!(resolve(None).unwrap(), WeightSource::File(file.clone()));
    let named = resolve(Some("hub:timm/swinv2_tiny_window8_256.ms_in1k/model.safetensors")).unwrap();
    assert_eq!(named, WeightSource::File(file));
}

#[test]
fn checkpoints_of_pytorch_are_read_as_strictly() {
    let checkpoint = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name);
    let spec = |name: &str, length: usize| TensorSpec::new(name, &[length], Init::Constant(0.0));
    let all = [spec("norm.weight", 4), spec("norm.bias", 4)];
    let keep = |name: &str, _: &[&str]| Stored::Keep(name.to_owned());
    // Wrapped as HTS-AT's Lightning module and as DataParallel wrap them.
    for name in ["lightning.ckpt", "nested.pth"] {
        let read = read_strict(&checkpoint(name), &all, keep, &Device::Cpu).unwrap();
        assert_eq!(read.get("norm.weight").unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }
    let other = [spec("norm.weight", 5), spec("head.weight", 4)];
    let Err(Error::Names(lists)) = read_strict(&checkpoint("lightning.ckpt"), &other, keep, &Device::Cpu) else {
        panic!("must be refused")
    };
    assert_eq!(lists.missing, ["head.weight"]);
    assert_eq!(lists.unexpected, ["norm.bias"]);
    assert_eq!(lists.misshaped, ["norm.weight: [4], expected [5]"]);
    assert!(lists.origin.ends_with("lightning.ckpt [state_dict]"), "{}", lists.origin);
}
