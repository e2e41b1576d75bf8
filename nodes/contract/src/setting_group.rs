//! Settings that apply in one case only, such as one task: declared where that case is, read with the others of the node, and
//! refused where they are given and do not apply.

use crate::settings::{Env, Settings};

/// A group of settings, and which of them were given.
#[derive(Clone, Debug)]
pub struct Group<T> {
    values: T,
    given: Vec<&'static str>,
}

impl<T: Settings> Group<T> {
    /// Reads the group out of a map that may hold other settings.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn read(env: &Env) -> Result<Self, (String, String)> {
        let given = T::specs().iter().map(|spec| spec.key).filter(|key| env.contains_key(*key)).collect();
        Ok(Self { values: T::read(env)?, given })
    }

    /// The settings.
    pub fn get(&self) -> &T {
        &self.values
    }

    /// Every setting with the value it has.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        self.values.values()
    }

    /// Refuses the group in a case that is not its own: `belongs` says what it is of, `here` what there is instead.
    ///
    /// # Errors
    /// The first setting that was given, and where it belongs.
    pub fn refuse(&self, belongs: &str, here: &str) -> Result<(), (String, String)> {
        let Some(key) = self.given.first() else { return Ok(()) };
        Err((
            (*key).to_owned(),
            format!("is a setting of {belongs}, and this is {here}: give it there, and leave it out here"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::settings! {
        /// Of cats.
        pub struct Cats {
            "LIVES" lives: usize = "9", "Lives.";
        }
    }
    crate::settings! {
        /// Of dogs.
        pub struct Dogs {
            "TRICKS" tricks: usize = "1", "Tricks.";
            "BARK" bark: bool = "true", "Whether it barks.";
        }
    }
    crate::settings! {
        /// Of a house.
        pub struct House {
            "ROOMS" rooms: usize = "3", "Rooms.";
            ..cats: Cats;
            ..dogs: Dogs;
        }
    }

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_node_has_the_settings_of_all_its_groups() {
        let keys: Vec<&str> = House::specs().iter().map(|spec| spec.key).collect();
        assert_eq!(keys, ["ROOMS", "LIVES", "TRICKS", "BARK"]);
        let house = House::from_env(&env(&[("TRICKS", "4")])).unwrap();
        assert_eq!((house.rooms, house.cats.get().lives, house.dogs.get().tricks), (3, 9, 4));
        assert_eq!(house.values()[2], ("TRICKS", "4".to_owned()));
        assert_eq!(House::from_env(&env(&[("TRICK", "4")])).unwrap_err().1, "no such setting; did you mean TRICKS?");
        assert_eq!(House::from_env(&env(&[("LIVES", "many")])).unwrap_err().0, "LIVES");
    }

    #[test]
    fn what_was_given_and_does_not_apply_is_refused_by_name() {
        let house = House::from_env(&env(&[("BARK", "true")])).unwrap();
        assert_eq!(house.cats.refuse("cats", "a house of dogs"), Ok(()));
        let (key, problem) = house.dogs.refuse("dogs", "a house of cats").unwrap_err();
        assert_eq!(key, "BARK");
        assert!(problem.contains("a setting of dogs") && problem.contains("a house of cats"), "{problem}");
    }
}
