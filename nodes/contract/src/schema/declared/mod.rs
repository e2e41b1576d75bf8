//! Every schema we ship, by what it is part of. A column is declared here and nowhere else.

pub(super) mod answers;
pub(super) mod clips;
pub(super) mod encoder;
pub(super) mod predictions;
pub(super) mod report;
pub(super) mod run;
pub(super) mod streams;
