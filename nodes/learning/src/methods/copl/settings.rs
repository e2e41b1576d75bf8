//! Settings of collaborative prompts. The five switches of the paper's ablation (Table 4) are the first four here and the
//! model's `ALIGN`.

use copl_contract::settings::{Env, Settings};
use copl_networks::encoders::{Granularity, PromptBias};

copl_contract::choice! {
    /// Which rows of the frame prompts a segment sees.
    pub enum FramePrompts {
        /// Segment t sees row t.
        Own = "own",
        /// Every segment sees all rows.
        All = "all",
    }
}

copl_contract::settings! {
    /// Settings of the method `copl`.
    pub struct CoplSettings {
        "GLOBAL" global: bool = "true", "Global prompts (Table 4).";
        "FRAME" frame: bool = "true", "Frame prompts (Table 4).";
        "INTERACTION" interaction: bool = "true", "Interaction prompts (Table 4).";
        "BANK" bank: bool = "true", "Interaction prompts drawn from a bank; off: one learned set for all samples (Table 4).";
        "GLOBAL_LEN" global_len: usize = "20", "L_g, global prompts a site.";
        "INTERACTION_LEN" interaction_len: usize = "20", "L_I, interaction prompts a site and modality; a block sees twice as many.";
        "BANK_LEN" bank_len: usize = "10", "q, prompts in a bank.";
        "COUPLED_SITES" coupled_sites: Option<usize> = "", "k, sites at the end of each encoder that exchange prompts; if unset 2, and 4 of a ViT, whose sites are blocks (the smaller number where they differ).";
        "GRANULARITY" granularity: Granularity = "stage", "What owns a set of prompts: a stage or a block.";
        "PROMPT_BIAS" prompt_bias: PromptBias = "zero", "Position bias of a prompt in a Swin (Swin-V2, HTS-AT): zero (the paper's words), or the mean of the query's row.";
        "FRAME_PROMPTS" frame_prompts: FramePrompts = "own", "Segment t sees frame prompt t, or all of them.";
        "BOTTLENECK" bottleneck: usize = "8", "The mapping between modalities narrows to min(d_v, d_a) / BOTTLENECK.";
    }
}

impl Default for CoplSettings {
    fn default() -> Self {
        Self::from_env(&Env::new()).unwrap_or_else(|(key, problem)| unreachable!("default of {key}: {problem}"))
    }
}

/// Checks what single settings cannot say.
///
/// # Errors
/// The setting, and what is wrong.
pub(super) fn check(settings: &CoplSettings) -> Result<(), (String, String)> {
    match [("BANK_LEN", settings.bank_len), ("BOTTLENECK", settings.bottleneck)].into_iter().find(|(_, v)| *v == 0) {
        Some((key, _)) => Err((key.to_owned(), "must be at least 1".to_owned())),
        None => Ok(()),
    }
}
