//! AVE: the input is Annotations.txt, and all of it the training split.

#![no_main]

use copl_datasets::{ReadOptions, ave};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    copl_fuzz::in_folder(|root| {
        for file in ["Annotations.txt", "trainSet.txt"] {
            std::fs::write(root.join(file), bytes).expect("room");
        }
        for file in ["valSet.txt", "testSet.txt"] {
            std::fs::write(root.join(file), "Category&VideoID&Quality&StartTime&EndTime\n").expect("room");
        }
        copl_fuzz::assert_inside(ave::read(root, &ReadOptions::default()));
    });
});
