//! The parameter table: what learns, what is frozen, and how many numbers each holds, beside the paper's counts.
//!
//! The paper's totals include the encoders' own classifier heads of 21 thousand classes, which nobody uses; so the
//! table gives its total with and without them.

use copl_networks::encoders::{self, Architecture, EncoderCard, EncoderShape};
use copl_networks::kernels::Execution;
use copl_networks::weights::TensorSpec;
use copl_networks::{Error, Result};
use serde::Serialize;

use crate::config::{ModelConfig, SHARED};
use crate::heads::align::{Alignment, Compared};
use crate::heads::{Head, HeadPlace};
use crate::methods::EncoderShapes;
use crate::parameters::{Owner, ParamGroup, ParamSpec};

/// What learns on encoders of given sizes, before there are weights.
pub(crate) struct Trainable {
    /// The head.
    pub(crate) head: Box<dyn Head>,
    /// The map of audio features to the visual width.
    pub(crate) alignment: Alignment,
    /// The parameters of method, head and alignment.
    pub(crate) specs: Vec<ParamSpec>,
    /// Their running statistics.
    pub(crate) buffers: Vec<TensorSpec>,
    /// Numbers that the method's official code declares and never uses.
    pub(crate) unused: usize,
}

/// Checks that head, method and encoders of a model fit together, without reading a weight.
///
/// # Errors
/// The setting to look at, and why they do not.
pub fn check(config: &ModelConfig) -> Result<(), (&'static str, String)> {
    let named = |setting: &'static str| move |e: Error| (setting, e.to_string());
    let encoder = |setting, name: &str| encoders::preset(name).map_err(named(setting));
    let visual = encoder("VISUAL_ENCODER", &config.visual_encoder)?;
    let audio = match config.audio_encoder.as_str() {
        SHARED => None,
        name => Some(encoder("AUDIO_ENCODER", name)?),
    };
    let other = audio.as_ref().unwrap_or(&visual);
    let shapes = EncoderShapes { visual: &visual, audio: other, shared: audio.is_none() };
    config.method.parameters(config.segments, shapes).map_err(named("METHOD"))?;
    let place = HeadPlace { classes: config.classes, visual: &visual, audio: other, execution: Execution::PLAIN };
    config.head.build(place).map(drop).map_err(named("TASK"))
}

impl Trainable {
    /// Of a configuration; without `audio`, the visual encoder serves both modalities.
    ///
    /// # Errors
    /// If settings and encoders do not fit together.
    pub(crate) fn of(
        config: &ModelConfig,
        visual: &dyn EncoderShape,
        audio: Option<&dyn EncoderShape>,
        execution: Execution,
    ) -> Result<Self> {
        let other = audio.unwrap_or(visual);
        let shapes = EncoderShapes { visual, audio: other, shared: audio.is_none() };
        let head = config.head.build(HeadPlace { classes: config.classes, visual, audio: other, execution })?;
        let mut specs = config.method.parameters(config.segments, shapes)?;
        // Features that nothing adapts cannot come nearer to each other.
        let compared = match config.method.compares_features() {
            true => Compared::Mapped(config.consistency && !specs.is_empty()),
            false => Compared::No,
        };
        let alignment = Alignment::new(visual.out_dim(), other.out_dim(), compared, execution);
        specs.extend(head.parameters());
        specs.extend(alignment.parameters());
        let mut buffers = config.method.buffers(config.segments, shapes)?;
        buffers.extend(head.buffers());
        let unused = config.method.unused(shapes)?;
        Ok(Self { head, alignment, specs, buffers, unused })
    }
}

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
    /// Numbers of the method alone: without head, stage maps and alignment.
    pub method: usize,
    /// Numbers that the method's official code declares as parameters and never uses: published counts have them, no other
    /// number here has.
    pub unused: usize,
    /// All numbers: what learns and what is frozen, without the encoders' own classifier heads.
    pub total: usize,
    /// Numbers of the encoders' own classifier heads, which the paper's totals include.
    pub classifier_heads: usize,
}

/// Numbers of the classifier head in the published file of an encoder.
fn classifier_head(encoder: &str) -> usize {
    let classes = match encoder {
        // ImageNet-22k as Swin-V2's authors cut it, and as augreg's did.
        name if name.starts_with("swin-v2-") && (name.contains("-192") || name.contains("22k")) => 21_841,
        name if name.starts_with("vit-") => 21_843,
        _ => 0,
    };
    classes * (encoders::preset(encoder).map_or(0, |encoder| encoder.out_dim()) + 1)
}

