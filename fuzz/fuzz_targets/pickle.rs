//! Checkpoints of PyTorch: the input is the pickle, in an archive with one storage of eight bytes.

#![no_main]

use std::fs::File;
use std::io::Write;

use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fuzz_target!(|pickle: &[u8]| {
    copl_fuzz::in_folder(|folder| {
        let path = folder.join("w.pth");
        let mut zip = ZipWriter::new(File::create(&path).expect("room"));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, bytes) in [("w/data.pkl", pickle), ("w/data/0", &[0; 8])] {
            zip.start_file(name, options).expect("room");
            zip.write_all(bytes).expect("room");
        }
        zip.finish().expect("room");
        if let Ok(contents) = copl_networks::weights::contents(&path) {
            for (_, shape) in contents.shapes {
                // No tensor has more numbers than its storage, and the pickle alone says how large that is.
                assert!(shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n)).is_some());
            }
        }
    });
});
