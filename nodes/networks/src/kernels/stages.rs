//! A choice of an encoder's stages, as a user writes it: `none`, `all`, or numbers such as `0,1`.

use std::fmt;
use std::str::FromStr;

/// Stages counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stages(u64);

impl Stages {
    /// No stage.
    pub const NONE: Self = Self(0);
    /// Every stage.
    pub const ALL: Self = Self(u64::MAX);

    /// True if `stage` is chosen; stages from 64 on are in [`Stages::ALL`] alone.
    pub fn contains(self, stage: usize) -> bool {
        self == Self::ALL || (stage < 64 && self.0 >> stage & 1 == 1)
    }
}

impl FromStr for Stages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" | "" => Ok(Self::NONE),
            "all" => Ok(Self::ALL),
            list => list.split(',').try_fold(Self::NONE, |chosen, stage| match stage.trim().parse::<u32>() {
                Ok(stage) if stage < 63 => Ok(Self(chosen.0 | 1 << stage)),
                _ => Err(format!("`{text}` is none of none, all, and numbers of stages such as 0,1")),
            }),
        }
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::ALL => f.write_str("all"),
            some => {
                let chosen: Vec<String> = (0..64).filter(|s| some.contains(*s)).map(|s| s.to_string()).collect();
                f.write_str(&chosen.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_as_they_are_shown() {
        for text in ["none", "all", "0", "0,2,23"] {
            assert_eq!(text.parse::<Stages>().unwrap().to_string(), text);
        }
        let some: Stages = "1, 3".parse().unwrap();
        assert!(some.contains(1) && some.contains(3) && !some.contains(0) && !some.contains(64));
        assert!(Stages::ALL.contains(100));
        for wrong in ["one", "0;1", "-1", "64"] {
            assert!(wrong.parse::<Stages>().is_err(), "{wrong}");
        }
    }
}
