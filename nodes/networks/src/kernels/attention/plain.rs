//! Window attention from elementary tensor operations: any device, differentiable in everything.

use std::sync::Arc;

use candle_core::{D, Device, Result, Tensor};

use super::super::constants::{plus, times};
use super::PromptBias;
use super::windows::{PADDING, Windows};

/// The index tables of windows as tensors.
#[derive(Debug, Clone)]
pub struct WindowTables {
    windows: Arc<Windows>,
    /// [windows * W]: token, or L for padding.
    source: Tensor,
    /// [L]
    positions: Tensor,
    /// [1, windows, 1, W, W]
    mask: Option<Tensor>,
}

impl WindowTables {
    /// Puts the tables of `windows` on a device.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn new(windows: Windows, device: &Device) -> Result<Self> {
        let padding = windows.tokens as u32;
        let source: Vec<u32> = windows.source.iter().map(|&s| if s == PADDING { padding } else { s }).collect();
        let positions = windows.positions();
        let (count, size) = (windows.count(), windows.size);
        let mask = match &windows.mask {
            Some(mask) => Some(Tensor::from_slice(mask, (1, count, 1, size, size), device)?),
            None => None,
        };
        Ok(Self {
            source: Tensor::from_vec(source, count * size, device)?,
            positions: Tensor::from_vec(positions, windows.tokens, device)?,
            mask,
            windows: Arc::new(windows),
        })
    }

    /// The windows.
    pub fn windows(&self) -> &Arc<Windows> {
        &self.windows
    }

    /// Tokens [N, L, C] -> windows [N, windows * W, C]; padding is zero.
    ///
    /// # Errors
    /// If the shape is another.
    pub fn split(&self, tokens: &Tensor) -> Result<Tensor> {
        let (images, _, width) = tokens.dims3()?;
        if self.windows.has_padding() {
            let zero = Tensor::zeros((images, 1, width), tokens.dtype(), tokens.device())?;
            Tensor::cat(&[tokens, &zero], 1)?.contiguous()?.index_select(&self.source, 1)
        } else {
            tokens.contiguous()?.index_select(&self.source, 1)
        }
    }

    /// Windows [N, windows * W, C] -> tokens [N, L, C].
    ///
    /// # Errors
    /// If the shape is another.
    pub fn join(&self, windows: &Tensor) -> Result<Tensor> {
        windows.contiguous()?.index_select(&self.positions, 1)
    }
}

/// What attention needs beside its tokens.
pub struct Terms<'a> {
    /// Heads (H).
    pub heads: usize,
    /// Normalise queries and keys.
    pub cosine: bool,
    /// `[H]` factor of the logits.
    pub scale: &'a Tensor,
    /// [H, W, W] position bias, where there is one.
    pub bias: Option<&'a Tensor>,
    /// [N, P, 2C] keys and values of prompts, and the bias of their columns.
    pub prompts: Option<(&'a Tensor, PromptBias)>,
}

/// Attends packed windows `qkv` [N, windows * W, 3C] -> [N, windows * W, C], by a `softmax` over the last dimension.
///
/// # Errors
/// If the shapes do not fit.
pub fn attend(
    tables: &WindowTables,
    qkv: &Tensor,
    terms: &Terms<'_>,
    softmax: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (images, positions, packed) = qkv.dims3()?;
    let (count, size, heads) = (tables.windows.count(), tables.windows.size, terms.heads);
    let (width, depth) = (packed / 3, packed / 3 / heads);
    let parts = qkv.reshape((images, count, size, 3, heads, depth))?.permute((3, 0, 1, 4, 2, 5))?;
    let part = |which: usize| parts.narrow(0, which, 1)?.squeeze(0)?.contiguous(); // [N, windows, H, W, D]
    let (q, mut k, mut v) = (part(0)?, part(1)?, part(2)?);
    let table = match terms.bias {
        Some(bias) => bias.clone(),
        None => Tensor::zeros((heads, size, size), qkv.dtype(), qkv.device())?,
    };
    let mut bias = table.reshape((1, 1, heads, size, size))?;
    if let Some(mask) = &tables.mask {
        bias = bias.broadcast_add(mask)?;
    }
    if let Some((prompts, prompt_bias)) = terms.prompts {
        let count_p = prompts.dim(1)?;
        let parts = prompts.reshape((images, 1, count_p, 2, heads, depth))?.permute((3, 0, 1, 4, 2, 5))?;
        let shape = (images, count, heads, count_p, depth);
        let part = |which: usize| parts.narrow(0, which, 1)?.squeeze(0)?.broadcast_as(shape)?.contiguous();
        k = Tensor::cat(&[&k, &part(0)?], 3)?;
        v = Tensor::cat(&[&v, &part(1)?], 3)?;
        let mean = table.mean_keepdim(D::Minus1)?.reshape((1, 1, heads, size, 1))?;
        let column = match prompt_bias {
            PromptBias::Zero => mean.zeros_like()?,
            PromptBias::Mean => mean,
        };
        let windows = bias.dim(1)?;
        let columns = column.broadcast_as((1, windows, heads, size, count_p))?.contiguous()?;
        bias = Tensor::cat(&[&bias, &columns], 4)?;
    }
    let columns = k.dim(3)?;
    let (q, k) = if terms.cosine { (normalise(&q)?, normalise(&k)?) } else { (q, k) };
    let batch = images * count * heads;
    let q = q.reshape((batch, size, depth))?;
    let k = k.contiguous()?.reshape((batch, columns, depth))?;
    let v = v.contiguous()?.reshape((batch, columns, depth))?;
    let logits = q.matmul(&k.t()?.contiguous()?)?.reshape((images, count, heads, size, columns))?;
    let logits = plus(&times(&logits, &terms.scale.reshape((1, 1, heads, 1, 1))?)?, &bias)?;
    let probabilities = softmax(&logits)?.reshape((batch, size, columns))?;
    let out = probabilities.matmul(&v)?.reshape((images, count, heads, size, depth))?;
    out.permute((0, 1, 3, 2, 4))?.contiguous()?.reshape((images, positions, width))
}

