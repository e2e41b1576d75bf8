//! Waiting for what traversals were asked for, wherever their encoders are.

use candle_core::Tensor;

use super::cut;
use super::handle::{Answer, Traversal};
use crate::error::Result;

/// What each traversal was asked for.
///
/// # Errors
/// If an encoder elsewhere fails, or a tensor operation does.
pub fn await_answers<const N: usize>(passes: [&mut dyn Traversal; N]) -> Result<[Vec<Tensor>; N]> {
    let mut found: [Vec<Tensor>; N] = std::array::from_fn(|_| Vec::new());
    let (mut places, mut pending) = (Vec::new(), Vec::new());
    for (place, pass) in passes.into_iter().enumerate() {
        match pass.answer() {
            Answer::Local(tensors) => found[place] = tensors,
            Answer::Remote(one) => {
                places.push(place);
                pending.push(one);
            }
        }
    }
    for (place, tensors) in places.into_iter().zip(cut::await_answers(&mut pending)?) {
        found[place] = tensors;
    }
    Ok(found)
}
