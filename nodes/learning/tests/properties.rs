//! What is written comes back with the same bits: tensors of any value, and an optimizer's state.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use copl_learning::config::ModelConfig;
use copl_learning::methods::linear_probe::LinearProbe;
use copl_learning::model::Model;
use copl_learning::train::{Adam, AdamConfig};
use copl_networks::tensor_file::{read_tensors, write_tensors};
use copl_testing::mutate::runner;
use proptest::prelude::*;

/// Bits of numbers: any, infinities, NaN and what lies below the smallest normal among them.
fn bits() -> impl Strategy<Value = Vec<u32>> {
    let special = prop::sample::select(vec![0, 1, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0001, 0x7f7f_ffff]);
    prop::collection::vec(prop_oneof![3 => any::<u32>(), 1 => special], 0..40)
}

fn bits_of(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn tensors_come_back_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let names = prop::collection::btree_map("[a-zA-Z0-9._ /\u{e9}]{0,20}", (bits(), any::<bool>()), 0..6);
    let metadata = prop::collection::btree_map("[a-z]{0,8}", "\\PC{0,20}", 0..3);
    runner(300)
        .run(&(names, metadata, prop::collection::vec(any::<i64>(), 0..5)), |(floats, metadata, whole)| {
            let mut tensors = BTreeMap::new();
            for (name, (bits, is_matrix)) in &floats {
                let values: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
                let count = values.len();
                let shape = if *is_matrix && count.is_multiple_of(2) { vec![2, count / 2] } else { vec![count] };
                tensors.insert(name.clone(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
            }
            tensors.insert("~whole".to_owned(), Tensor::from_vec(whole.clone(), whole.len(), &Device::Cpu).unwrap());
            write_tensors(&path, &tensors, &metadata).unwrap();
            let (read, told) = read_tensors(&path, &Device::Cpu).unwrap();
            prop_assert_eq!(told, metadata);
            prop_assert_eq!(read.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
            for (name, (bits, _)) in &floats {
                prop_assert_eq!(&bits_of(&read[name]), bits);
                prop_assert_eq!(read[name].dims(), tensors[name].dims());
            }
            prop_assert_eq!(read["~whole"].to_vec1::<i64>().unwrap(), whole);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_optimizer_takes_its_state_back_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moments.safetensors");
    let config = ModelConfig {
        method: LinearProbe.into(),
        segments: 2,
        classes: 3,
        visual_weights: Some("random".to_owned()),
        ..ModelConfig::default()
    };
    let model = Model::build(&config, &Device::Cpu).unwrap();
    let fresh = || Adam::new(AdamConfig::default(), model.parameters()).unwrap();
    let shapes: BTreeMap<String, Tensor> = fresh().state().unwrap();
    runner(60)
        .run(&(prop::collection::vec(any::<u32>(), 64), 0..i64::MAX), |(bits, steps)| {
            // A state of numbers that no training would give.
            let state: BTreeMap<String, Tensor> = shapes
                .iter()
                .map(|(name, tensor)| {
                    let made = if name.starts_with("steps") {
                        Tensor::new(&[steps], &Device::Cpu).unwrap()
                    } else {
                        let values =
                            (0..tensor.elem_count()).map(|i| f32::from_bits(bits[i % 64].rotate_left(i as u32 / 64)));
                        Tensor::from_vec(values.collect::<Vec<_>>(), tensor.dims(), &Device::Cpu).unwrap()
                    };
                    (name.clone(), made)
                })
                .collect();
            write_tensors(&path, &state, &BTreeMap::new()).unwrap();
            let mut adam = fresh();
            adam.load_state(&read_tensors(&path, &Device::Cpu).unwrap().0).unwrap();
            prop_assert_eq!(adam.steps(), steps as u64);
            let again = adam.state().unwrap();
            prop_assert_eq!(again.keys().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
            for (name, tensor) in &state {
                if name.starts_with("steps") {
                    prop_assert_eq!(again[name].to_vec1::<i64>().unwrap(), vec![steps]);
                } else {
                    prop_assert_eq!(bits_of(&again[name]), bits_of(tensor));
                }
            }
            Ok(())
        })
        .unwrap();
}