/// x / |x| over the last dimension, 0 for 0 with a finite gradient.
fn normalise(x: &Tensor) -> Result<Tensor> {
    let length = (x.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
    x.broadcast_div(&length)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use copl_testing::tensors::{difference, tensor, values, var};

    use super::super::super::softmax;
    use super::super::{Attention, PromptKeys, Wanted};
    use super::*;

    struct Case {
        height: usize,
        width: usize,
        window: usize,
        shift: usize,
        heads: usize,
        depth: usize,
        shared: usize,
        own: usize,
        cosine: bool,
        bias: PromptBias,
        biased: bool,
    }

    /// Runs kernel and composition on one case and compares the output and all gradients.
    fn compare(case: &Case) {
        let images = 3;
        let windows = Windows::new(case.height, case.width, case.window, case.shift);
        let (channels, size) = (case.heads * case.depth, windows.size);
        let qkv = var(&[images, windows.tokens, 3 * channels], 1);
        let shared = var(&[case.shared, 2 * channels], 2);
        let own = var(&[images, case.own, 2 * channels], 3);
        let scale = Var::from_tensor(&(tensor(&[case.heads], 4).abs().unwrap() * 4.0).unwrap()).unwrap();
        let bias = var(&[case.heads, size, size], 5);
        let tables = WindowTables::new(windows.clone(), &Device::Cpu).unwrap();
        // Padding of the composition is a zero row of qkv: the kernel is given zeros too.
        let split = tables.split(&qkv).unwrap();
        let prompts: Vec<Tensor> = [
            (case.shared > 0).then(|| {
                shared
                    .unsqueeze(0)
                    .unwrap()
                    .broadcast_as((images, case.shared, 2 * channels))
                    .unwrap()
                    .contiguous()
                    .unwrap()
            }),
            (case.own > 0).then(|| own.as_tensor().clone()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let prompts = (!prompts.is_empty()).then(|| Tensor::cat(&prompts, 1).unwrap());
        let terms = Terms {
            heads: case.heads,
            cosine: case.cosine,
            scale: &scale,
            bias: (case.biased).then_some(bias.as_tensor()),
            prompts: prompts.as_ref().map(|p| (p, case.bias)),
        };
        let expected = tables.join(&attend(&tables, &split, &terms, softmax::plain).unwrap()).unwrap();
        let weight = tensor(expected.dims(), 9);
        let grads = (&expected * &weight).unwrap().sum_all().unwrap().backward().unwrap();

        let attention = Attention {
            heads: case.heads,
            width: channels,
            cosine: case.cosine,
            windows,
            scale: values(&scale),
            bias: if case.biased { values(&bias) } else { vec![] },
            padding: vec![0.0; 3 * channels],
        };
        let (shared_values, own_values) =
            (if case.shared > 0 { values(&shared) } else { vec![] }, if case.own > 0 { values(&own) } else { vec![] });
        let keys = PromptKeys { shared: &shared_values, own: &own_values, bias: case.bias };
        let (out, sums) = attention.forward(&values(&qkv), keys);
        let check = |what: &str, found: Vec<f32>, expected: &Tensor| {
            let found = Tensor::from_vec(found, expected.dims(), &Device::Cpu).unwrap();
            let d = difference(&found, expected);
            assert!(d < 2e-4, "{what} differs by {d}");
        };
        check("output", out, &expected);
        let wanted = Wanted { qkv: true, bias_and_scale: case.biased };
        let found = attention.backward(&values(&qkv), keys, &sums, &values(&weight), wanted);
        check("gradient of qkv", found.qkv, grads.get(&qkv).unwrap());
        if case.shared > 0 {
            check("gradient of shared prompts", found.shared, grads.get(&shared).unwrap());
        }
        if case.own > 0 {
            check("gradient of own prompts", found.own, grads.get(&own).unwrap());
        }
        if !case.biased {
            return;
        }
        if case.shared + case.own == 0 || case.bias == PromptBias::Zero {
            check("gradient of bias", found.bias, grads.get(&bias).unwrap());
        }
        check("gradient of scale", found.scale, grads.get(&scale).unwrap());
    }

    #[test]
    fn kernel_and_composition_agree_on_every_layout() {
        let base = Case {
            height: 6,
            width: 6,
            window: 3,
            shift: 1,
            heads: 2,
            depth: 5,
            shared: 4,
            own: 3,
            cosine: true,
            bias: PromptBias::Zero,
            biased: true,
        };
        compare(&base);
        compare(&Case { shift: 0, cosine: false, ..base });
        compare(&Case { bias: PromptBias::Mean, ..base });
        compare(&Case { cosine: false, biased: false, ..base });
        compare(&Case { bias: PromptBias::Mean, biased: false, ..base });
        compare(&Case { shared: 0, ..base });
        compare(&Case { own: 0, ..base });
        compare(&Case { own: 0, shared: 0, ..base });
        compare(&Case { height: 7, width: 5, window: 4, shift: 2, heads: 3, depth: 1, ..base });
        compare(&Case { height: 1, width: 1, window: 1, shift: 0, ..base });
        compare(&Case { height: 8, width: 8, window: 8, shift: 0, heads: 1, depth: 24, shared: 21, own: 41, ..base });
    }
}
