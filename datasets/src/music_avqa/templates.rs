//! The 33 official question templates, as the annotation files write them, trailing blanks and full-width question marks
//! included. Placeholders are filled from left to right.

use super::kind::QuestionKind::{self, *};

/// A template and the kind of its questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    pub kind: QuestionKind,
    pub text: &'static str,
}

const fn template(kind: QuestionKind, text: &'static str) -> Template {
    Template { kind, text }
}

/// Every template, by kind in the order of the results tables.
pub const TEMPLATES: [Template; 33] = [
    template(AudioCounting, "Are there <Object> and <Object> sound? "),
    template(AudioCounting, "How many musical instruments were heard throughout the video?"),
    template(AudioCounting, "Is there a <Object> sound?"),
    template(AudioComparative, "Is the <Object> louder than the <Object>?"),
    template(AudioComparative, "Is the <Object> more rhythmic than the <Object>?"),
    template(AudioComparative, "Is the <Object> playing longer than the <Object>?"),
    template(VisualCounting, "Are there <Object> and <Object> instruments in the video?"),
    template(VisualCounting, "How many <Object> are in the entire video?"),
    template(VisualCounting, "How many types of musical instruments appeared in the entire video?"),
    template(VisualCounting, "Is there a <Object> in the entire video?"),
    template(VisualLocation, "What is the instrument on the <LR> of <Object>?"),
    template(VisualLocation, "What kind of instrument is the <LRer> instrument? "),
    template(VisualLocation, "What kind of musical instrument is it?"),
    template(VisualLocation, "Where is the performance?"),
    template(AudioVisualExistential, "Is the <Object> in the video always playing?"),
    template(AudioVisualExistential, "Is there a voiceover?"),
    template(AudioVisualExistential, "Is this sound from the instrument in the video?"),
    template(AudioVisualCounting, "How many instruments are sounding in the video?"),
    template(AudioVisualCounting, "How many instruments in the video did not sound from beginning to end?"),
    template(AudioVisualCounting, "How many sounding <Object> in the video\u{ff1f}"),
    template(AudioVisualCounting, "How many types of musical instruments sound in the video?"),
    template(AudioVisualLocation, "Is the <FL> sound coming from the <LR> instrument?"),
    template(AudioVisualLocation, "What is the <LR> instrument of the <FL> sounding instrument?"),
    template(AudioVisualLocation, "Where is the <LL> instrument?"),
    template(AudioVisualLocation, "Which is the musical instrument that sounds at the same time as the <Object>?"),
    template(AudioVisualComparative, "Is the <Object> on the <LR> louder than the <Object> on the <LR>?"),
    template(AudioVisualComparative, "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?"),
    template(AudioVisualComparative, "Is the instrument on the <LR> louder than the instrument on the <LR>?"),
    template(AudioVisualComparative, "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?"),
    template(AudioVisualTemporal, "What is the <TH> instrument that comes in?"),
    template(AudioVisualTemporal, "Where is the <FL> sounding instrument?"),
    template(AudioVisualTemporal, "Which <Object> makes the sound <FL>?"),
    template(AudioVisualTemporal, "Which instrument makes sounds <BA> the <Object>?"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::music_avqa::question::fill;

    #[test]
    fn every_template_is_there_once_and_every_kind_has_some() {
        assert_eq!(TEMPLATES.iter().map(|template| template.text.trim_end()).collect::<HashSet<_>>().len(), 33);
        for kind in QuestionKind::ALL {
            assert!(TEMPLATES.iter().any(|template| template.kind == kind), "{kind}");
        }
    }

    #[test]
    fn filled_templates_consist_of_known_words() {
        for template in TEMPLATES {
            let values: Vec<String> =
                std::iter::repeat_n("piano".to_owned(), template.text.matches('<').count()).collect();
            let words = fill(template.text, &values).unwrap();
            assert!(crate::music_avqa::vocabulary::encode(&words).is_some(), "{}", template.text);
        }
    }
}
