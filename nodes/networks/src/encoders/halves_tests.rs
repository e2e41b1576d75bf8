//! What holds of the halves of every architecture's blocks. Used by the architectures' own tests.

use candle_core::{Tensor, Var};
use copl_testing::tensors::{assert_gradients, difference, tensor, values, var};

use super::{Encoder, PromptBias, Prompts};

/// Tokens of `count`, three shared prompts and two of each image.
struct Given {
    tokens: Var,
    shared: Var,
    own: Var,
    bias: PromptBias,
}

impl Given {
    fn new(encoder: &dyn Encoder, block: usize, count: usize, bias: PromptBias) -> Self {
        let width = encoder.blocks()[block].width;
        Self { tokens: var(&[3, count, width], 1), shared: var(&[3, width], 2), own: var(&[3, 2, width], 3), bias }
    }

    fn prompts(&self) -> Prompts {
        let (shared, own) = (self.shared.as_tensor().clone(), self.own.as_tensor().clone());
        Prompts { shared: Some(shared), own: Some(own), bias: self.bias }
    }

    /// The output of `f`, and its gradients.
    fn run(&self, f: impl Fn(&Tensor, &Prompts) -> Tensor) -> [Tensor; 4] {
        let y = f(&self.tokens, &self.prompts());
        let gradients = (&y * tensor(y.dims(), 9)).unwrap().sum_all().unwrap().backward().unwrap();
        let of = |var: &Var| gradients.get(var).unwrap().clone();
        [y.clone(), of(&self.tokens), of(&self.shared), of(&self.own)]
    }

    fn halves(&self, encoder: &dyn Encoder, block: usize) -> [Tensor; 4] {
        self.run(|x, prompts| encoder.feed(block, &encoder.attend(block, x, Some(prompts)).unwrap()).unwrap())
    }
}

/// The halves of a block on tokens of `count`: one after the other they are the block, bit for bit, also where activations
/// are forgotten (`low`), and each agrees with its plain composition.
pub(super) fn assert_halves([fast, low, plain]: [&dyn Encoder; 3], block: usize, count: usize, bias: PromptBias) {
    let given = Given::new(fast, block, count, bias);
    let bits = |of: [Tensor; 4]| of.map(|t| values(&t));
    let halves = bits(given.halves(fast, block));
    assert_eq!(halves, bits(given.run(|x, p| fast.block(block, x, Some(p)).unwrap())), "halves and whole");
    assert_eq!(halves, bits(given.halves(low, block)), "activations computed again");
    let both = [given.halves(fast, block), given.halves(plain, block)];
    let attended = [fast, plain].map(|of| given.run(|x, p| of.attend(block, x, Some(p)).unwrap()));
    for [found, expected] in [both, attended] {
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let d = difference(found, expected);
            assert!(d < if at == 0 { 5e-5 } else { 2e-4 }, "tensor {at} of block {block} differs by {d}");
        }
    }
    // Without prompts.
    let alone = |of: &dyn Encoder| of.feed(block, &of.attend(block, &given.tokens, None).unwrap()).unwrap();
    assert_eq!(values(&alone(fast)), values(&fast.block(block, &given.tokens, None).unwrap()));
    assert!(difference(&alone(fast), &alone(plain)) < 5e-5);
}

/// The gradients of each half are those of finite differences, as is that of tokens written between them.
pub(super) fn assert_half_gradients(encoder: &dyn Encoder, block: usize, count: usize) {
    let given = Given::new(encoder, block, count, PromptBias::Mean);
    let Given { tokens, shared, own, .. } = &given;
    let attended = || encoder.attend(block, tokens, Some(&given.prompts())).unwrap();
    assert_gradients(&[tokens, shared, own], 10, 1e-2, attended);
    assert_gradients(&[tokens], 20, 1e-2, || encoder.feed(block, tokens).unwrap());
    let written = var(tokens.dims(), 5);
    assert_gradients(&[tokens, &written], 10, 1e-2, || {
        let read = (attended() * written.as_tensor()).unwrap();
        encoder.feed(block, &(attended() + read).unwrap()).unwrap()
    });
}

/// A frozen block of plain compositions leaves a gradient of what takes part in the graph, and of no weight.
pub(super) fn assert_no_weight_gradients(plain: &dyn Encoder, block: usize, count: usize) {
    let given = Given::new(plain, block, count, PromptBias::Zero);
    for prompts in [None, Some(given.prompts())] {
        let y = plain.block(block, &given.tokens, prompts.as_ref()).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        let expected = if prompts.is_some() { 3 } else { 1 };
        assert_eq!(gradients.get_ids().count(), expected, "gradients of tokens and prompts alone");
        assert!(gradients.get(&given.tokens).is_some());
    }
}
