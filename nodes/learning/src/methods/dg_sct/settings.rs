//! Settings of DG-SCT, and the official values of each task: sizes as the parameters that the CoPL paper counts tell, rates
//! and batches as the official training commands have them (docs/methods.md).

use copl_contract::settings::{Env, Settings};
use copl_contract::task::{SampleLabels, Task};

use crate::methods::adapters::{AdapterSettings, AdapterSizes, with_official};
use crate::methods::{SettingGroup, Training};
use crate::train::Schedule;

copl_contract::choice! {
    /// How the other modality's tokens come to the number of an adapter's own.
    pub enum TokenAlign {
        /// By a learned matrix over the token axis.
        Learned = "learned",
        /// By bicubic interpolation of their square map.
        Resize = "resize",
    }
}

copl_contract::settings! {
    /// Settings of the two attentions of DG-SCT.
    pub struct AttentionSettings {
        "TOKEN_ALIGN" token_align: Option<TokenAlign> = "", "How the other modality's tokens come to the number of an adapter's own: learned (a matrix over the token axis) or resize (bicubic, of their square map); if unset, the method's for the task.";
        "CHANNEL_WEIGHT" channel_weight: f64 = "0.3", "alpha, weight of the channel attention.";
        "SPATIAL_WEIGHT" spatial_weight: f64 = "0.05", "beta, weight of the spatial attention.";
    }
}

/// The settings, where they apply.
pub(super) const GROUP: SettingGroup = SettingGroup { applies: "METHOD dg-sct", specs: AttentionSettings::specs };

/// Settings of the method `dg-sct`.
#[derive(Debug, Clone)]
pub struct DgSctSettings {
    pub(super) adapters: AdapterSettings,
    pub(super) sizes: AdapterSizes,
    pub(super) attention: AttentionSettings,
    pub(super) align: TokenAlign,
}

impl DgSctSettings {
    /// Those of an `env:` map; what is unset is the task's.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub(super) fn read(task: Task, env: &Env) -> Result<Self, (String, String)> {
        let (attention, adapters): (Env, Env) = with_official(env, official(task))
            .into_iter()
            .partition(|(key, _)| AttentionSettings::specs().iter().any(|spec| spec.key == key));
        let adapters = AdapterSettings::from_env(&adapters)?;
        let attention = AttentionSettings::from_env(&attention)?;
        let align = attention.token_align.ok_or_else(|| ("TOKEN_ALIGN".to_owned(), "must be given".to_owned()))?;
        for (key, weight) in
            [("CHANNEL_WEIGHT", attention.channel_weight), ("SPATIAL_WEIGHT", attention.spatial_weight)]
        {
            if !weight.is_finite() {
                return Err((key.to_owned(), format!("{weight} is no weight")));
            }
        }
        Ok(Self { sizes: AdapterSizes::of(&adapters)?, adapters, attention, align })
    }
}

fn official(task: Task) -> &'static [(&'static str, &'static str)] {
    match task.samples {
        SampleLabels::Masks => &[
            ("LATENTS", "32"),
            ("REDUCTION", "2"),
            ("GROUPS", "2"),
            ("BATCH_NORM", "false"),
            ("NORM_BEFORE", "false"),
            ("NORM_AFTER", "true"),
            ("AUDIO_GATE", "false"),
            ("GATE_ORDER", "before-norm"),
            ("LATENT_START", "zeros"),
            ("TOKEN_ALIGN", "resize"),
        ],
        SampleLabels::Answer => &[
            ("LATENTS", "2"),
            ("REDUCTION", "8"),
            ("GROUPS", "4"),
            ("BATCH_NORM", "false"),
            ("NORM_BEFORE", "true"),
            ("NORM_AFTER", "true"),
            ("AUDIO_GATE", "false"),
            ("GATE_ORDER", "after-norm"),
            ("LATENT_START", "zeros"),
            ("TOKEN_ALIGN", "learned"),
        ],
        SampleLabels::Segments => &[
            ("LATENTS", "32"),
            ("REDUCTION", "8"),
            ("GROUPS", "4"),
            ("BATCH_NORM", "false"),
            ("NORM_BEFORE", "true"),
            ("NORM_AFTER", "true"),
            ("AUDIO_GATE", "true"),
            ("GATE_ORDER", "after-norm"),
            ("LATENT_START", "uniform"),
            ("TOKEN_ALIGN", "learned"),
        ],
    }
}

/// The official rates, batches and schedules.
pub(super) fn training(task: Task) -> Training {
    let of = |rate, schedule| Training { batch: 8, lr_prompts: rate, lr_head: rate, schedule };
    match task.samples {
        SampleLabels::Masks => of(3e-4, Schedule::Constant),
        SampleLabels::Answer => of(1e-4, Schedule::Step { size: 8, gamma: 0.1 }),
        SampleLabels::Segments => of(5e-4, Schedule::Step { size: 3, gamma: 0.35 }),
    }
}
