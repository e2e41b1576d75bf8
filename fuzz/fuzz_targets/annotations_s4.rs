//! AVSBench-S4: the input is s4_meta_data.csv.

#![no_main]

use copl_datasets::{ReadOptions, avs_s4};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    copl_fuzz::in_folder(|root| {
        std::fs::write(root.join("s4_meta_data.csv"), bytes).expect("room");
        copl_fuzz::assert_inside(avs_s4::read(root, &[], &ReadOptions::default()));
    });
});
