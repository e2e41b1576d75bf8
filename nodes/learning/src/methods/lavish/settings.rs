//! Settings of LAVISH, and the official values of each task: sizes as the parameters that the CoPL paper counts tell, rates
//! and batches as the official training commands have them (docs/methods.md).

use copl_contract::settings::{Env, Settings};
use copl_contract::task::{self, Task};

use crate::methods::Training;
use crate::methods::adapters::{AdapterSettings, AdapterSizes, with_official};
use crate::train::Schedule;

/// Settings of the method `lavish`.
#[derive(Debug, Clone)]
pub struct LavishSettings {
    pub(super) adapters: AdapterSettings,
    pub(super) sizes: AdapterSizes,
}

impl LavishSettings {
    /// Those of an `env:` map; what is unset is the task's.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub(super) fn read(task: Task, env: &Env) -> Result<Self, (String, String)> {
        let adapters = AdapterSettings::from_env(&with_official(env, official(task)))?;
        Ok(Self { sizes: AdapterSizes::of(&adapters)?, adapters })
    }
}

fn official(task: Task) -> &'static [(&'static str, &'static str)] {
    match task {
        t if t == task::AVS_S4 || t == task::AVS_MS3 => &[
            ("LATENTS", "32"),
            ("REDUCTION", "4"),
            ("GROUPS", "2"),
            ("BATCH_NORM", "false"),
            ("NORM_BEFORE", "false"),
            ("NORM_AFTER", "true"),
            ("AUDIO_GATE", "false"),
            ("GATE_ORDER", "before-norm"),
            ("LATENT_START", "zeros"),
        ],
        t if t == task::MUSIC_AVQA => &[
            ("LATENTS", "16"),
            ("REDUCTION", "4"),
            ("GROUPS", "2"),
            ("BATCH_NORM", "false"),
            ("NORM_BEFORE", "true"),
            ("NORM_AFTER", "true"),
            ("AUDIO_GATE", "true"),
            ("GATE_ORDER", "after-norm"),
            ("LATENT_START", "zeros"),
        ],
        _ => &[
            ("LATENTS", "2"),
            ("REDUCTION", "8"),
            ("GROUPS", "2"),
            ("BATCH_NORM", "true"),
            ("NORM_BEFORE", "true"),
            ("NORM_AFTER", "true"),
            ("AUDIO_GATE", "true"),
            ("GATE_ORDER", "after-norm"),
            ("LATENT_START", "uniform"),
        ],
    }
}

/// The official rates, batches and schedules.
pub(super) fn training(task: Task) -> Training {
    let constant = |batch, lr_prompts, lr_head| Training { batch, lr_prompts, lr_head, schedule: Schedule::Constant };
    match task {
        t if t == task::AVS_S4 || t == task::AVS_MS3 => constant(4, 1e-4, 1e-4),
        t if t == task::MUSIC_AVQA => {
            Training { schedule: Schedule::Step { size: 8, gamma: 0.1 }, ..constant(1, 8e-5, 8e-5) }
        }
        _ => constant(2, 5e-5, 4e-6),
    }
}
