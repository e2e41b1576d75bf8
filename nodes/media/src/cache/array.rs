//! A decoded clip and its file form.
//!
//! File: `coplarr2`, the length of the header as u32, the header in JSON (dtype, shape, notes, form), the values, and the
//! SHA-256 of all of that. Everything is little-endian, row-major. Pictures, u8 values of shape [.., W, 3], are stored as one
//! PNG, the pictures below each other, where that is smaller: the same bits in about half the bytes. (Packers that know
//! nothing of pictures, LZ4 and Zstandard, take one tenth off; f32 values, whose low bits are noise, gain nothing either.)

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::picture;

const MAGIC: &[u8; 8] = b"coplarr2";
const CHECKSUM: usize = 32;

/// Type of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    U8,
    F32,
}

impl Dtype {
    /// Bytes a value.
    pub fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F32 => 4,
        }
    }
}

/// Values with their shape, and what there is to say about how they were made.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Little-endian, row-major.
    pub bytes: Vec<u8>,
    pub notes: Vec<String>,
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dtype, shape, notes, .. } = self;
        f.debug_struct("Array")
            .field("dtype", dtype)
            .field("shape", shape)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    dtype: Dtype,
    shape: Vec<usize>,
    notes: Vec<String>,
    form: Form,
}

/// How the values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// As they are.
    Plain,
    /// As a PNG.
    Png,
}

impl Array {
    pub fn from_u8(shape: Vec<usize>, bytes: Vec<u8>, notes: Vec<String>) -> Self {
        Self { dtype: Dtype::U8, shape, bytes, notes }
    }

    pub fn from_f32(shape: Vec<usize>, values: &[f32], notes: Vec<String>) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape, bytes, notes }
    }

    /// The values, if they are f32.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        (self.dtype == Dtype::F32).then(|| f32_from_le(&self.bytes))
    }

    pub(super) fn to_file_bytes(&self) -> io::Result<Vec<u8>> {
        let packed = if self.dtype == Dtype::U8 { picture::pack(&self.shape, &self.bytes)? } else { None };
        let (form, values) = match &packed {
            Some(png) if png.len() < self.bytes.len() => (Form::Png, png),
            _ => (Form::Plain, &self.bytes),
        };
        let header = Header { dtype: self.dtype, shape: self.shape.clone(), notes: self.notes.clone(), form };
        let header = serde_json::to_vec(&header)?;
        let length = u32::try_from(header.len()).map_err(io::Error::other)?;
        let mut file = Vec::with_capacity(MAGIC.len() + 4 + header.len() + values.len() + CHECKSUM);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&header);
        file.extend_from_slice(values);
        let checksum = Sha256::digest(&file);
        file.extend_from_slice(&checksum);
        Ok(file)
    }

    /// `None` if anything about the file is not as it was written.
    pub(super) fn from_file_bytes(mut file: Vec<u8>) -> Option<Self> {
        let end = file.len().checked_sub(CHECKSUM)?;
        if Sha256::digest(&file[..end])[..] != file[end..] {
            return None;
        }
        file.truncate(end);
        let rest = file.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let header: Header = serde_json::from_slice(rest.get(..length)?).ok()?;
        let stored = file.split_off(MAGIC.len() + 4 + length);
        let expected = header.shape.iter().try_fold(header.dtype.size(), |size, side| size.checked_mul(*side))?;
        let Header { dtype, shape, notes, form } = header;
        let bytes = match form {
            Form::Plain => stored,
            Form::Png => picture::unpack(&shape, &stored)?,
        };
        (bytes.len() == expected).then_some(Self { dtype, shape, bytes, notes })
    }
}

/// f32 values from little-endian bytes; a part of a value at the end is dropped.
pub fn f32_from_le(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value)).collect()
}
