//! Weights that somebody else made: whatever the bytes say, they are read or refused, quickly, in bounded memory, and
//! nothing in them runs.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use copl_networks::tensor_file::read_tensors;
use copl_networks::weights::contents;
use copl_testing::mutate;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints")
}

/// An archive as `torch.save` makes it, of this pickle and one storage of eight bytes.
fn archive(path: &Path, pickle: &[u8]) {
    let mut zip = ZipWriter::new(fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in [("w/data.pkl", pickle), ("w/data/0", &[0; 8])] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// The pickle of a checkpoint of PyTorch.
fn pickle_of(file: &Path) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(fs::File::open(file).unwrap()).unwrap();
    let name = archive.file_names().map(|n| n.unwrap().into_owned()).find(|n| n.ends_with("data.pkl")).unwrap();
    let mut bytes = Vec::new();
    std::io::copy(&mut archive.by_name(&name).unwrap(), &mut bytes).unwrap();
    bytes
}

/// Opens a file; if it is taken, reads every tensor of it too.
fn open(path: &Path) -> Result<usize, String> {
    let contents = contents(path).map_err(|e| e.to_string())?;
    let expected: Vec<_> = contents
        .shapes
        .iter()
        .map(|(name, shape)| {
            copl_networks::weights::TensorSpec::new(name.clone(), shape, copl_networks::weights::Init::Constant(0.0))
        })
        .collect();
    let keep = |name: &str, _: &[&str]| copl_networks::weights::Stored::Keep(name.to_owned());
    // Prefixes of wrappers are taken off, so that the names may differ; then it is refused, which is fine.
    copl_networks::weights::read_strict(path, &expected, keep, &candle_core::Device::Cpu).map_err(|e| e.to_string())?;
    Ok(contents.shapes.len())
}

/// Opens it, and refuses to take long.
fn in_time(path: &Path) -> Result<usize, String> {
    let begun = Instant::now();
    let outcome = open(path);
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}: {outcome:?}", begun.elapsed());
    outcome
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

#[test]
fn no_call_that_a_pickle_makes_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, path) = (folder.path().join("ran"), folder.path().join("w.pth"));
    let command = text(&format!("touch {}", trace.display()));
    let call = |name: &str| [b"c".as_slice(), name.replace('.', "\n").as_bytes(), b"\n", &command, b"\x85R"].concat();
    let wrap = |before: &[u8], call: Vec<u8>, after: &[u8]| [b"\x80\x02", before, &call, after, b"."].concat();
    let mut pickles = Vec::new();
    for name in [
        "os.system",
        "posix.system",
        "builtins.eval",
        "builtins.exec",
        "__builtin__.eval",
        "subprocess.call",
        "importlib.import_module",
        "torch.load",
        "torch.jit",
        "numpy.load",
        "operator.attrgetter",
        "pickle.loads",
    ] {
        // Alone; as a key; as a value; as the state of an object; in a tuple of a tuple; kept, dropped and taken up again;
        // as an argument of a constructor of data; and where a tensor's storage should be.
        pickles.push((name, wrap(b"", call(name), b"")));
        pickles.push((name, wrap(b"}", call(name), b"K\x01s")));
        pickles.push((name, wrap(&[b"}".as_slice(), &text("k")].concat(), call(name), b"s")));
        pickles.push((name, wrap(b"ctorch\nSize\n)R", call(name), b"b")));
        pickles.push((name, wrap(b"((", call(name), b"tt")));
        pickles.push((name, wrap(b"", call(name), b"q\x00000h\x00")));
        pickles.push((name, wrap(b"ccollections\nOrderedDict\n", call(name), b"\x85R")));
        pickles.push((name, wrap(b"ctorch._utils\n_rebuild_tensor_v2\n(", call(name), b"QtR")));
    }
    // By the state of a constructor, by the extension registry, by attributes of what may be named.
    pickles.push(("", b"\x80\x02cos\nsystem\n}b.".to_vec()));
    pickles.push(("", b"\x80\x02\x82\x01.".to_vec()));
    pickles.push(("", [b"\x80\x04", &text("os")[..], &text("system")[..], b"\x93", &command, b"\x85R."].concat()));
    pickles.push(("", [b"\x80\x02(", &command[..], b"ios\nsystem\n."].concat()));
    pickles.push(("", [b"\x80\x02(cos\nsystem\n", &command[..], b"o."].concat()));
    for (name, pickle) in pickles {
        archive(&path, &pickle);
        let said = in_time(&path).unwrap_err();
        assert!(said.contains("would run") && said.contains(name), "{name}: {said}");
        assert!(!trace.exists(), "{name} ran: {}", pickle.escape_ascii());
    }
}

