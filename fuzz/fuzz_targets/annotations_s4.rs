//! AVSBench-S4: the input is s4_meta_data.csv.

#![no_main]

use copl_datasets::avsbench::{self, Subset};
use copl_datasets::ReadOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    copl_fuzz::in_folder(|root| {
        std::fs::write(root.join("s4_meta_data.csv"), bytes).expect("room");
        copl_fuzz::assert_inside(avsbench::read(root, Subset::S4, &[], &ReadOptions::default()));
    });
});
