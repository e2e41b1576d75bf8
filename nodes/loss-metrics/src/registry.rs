//! The tasks, a line each. Nothing else in this crate tells one task from another.

use copl_contract::schema::Schema;

use crate::task::{Task, TaskKind};

/// Why there is no task.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is none of clips of this schema.
    Clips(Schema),
    /// A setting of another task was given: key and problem.
    Setting(String, String),
}

macro_rules! tasks {
    ($($name:ident: $task:ty, $settings:ty;)*) => {
        copl_contract::settings! {
            /// Settings that belong to one task each.
            pub struct TaskSettings { $(..$name: $settings;)* }
        }

        impl TaskSettings {
            /// Refuses settings that are not possible.
            pub(crate) fn check(&self) -> Result<(), (String, String)> {
                $(<$task as TaskKind>::check(self.$name.get())?;)*
                Ok(())
            }

            /// The task of clips with this schema.
            pub(crate) fn task(&self, clips: Schema) -> Result<Box<dyn Task>, Refused> {
                let tasks = [$((<$task as TaskKind>::CLIPS, <$task as TaskKind>::NAME),)*];
                let Some((_, here)) = tasks.into_iter().find(|(schema, _)| *schema == clips) else {
                    return Err(Refused::Clips(clips));
                };
                let of = |(schema, name): (Schema, &str)| format!("{name} (clips of `{}`)", schema.name());
                let run = format!("a run of {}", of((clips, here)));
                $(if <$task as TaskKind>::CLIPS != clips {
                    let belongs = of((<$task as TaskKind>::CLIPS, <$task as TaskKind>::NAME));
                    self.$name.refuse(&belongs, &run).map_err(|(key, problem)| Refused::Setting(key, problem))?;
                })*
                $(if <$task as TaskKind>::CLIPS == clips {
                    return Ok(Box::new(<$task as TaskKind>::new(self.$name.get())));
                })*
                Err(Refused::Clips(clips))
            }
        }

        #[cfg(test)]
        const CLIPS: &[Schema] = &[$(<$task as TaskKind>::CLIPS,)*];
    };
}

tasks! {
    ave: crate::ave::Ave, crate::ave::AveSettings;
    avs: crate::avs::Avs, crate::avs::AvsSettings;
    avqa: crate::avqa::Avqa, crate::avqa::AvqaSettings;
}

#[cfg(test)]
mod tests {
    use copl_contract::settings::{Env, Settings};
    use copl_contract::spec::{ANSWERS, CLIPS as STREAMED};

    use super::*;

    #[test]
    fn there_is_a_task_for_all_clips_that_a_source_may_stream() {
        assert_eq!(CLIPS, STREAMED);
        let settings = TaskSettings::from_env(&Env::new()).unwrap();
        for clips in CLIPS {
            assert!(ANSWERS.contains(&settings.task(*clips).unwrap().gradients()));
        }
        assert!(matches!(settings.task(Schema::Frames), Err(Refused::Clips(Schema::Frames))));
    }

    #[test]
    fn a_setting_of_another_task_is_refused_with_where_it_belongs() {
        let settings =
            |key: &str, value: &str| TaskSettings::from_env(&[(key.to_owned(), value.to_owned())].into()).unwrap();
        let answer = settings("ANSWER", "1");
        assert!(answer.task(Schema::QuestionClips).is_ok());
        let Err(Refused::Setting(key, problem)) = answer.task(Schema::Clips) else { panic!("it is taken") };
        assert_eq!(key, "ANSWER");
        for words in
            ["question answering (clips of `question-clips`)", "a run of event localisation (clips of `clips`)"]
        {
            assert!(problem.contains(words), "{problem}");
        }
        assert!(settings("SHOW_CLIPS", "3").task(Schema::QuestionClips).is_err());
        assert!(settings("LOSS", "softmax-bce").task(Schema::Clips).is_ok());
    }
}
