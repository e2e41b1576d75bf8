//! Modal-interaction prompts of one coupled pair of sites (paper eqs. 5-9).
//!
//! Each modality condenses its tokens into a few latents (eq. 5, beside the tokens: `copl_networks::handles`), picks prompts from its bank by them, and hands a mapped copy
//! to the other: `I_m = [P_m ; F(P_other)]`.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;

use super::settings::CoplSettings;
use super::{INTERACTION_PROMPTS, MAPPING};
use crate::parameters::ParamSpec;

/// The pair of sites `index`, counted from the first of the last k.
pub(super) struct Coupling {
    index: usize,
    visual: usize,
    audio: usize,
    bottleneck: usize,
    latents: usize,
    /// None: the bank is switched off.
    bank: Option<usize>,
}

impl Coupling {
    /// For sites of widths `visual` and `audio`.
    pub(super) fn new(index: usize, visual: usize, audio: usize, config: &CoplSettings) -> Self {
        Self {
            index,
            visual,
            audio,
            bottleneck: (visual.min(audio) / config.bottleneck.max(1)).max(1),
            latents: config.interaction_len,
            bank: config.bank.then_some(config.bank_len),
        }
    }

    fn name(&self, rest: &str) -> String {
        format!("coupling.{}.{rest}", self.index)
    }

    pub(super) fn parameters(&self) -> Vec<ParamSpec> {
        let side = |modality: &str, width: usize| {
            let prompt = |what: &str, count: usize| {
                let name = self.name(&format!("{modality}.{what}"));
                ParamSpec::prompt(name, &[count, width], INTERACTION_PROMPTS)
            };
            match self.bank {
                Some(bank) => vec![prompt("latents", self.latents), prompt("bank", bank)],
                None => vec![prompt("prompts", self.latents)],
            }
        };
        let mapping = |direction: &str, from: usize, to: usize| {
            let linear = |layer: &str, from: usize, to: usize| {
                ParamSpec::linear(&self.name(&format!("{direction}.{layer}")), from, to, true, MAPPING)
            };
            [linear("down", from, self.bottleneck), linear("up", self.bottleneck, to)].concat()
        };
        [
            side("visual", self.visual),
            side("audio", self.audio),
            mapping("audio_to_visual", self.audio, self.visual),
            mapping("visual_to_audio", self.visual, self.audio),
        ]
        .concat()
    }

    /// The latents [L_I, d] of a modality that are to read the tokens entering its site; none without a bank.
    pub(super) fn latents(&self, parameters: &Tensors, modality: &str) -> Result<Option<Tensor>> {
        self.bank.map(|_| parameters.get(&self.name(&format!("{modality}.latents")))).transpose()
    }

    /// What the latents gathered of N images, [N, L_I, d_v] and [N, L_I, d_a], none without a bank -> prompts
    /// [N, 2 L_I, d_v] and [N, 2 L_I, d_a].
    pub(super) fn prompts(
        &self,
        parameters: &Tensors,
        visual: Option<&Tensor>,
        audio: Option<&Tensor>,
        images: usize,
        execution: Execution,
    ) -> Result<(Tensor, Tensor)> {
        let p_visual = self.side(parameters, "visual", self.visual, visual, images, execution)?;
        let p_audio = self.side(parameters, "audio", self.audio, audio, images, execution)?;
        let to_visual = self.mapped(parameters, "audio_to_visual", &p_audio, execution)?;
        let to_audio = self.mapped(parameters, "visual_to_audio", &p_visual, execution)?;
        Ok((Tensor::cat(&[&p_visual, &to_visual], 1)?, Tensor::cat(&[&p_audio, &to_audio], 1)?))
    }

    /// P_m [N, L_I, d] of one modality.
    fn side(
        &self,
        parameters: &Tensors,
        modality: &str,
        width: usize,
        condensed: Option<&Tensor>,
        images: usize,
        execution: Execution,
    ) -> Result<Tensor> {
        let Some(condensed) = condensed else {
            let learned = parameters.get(&self.name(&format!("{modality}.prompts")))?;
            return Ok(learned.unsqueeze(0)?.broadcast_as((images, self.latents, width))?.contiguous()?);
        };
        let bank = parameters.get(&self.name(&format!("{modality}.bank")))?;
        // Eqs. 6, 7: weights over the bank, and their mix.
        let weights = execution.softmax(&execution.linear(condensed, &bank, None)?)?;
        Ok(execution.linear(&weights, &bank.t()?, None)?)
    }

    /// Eq. 8: down, ReLU, up.
    fn mapped(&self, parameters: &Tensors, direction: &str, prompts: &Tensor, execution: Execution) -> Result<Tensor> {
        let layer = |x: &Tensor, layer: &str| -> Result<Tensor> {
            let get = |what: &str| parameters.get(&self.name(&format!("{direction}.{layer}.{what}")));
            Ok(execution.linear(x, &get("weight")?, Some(&get("bias")?))?)
        };
        layer(&layer(prompts, "down")?.relu()?, "up")
    }
}
