//! How arithmetic is carried out: which operations, and which stages of a frozen encoder forget their activations.
//!
//! Chosen once, where the device is known; encoders, heads and methods hold the choice and ask nothing of a tensor's
//! device.

use std::ops::Deref;

use candle_core::Device;

use super::backend::Backend;
use super::backend::cpu::Cpu;
use super::backend::plain::Plain;
use super::stages::Stages;

/// How arithmetic is carried out. It is used as the [`Backend`] it holds: `execution.linear(x, weight, bias)`.
#[derive(Debug, Clone, Copy)]
pub struct Execution {
    backend: &'static dyn Backend,
    /// Stages whose frozen blocks forget their activations.
    recomputed: Stages,
}

impl Execution {
    /// The fused operations of the CPU, for tensors there and nowhere else.
    pub const CPU: Self = Self { backend: &Cpu, recomputed: Stages::NONE };

    /// The plain compositions, on any device: what there is where no operation is fused, and the oracle.
    pub const PLAIN: Self = Self { backend: &Plain, recomputed: Stages::NONE };

    /// The fastest there is for tensors on a device. The one place that asks which device it is.
    pub fn on(device: &Device) -> Self {
        match device {
            Device::Cpu => Self::CPU,
            Device::Cuda(_) | Device::Metal(_) => Self::PLAIN,
        }
    }

    /// The same, but the frozen blocks of these stages forget their activations and compute them again in the backward
    /// pass: about a tenth of the memory, half as much time again, the same results bit for bit. Blocks that are no
    /// operations of their own keep what they always keep.
    pub fn recomputing(self, stages: Stages) -> Self {
        Self { recomputed: stages, ..self }
    }

    /// True if a stage's blocks are to forget their activations.
    pub(crate) fn recomputes(self, stage: usize) -> bool {
        self.recomputed.contains(stage)
    }
}

impl Deref for Execution {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        self.backend
    }
}
