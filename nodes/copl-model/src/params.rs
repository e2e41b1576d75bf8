//! The parameter table: what learns, what is frozen, and how many numbers each holds.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::encoders::EncoderCard;
use crate::parameters::{ParamGroup, ParamSpec};

/// One row: a group of parameters, or an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterRow {
    /// What the numbers are for.
    pub group: String,
    /// Tensors in the group.
    pub tensors: usize,
    /// Numbers in the group.
    pub count: usize,
    /// True if they learn.
    pub trainable: bool,
}

/// The table of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterTable {
    /// Groups that learn, then frozen encoders.
    pub rows: Vec<ParameterRow>,
    /// Numbers that learn, the head included.
    pub trainable: usize,
    /// Numbers that learn, without the head: the paper's "additional parameters".
    pub additional: usize,
    /// All numbers: what learns and what is frozen, without the encoders' own classifier heads.
    pub total: usize,
}

impl ParameterTable {
    /// Counts a model's parameters and its encoders', each with its number of tensors. Encoders whose weights learn are
    /// counted among the parameters.
    pub fn new(specs: &[ParamSpec], encoders: &[(EncoderCard, usize)]) -> Self {
        let mut groups: BTreeMap<ParamGroup, (usize, usize)> = BTreeMap::new();
        for spec in specs {
            let (tensors, count) = groups.entry(spec.group).or_default();
            *tensors += 1;
            *count += spec.tensor.count();
        }
        let learning = groups.iter().map(|(group, &(tensors, count))| ParameterRow {
            group: group.label().to_string(),
            tensors,
            count,
            trainable: true,
        });
        let frozen = encoders.iter().filter(|_| !groups.contains_key(&ParamGroup::Encoder));
        let frozen = frozen.map(|(card, tensors)| ParameterRow {
            group: format!("{} ({})", card.name, card.role),
            tensors: *tensors,
            count: card.parameters,
            trainable: false,
        });
        let rows: Vec<ParameterRow> = learning.chain(frozen).collect();
        let sum = |keep: &dyn Fn(&ParameterRow) -> bool| rows.iter().filter(|r| keep(r)).map(|r| r.count).sum();
        let trainable: usize = sum(&|row| row.trainable);
        let head = groups.get(&ParamGroup::Head).map_or(0, |&(_, count)| count);
        Self { trainable, additional: trainable - head, total: sum(&|_| true), rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CoplConfig, HeadKind};
    use crate::encoders::preset;
    use crate::heads::ave::AveHead;
    use crate::methods::copl::parameters;

    #[test]
    fn additional_parameters_of_swin_large_are_those_of_the_design() {
        // 1.79 M for AVE: Swin-V2-Large, stage prompts, r = d / 8 (the paper prints 1.7).
        let blocks = preset("swin-v2-large-192").unwrap().blocks();
        let mut specs = parameters(&CoplConfig::default(), 10, &blocks, &blocks).unwrap();
        specs.extend(AveHead::new(HeadKind::Linear, 29, 1536, 1536, true).parameters());
        let table = ParameterTable::new(&specs, &[]);
        assert_eq!(table.additional / 10_000, 179);
        assert_eq!(table.trainable - table.additional, 3072 * 29 + 29);
    }
}