impl ParameterTable {
    /// Counts a model's parameters and its encoders', each with its number of tensors. Encoders whose weights learn are
    /// counted among the parameters.
    pub fn new(specs: &[ParamSpec], unused: usize, encoders: &[(EncoderCard, usize)]) -> Self {
        let mut groups: Vec<(ParamGroup, usize, usize)> = Vec::new();
        for spec in specs {
            let count = spec.tensor.count();
            match groups.iter_mut().find(|(group, ..)| *group == spec.group) {
                Some((_, tensors, numbers)) => (*tensors, *numbers) = (*tensors + 1, *numbers + count),
                None => groups.push((spec.group, 1, count)),
            }
        }
        groups.sort_by_key(|(group, ..)| group.owner);
        let of = |owner: Owner| groups.iter().filter(move |(group, ..)| group.owner == owner);
        let learning = groups.iter().map(|&(group, tensors, count)| ParameterRow {
            group: group.label.to_string(),
            tensors,
            count,
            trainable: true,
        });
        let frozen = encoders.iter().filter(|_| of(Owner::Encoder).next().is_none());
        let frozen = frozen.map(|(card, tensors)| ParameterRow {
            group: format!("{} ({})", card.name, card.role),
            tensors: *tensors,
            count: card.parameters,
            trainable: false,
        });
        let rows: Vec<ParameterRow> = learning.chain(frozen).collect();
        let sum = |keep: &dyn Fn(&ParameterRow) -> bool| rows.iter().filter(|r| keep(r)).map(|r| r.count).sum();
        let trainable: usize = sum(&|row| row.trainable);
        let head: usize = of(Owner::Head).map(|(_, _, count)| count).sum();
        let method: usize = of(Owner::Method).map(|(_, _, count)| count).sum();
        let classifier_heads = encoders.iter().map(|(card, _)| classifier_head(&card.name)).sum();
        Self { trainable, additional: trainable - head, method, unused, total: sum(&|_| true), classifier_heads, rows }
    }

    /// The table of a model that is not built: no weights are read.
    ///
    /// # Errors
    /// If an encoder is unknown or settings do not fit together.
    pub fn of(config: &ModelConfig) -> Result<Self> {
        let visual = encoders::preset(&config.visual_encoder)?;
        let audio = match config.audio_encoder.as_str() {
            SHARED => None,
            name => Some(encoders::preset(name)?),
        };
        let shape = audio.as_ref().map(|audio| audio as &dyn EncoderShape);
        // Nothing is computed.
        let Trainable { specs, unused, .. } = Trainable::of(config, &visual, shape, Execution::PLAIN)?;
        let card = |architecture: &Architecture, role: &str| {
            let tensors = architecture.tensors();
            let parameters = tensors.iter().map(copl_networks::weights::TensorSpec::count).sum();
            let (name, role) = (architecture.name().to_string(), role.to_string());
            (EncoderCard { name, role, weights: String::new(), parameters }, tensors.len())
        };
        let role = if audio.is_some() { "visual" } else { "visual and audio" };
        let cards: Vec<_> =
            std::iter::once(card(&visual, role)).chain(audio.iter().map(|a| card(a, "audio"))).collect();
        Ok(Self::new(&specs, unused, &cards))
    }

