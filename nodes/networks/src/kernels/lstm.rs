//! A layer of long short-term memory, differentiable. As elementary operations, a sentence of 14 words is 300 of them on a
//! few numbers each; here it is one.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::kept::Kept;
use super::linear::{self, SPLIT_BELOW, bias_gradient};
use super::math::exp;
use super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::slices::{floats, with_floats};

/// Checks that the shapes fit together; questions, words and width.
fn sizes(inputs: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<[usize; 3]> {
    let (gates, width) = weight.dims2()?;
    if gates != 4 * width || inputs.dims3()?.2 != gates || bias.dims1()? != gates {
        candle_core::bail!("an LSTM of width {width} was given {:?} and biases {:?}", inputs.dims(), bias.dims());
    }
    let (questions, words, _) = inputs.dims3()?;
    Ok([questions, words, width])
}

/// Last hidden and cell states [Q, 2D] after W words, from zero states, as one operation. `inputs` [Q, W, 4D] are the gates'
/// parts of each word alone (its product with `weight_ih`, `bias_ih` added), in PyTorch's order: input, forget, cell, output;
/// `weight` [4D, D] and `bias` `[4D]` are `weight_hh` and `bias_hh`.
pub(super) fn fused(inputs: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    sizes(inputs, weight, bias)?;
    let tracked = inputs.track_op() || weight.track_op() || bias.track_op();
    let op = Lstm { keep: tracked, kept: Kept::empty() };
    inputs.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
}

/// From elementary operations.
pub(super) fn plain(inputs: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let [questions, words, width] = sizes(inputs, weight, bias)?;
    let sigmoid = |x: &Tensor| (x * 0.5)?.tanh()?.affine(0.5, 0.5);
    let mut hidden = Tensor::zeros((questions, width), inputs.dtype(), inputs.device())?;
    let mut cell = hidden.clone();
    for word in 0..words {
        let gates = (inputs.narrow(1, word, 1)?.squeeze(1)? + linear::plain(&hidden, weight, Some(bias))?)?;
        let gate = |index: usize| gates.narrow(1, index * width, width);
        let (input, forget, output) = (sigmoid(&gate(0)?)?, sigmoid(&gate(1)?)?, sigmoid(&gate(3)?)?);
        cell = ((forget * cell)? + (input * gate(2)?.tanh()?)?)?;
        hidden = (output * cell.tanh()?)?;
    }
    Tensor::cat(&[&hidden, &cell], 1)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// Of all words, one after the other.
struct States {
    /// [W, Q, 4D] the gates' values.
    gates: Vec<f32>,
    /// [W + 1, Q, D], zeros first.
    cells: Vec<f32>,
    hidden: Vec<f32>,
    /// [W, Q, D] tanh of the cells.
    shown: Vec<f32>,
}

struct Lstm {
    keep: bool,
    kept: Kept<States>,
}

fn threads(weight: &[f32]) -> Threads {
    if weight.len() > SPLIT_BELOW { Threads::All } else { Threads::One }
}

/// Four equal parts of a row.
fn quarters(row: &[f32]) -> [&[f32]; 4] {
    let (first, second) = row.split_at(row.len() / 2);
    let ((a, b), (c, d)) = (first.split_at(first.len() / 2), second.split_at(second.len() / 2));
    [a, b, c, d]
}

fn quarters_mut(row: &mut [f32]) -> [&mut [f32]; 4] {
    let half = row.len() / 2;
    let (first, second) = row.split_at_mut(half);
    let ((a, b), (c, d)) = (first.split_at_mut(half / 2), second.split_at_mut(half / 2));
    [a, b, c, d]
}

fn forward(inputs: &[f32], weight: &[f32], bias: &[f32], [questions, words, width]: [usize; 3]) -> States {
    let (row, all) = (4 * width, questions * width);
    let mut states = States {
        gates: vec![0.0; words * 4 * all],
        cells: vec![0.0; (words + 1) * all],
        hidden: vec![0.0; (words + 1) * all],
        shown: vec![0.0; words * all],
    };
    let weight_matrix = Matrix::new(weight, row, width).transposed();
    for word in 0..words {
        let gates = &mut states.gates[word * 4 * all..][..4 * all];
        for (question, gates) in gates.chunks_exact_mut(row).enumerate() {
            let inputs = &inputs[(question * words + word) * row..][..row];
            gates.iter_mut().zip(inputs).zip(bias).for_each(|((gate, x), b)| *gate = x + b);
        }
        let (before, hidden) = states.hidden[word * all..][..2 * all].split_at_mut(all);
        let out = MatrixMut::new(gates, questions, row);
        product(out, Matrix::new(before, questions, width), weight_matrix, Write::Add, threads(weight));
        let (cells, next) = states.cells[word * all..][..2 * all].split_at_mut(all);
        let shown = &mut states.shown[word * all..][..all];
        let rows = gates.chunks_exact_mut(row).zip(cells.chunks_exact(width)).zip(next.chunks_exact_mut(width));
        let rows = rows.zip(shown.chunks_exact_mut(width)).zip(hidden.chunks_exact_mut(width));
        for ((((gates, cell), next), shown), hidden) in rows {
            let [input, forget, new, output] = quarters_mut(gates);
            for at in 0..width {
                input[at] = sigmoid(input[at]);
                forget[at] = sigmoid(forget[at]);
                new[at] = tanh(new[at]);
                output[at] = sigmoid(output[at]);
                next[at] = forget[at] * cell[at] + input[at] * new[at];
                shown[at] = tanh(next[at]);
                hidden[at] = output[at] * shown[at];
            }
        }
    }
    states
}

/// Gradients of the gates before their non-linearities, [W, Q, 4D], from those of the last states `dy` [Q, 2D].
fn backward(states: &States, weight: &[f32], dy: &[f32], [questions, words, width]: [usize; 3]) -> Vec<f32> {
    let (row, all) = (4 * width, questions * width);
    let mut dgates = vec![0.0; words * 4 * all];
    let (mut dhidden, mut dcell) = (vec![0.0; all], vec![0.0; all]);
    let of_rows = dhidden.chunks_exact_mut(width).zip(dcell.chunks_exact_mut(width));
    for ((dhidden, dcell), dy) in of_rows.zip(dy.chunks_exact(2 * width)) {
        dhidden.copy_from_slice(&dy[..width]);
        dcell.copy_from_slice(&dy[width..]);
    }
    for word in (0..words).rev() {
        let dgates = &mut dgates[word * 4 * all..][..4 * all];
        for (question, dgates) in dgates.chunks_exact_mut(row).enumerate() {
            let of_row = question * width..(question + 1) * width;
            let [input, forget, new, output] = quarters(&states.gates[word * 4 * all + question * row..][..row]);
            let [dinput, dforget, dnew, doutput] = quarters_mut(dgates);
            let shown = &states.shown[word * all..][of_row.clone()];
            let before = &states.cells[word * all..][of_row.clone()];
            let (dhidden, dcell) = (&dhidden[of_row.clone()], &mut dcell[of_row]);
            for at in 0..width {
                let (i, f, g, o, s) = (input[at], forget[at], new[at], output[at], shown[at]);
                let d = dcell[at] + dhidden[at] * o * (1.0 - s * s);
                dinput[at] = d * g * i * (1.0 - i);
                dforget[at] = d * before[at] * f * (1.0 - f);
                dnew[at] = d * i * (1.0 - g * g);
                doutput[at] = dhidden[at] * s * o * (1.0 - o);
                dcell[at] = d * f;
            }
        }
        let out = MatrixMut::new(&mut dhidden, questions, width);
        let (dgates, weight_matrix) = (Matrix::new(dgates, questions, row), Matrix::new(weight, row, width));
        product(out, dgates, weight_matrix, Write::Replace, threads(weight));
    }
    dgates
}

impl CustomOp3 for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (questions, words, gates) = inputs_layout.shape().dims3()?;
        let (width, all) = (gates / 4, questions * gates / 4);
        let (weight, bias) = (floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let states = forward(floats(inputs, inputs_layout)?, weight, bias, [questions, words, width]);
        let mut last = Vec::with_capacity(2 * all);
        for question in 0..questions {
            for of_all in [&states.hidden, &states.cells] {
                last.extend_from_slice(&of_all[words * all + question * width..][..width]);
            }
        }
        if self.keep {
            self.kept.put(states);
        }
        Ok((CpuStorage::F32(last), Shape::from((questions, 2 * width))))
    }

    fn bwd(
        &self,
        inputs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (questions, words, row) = inputs.dims3()?;
        let width = row / 4;
        let states = self.kept.take()?;
        let dgates =
            with_floats(weight, |w| with_floats(grad, |dy| Ok(backward(&states, w, dy, [questions, words, width]))))?;
        let like = |values: Vec<f32>, of: &Tensor| Tensor::from_vec(values, of.shape(), of.device()).map(Some);
        let rows = questions * words;
        let dweight = if weight.track_op() {
            let mut dweight = vec![0.0; row * width];
            let before = Matrix::new(&states.hidden[..rows * width], rows, width);
            let out = MatrixMut::new(&mut dweight, row, width);
            let dgates = Matrix::new(&dgates, rows, row).transposed();
            product(out, dgates, before, Write::Replace, threads(&states.hidden));
            like(dweight, weight)?
        } else {
            None
        };
        let dbias = if bias.track_op() { like(bias_gradient(&dgates, row), bias)? } else { None };
        let dinputs = if inputs.track_op() {
            let mut dinputs = Vec::with_capacity(dgates.len());
            for question in 0..questions {
                for word in 0..words {
                    dinputs.extend_from_slice(&dgates[(word * questions + question) * row..][..row]);
                }
            }
            like(dinputs, inputs)?
        } else {
            None
        };
        Ok((dinputs, dweight, dbias))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for (questions, words, width) in [(1, 1, 1), (2, 3, 5), (7, 14, 24)] {
            let (x, w) = (var(&[questions, words, 4 * width], 1), var(&[4 * width, width], 2));
            let b = var(&[4 * width], 3);
            assert_same(&[&x, &w, &b], 1e-5, || fused(&x, &w, &b).unwrap(), || plain(&x, &w, &b).unwrap());
            assert_gradients(&[&x, &w, &b], 10, 1e-3, || fused(&x, &w, &b).unwrap());
        }
    }

    #[test]
    fn far_gates_are_shut_or_open() {
        for x in [-200.0f32, -30.0, -1.0, 0.0, 0.5, 30.0, 200.0] {
            assert!((sigmoid(x) - 1.0 / (1.0 + (-f64::from(x)).exp()) as f32).abs() < 2e-7, "sigmoid({x})");
            assert!((tanh(x) - x.tanh()).abs() < 4e-7, "tanh({x})");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (w, b) = (var(&[12, 3], 1), var(&[12], 2));
        for lstm in [fused, plain] {
            assert!(lstm(&var(&[2, 4, 8], 3), &w, &b).is_err());
            assert!(lstm(&var(&[2, 4, 12], 3), &var(&[12, 4], 1), &b).is_err());
        }
    }
}
