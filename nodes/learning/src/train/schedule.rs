//! Learning rate schedules, as factors on the base rate.

use copl_contract::settings::SettingValue;
use copl_networks::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the learning rate changes. Written `constant`, `step:SIZE:GAMMA` or `cosine:WARMUP:TOTAL`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// Always the base rate (the paper's setting).
    #[default]
    Constant,
    /// Times `gamma` every `size` epochs (PyTorch's StepLR).
    Step {
        /// Epochs between two changes.
        size: u64,
        /// Factor of a change.
        gamma: f64,
    },
    /// Rises linearly over `warmup` steps, then falls along half a cosine to 0 at step `total`.
    Cosine {
        /// Steps of the rise.
        warmup: u64,
        /// Steps until the rate is 0.
        total: u64,
    },
}

impl Schedule {
    /// The factor of optimizer step `step` (from 0) in epoch `epoch` (from 0).
    pub fn factor(self, step: u64, epoch: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { size, gamma } => gamma.powi((epoch / size.max(1)).min(i32::MAX as u64) as i32),
            Self::Cosine { warmup, .. } if step < warmup => (step + 1) as f64 / warmup as f64,
            Self::Cosine { warmup, total } => {
                let progress = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
            }
        }
    }
}

impl std::str::FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let parsed = match parts.as_slice() {
            ["constant"] => Some(Self::Constant),
            ["step", size, gamma] => match (size.parse(), gamma.parse()) {
                (Ok(size), Ok(gamma)) if size > 0 => Some(Self::Step { size, gamma }),
                _ => None,
            },
            ["cosine", warmup, total] => match (warmup.parse(), total.parse()) {
                (Ok(warmup), Ok(total)) if warmup < total => Some(Self::Cosine { warmup, total }),
                _ => None,
            },
            _ => None,
        };
        parsed.ok_or_else(|| Error::UnknownWord {
            setting: "schedule",
            given: text.to_string(),
            expected: "constant, step:EPOCHS:GAMMA (step:8:0.1), cosine:WARMUP:TOTAL in steps (cosine:100:5000)"
                .to_string(),
        })
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant => write!(f, "constant"),
            Self::Step { size, gamma } => write!(f, "step:{size}:{gamma}"),
            Self::Cosine { warmup, total } => write!(f, "cosine:{warmup}:{total}"),
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

impl SettingValue for Schedule {
    const TYPE: &'static str = "constant, step:EPOCHS:FACTOR or cosine:WARMUP:TOTAL";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|e: Error| e.to_string())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_alike() {
        for text in ["constant", "step:8:0.1", "cosine:100:5000"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        for text in ["", "step", "step:0:0.1", "cosine:9:5", "linear"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn factors_follow_their_definitions() {
        let step = Schedule::Step { size: 8, gamma: 0.1 };
        assert_eq!(step.factor(999, 7), 1.0);
        assert!((step.factor(0, 16) - 0.01).abs() < 1e-12);
        let cosine = Schedule::Cosine { warmup: 10, total: 110 };
        assert!((cosine.factor(4, 0) - 0.5).abs() < 1e-12);
        assert!((cosine.factor(10, 0) - 1.0).abs() < 1e-12);
        assert!((cosine.factor(60, 0) - 0.5).abs() < 1e-12);
        assert!(cosine.factor(500, 0) < 1e-12);
    }
}