    /// The table as text: a row a group with its tensors, numbers and share of all.
    pub fn text(&self) -> String {
        let width =
            self.rows.iter().map(|row| row.group.len()).max().unwrap_or(0).max("all, with classifier heads".len());
        let mut text = format!("{:width$}  tensors       numbers    share\n", "");
        for row in &self.rows {
            let share = 100.0 * row.count as f64 / self.total.max(1) as f64;
            let learns = if row.trainable { "learns" } else { "frozen" };
            text += &format!("{:width$}  {:7}  {:12}  {share:6.2} %  {learns}\n", row.group, row.tensors, row.count);
        }
        let millions = |count: usize| count as f64 / 1e6;
        let mut line = |what: &str, count: usize| text += &format!("{what:width$}  {:21.3} M\n", millions(count));
        line("learn", self.trainable);
        line("learn, beside the head", self.additional);
        if self.unused > 0 {
            line("learn, of the method alone", self.method);
            line("with what its code never uses", self.method + self.unused);
        }
        line("all", self.total);
        if self.classifier_heads > 0 {
            line("all, with classifier heads", self.total + self.classifier_heads);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use copl_contract::task::{self, Task};
    use copl_networks::encoders::preset;

    use super::*;
    use crate::heads::ave::{AveHead, HeadKind};
    use crate::methods::MethodConfig;
    use crate::methods::copl::{CoplSettings, parameters};

    #[test]
    fn additional_parameters_of_swin_large_are_those_of_the_design() {
        // 1.79 M for AVE: Swin-V2-Large, stage prompts, r = d / 8 (the paper prints 1.7).
        let encoder = preset("swin-v2-large-192").unwrap();
        let blocks = encoder.blocks();
        let mut specs = parameters(&CoplSettings::default(), 10, &blocks, &blocks, 2).unwrap();
        let place = HeadPlace { classes: 29, visual: &encoder, audio: &encoder, execution: Execution::PLAIN };
        specs.extend(AveHead::new(HeadKind::Linear, place).parameters());
        let table = ParameterTable::new(&specs, 0, &[]);
        assert_eq!(table.additional / 10_000, 179);
        assert_eq!(table.trainable - table.additional, 3072 * 29 + 29);
    }

    #[test]
    fn what_nothing_adapts_is_not_aligned() {
        let of = |method: &str| {
            let config = ModelConfig {
                visual_encoder: "swin-v2-large-192".to_string(),
                audio_encoder: "hts-at".to_string(),
                method: MethodConfig::read(method, task::AVE, &Default::default()).unwrap(),
                ..ModelConfig::default()
            };
            ParameterTable::of(&config).unwrap().rows.into_iter().map(|row| row.group).collect::<Vec<_>>()
        };
        assert!(of("copl").contains(&"alignment".to_string()));
        assert!(!of("linear-probe").contains(&"alignment".to_string()));
    }

    #[test]
    fn a_table_needs_no_weights_and_counts_the_heads_the_paper_counts() {
        let config = ModelConfig { visual_encoder: "swin-v2-large-192".to_string(), ..ModelConfig::default() };
        let table = ParameterTable::of(&config).unwrap();
        // 228.773 M with the head of 21,841 classes, as timm lists the model.
        assert_eq!((195_202_932 + table.classifier_heads + 500) / 1000, 228_773);
        assert_eq!(table.additional / 10_000, 179);
        assert_eq!(table.total, table.trainable + 195_202_932);
        assert!(table.text().contains("swin-v2-large-window12-192 (visual and audio)"), "{}", table.text());
        let shares: usize = table.rows.iter().map(|row| row.count).sum();
        assert_eq!(shares, table.total);
    }

    #[test]
    fn the_table_of_a_model_is_the_one_foretold() {
        for family in crate::methods::FAMILIES {
            // Adapters of an encoder as narrow as this one; DG-SCT has two encoders.
            let narrow = [("REDUCTION", "4"), ("GROUPS", "2")].map(|(key, value)| (key.to_string(), value.to_string()));
            let has_adapters = family.settings.iter().any(|group| group.applies.contains("lavish"));
            let env = if has_adapters { narrow.into() } else { Default::default() };
            let method = MethodConfig::read(family.word, task::AVE, &env).unwrap();
            let audio_encoder = if family.word == "dg-sct" { "swin-v2-nano" } else { SHARED }.to_string();
            let config = ModelConfig { method, audio_encoder, ..ModelConfig::default() };
            let model = crate::model::Model::build(&config, &candle_core::Device::Cpu).unwrap();
            assert_eq!(model.table(), ParameterTable::of(&config).unwrap());
        }
    }

    /// Numbers of the method, and those with what the official code declares and never uses, in thousands.
    fn thousands(task: Task, method: &str, visual: &str, audio: &str) -> (usize, usize) {
        let config = ModelConfig {
            visual_encoder: visual.to_string(),
            audio_encoder: audio.to_string(),
            method: MethodConfig::read(method, task, &Default::default()).unwrap(),
            // One head for all: that of segmentation takes no ViT.
            ..ModelConfig::default()
        };
        let table = ParameterTable::of(&config).unwrap();
        let rounded = |count: usize| (count + 500) / 1000;
        (rounded(table.method), rounded(table.method + table.unused))
    }

    #[test]
    fn lavish_and_dg_sct_have_the_published_numbers_of_parameters() {
        let (swin, vit, hts_at) = ("swin-v2-large-192", "vit-large-16", "hts-at");
        // The paper's Tables 1 to 3 print 8.5, 13.5; 18.3; 17.1, 27.1; and 187.1, 196.6, 186.3.
        assert_eq!(thousands(task::AVE, "lavish", swin, SHARED), (8_448, 8_448));
        assert_eq!(thousands(task::AVE, "lavish", vit, SHARED), (13_394, 13_394));
        assert_eq!(thousands(task::AVS_S4, "lavish", swin, SHARED), (18_159, 18_303));
        assert_eq!(thousands(task::MUSIC_AVQA, "lavish", swin, SHARED), (17_148, 17_148));
        assert_eq!(thousands(task::MUSIC_AVQA, "lavish", vit, SHARED), (27_132, 27_132));
        assert_eq!(thousands(task::AVE, "dg-sct", swin, hts_at), (187_131, 187_131));
        assert_eq!(thousands(task::AVS_S4, "dg-sct", swin, hts_at), (115_357, 196_566));
        assert_eq!(thousands(task::MUSIC_AVQA, "dg-sct", swin, hts_at), (186_336, 186_336));
        // LAVISH over two encoders, our reading: 6.05, 9.43, 9.05 M where the paper prints 6.5, 17.1, 12.9.
        let two = |task| thousands(task, "lavish", swin, hts_at).0;
        assert_eq!([two(task::AVE), two(task::AVS_S4), two(task::MUSIC_AVQA)], [6_048, 9_426, 9_055]);
    }
}
