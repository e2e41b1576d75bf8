//! The tables of a run's report: schemas whose rows are kept, each behind where it belongs.

use super::catalogue::Schema;
use super::column::{Column, ColumnType};

const fn place(name: &'static str, kind: ColumnType, meaning: &'static str) -> Column {
    Column { name, kind, unit: "", meaning, added: false }
}

/// Where a row belongs: the first columns of every table, from the message's header.
pub const PLACE: [Column; 3] = [
    place("run", ColumnType::Utf8, "id of the run"),
    place("epoch", ColumnType::Int64, "epoch, from 1"),
    place("split", ColumnType::Utf8, "train, val or test"),
];

macro_rules! tables {
    ($($variant:ident),* $(,)?) => {
        /// A table of a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Table { $(#[doc = concat!("Of the schema [`Schema::", stringify!($variant), "`].")] $variant,)* }

        impl Table {
            /// Every table.
            pub const ALL: &'static [Table] = &[$(Table::$variant,)*];

            /// The schemas of all tables.
            pub const SCHEMAS: &'static [Schema] = &[$(Schema::$variant,)*];

            /// The schema of its rows as messages.
            pub fn schema(self) -> Schema {
                match self { $(Table::$variant => Schema::$variant,)* }
            }
        }
    };
}

tables![Metrics, Samples, Quarantine, Params, Nodes, Checkpoints, Answers, Masks];

impl Table {
    /// The table of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.name() == name)
    }

    /// Name: of the file, and of the message's schema.
    pub fn name(self) -> &'static str {
        self.schema().name()
    }

    /// What a row is.
    pub fn meaning(self) -> &'static str {
        self.schema().meaning()
    }

    /// Its columns after [`PLACE`]: those of the message.
    pub fn own_columns(self) -> &'static [Column] {
        self.schema().columns()
    }

    /// All its columns in the order of the file.
    pub fn columns(self) -> impl Iterator<Item = Column> {
        PLACE.into_iter().chain(self.own_columns().iter().copied())
    }
}
