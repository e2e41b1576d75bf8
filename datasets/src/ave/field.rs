//! The fields of an AVE annotation line, in their order.

use crate::problem::Field;

pub const CATEGORY: Field = Field::column(1, "Category");
pub const VIDEO_ID: Field = Field::column(2, "VideoID");
pub const QUALITY: Field = Field::column(3, "Quality");
pub const START: Field = Field::column(4, "StartTime");
pub const END: Field = Field::column(5, "EndTime");