#[test]
fn archives_that_unpack_to_more_than_they_are_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.pth");
    // A gigabyte of zeros in a megabyte, where the pickle should be and where numbers should.
    for name in ["w/data.pkl", "w/data/0"] {
        let mut bytes = zip_entry("w/data.pkl", b"\x80\x02}.", 0, 4);
        if name == "w/data.pkl" {
            bytes.clear();
        }
        // A deflated entry whose header states a gigabyte; its data are never looked at.
        bytes.extend(zip_entry(name, &[0x63; 1000], 8, 1 << 30));
        fs::write(&path, finished(bytes)).unwrap();
        let said = in_time(&path).unwrap_err();
        assert!(!said.is_empty());
    }
    // A pickle longer than any is.
    let file = fs::File::create(&path).unwrap();
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("w/data.pkl", options).unwrap();
    for _ in 0..80 {
        zip.write_all(&vec![b'N'; 1 << 20]).unwrap();
    }
    zip.finish().unwrap();
    let said = in_time(&path).unwrap_err();
    assert!(said.contains("w/data.pkl has 83886080 bytes"), "{said}");
}

/// A local header and data of an entry, for archives that no library would write.
fn zip_entry(name: &str, data: &[u8], method: u16, size: u32) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04\x14\0\0\0".to_vec();
    bytes.extend(method.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(name.as_bytes());
    bytes.extend(data);
    bytes
}

/// An archive of such entries with its directory.
fn finished(mut bytes: Vec<u8>) -> Vec<u8> {
    let (mut at, mut directory, mut entries) = (0_usize, Vec::new(), 0_u16);
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let packed = u32::from_le_bytes(bytes[at + 18..at + 22].try_into().unwrap()) as usize;
        let name = u16::from_le_bytes(bytes[at + 26..at + 28].try_into().unwrap()) as usize;
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&bytes[at + 4..at + 30]);
        directory.extend([0; 10]);
        directory.extend((at as u32).to_le_bytes());
        directory.extend(&bytes[at + 30..at + 30 + name]);
        entries += 1;
        at += 30 + name + packed;
        if at >= bytes.len() {
            break;
        }
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn changed_pickles_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let names = ["kinds.pth", "protocol4.pth", "lightning.ckpt", "nested.pth", "expanded.pth", "no-tensors.pth"];
    let seeds: Vec<Vec<u8>> = names.iter().map(|name| pickle_of(&fixtures().join(name))).collect();
    let words = ["cos\nsystem\n", "R", "\u{85}", "(", "tQ", "q\0", "h\0", "}", "u", "s", ".", "X\u{7f}\0\0\0", "b"];
    mutate::each(2500, &seeds, &words, |pickle| {
        archive(&path, pickle);
        if let Err(said) = in_time(&path) {
            assert!(!said.is_empty());
        }
    });
}

#[test]
fn changed_archives_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let seeds: Vec<Vec<u8>> = ["kinds.pth", "nested.pth", "script.pt", "before-1.6.pth"]
        .iter()
        .map(|name| fs::read(fixtures().join(name)).unwrap())
        .collect();
    mutate::each(2500, &seeds, &["PK\u{3}\u{4}", "PK\u{1}\u{2}", "PK\u{5}\u{6}", "data.pkl", "data/0"], |bytes| {
        fs::write(&path, bytes).unwrap();
        if let Err(said) = in_time(&path) {
            assert!(!said.is_empty());
        }
    });
}

#[test]
fn changed_safetensors_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let file = |header: &str, data: usize| {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![1_u8; data]].concat()
    };
    let entry = |name: &str, dtype: &str, shape: &str, start: usize, end: usize| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let seeds = [
        file(&format!("{{{}}}", entry("a", "F32", "[2,3]", 0, 24)), 24),
        file(&format!("{{{},{}}}", entry("a", "BF16", "[2]", 0, 4), entry("b", "I64", "[1]", 4, 12)), 12),
        file(&format!(r#"{{"__metadata__":{{"k":"v"}},{}}}"#, entry("", "U8", "[]", 0, 1)), 1),
        file("{}", 0),
    ];
    let words =
        ["18446744073709551615", "-1", "1e3", "[[", "\"F64\"", "null", "\"BOOL\"", "\"F8_E4M3\"", "[0]", ",", "}"];
    mutate::each(4000, &seeds, &words, |bytes| {
        fs::write(&path, bytes).unwrap();
        if let Err(said) = in_time(&path) {
            assert!(!said.is_empty());
        }
        // Checkpoints of our own are read by another way.
        if let Err(error) = read_tensors(&path, &candle_core::Device::Cpu) {
            assert!(!error.to_string().is_empty());
        }
    });
}
