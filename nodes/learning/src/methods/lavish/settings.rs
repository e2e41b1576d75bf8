//! Settings of LAVISH, and the official values of each task: sizes as the parameters that the CoPL paper counts tell, rates
//! and batches as the official training commands have them (docs/methods.md).

use copl_contract::settings::{Env, Settings};
use copl_contract::task::{SampleLabels, Task};

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
    match task.samples {
        SampleLabels::Masks => &[
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
        SampleLabels::Answer => &[
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
        SampleLabels::Segments => &[
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
    match task.samples {
        SampleLabels::Masks => constant(4, 1e-4, 1e-4),
        SampleLabels::Answer => {
            Training { schedule: Schedule::Step { size: 8, gamma: 0.1 }, ..constant(1, 8e-5, 8e-5) }
        }
        SampleLabels::Segments => constant(2, 5e-5, 4e-6),
    }
}
