//! CLIP's text half under the names that `transformers` gives its weights.

use std::sync::Arc;

use super::text::ClipTextConfig;
use crate::error::Result;
use crate::features::layer::Layer;
use crate::features::names;
use crate::features::sizes::{FeatureEncoder, FeatureInput, FeatureSizes};
use crate::weights::{Init, Stored, TensorSpec, Tensors};

/// Sizes of a text half whose weights have these names.
#[derive(Debug, Clone)]
pub struct TransformersClipText(pub ClipTextConfig);

/// Parts of a block: their names there and OpenAI's.
const PARTS: [(&str, &str); 5] = [
    ("layer_norm1", "ln_1"),
    ("self_attn.out_proj", "attn.out_proj"),
    ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
];

fn block(index: usize, part: &str) -> String {
    format!("text_model.encoder.layers.{index}.{part}")
}

fn packed(index: usize) -> [String; 3] {
    ["q", "k", "v"].map(|part| block(index, &format!("self_attn.{part}_proj")))
}

impl FeatureSizes for TransformersClipText {
    fn input(&self) -> FeatureInput {
        self.0.input()
    }

    fn layers(&self) -> Vec<Layer> {
        self.0.layers()
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let ClipTextConfig { vocabulary, context, width, layers, out_dim, .. } = self.0;
        let table = |name: &str, rows, columns| {
            TensorSpec::new(format!("{name}.weight"), &[rows, columns], Init::Normal { std: 0.02 })
        };
        let mut all = vec![
            table("text_model.embeddings.token_embedding", vocabulary, width),
            table("text_model.embeddings.position_embedding", context, width),
            table("text_projection", out_dim, width),
        ];
        all.extend(names::norm("text_model.final_layer_norm", width));
        for index in 0..layers {
            all.extend(packed(index).iter().flat_map(|name| names::linear(name, width, width)));
            all.extend(names::linear(&block(index, "self_attn.out_proj"), width, width));
            all.extend(["layer_norm1", "layer_norm2"].iter().flat_map(|part| names::norm(&block(index, part), width)));
            all.extend(names::linear(&block(index, "mlp.fc1"), width, self.0.hidden()));
            all.extend(names::linear(&block(index, "mlp.fc2"), self.0.hidden(), width));
        }
        all
    }

    /// The other half of CLIP is left where it is.
    fn stored(&self, name: &str, _all: &[&str]) -> Stored {
        let other = ["vision_model.", "visual_projection.", "logit_scale", "text_model.embeddings.position_ids"];
        if other.iter().any(|prefix| name.starts_with(prefix)) {
            Stored::Ignore
        } else {
            Stored::Keep(name.to_string())
        }
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        let mut named = vec![
            ("token_embedding.weight".to_string(), weights.take("text_model.embeddings.token_embedding.weight")?),
            ("positional_embedding".to_string(), weights.take("text_model.embeddings.position_embedding.weight")?),
            ("text_projection".to_string(), weights.take("text_projection.weight")?.t()?.contiguous()?),
        ];
        let mut pair = |from: &str, to: &str, weights: &mut Tensors| -> Result<()> {
            let (weight, bias) = weights.take_pair(from)?;
            named.extend([(format!("{to}.weight"), weight), (format!("{to}.bias"), bias)]);
            Ok(())
        };
        pair("text_model.final_layer_norm", "ln_final", &mut weights)?;
        for index in 0..self.0.layers {
            for (theirs, ours) in PARTS {
                pair(&block(index, theirs), &format!("transformer.resblocks.{index}.{ours}"), &mut weights)?;
            }
        }
        for index in 0..self.0.layers {
            let (weight, bias) = weights.take_packed(&packed(index))?;
            let name = format!("transformer.resblocks.{index}.attn.in_proj");
            named.extend([(format!("{name}_weight"), weight), (format!("{name}_bias"), bias)]);
        }
        self.0.build(name, named.into_iter().collect())
    }
}
