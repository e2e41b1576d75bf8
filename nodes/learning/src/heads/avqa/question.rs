//! What a question says, as one vector.
//!
//! Word ids [Q, W] go through the official encoder: embedding, tanh, one LSTM layer over all W words (padding is read, as
//! there), the last hidden and cell states, tanh, a linear layer. A vector that a text encoder elsewhere made of the whole
//! question needs one linear layer, `question`.

use candle_core::Tensor;
use copl_networks::kernels::Execution;
use copl_networks::weights::{Init, Tensors};
use copl_networks::{Error, Result};

use crate::heads::layers::{dense, linear_specs, spec};
use crate::parameters::ParamSpec;

const NAME: &str = "question_encoder";
/// The layer after a text encoder elsewhere.
const GIVEN: &str = "question";

/// How questions come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    /// As word ids.
    Words {
        /// Ids are below this; 0 pads.
        vocabulary: usize,
    },
    /// As one vector each.
    Vector {
        /// Its width.
        width: usize,
    },
}

/// The questions of a batch.
#[derive(Debug, Clone)]
pub enum Questions {
    /// Word ids, u32 [Q, W].
    Words(Tensor),
    /// Vectors [Q, d].
    Vectors(Tensor),
}

impl Questions {
    /// `count` questions from `start`.
    pub(super) fn rows(&self, start: usize, count: usize) -> Result<Self> {
        Ok(match self {
            Self::Words(words) => Self::Words(words.narrow(0, start, count)?),
            Self::Vectors(vectors) => Self::Vectors(vectors.narrow(0, start, count)?),
        })
    }
}

impl QuestionKind {
    pub(super) fn parameters(self, width: usize) -> Vec<ParamSpec> {
        let vocabulary = match self {
            Self::Words { vocabulary } => vocabulary,
            Self::Vector { width: given } => return linear_specs(GIVEN, given, width),
        };
        let recurrent = Init::Uniform { bound: 1.0 / (width.max(1) as f64).sqrt() };
        let gates = |what: &str, shape: &[usize]| spec(format!("{NAME}.lstm.{what}_l0"), shape, recurrent);
        let mut specs = vec![
            spec(format!("{NAME}.word2vec.weight"), &[vocabulary, width], Init::Normal { std: 1.0 }),
            gates("weight_ih", &[4 * width, width]),
            gates("weight_hh", &[4 * width, width]),
            gates("bias_ih", &[4 * width]),
            gates("bias_hh", &[4 * width]),
        ];
        specs.extend(linear_specs(&format!("{NAME}.fc"), 2 * width, width));
        specs
    }

    /// Questions -> [Q, w].
    pub(super) fn forward(self, parameters: &Tensors, questions: &Questions, execution: Execution) -> Result<Tensor> {
        match (self, questions) {
            (Self::Words { .. }, Questions::Words(ids)) => words(parameters, ids, execution),
            (Self::Vector { .. }, Questions::Vectors(vectors)) => dense(parameters, GIVEN, vectors, execution),
            (Self::Words { .. }, Questions::Vectors(_)) => {
                Err(Error::Config("the head reads words, and was given vectors of whole questions".to_string()))
            }
            (Self::Vector { .. }, Questions::Words(_)) => {
                Err(Error::Config("the head takes vectors of whole questions, and was given words".to_string()))
            }
        }
    }
}

fn words(parameters: &Tensors, ids: &Tensor, execution: Execution) -> Result<Tensor> {
    let get = |what: &str| parameters.get(&format!("{NAME}.{what}"));
    let (questions, count) = ids.dims2()?;
    let table = get("word2vec.weight")?;
    let width = table.dim(1)?;
    let vectors = table.index_select(&ids.flatten_all()?, 0)?.tanh()?;
    // Of all words at once: what of a gate depends on the word alone.
    let inputs = execution.linear(&vectors, &get("lstm.weight_ih_l0")?, Some(&get("lstm.bias_ih_l0")?))?;
    let inputs = inputs.reshape((questions, count, 4 * width))?;
    let states = execution.lstm(&inputs, &get("lstm.weight_hh_l0")?, &get("lstm.bias_hh_l0")?)?;
    dense(parameters, &format!("{NAME}.fc"), &states.tanh()?, execution)
}
