//! The header of a message: its place in the stream and in the run.
//!
//! A header travels as dora metadata parameters, so any language reads it as a flat map of integers and strings:
//!
//! | key | type | meaning |
//! |---|---|---|
//! | `copl_version` | int | [`CONTRACT_VERSION`] |
//! | `run` | string | id of the run |
//! | `kind` | string | `data`, `repeat`, `tombstone`, `boundary`, `checkpoint` or `end` |
//! | `seq` | int | 0, 1, 2, … on each output, without a gap |
//! | `epoch` | int | from 1 |
//! | `split` | string | `train`, `val` or `test` |
//! | `position` | int | place of the clip in the whole run, 0, 1, 2, … |
//! | `clip` | string | clip id; empty where a message is no single clip's |
//! | `step` | int | training or evaluation step of a batch; -1 where there is none |
//! | `schema` | string | name of the payload's [`crate::schema::Schema`]; empty where there is no payload |

use std::fmt;
use std::str::FromStr;

use dora_node_api::{MetadataParameters, Parameter};

use crate::CONTRACT_VERSION;
use crate::schema::Schema;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Carries the edge's payload.
    Data,
    /// Stands for the payload of the last [`Kind::Data`] message of its output, for another clip: questions about one video
    /// have its frames. No payload. A node gets a [`Kind::Data`] message with those rows from [`crate::Edges`].
    Repeat,
    /// Stands in the place of a clip that could not be decoded: one row of [`Schema::Quarantine`].
    Tombstone,
    /// All clips of this epoch's split have been sent. No payload.
    Boundary,
    /// All before it is part of a checkpoint: one row of [`Schema::Checkpoint`]. A node that gets one keeps its state and
    /// passes it on.
    Checkpoint,
    /// The stream is complete: nothing follows. No payload.
    End,
}

impl Kind {
    /// Name in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Repeat => "repeat",
            Self::Tombstone => "tombstone",
            Self::Boundary => "boundary",
            Self::Checkpoint => "checkpoint",
            Self::End => "end",
        }
    }

    /// The kind of this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Data, Self::Repeat, Self::Tombstone, Self::Boundary, Self::Checkpoint, Self::End]
            .into_iter()
            .find(|k| k.as_str() == text)
    }
}

/// Which part of the dataset a clip belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// Parameters are fitted on it.
    Train,
    /// The model is picked on it.
    Val,
    /// The picked model is measured on it, once.
    Test,
}

impl Split {
    /// Name in files and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Train, Self::Val, Self::Test]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no split (train, val, test)"))
    }
}

/// Header of a message; see the module's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is.
    pub kind: Kind,
    /// Place in its output's stream; set when sent.
    pub seq: u64,
    /// Id of the run; set when sent.
    pub run: String,
    /// Epoch, from 1.
    pub epoch: u32,
    /// Part of the dataset.
    pub split: Split,
    /// Place of the clip in the run.
    pub position: u64,
    /// Id of the clip, or empty.
    pub clip: String,
    /// Step of a batch, where there is one.
    pub step: Option<u64>,
    /// Schema of the payload; set when sent.
    pub schema: Option<Schema>,
}

impl Header {
    /// A header of an epoch's split with no clip; `seq` and `run` are set by [`crate::Edges::send`].
    pub fn new(kind: Kind, epoch: u32, split: Split) -> Self {
        Self {
            kind,
            seq: 0,
            run: String::new(),
            epoch,
            split,
            position: 0,
            clip: String::new(),
            step: None,
            schema: None,
        }
    }

    /// The same place in the run, as a message of another kind.
    pub fn with_kind(&self, kind: Kind) -> Self {
        Self { kind, ..self.clone() }
    }

    /// The same header with a step.
    pub fn with_step(mut self, step: u64) -> Self {
        self.step = Some(step);
        self
    }

    /// The header as dora metadata.
    pub fn to_parameters(&self) -> MetadataParameters {
        let int = |v: u64| Parameter::Integer(i64::try_from(v).unwrap_or(i64::MAX));
        let text = |s: &str| Parameter::String(s.to_owned());
        [
            ("copl_version", Parameter::Integer(CONTRACT_VERSION)),
            ("run", text(&self.run)),
            ("kind", text(self.kind.as_str())),
            ("seq", int(self.seq)),
            ("epoch", int(self.epoch.into())),
            ("split", text(self.split.as_str())),
            ("position", int(self.position)),
            ("clip", text(&self.clip)),
            ("step", self.step.map_or(Parameter::Integer(-1), int)),
            ("schema", text(self.schema.map_or("", Schema::name))),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect()
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Names the key that is missing, has a wrong type or value, or a version this build does not speak.
    pub fn from_parameters(parameters: &MetadataParameters) -> Result<Self, String> {
        let int = |key: &str| match parameters.get(key) {
            Some(Parameter::Integer(v)) => Ok(*v),
            Some(_) => Err(format!("header `{key}` is not an integer")),
            None => Err(format!("header `{key}` is missing")),
        };
        let text = |key: &str| match parameters.get(key) {
            Some(Parameter::String(v)) => Ok(v.as_str()),
            Some(_) => Err(format!("header `{key}` is not a string")),
            None => Err(format!("header `{key}` is missing")),
        };
        let count =
            |key: &str| int(key).and_then(|v| u64::try_from(v).map_err(|_| format!("header `{key}` is negative")));
        let version = int("copl_version")?;
        if version != CONTRACT_VERSION {
            return Err(format!("contract version {version}; this build speaks version {CONTRACT_VERSION}"));
        }
        let kind = text("kind")?;
        let step = int("step")?;
        Ok(Self {
            kind: Kind::parse(kind).ok_or_else(|| {
                format!("header `kind` is `{kind}`; known: data, repeat, tombstone, boundary, checkpoint, end")
            })?,
            seq: count("seq")?,
            run: text("run")?.to_owned(),
            epoch: u32::try_from(int("epoch")?).map_err(|_| "header `epoch` is out of range".to_owned())?,
            split: text("split")?.parse()?,
            position: count("position")?,
            clip: text("clip")?.to_owned(),
            step: u64::try_from(step).ok(),
            schema: match text("schema")? {
                "" => None,
                name => Some(
                    Schema::by_name(name).ok_or_else(|| format!("header `schema` names no known schema: `{name}`"))?,
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { run: "r".into(), seq: 7, position: 3, clip: "-abc".into(), ..Header::new(Kind::Data, 2, Split::Val) }
    }

    #[test]
    fn survives_the_journey_through_metadata() {
        for kind in [Kind::Data, Kind::Repeat, Kind::Tombstone, Kind::Boundary, Kind::Checkpoint, Kind::End] {
            for step in [None, Some(0), Some(12)] {
                let sent = Header { kind, step, ..header() };
                assert_eq!(Header::from_parameters(&sent.to_parameters()), Ok(sent));
            }
        }
    }

    #[test]
    fn names_what_is_wrong() {
        let mut p = header().to_parameters();
        p.remove("seq");
        assert_eq!(Header::from_parameters(&p), Err("header `seq` is missing".into()));
        p.insert("seq".into(), Parameter::Integer(-2));
        assert_eq!(Header::from_parameters(&p), Err("header `seq` is negative".into()));
        p.insert("copl_version".into(), Parameter::Integer(99));
        assert!(Header::from_parameters(&p).is_err_and(|e| e.contains("version 99")));
    }
}
