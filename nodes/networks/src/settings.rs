//! Encoders, precision and stages as settings of a node.

use std::str::FromStr;

use candle_core::{DType, Device};
use copl_contract::settings::SettingValue;

use crate::encoders;
use crate::kernels::{Execution, Stages};

/// The word in the place of an audio encoder's name that makes both modalities use one encoder.
pub const SHARED: &str = "shared";

/// The word in the place of an encoder's name for an encoder in a node of its own.
pub const NODE: &str = "node";

impl SettingValue for Stages {
    const TYPE: &'static str = "none, all or numbers of stages";
    fn parse(text: &str) -> Result<Self, String> {
        Self::from_str(text)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

copl_contract::choice! {
    /// Precision of matrix products.
    pub enum Precision { F32 = "f32", Bf16 = "bf16", F16 = "f16" }
}

impl Precision {
    /// The tensors' type.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

/// Name of an encoder preset, `shared` or `node`.
#[derive(Clone, Debug)]
pub struct EncoderName(pub String);

impl SettingValue for EncoderName {
    const TYPE: &'static str = "encoder";
    fn parse(text: &str) -> Result<Self, String> {
        if [SHARED, NODE].contains(&text) || encoders::preset(text).is_ok() {
            return Ok(Self(text.to_owned()));
        }
        let presets = encoders::presets();
        let names =
            presets.iter().flat_map(|p| std::iter::once(p.name.as_str()).chain(p.aliases.iter().map(String::as_str)));
        Err(match copl_contract::settings::nearest(text, names) {
            Some(near) => format!("there is no encoder `{text}`; did you mean {near}?"),
            None => {
                let known: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
                format!("there is no encoder `{text}`; known: {}", known.join(", "))
            }
        })
    }
    fn show(&self) -> String {
        self.0.clone()
    }
}

/// How encoders are computed on a device.
///
/// # Errors
/// If the device has no such precision.
pub fn compute(precision: Precision, stages: Stages, device: &Device) -> Result<(Execution, DType), String> {
    let dtype = precision.dtype();
    if dtype != DType::F32 && device.is_cpu() {
        return Err(format!("DTYPE {} needs a GPU; set DTYPE to f32, or DEVICE to cuda:N", precision.show()));
    }
    Ok((Execution::on(device).recomputing(stages), dtype))
}
