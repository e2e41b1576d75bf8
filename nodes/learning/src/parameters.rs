//! The trainable tensors of a model, by name, and their gradients.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use copl_networks::weights::{Init, TensorSpec, Tensors, check_names};
use copl_networks::{Error, Result};

/// What a parameter is for: the rows of the parameter table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamGroup {
    /// Words for the table.
    pub label: &'static str,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose parameters are, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The method's own.
    Method,
    /// The map of audio features to the visual width.
    Alignment,
    /// Encoder weights, where a method trains them.
    Encoder,
    /// The maps from an encoder's stages to a decoder, which the paper counts as additional.
    StageMaps,
    /// The task head.
    Head,
}

impl ParamGroup {
    /// The map of audio features to the visual width.
    pub const ALIGNMENT: Self = Self { label: "alignment", owner: Owner::Alignment };
    /// Encoder weights, where a method trains them.
    pub const ENCODER: Self = Self { label: "encoder", owner: Owner::Encoder };
    /// The maps from an encoder's stages to a decoder.
    pub const STAGE_MAPS: Self = Self { label: "stage maps", owner: Owner::StageMaps };
    /// The task head.
    pub const HEAD: Self = Self { label: "head", owner: Owner::Head };

    /// A row of a method's own.
    pub const fn of_method(label: &'static str) -> Self {
        Self { label, owner: Owner::Method }
    }

    /// True for the parameters that learn at the head's rate.
    pub fn is_head(self) -> bool {
        matches!(self.owner, Owner::Head | Owner::StageMaps)
    }
}

/// A trainable tensor: its name, shape, start and group.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSpec {
    /// Name, shape and start.
    pub tensor: TensorSpec,
    /// What it is for.
    pub group: ParamGroup,
}

impl ParamSpec {
    /// A prompt, N(0, 0.02²).
    pub fn prompt(name: String, shape: &[usize], group: ParamGroup) -> Self {
        Self { tensor: TensorSpec::new(name, shape, Init::Normal { std: 0.02 }), group }
    }

    /// Weight and bias of a linear layer, started as PyTorch starts one: U(-1/√in, 1/√in).
    pub fn linear(name: &str, inputs: usize, outputs: usize, bias: bool, group: ParamGroup) -> Vec<Self> {
        let init = Init::Uniform { bound: 1.0 / (inputs.max(1) as f64).sqrt() };
        let weight = TensorSpec::new(format!("{name}.weight"), &[outputs, inputs], init);
        let bias = bias.then(|| TensorSpec::new(format!("{name}.bias"), &[outputs], init));
        std::iter::once(weight).chain(bias).map(|tensor| Self { tensor, group }).collect()
    }
}

/// The trainable tensors of a model, and the running statistics that are stored with them.
pub struct Parameters {
    specs: Vec<ParamSpec>,
    vars: BTreeMap<String, Var>,
    buffer_specs: Vec<TensorSpec>,
    buffers: BTreeMap<String, Var>,
}

impl Parameters {
    /// Starts every parameter and running statistic from `seed`; each depends on the seed and its own name alone.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn initial(specs: Vec<ParamSpec>, buffers: Vec<TensorSpec>, seed: u64, device: &Device) -> Result<Self> {
        let start = |spec: &TensorSpec| {
            let start = spec.initial(seed, "parameters", device)?;
            Ok((spec.name.clone(), Var::from_tensor(&start)?))
        };
        let vars = specs.iter().map(|spec| start(&spec.tensor)).collect::<Result<_>>()?;
        let kept = buffers.iter().map(start).collect::<Result<_>>()?;
        Ok(Self { specs, vars, buffer_specs: buffers, buffers: kept })
    }

    /// What each parameter is, in the order of the model.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// The variables by name.
    pub fn vars(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// The variable of a name.
    pub fn var(&self, name: &str) -> Option<&Var> {
        self.vars.get(name)
    }

    /// Numbers in all parameters.
    pub fn count(&self) -> usize {
        self.specs.iter().map(|spec| spec.tensor.count()).sum()
    }

    /// Tensors that take part in a graph.
    pub fn tracked(&self) -> Tensors {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect()
    }

    /// The same numbers without a graph.
    pub fn detached(&self) -> Tensors {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// The running statistics as they stand.
    pub fn buffers(&self) -> Tensors {
        self.buffers.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// Puts running statistics, on whatever device, in the place of the old ones.
    ///
    /// # Errors
    /// If there is none of a name, or it has another shape.
    pub fn follow(&self, updates: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, tensor) in updates {
            let buffer = self.buffers.get(name);
            let buffer = buffer.ok_or_else(|| Error::Config(format!("no running statistic is called {name}")))?;
            buffer.set(&tensor.to_device(buffer.device())?)?;
        }
        Ok(())
    }

    /// A copy of all numbers, running statistics included, which later steps do not change.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        let all = self.vars.iter().chain(&self.buffers);
        all.map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?))).collect()
    }

    /// Replaces all numbers, running statistics included; names and shapes must match exactly.
    ///
    /// # Errors
    /// Lists everything missing, unexpected or mis-shaped, naming `origin`.
    pub fn load(&self, origin: &str, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let expected = self.specs.iter().map(|spec| &spec.tensor).chain(&self.buffer_specs);
        let expected: Vec<TensorSpec> = expected.cloned().collect();
        check_names(origin, tensors.iter().map(|(name, t)| (name.as_str(), t.dims())), &expected)?;
        for (name, var) in self.vars.iter().chain(&self.buffers) {
            if let Some(tensor) = tensors.get(name) {
                var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)?;
            }
        }
        Ok(())
    }
}

/// Gradients of parameters, by name. A parameter that did not take part has none.
#[derive(Debug, Clone, Default)]
pub struct Gradients(BTreeMap<String, Tensor>);

impl Gradients {
    /// Picks the named tensors' gradients out of a graph's, and lets the graph go: a gradient that candle computed from an
    /// activation holds on to all that stands behind it, and so would the optimizer's moments, step after step.
    pub(crate) fn collect(store: &GradStore, tensors: &[(String, Tensor)]) -> Self {
        let found = tensors.iter().filter_map(|(name, tensor)| Some((name.clone(), store.get(tensor)?.detach())));
        Self(found.collect())
    }

    /// The sum of several graphs', taken in their order.
    pub(crate) fn sum(graphs: Vec<Self>) -> Result<Self> {
        let mut graphs = graphs.into_iter();
        let mut total = graphs.next().unwrap_or_default();
        for (name, gradient) in graphs.flat_map(|graph| graph.0) {
            let sum = match total.0.get(&name) {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            };
            total.0.insert(name, sum);
        }
        Ok(total)
    }

    /// The gradient of a parameter.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// All gradients, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// 2-norm of all gradients together.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn norm(&self) -> Result<f64> {
        let mut total = 0.0;
        for gradient in self.0.values() {
            total += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        Ok(total.sqrt())
    }
}
