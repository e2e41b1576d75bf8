//! A tensor as a pickle describes it.

use candle_core::{DType, Device, Tensor};

/// A tensor as the pickle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Name of its storage's entry.
    pub(super) entry: String,
    /// What a number is.
    pub(super) kind: Kind,
    /// Numbers in the storage.
    pub(super) numbers: usize,
    /// Its first number in the storage.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Steps in the storage, in numbers.
    pub(super) strides: Vec<usize>,
}

/// What a number of a storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float(DType),
    Whole { bytes: usize, signed: bool },
}

impl Kind {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Float(dtype) => dtype.size_in_bytes(),
            Self::Whole { bytes, .. } => bytes,
        }
    }

    /// By the name of PyTorch's storage class.
    pub(super) fn of(class: &str) -> Option<Self> {
        Some(match class {
            "FloatStorage" => Self::Float(DType::F32),
            "DoubleStorage" => Self::Float(DType::F64),
            "HalfStorage" => Self::Float(DType::F16),
            "BFloat16Storage" => Self::Float(DType::BF16),
            "LongStorage" => Self::Whole { bytes: 8, signed: true },
            "IntStorage" => Self::Whole { bytes: 4, signed: true },
            "ShortStorage" => Self::Whole { bytes: 2, signed: true },
            "CharStorage" => Self::Whole { bytes: 1, signed: true },
            "ByteStorage" | "BoolStorage" => Self::Whole { bytes: 1, signed: false },
            _ => return None,
        })
    }

    /// Numbers as `f32`, little-endian.
    pub(super) fn decode(self, bytes: &[u8]) -> candle_core::Result<Vec<f32>> {
        match self {
            Self::Float(dtype) => {
                let count = bytes.len() / self.bytes();
                Tensor::from_raw_buffer(bytes, dtype, &[count], &Device::Cpu)?.to_dtype(DType::F32)?.to_vec1()
            }
            Self::Whole { bytes: width, signed } => Ok(bytes.chunks_exact(width).map(|b| whole(b, signed)).collect()),
        }
    }
}

fn whole(bytes: &[u8], signed: bool) -> f32 {
    let negative = signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(all) as f32
}
