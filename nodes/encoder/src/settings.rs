//! Settings of the node.

use candle_core::{DType, Device};
use copl_contract::settings::{Env, Settings};
use copl_networks::encoders::{self, EncoderShape};
use copl_networks::kernels::{Execution, Stages};
use copl_networks::settings::{EncoderName, NODE, Precision, SHARED, compute};

copl_contract::settings! {
    /// Settings of `encoder`.
    pub struct EncoderSettings {
        "ARCH" arch: EncoderName = required, "The encoder, by preset name (`copl nodes describe copl-model` lists them).";
        "WEIGHTS" weights: Option<String> = "", "Its weights: a file (safetensors or PyTorch's), hub:OWNER/NAME/FILE, or `random`; unset for those inside the program or in the hub's cache (`copl weights list`).";
        "SEED" seed: u64 = "0", "Seed of random weights.";
        "DEVICE" device: String = "auto", "cpu, cuda:N, or auto (the first GPU of a cuda build, else the CPU).";
        "DTYPE" dtype: Precision = "f32", "Precision of matrix products; bf16 and f16 need a GPU.";
        "CHECKPOINT_STAGES" checkpoint_stages: Stages = "none", "Stages whose activations are computed again in the backward pass: none, all, or numbers such as 0,1. Less memory, more time, the same bits.";
        "THREADS" threads: Option<usize> = "", "Threads of the arithmetic; all cores if unset.";
    }
}

impl EncoderSettings {
    /// How the encoder is computed on a device.
    ///
    /// # Errors
    /// If the device has no such precision.
    pub(super) fn compute(&self, device: &Device) -> Result<(Execution, DType), String> {
        compute(self.dtype, self.checkpoint_stages, device)
    }
}

/// Messages between two of its answers: one a block, and three more (docs/node-contract.md, "State").
pub(super) fn messages(env: &Env) -> Option<usize> {
    let settings = EncoderSettings::from_env(env).ok()?;
    Some(encoders::preset(&settings.arch.0).ok()?.blocks().len() + 3)
}

/// Checks what single settings cannot say.
pub(super) fn check(env: &Env) -> Result<(), (String, String)> {
    let s = EncoderSettings::from_env(env)?;
    if [SHARED, NODE].contains(&s.arch.0.as_str()) {
        return Err(("ARCH".to_owned(), format!("`{}` is no encoder: name a preset", s.arch.0)));
    }
    if s.threads == Some(0) {
        return Err(("THREADS".to_owned(), "must be at least 1".to_owned()));
    }
    copl_networks::device::parse(&s.device).map(|_| ()).map_err(|e| ("DEVICE".to_owned(), e))
}
