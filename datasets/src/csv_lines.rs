//! The records of a CSV file with the lines they begin in, for messages that name them. Parsed by csv-core, the parser of the
//! crate csv, which itself brings serde with it.

use csv_core::{ReadRecordResult, Reader};

/// Records of a file, each with its line (1-based): its fields, blanks around them taken off, or what is wrong with it. Lines
/// that are empty or blank are none; records may differ in length. A byte-order mark is skipped.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    reader: Reader,
    /// How far the bytes are read, and the line that is there.
    at: usize,
    line: usize,
    /// Of the record that is read: its fields one after another, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { bytes, reader: Reader::new(), at: 0, line: 1, text: vec![0; 256], ends: vec![0; 16] }
    }

    /// Goes on to byte `to`, counting the lines that end before.
    fn pass(&mut self, to: usize) {
        self.line += self.bytes[self.at..to].iter().filter(|byte| **byte == b'\n').count();
        self.at = to;
    }

    /// Reads a record; says how many fields it has, and nothing at the end of the file.
    fn read(&mut self) -> Option<usize> {
        let (mut written, mut ended) = (0, 0);
        loop {
            let input = &self.bytes[self.at..];
            let (result, read, more_text, more_ends) =
                self.reader.read_record(input, &mut self.text[written..], &mut self.ends[ended..]);
            self.pass(self.at + read);
            (written, ended) = (written + more_text, ended + more_ends);
            match result {
                // The file's last line may have no end: the next call has no input and closes it.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => return Some(ended),
                ReadRecordResult::End => return None,
            }
        }
    }

    /// The fields of the record that was read.
    fn fields(&self, count: usize) -> Result<Vec<String>, String> {
        let ends = &self.ends[..count];
        let text = std::str::from_utf8(&self.text[..ends.last().copied().unwrap_or(0)]);
        let text = text.map_err(|_| "the line is no UTF-8 text".to_owned())?;
        if text.contains('\n') {
            return Err("a line end inside a field: a quote that opens here is not closed in its line".to_owned());
        }
        let begins = std::iter::once(0).chain(ends.iter().copied());
        // Fields end at commas, and so between characters.
        Ok(begins.zip(ends).map(|(begin, end)| text.get(begin..*end).unwrap_or_default().trim().to_owned()).collect())
    }
}

impl Iterator for Lines<'_> {
    type Item = (usize, Result<Vec<String>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Empty lines, or the half of a line end.
            let ends = self.bytes[self.at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.pass(self.at + ends);
            let line = self.line;
            let count = self.read()?;
            match self.fields(count) {
                Ok(fields) if fields == [""] => {}
                fields => return Some((line, fields)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(usize, Result<Vec<String>, String>)> {
        Lines::new(bytes).collect()
    }

    fn fields(line: usize, fields: &[&str]) -> (usize, Result<Vec<String>, String>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn records_bear_the_lines_they_begin_in_whatever_ends_them() {
        let expected = [fields(1, &["a", "b"]), fields(3, &["c", "d, \"e\"", ""]), fields(6, &["f"])];
        for end in ["\n", "\r\n"] {
            let text = ["\u{feff}a, b ", "", "c,\"d, \"\"e\"\"\",", "", "  ", "f"].join(end);
            assert_eq!(lines(text.as_bytes()), expected, "{end:?}");
            assert_eq!(lines(format!("{text}{end}{end}").as_bytes()), expected, "{end:?}");
        }
        assert_eq!((lines(b""), lines(b"\n\n")), (vec![], vec![]));
    }

    #[test]
    fn long_lines_and_many_fields_are_whole() {
        let (long, many) = ("x".repeat(5000), vec!["y"; 300]);
        let text = format!("{long},z\n{}\n", many.join(","));
        assert_eq!(lines(text.as_bytes()), [fields(1, &[&long, "z"]), fields(2, &many)]);
    }

    #[test]
    fn what_is_no_text_and_quotes_that_stay_open_are_faults_of_their_lines() {
        let found = lines(b"a,b\nc,\xff\nd,\"e\nf,g\nh,i\n");
        assert_eq!(found[0], fields(1, &["a", "b"]));
        assert!(matches!(&found[1], (2, Err(what)) if what.contains("no UTF-8")), "{found:?}");
        assert!(matches!(&found[2], (3, Err(what)) if what.contains("not closed")), "{found:?}");
    }
}
