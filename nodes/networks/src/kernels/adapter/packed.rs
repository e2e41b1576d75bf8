//! An adapter's parameters in one tensor: an operation of a graph takes three tensors, an adapter has up to fourteen.

use candle_core::{Result, Tensor};

use super::{Bottleneck, Fusion, RowNorm};

/// One thing for each parameter that an adapter has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<T> {
    pub(super) fusion_gate: Option<T>,
    /// Weight and bias, here and below.
    pub(super) norm_before: Option<[T; 2]>,
    pub(super) down: T,
    pub(super) batch_norm_down: Option<[T; 2]>,
    pub(super) up: T,
    pub(super) batch_norm_up: Option<[T; 2]>,
    pub(super) norm_after: Option<[T; 2]>,
    pub(super) gate: Option<T>,
}

impl<'a> Parameters<&'a Tensor> {
    pub(super) fn of(fusion: Option<&'a Fusion>, layers: &'a Bottleneck) -> Self {
        let of_rows = |norm: &'a Option<RowNorm>| norm.as_ref().map(|norm| [&norm.weight, &norm.bias]);
        Self {
            fusion_gate: fusion.map(|fusion| &fusion.gate),
            norm_before: layers.norm_before.as_ref().map(|(weight, bias)| [weight, bias]),
            down: &layers.down,
            batch_norm_down: of_rows(&layers.batch_norm_down),
            up: &layers.up,
            batch_norm_up: of_rows(&layers.batch_norm_up),
            norm_after: layers.norm_after.as_ref().map(|(weight, bias)| [weight, bias]),
            gate: layers.gate.as_ref(),
        }
    }

    /// All numbers one parameter after the other, in the order of [`Parameters::map`].
    pub(super) fn packed(&self) -> Result<Tensor> {
        let mut parts = Vec::new();
        self.map(|tensor| parts.push(tensor.flatten_all()));
        Tensor::cat(&parts.into_iter().collect::<Result<Vec<_>>>()?, 0)
    }
}

impl<T> Parameters<T> {
    /// The same of what each becomes, in a fixed order.
    pub(super) fn map<'a, U>(&'a self, mut f: impl FnMut(&'a T) -> U) -> Parameters<U> {
        fn both<'a, T, U>(pair: &'a Option<[T; 2]>, f: &mut impl FnMut(&'a T) -> U) -> Option<[U; 2]> {
            pair.as_ref().map(|[weight, bias]| [f(weight), f(bias)])
        }
        Parameters {
            fusion_gate: self.fusion_gate.as_ref().map(&mut f),
            norm_before: both(&self.norm_before, &mut f),
            down: f(&self.down),
            batch_norm_down: both(&self.batch_norm_down, &mut f),
            up: f(&self.up),
            batch_norm_up: both(&self.batch_norm_up, &mut f),
            norm_after: both(&self.norm_after, &mut f),
            gate: self.gate.as_ref().map(&mut f),
        }
    }
}

impl Parameters<usize> {
    /// What of `packed` is each one's, from how many numbers each has.
    pub(super) fn slices<'a>(&self, packed: &'a [f32]) -> Parameters<&'a [f32]> {
        let mut rest = packed;
        self.map(|length| {
            let (own, others) = rest.split_at(*length);
            rest = others;
            own
        })
    }
}

impl Parameters<Vec<f32>> {
    /// All numbers one parameter after the other.
    pub(super) fn concatenated(&self) -> Vec<f32> {
        let mut all = Vec::new();
        self.map(|numbers| all.extend_from_slice(numbers));
        all
    }
}
