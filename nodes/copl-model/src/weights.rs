//! Named weights: what an encoder expects, and where it comes from.
//!
//! Files are safetensors, mapped into memory and read strictly: missing, unexpected and mis-shaped tensors are listed
//! and refused together. Weights are never random unless a user says `random`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use crate::error::{Error, NameMismatch, Result, bad_file, io};
use crate::train::random;

/// How a tensor starts when it is not loaded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every number the same.
    Constant(f64),
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(-bound, bound).
    Uniform {
        /// Largest magnitude.
        bound: f64,
    },
}

/// Name, shape and start of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    /// Its full name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}

impl TensorSpec {
    /// A specification.
    pub fn new(name: impl Into<String>, shape: &[usize], init: Init) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), init }
    }

    /// Numbers in the tensor.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensor at its start: a pure function of (seed, purpose, name).
    ///
    /// # Errors
    /// If the device refuses.
    pub fn initial(&self, seed: u64, purpose: &str, device: &Device) -> Result<Tensor> {
        let mut stream = random::Stream::new(seed, &format!("{purpose}/{}", self.name));
        let values: Vec<f32> = match self.init {
            Init::Constant(value) => vec![value as f32; self.count()],
            Init::Normal { std } => (0..self.count()).map(|_| (stream.normal() * std) as f32).collect(),
            Init::Uniform { bound } => (0..self.count()).map(|_| (stream.uniform(-bound, bound)) as f32).collect(),
        };
        Ok(Tensor::from_vec(values, self.shape.as_slice(), device)?)
    }
}

/// Tensors by name.
#[derive(Debug, Clone, Default)]
pub struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    /// The tensor of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        self.0.get(name).cloned().ok_or_else(|| {
            NameMismatch { origin: "weights".to_string(), missing: vec![name.to_string()], ..Default::default() }.into()
        })
    }

    /// Takes the tensor of this name out, so that its memory can be given back once it has been copied elsewhere.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        let tensor = self.get(name)?;
        self.0.remove(name);
        Ok(tensor)
    }

    /// Takes the tensors `name.weight` and `name.bias` out.
    ///
    /// # Errors
    /// If one is absent.
    pub fn take_pair(&mut self, name: &str) -> Result<(Tensor, Tensor)> {
        Ok((self.take(&format!("{name}.weight"))?, self.take(&format!("{name}.bias"))?))
    }

    /// True if some tensor takes part in a graph.
    pub fn tracked(&self) -> bool {
        self.0.values().any(Tensor::track_op)
    }

    /// All names and tensors, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// All names and tensors, by name.
    pub fn into_map(self) -> BTreeMap<String, Tensor> {
        self.0
    }

    /// The same with the weights of linear layers in another precision, so that their products are computed in it; norms,
    /// biases and position tables stay as they are.
    ///
    /// # Errors
    /// If the device does not have that precision.
    pub fn with_products_in(self, dtype: DType) -> Result<Self> {
        let product = |name: &str, t: &Tensor| name.ends_with(".weight") && t.rank() >= 2 && !name.contains("cpb_mlp");
        let all = self.0.into_iter();
        all.map(|(name, t)| if product(&name, &t) { Ok((name, t.to_dtype(dtype)?)) } else { Ok((name, t)) }).collect()
    }

    /// Initial tensors of a specification.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn initial(specs: &[TensorSpec], seed: u64, purpose: &str, device: &Device) -> Result<Self> {
        specs.iter().map(|spec| Ok((spec.name.clone(), spec.initial(seed, purpose, device)?))).collect()
    }
}

