//! Checkpoints that PyTorch wrote (tests/fixtures/checkpoints, with the script that made them), and pickles made by hand
//! that mean harm.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::io::Write;

use super::*;
use crate::weights::contents;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

fn values(file: &mut PickleFile, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = file.load(name, &Device::Cpu).unwrap();
    (tensor.dims().to_vec(), tensor.flatten_all().unwrap().to_vec1().unwrap())
}

fn refused(path: &Path) -> String {
    match PickleFile::open(path) {
        Ok(file) => panic!("{:?}", file.tensors),
        Err(error) => error.to_string(),
    }
}

/// An archive with this pickle and one storage of eight bytes.
fn archive(pickle: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("w/data.pkl", pickle), ("w/data/0", &[0; 8])] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    (folder, path)
}

/// `{"a": tensor}` of float32, with a storage of so many numbers.
fn one_tensor(numbers: u32, offset: u32, shape: u32, stride: u32) -> Vec<u8> {
    let mut bytes = b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    bytes.extend(b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ");
    bytes.extend(numbers.to_le_bytes());
    bytes.extend(b"tQJ");
    bytes.extend(offset.to_le_bytes());
    for size in [shape, stride] {
        bytes.extend(b"J");
        bytes.extend(size.to_le_bytes());
        bytes.extend(b"\x85");
    }
    bytes.extend(b"\x89}tRs.");
    bytes
}

#[test]
fn every_kind_of_number_and_view_is_read() {
    for name in ["kinds.pth", "protocol4.pth"] {
        let mut file = PickleFile::open(&fixture(name)).unwrap();
        let mut read = |name: &str| values(&mut file, name);
        assert_eq!(read("f32"), (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(read("f64").1[1], 1.0 / 3.0);
        assert_eq!(read("f16").1, [0.0, 0.5, 1.0]);
        assert_eq!(read("bf16").1, [0.0, 0.5, 1.0]);
        assert_eq!(read("i64").1, [-2.0, -1.0, 0.0, 1.0]);
        assert_eq!(read("i32").1, [-2.0, -1.0, 0.0, 1.0]);
        assert_eq!(read("u8").1, [253.0, 254.0, 255.0]);
        assert_eq!(read("bool").1, [1.0, 0.0]);
        assert_eq!(read("part"), (vec![2, 3], vec![3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
        assert_eq!(read("column"), (vec![4], vec![1.0, 4.0, 7.0, 10.0]));
        assert_eq!(read("transposed"), (vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(read("scalar"), (vec![], vec![2.5]));
        assert_eq!(read("parameter"), (vec![2], vec![0.0, 1.0]));
        assert_eq!(file.shapes().len(), 13);
    }
}

#[test]
fn tensors_are_found_among_all_the_rest() {
    let found = contents(&fixture("lightning.ckpt")).unwrap();
    assert_eq!(found.keys, ["state_dict"]);
    assert_eq!(
        found.shapes,
        [("sed_model.norm.bias".to_owned(), vec![4]), ("sed_model.norm.weight".to_owned(), vec![4])]
    );
    assert_eq!(contents(&fixture("nested.pth")).unwrap().keys, ["model", "state_dict"]);
}

#[test]
fn a_file_without_tensors_says_what_it_holds() {
    let said = refused(&fixture("no-tensors.pth"));
    assert!(said.contains("under state_dict, model, net"), "{said}");
    assert!(said.contains("found: epoch (number), args (dictionary of 1), names (list of 1)"), "{said}");
}

#[test]
fn formats_that_are_not_read_say_how_to_convert() {
    let said = contents(&fixture("before-1.6.pth")).unwrap_err().to_string();
    assert!(said.contains("PyTorch before 1.6") && said.contains("torch.save("), "{said}");
    let said = refused(&fixture("script.pt"));
    assert!(said.contains("TorchScript") && said.contains("torch.jit.load"), "{said}");
}

#[test]
fn code_is_not_run_and_the_file_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("ran");
    let command = format!("touch {}", trace.display());
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let calls: Vec<(&str, Vec<u8>)> = vec![
        ("posix.system", [b"\x80\x02cposix\nsystem\n", &text(&command)[..], b"\x85R."].concat()),
        ("builtins.eval", [b"\x80\x02cbuiltins\neval\n", &text("1")[..], b"\x85R."].concat()),
        (
            "os.system",
            [b"\x80\x04", &text("os")[..], &text("system")[..], b"\x93", &text(&command)[..], b"\x85R."].concat(),
        ),
        ("subprocess.Popen", [b"\x80\x02csubprocess\nPopen\n", &text(&command)[..], b"\x85\x81."].concat()),
        // Hidden beside real weights.
        ("posix.system", [b"\x80\x02}", &text("x")[..], b"cposix\nsystem\n", &text(&command)[..], b"\x85Rs."].concat()),
        ("opcode INST", [b"\x80\x02(", &text(&command)[..], b"iposix\nsystem\n."].concat()),
        ("the result of another call", b"\x80\x02ctorch\nSize\n)R)R.".to_vec()),
        ("torch.load", b"\x80\x02ctorch\nload\n)R.".to_vec()),
    ];
    for (name, pickle) in calls {
        let (_folder, path) = archive(&pickle);
        let said = refused(&path);
        assert!(said.contains(name) && said.contains("nothing was run, and the file is refused"), "{said}");
        assert!(!trace.exists(), "{name} ran");
    }
}

#[test]
fn sizes_that_are_not_there_are_refused() {
    let ok = archive(&one_tensor(2, 0, 2, 1));
    assert_eq!(values(&mut PickleFile::open(&ok.1).unwrap(), "a"), (vec![2], vec![0.0, 0.0]));
    for (pickle, reason) in [
        (one_tensor(2, 1, 2, 1), "reaches beyond the 2 numbers stored"),
        (one_tensor(2, 0, 2, 0x7fff_ffff), "reaches beyond the 2 numbers stored"),
        (one_tensor(2, 0, 0x7fff_ffff, 0), "claims more numbers than the 2 stored"),
        (one_tensor(2, 0x8000_0000, 2, 1), "a size of -2147483648"),
    ] {
        let (_folder, path) = archive(&pickle);
        let said = refused(&path);
        assert!(said.contains(reason), "{said}");
    }
    // A storage of two gigabytes in an entry of eight bytes: nothing is allocated for it.
    let (_folder, path) = archive(&one_tensor(0x7fff_ffff, 0, 0x7fff_ffff, 1));
    let said = PickleFile::open(&path).unwrap().load("a", &Device::Cpu).unwrap_err().to_string();
    assert!(said.contains("w/data/0 has 8 bytes, its description says 8589934588"), "{said}");
    assert!(refused(&fixture("expanded.pth")).contains("shape [1099511627776] claims more numbers than the 1 stored"));
}

#[test]
fn a_pickle_that_doubles_itself_takes_no_room() {
    // Each step makes a pair of the pair before: 2^200 values if they were copied.
    let mut pickle = b"\x80\x02)q\0".to_vec();
    for _ in 0..200 {
        pickle.extend(b"h\0h\0\x86q\0");
    }
    pickle.push(b'.');
    let (_folder, path) = archive(&pickle);
    assert!(refused(&path).contains("no dictionary of tensors: its top is list of 2"));
}

#[test]
fn broken_pickles_say_where() {
    for (pickle, reason) in [
        (&b"\x80\x02"[..], "at byte 2: 1 bytes are wanted, 0 are left"),
        (b"\x80\x02X\xff\xff\xff\xffa.", "4294967295 bytes are wanted, 2 are left"),
        (b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "bytes are wanted"),
        (b"\x80\x02u.", "no mark is open"),
        (b"\x80\x02(R.", "no value is left"),
        (b"\x80\x02K\x01K\x02s.", "no value is left"),
        (b"\x80\x02K\x01)b.", "state for a value that has none"),
        (b"\x80\x02h\x07.", "nothing was kept"),
        (b"\x80\x02}(K\x01u.", "a key without value"),
        (b"\x80\x02\xff.", "opcode 0xff"),
        (b"\x80\x02cposix\n", "a line without end"),
    ] {
        let (_folder, path) = archive(pickle);
        let said = refused(&path);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn other_archives_are_no_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    std::fs::write(&path, b"PK\x03\x04 and no more").unwrap();
    assert!(PickleFile::open(&path).is_err());
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    zip.start_file(
        "readme.txt",
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
    )
    .unwrap();
    zip.finish().unwrap();
    assert!(refused(&path).contains("without data.pkl"));
}
