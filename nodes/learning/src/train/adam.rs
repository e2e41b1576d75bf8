//! Adam (Kingma and Ba 2015) as PyTorch computes it, with one learning rate for the head and one for everything else.
//!
//! Its state can be read and written, so that a run resumed from a checkpoint takes the same steps, bit for bit.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use copl_networks::Result;
use copl_networks::kernels::{AdamStep, Execution};
use copl_networks::weights::{Init, TensorSpec, check_names};
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::parameters::{Gradients, Parameters};

const FIRST: &str = "first_moment.";
const SECOND: &str = "second_moment.";
const STEPS: &str = "steps";

/// Settings of the optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Learning rate of prompts and all that is not the head.
    pub lr_prompts: f64,
    /// Learning rate of the head.
    pub lr_head: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// How both rates change.
    pub schedule: Schedule,
}

impl Default for AdamConfig {
    /// The paper's rates for AVE.
    fn default() -> Self {
        Self { lr_prompts: 1e-3, lr_head: 1e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, schedule: Schedule::Constant }
    }
}

struct Moments {
    shape: Vec<usize>,
    head: bool,
    first: Tensor,
    second: Tensor,
    /// Steps this parameter has taken: one without a gradient takes none.
    steps: u64,
}

/// The optimizer and its state.
pub struct Adam {
    config: AdamConfig,
    moments: BTreeMap<String, Moments>,
    steps: u64,
    device: Device,
}

impl Adam {
    /// With moments of zero.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn new(config: AdamConfig, parameters: &Parameters) -> Result<Self> {
        let mut moments = BTreeMap::new();
        let mut device = Device::Cpu;
        for spec in parameters.specs() {
            if let Some(var) = parameters.var(&spec.tensor.name) {
                let zero = var.as_detached_tensor().zeros_like()?;
                device = var.device().clone();
                let entry = Moments {
                    shape: spec.tensor.shape.clone(),
                    head: spec.group.is_head(),
                    first: zero.clone(),
                    second: zero,
                    steps: 0,
                };
                moments.insert(spec.tensor.name.clone(), entry);
            }
        }
        Ok(Self { config, moments, steps: 0, device })
    }

    /// Moves every parameter that has a gradient; `epoch` (from 0) is the schedule's.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn step(&mut self, parameters: &Parameters, gradients: &Gradients, epoch: u64) -> Result<()> {
        let (lr_prompts, lr_head) = self.learning_rates(epoch);
        let AdamConfig { beta1, beta2, eps, .. } = self.config;
        for (name, gradient) in gradients.iter() {
            let (Some(var), Some(moments)) = (parameters.var(name), self.moments.get_mut(name)) else { continue };
            moments.steps += 1;
            let correction = |beta: f64| 1.0 - beta.powi(moments.steps.min(i32::MAX as u64) as i32);
            let lr = if moments.head { lr_head } else { lr_prompts };
            let step = AdamStep {
                beta1,
                beta2,
                epsilon: eps,
                rate: lr / correction(beta1),
                second_correction: correction(beta2).sqrt(),
            };
            let old = [&moments.first, &moments.second];
            [moments.first, moments.second] = Execution::on(&self.device).adam(var, old, gradient, &step)?;
        }
        self.steps += 1;
        Ok(())
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Learning rates (prompts, head) of the next step.
    pub fn learning_rates(&self, epoch: u64) -> (f64, f64) {
        let factor = self.config.schedule.factor(self.steps, epoch);
        (self.config.lr_prompts * factor, self.config.lr_head * factor)
    }

    /// The settings.
    pub fn config(&self) -> &AdamConfig {
        &self.config
    }

    /// Moments and step counts as tensors.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let count = |steps: u64| Tensor::new(&[steps as i64], &self.device);
        let mut state = BTreeMap::from([(STEPS.to_string(), count(self.steps)?)]);
        for (name, moments) in &self.moments {
            state.insert(format!("{FIRST}{name}"), moments.first.clone());
            state.insert(format!("{SECOND}{name}"), moments.second.clone());
            state.insert(format!("{STEPS}.{name}"), count(moments.steps)?);
        }
        Ok(state)
    }

    /// Takes over a state that [`Self::state`] gave for the same parameters.
    ///
    /// # Errors
    /// Lists everything missing, unexpected or mis-shaped.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let spec = |name: String, shape: &[usize]| TensorSpec::new(name, shape, Init::Constant(0.0));
        let mut expected = vec![spec(STEPS.to_string(), &[1])];
        for (name, moments) in &self.moments {
            expected.push(spec(format!("{FIRST}{name}"), &moments.shape));
            expected.push(spec(format!("{SECOND}{name}"), &moments.shape));
            expected.push(spec(format!("{STEPS}.{name}"), &[1]));
        }
        check_names("optimizer state", state.iter().map(|(name, t)| (name.as_str(), t.dims())), &expected)?;
        let count = |name: &str| -> Result<u64> {
            Ok(match state.get(name) {
                Some(tensor) => tensor.to_vec1::<i64>()?.first().copied().unwrap_or(0).max(0) as u64,
                None => 0,
            })
        };
        self.steps = count(STEPS)?;
        for (name, moments) in &mut self.moments {
            if let (Some(first), Some(second)) =
                (state.get(&format!("{FIRST}{name}")), state.get(&format!("{SECOND}{name}")))
            {
                moments.first = first.to_device(&self.device)?;
                moments.second = second.to_device(&self.device)?;
            }
            moments.steps = count(&format!("{STEPS}.{name}"))?;
        }
        Ok(())
    }
}
