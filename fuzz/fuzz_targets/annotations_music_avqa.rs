//! MUSIC-AVQA: the input is the training file; the other two are lists of nothing.

#![no_main]

use copl_datasets::music_avqa::{self, Edition};
use copl_datasets::{ReadError, ReadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    copl_fuzz::in_folder(|root| {
        std::fs::create_dir_all(root.join("json")).expect("a folder");
        for file in ["avqa-train.json", "avqa-val.json", "avqa-test.json"] {
            std::fs::write(root.join("json").join(file), bytes).expect("room");
        }
        let read: Result<_, ReadError> = music_avqa::read(root, Edition::Original, &ReadOptions::default());
        copl_fuzz::assert_inside(read);
    });
});
