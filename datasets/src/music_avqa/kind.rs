//! The nine kinds of question, in the three groups that results are given for: audio (AQ), visual (VQ) and audio-visual
//! questions (AVQ).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a question asks, and of which modality: a type and a subtype, as the official `type` field pairs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionKind {
    AudioCounting,
    AudioComparative,
    VisualCounting,
    VisualLocation,
    AudioVisualExistential,
    AudioVisualCounting,
    AudioVisualLocation,
    AudioVisualComparative,
    AudioVisualTemporal,
}

/// The modalities a question needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionGroup {
    /// AQ.
    Audio,
    /// VQ.
    Visual,
    /// AVQ.
    AudioVisual,
}

impl QuestionGroup {
    pub const ALL: [Self; 3] = [Self::Audio, Self::Visual, Self::AudioVisual];

    /// As the official files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "Audio",
            Self::Visual => "Visual",
            Self::AudioVisual => "Audio-Visual",
        }
    }

    /// As results tables head it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Audio => "AQ",
            Self::Visual => "VQ",
            Self::AudioVisual => "AVQ",
        }
    }
}

impl QuestionKind {
    /// In the order of the results tables.
    pub const ALL: [Self; 9] = [
        Self::AudioCounting,
        Self::AudioComparative,
        Self::VisualCounting,
        Self::VisualLocation,
        Self::AudioVisualExistential,
        Self::AudioVisualCounting,
        Self::AudioVisualLocation,
        Self::AudioVisualComparative,
        Self::AudioVisualTemporal,
    ];

    /// The kind of an official type and subtype; none if there is no such pair.
    pub fn of(group: &str, subtype: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.group().as_str() == group && kind.subtype() == subtype)
    }

    pub fn group(self) -> QuestionGroup {
        match self {
            Self::AudioCounting | Self::AudioComparative => QuestionGroup::Audio,
            Self::VisualCounting | Self::VisualLocation => QuestionGroup::Visual,
            _ => QuestionGroup::AudioVisual,
        }
    }

    /// "Audio", "Visual" or "Audio-Visual", as the official files spell it.
    pub fn modality(self) -> &'static str {
        self.group().as_str()
    }

    /// As the official files spell it.
    pub fn subtype(self) -> &'static str {
        match self {
            Self::AudioCounting | Self::VisualCounting | Self::AudioVisualCounting => "Counting",
            Self::AudioComparative | Self::AudioVisualComparative => "Comparative",
            Self::VisualLocation | Self::AudioVisualLocation => "Location",
            Self::AudioVisualExistential => "Existential",
            Self::AudioVisualTemporal => "Temporal",
        }
    }
}

/// "Audio-Visual Temporal".
impl fmt::Display for QuestionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.group().as_str(), self.subtype()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_official_names() {
        for kind in QuestionKind::ALL {
            assert_eq!(QuestionKind::of(kind.group().as_str(), kind.subtype()), Some(kind));
        }
        assert_eq!(QuestionKind::of("Audio", "Temporal"), None);
    }

    #[test]
    fn the_groups_hold_two_two_and_five_kinds() {
        let counts =
            QuestionGroup::ALL.map(|group| QuestionKind::ALL.iter().filter(|kind| kind.group() == group).count());
        assert_eq!(counts, [2, 2, 5]);
    }
}