impl FromIterator<(String, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// Compares names and shapes with what is expected.
///
/// # Errors
/// Lists everything missing, unexpected or mis-shaped.
pub fn check_names<'a>(
    origin: &str,
    found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    expected: &[TensorSpec],
) -> Result<()> {
    let found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let known: BTreeMap<&str, &[usize]> = expected.iter().map(|s| (s.name.as_str(), s.shape.as_slice())).collect();
    let mut mismatch = NameMismatch { origin: origin.to_string(), ..Default::default() };
    for (name, shape) in &known {
        match found.get(name) {
            None => mismatch.missing.push((*name).to_string()),
            Some(other) if other != shape => {
                mismatch.misshaped.push(format!("{name}: {other:?}, expected {shape:?}"));
            }
            Some(_) => {}
        }
    }
    mismatch.unexpected = found.keys().filter(|name| !known.contains_key(*name)).map(|n| (*n).to_string()).collect();
    if mismatch.is_empty() { Ok(()) } else { Err(mismatch.into()) }
}

/// What a stored name means.
pub enum Stored {
    /// A tensor to read, under this name.
    Keep(String),
    /// No weight; skipped.
    Ignore,
}

/// Reads a safetensors file as `f32` tensors that match `expected` exactly. `rename` says what each stored name means.
///
/// # Errors
/// If the file cannot be read, or its tensors differ from the expected.
pub fn read_strict(
    path: &Path,
    expected: &[TensorSpec],
    rename: impl Fn(&str, &[&str]) -> Stored,
    device: &Device,
) -> Result<Tensors> {
    std::fs::metadata(path).map_err(io(path))?;
    // SAFETY: the map is read and dropped within this call; a file that another program cuts short meanwhile would be a
    // fault of the system's, as with any mapped file.
    let file = unsafe { MmapedSafetensors::new(path) }.map_err(bad_file(path))?;
    let views = file.tensors();
    let all: Vec<&str> = views.iter().map(|(name, _)| name.as_str()).collect();
    let mut kept: Vec<(String, &str)> = Vec::new();
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    for (stored, view) in &views {
        if let Stored::Keep(name) = rename(stored, &all) {
            shapes.push((name.clone(), view.shape().to_vec()));
            kept.push((name, stored));
        }
    }
    let found = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
    check_names(&path.display().to_string(), found, expected)?;
    kept.into_iter()
        .map(|(name, stored)| Ok((name, file.load(stored, device)?.to_dtype(DType::F32)?)))
        .collect::<Result<Tensors>>()
}

/// As [`read_strict`], from bytes inside the program.
///
/// # Errors
/// If the bytes are no safetensors, or their tensors differ from the expected.
pub fn read_embedded(origin: &str, bytes: &[u8], expected: &[TensorSpec], device: &Device) -> Result<Tensors> {
    let path = Path::new(origin);
    let tensors = candle_core::safetensors::load_buffer(bytes, device).map_err(bad_file(path))?;
    check_names(origin, tensors.iter().map(|(name, t)| (name.as_str(), t.dims())), expected)?;
    tensors.into_iter().map(|(name, t)| Ok((name, t.to_dtype(DType::F32)?))).collect()
}

/// Where an encoder's weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightSource {
    /// A file.
    File(PathBuf),
    /// Bytes inside the program.
    Embedded(&'static [u8]),
    /// Random numbers from the model's seed, because a user asked for them.
    Random,
}

impl WeightSource {
    /// The source a setting names: nothing, `random`, or a path.
    ///
    /// # Errors
    /// If nothing is named and the program holds no weights of this preset.
    pub fn resolve(preset: &str, setting: Option<&str>) -> Result<Self> {
        match setting {
            Some("random") => Ok(Self::Random),
            Some(path) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => match embedded(preset) {
                Some(bytes) => Ok(Self::Embedded(bytes)),
                None => Err(Error::NoWeights { preset: preset.to_string() }),
            },
        }
    }

    /// Hexadecimal SHA-256 of the weights' bytes, or `random:SEED`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn fingerprint(&self, seed: u64) -> Result<String> {
        match self {
            Self::File(path) => sha256_of_file(path),
            Self::Embedded(bytes) => Ok(hexadecimal(&Sha256::digest(bytes))),
            Self::Random => Ok(format!("random:{seed}")),
        }
    }
}

