//! Checkpoints on a full disk, and in a process that is killed while it writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::Device;
use copl_learning::config::ModelConfig;
use copl_learning::methods::linear_probe::LinearProbe;
use copl_learning::model::Model;
use copl_learning::train::checkpoint::{card_path, read_adapters, read_card, write_adapters};
use copl_networks::weights::sha256_of_file;
use copl_testing::{disk::SmallDisk, kill};

fn model(seed: u64) -> Model {
    let config = ModelConfig {
        method: LinearProbe.into(),
        segments: 2,
        classes: 900,
        visual_weights: Some("random".to_owned()),
        seed,
        ..ModelConfig::default()
    };
    Model::build(&config, &Device::Cpu).unwrap()
}

fn metrics(value: f64) -> BTreeMap<String, f64> {
    BTreeMap::from([("accuracy".to_owned(), value)])
}

/// All files of a folder by name, with their content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().to_string_lossy().into_owned(), fs::read(e.path()).unwrap())).collect()
}

#[test]
fn a_full_disk_is_named_and_the_checkpoint_before_stays_whole() {
    let (old, new) = (model(1), model(2));
    let trial = tempfile::tempdir().unwrap();
    write_adapters(&trial.path().join("best.safetensors"), &old, &metrics(0.5)).unwrap();
    let tensors = fs::metadata(trial.path().join("best.safetensors")).unwrap().len();
    // From no room at all to room for the tensors but not for their card: wherever it breaks off, the old pair stays.
    for left in [0, tensors as usize / 2, tensors as usize + 1] {
        let Some(disk) = SmallDisk::mount(8 << 20).unwrap() else { return };
        let folder = disk.path().join("checkpoints");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("best.safetensors");
        write_adapters(&path, &old, &metrics(0.5)).unwrap();
        let before = files(&folder);
        disk.fill(left).unwrap();
        let error = write_adapters(&path, &new, &metrics(0.7)).unwrap_err().to_string();
        assert!(error.contains("No space left") && error.contains("best."), "{left}: {error}");
        assert_eq!(files(&folder), before, "{left} bytes were left");
        assert_eq!(read_adapters(&path, &old).unwrap().metrics, metrics(0.5), "{left}");
    }
}

#[test]
fn a_writer_that_is_killed_leaves_whole_files() {
    const NAME: &str = "a_writer_that_is_killed_leaves_whole_files";
    if let Some(folder) = kill::writer() {
        let models = [model(1), model(2)];
        for number in 0.. {
            write_adapters(&folder.join("best.safetensors"), &models[number % 2], &metrics(number as f64)).unwrap();
            kill::ready();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    let models = [model(1), model(2)];
    let mut pairs = 0;
    kill::each(NAME, folder.path(), 30, |time| {
        let card = read_card(&path).unwrap_or_else(|e| panic!("after kill {time} the card is no card: {e}"));
        // Each file is whole; a kill between the two shows in the card, which names its tensors.
        let names: Vec<String> = files(folder.path()).into_keys().filter(|name| !name.starts_with('.')).collect();
        assert_eq!(names, ["best.json", "best.safetensors"], "after kill {time}");
        copl_networks::weights::contents(&path).unwrap_or_else(|e| panic!("after kill {time}: {e}"));
        if sha256_of_file(&path).unwrap() == card.tensors_sha256 {
            read_adapters(&path, &models[card.metrics["accuracy"] as usize % 2]).unwrap();
            pairs += 1;
        } else {
            assert!(read_adapters(&path, &models[0]).is_err(), "a pair that does not belong together was read");
        }
        assert!(card_path(&path).exists());
    });
    assert!(pairs > 0, "no whole pair was ever left");
}
