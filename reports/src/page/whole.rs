//! The page of all its sections.

use super::examples::Example;
use super::{beside, examples, figures, sections};
use crate::figure::{escaped, style_of_page};
use crate::view::RunView;

/// A page's parts.
#[derive(Debug)]
pub struct Page<'a> {
    /// The runs, the first one first.
    pub views: &'a [RunView],
    /// Clips with what the first run said of them.
    pub examples: &'a [Example],
    /// Why there are no examples, or fewer than wished.
    pub note: Option<&'a str>,
    /// The dataflow of the first run, as it ran.
    pub dataflow: &'a str,
}

impl Page<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let title = match self.views {
            [one] => format!("Run {}: {}", one.letters, one.record.dataflow),
            many => format!(
                "{} runs: {}",
                many.len(),
                many.iter().map(|v| v.letters.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        let mut body = format!("<h1>{}</h1>\n", escaped(&title));
        for section in [
            sections::head(self.views),
            sections::results(self.views),
            beside::section(self.views),
            sections::differences(self.views),
            figures::section(self.views),
            sections::details(self.views),
            sections::parameters(self.views),
            sections::time(self.views),
            sections::quarantine(self.views),
            examples::section(self.examples, self.note),
            sections::settings(self.views, self.dataflow),
        ] {
            body += &section;
        }
        let made = format!("Made by copl {} from the tables of the run.", env!("CARGO_PKG_VERSION"));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\">\n<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <style>\n{}{}\n</style>\n</head>\n<body>\n<main>\n{body}<footer>{made}</footer>\n</main>\n</body>\n</html>\n",
            escaped(&title),
            include_str!("style.css"),
            style_of_page()
        )
    }
}