/// The weights that ship inside the program, by preset.
const EMBEDDED: &[(&str, &[u8])] = &[("swin-v2-nano", include_bytes!("../weights/swin-v2-nano.safetensors"))];

fn embedded(preset: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|(name, _)| *name == preset).map(|(_, bytes)| *bytes)
}

/// Hexadecimal SHA-256 of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(io(path))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(io(path))?;
    Ok(hexadecimal(&hash.finalize()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::preset;
    use crate::train::checkpoint::write_tensors;

    fn file(folder: &Path, tensors: BTreeMap<String, Tensor>) -> PathBuf {
        let path = folder.join("weights.safetensors");
        write_tensors(&path, &tensors, &BTreeMap::new()).unwrap();
        path
    }

    #[test]
    fn everything_wrong_with_a_file_is_listed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let nano = preset("swin-v2-nano").unwrap();
        let mut tensors = nano.weights(&WeightSource::Random, 0, &Device::Cpu).unwrap().into_map();
        tensors.remove("norm.bias");
        tensors.insert("norm.weight".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
        tensors.insert("surprise".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
        let error = nano.read(&file(folder.path(), tensors), &Device::Cpu).unwrap_err();
        let Error::Names(mismatch) = error else { panic!("{error}") };
        assert_eq!(mismatch.missing, ["norm.bias"]);
        assert_eq!(mismatch.unexpected, ["surprise"]);
        assert_eq!(mismatch.misshaped, ["norm.weight: [3], expected [192]"]);
    }

    #[test]
    fn heads_and_tables_are_ignored_and_old_names_understood() {
        let folder = tempfile::tempdir().unwrap();
        let nano = preset("swin-v2-nano").unwrap();
        let tensors = nano.weights(&WeightSource::Random, 0, &Device::Cpu).unwrap().into_map();
        let old = |name: &str| match name.strip_prefix("layers.") {
            Some(rest) if rest.contains(".downsample.") => {
                let (stage, rest) = rest.split_once('.').unwrap();
                format!("layers.{}.{rest}", stage.parse::<usize>().unwrap() - 1)
            }
            _ => name.to_string(),
        };
        let mut stored: BTreeMap<String, Tensor> = tensors.iter().map(|(name, t)| (old(name), t.clone())).collect();
        for extra in [
            "head.fc.weight",
            "head.bias",
            "layers.0.blocks.1.attn_mask",
            "layers.0.blocks.0.attn.relative_position_index",
        ] {
            stored.insert(extra.into(), Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap());
        }
        let read = nano.read(&file(folder.path(), stored), &Device::Cpu).unwrap().into_map();
        assert_eq!(read.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
        let name = "layers.2.downsample.reduction.weight";
        assert_eq!(read[name].to_vec2::<f32>().unwrap(), tensors[name].to_vec2::<f32>().unwrap());
    }

    #[test]
    fn weights_inside_the_program_are_whole() {
        for (name, _) in EMBEDDED {
            let source = WeightSource::resolve(name, None).unwrap();
            let weights = preset(name).unwrap().weights(&source, 0, &Device::Cpu).unwrap();
            for (name, tensor) in weights.iter() {
                let sum = tensor.sum_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(sum.is_finite(), "{name}");
            }
        }
    }

    #[test]
    fn weights_are_never_random_unasked() {
        assert!(matches!(WeightSource::resolve("swin-v2-large-window12-192", None), Err(Error::NoWeights { .. })));
        assert_eq!(WeightSource::resolve("swin-v2-nano", Some("random")).unwrap(), WeightSource::Random);
        let path = WeightSource::resolve("swin-v2-nano", Some("a/b.safetensors")).unwrap();
        assert_eq!(path, WeightSource::File(PathBuf::from("a/b.safetensors")));
        assert!(matches!(path.fingerprint(0), Err(Error::Io { .. })));
    }
}
