//! Weights in safetensors: the input is the whole file.

#![no_main]

use candle_core::Device;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    copl_fuzz::in_folder(|folder| {
        let path = folder.join("w.safetensors");
        std::fs::write(&path, bytes).expect("room");
        if let Ok(contents) = copl_networks::weights::contents(&path) {
            let numbers: usize = contents.shapes.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
            // The smallest type has half a byte a number.
            assert!(numbers <= bytes.len() * 2, "{numbers} numbers in {} bytes", bytes.len());
        }
        drop(copl_networks::tensor_file::read_tensors(&path, &Device::Cpu));
    });
});
